//! Engines that lie: what shows in the shape of a generation has a name there; what does not is for a replay.

use sparkbench::subject::{Finding, Generation, Subject};

use crate::model::other_model;
use crate::{liar, lying, options, start, task};

fn findings(generation: &Generation) -> Vec<&'static str> {
    generation.findings.iter().map(Finding::name).collect()
}

/// What is odd about the last of two generations behind different prompts.
fn behind_two_prompts(lie: &str) -> Vec<&'static str> {
    let mut engine = start(&options(&liar(), &[lie, "serve"])).unwrap();
    engine.generate(&task(&[3, 14, 15, 92, 65], &[])).unwrap();
    let second = engine
        .generate(&task(&[2, 71, 82, 81, 82, 84], &[]))
        .unwrap();
    findings(&second)
}

#[test]
fn tokens_that_are_held_back_are_a_burst() {
    for lie in ["burst", "by_fours"] {
        assert_eq!(findings(&lying(lie, &[]).unwrap()), ["burst"], "{lie}");
    }
    assert_eq!(findings(&lying("honest", &[]).unwrap()), [""; 0]);
}

#[test]
fn ids_that_do_not_depend_on_the_prompt_are_repeated_ids() {
    for lie in ["canned", "stale"] {
        assert_eq!(behind_two_prompts(lie), ["repeated_ids"], "{lie}");
    }
    assert_eq!(behind_two_prompts("honest"), [""; 0]);
}

#[test]
fn a_trace_that_the_model_cannot_have_is_refused() {
    for lie in ["half_a_trace", "repeated_experts", "expert_out_of_range"] {
        let error = lying(lie, &[0, 5]).unwrap_err();
        assert_eq!(error.name(), "wrong_routing", "{lie}: {error}");
    }
}

#[test]
fn lies_about_the_weights_show_in_ids_and_experts_alone() {
    let honest = lying("honest", &[0, 5]).unwrap();
    let other = lying(&format!("other_model={}", other_model().display()), &[0, 5]).unwrap();
    let few = lying("few_experts", &[0, 5]).unwrap();
    for (lie, generation) in [("other model", other), ("few experts", few)] {
        assert_eq!(findings(&generation), [""; 0], "{lie}");
        assert_ne!(generation.ids, honest.ids, "{lie}");
        assert_ne!(generation.routing, honest.routing, "{lie}");
    }
}
