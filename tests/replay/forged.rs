//! Results that were altered and sealed again fail by the name of what was altered.

use sparkbench::result::{GenerationRun, Payload, Reading, ids_sha256, tensors_sha256};

use crate::lab::{HONEST, failed, failed_replays, replayed};
use crate::model::model;

/// The second of three runs: no run is trusted because another is right.
fn run(payload: &mut Payload) -> &mut GenerationRun {
    let mut cases = payload.cases.iter_mut();
    let generation = cases.find_map(|case| case.generation.as_mut()).unwrap();
    &mut generation.runs[1]
}

/// What fails at level 4 after an edit, with what was found.
fn after(name: &str, edit: impl FnOnce(&mut Payload)) -> Vec<(String, String)> {
    let report = replayed(&HONEST.forged(&format!("{name}.json"), edit), model());
    let replays = failed_replays(&report);
    let mut failed = failed(&report);
    failed.retain(|(name, _)| replays.contains(&name.as_str()));
    failed
}

fn names(failed: &[(String, String)]) -> Vec<&str> {
    failed.iter().map(|(name, _)| name.as_str()).collect()
}

fn with_ids(payload: &mut Payload, edit: impl FnOnce(&mut Vec<u32>)) {
    let run = run(payload);
    edit(&mut run.ids);
    run.ids_sha256 = ids_sha256(&run.ids);
}

#[test]
fn altered_ids_are_not_those_of_the_weights() {
    // The last one goes into no other token's context.
    let failed = after("last_id", |payload| {
        with_ids(payload, |ids| ids[63] = (ids[63] + 1) % 1024);
    });
    assert_eq!(names(&failed), ["replay.tokens"]);
    let (_, found) = &failed[0];
    assert!(
        found.contains("run 1: behind position 126 the weights give "),
        "{found}"
    );

    let failed = after("no_such_id", |payload| {
        with_ids(payload, |ids| ids[3] = 1024);
    });
    assert_eq!(names(&failed), ["replay.tokens", "replay.experts"]);
    assert!(
        failed[0]
            .1
            .contains("expected token ids below 1024, found 1024")
    );
}

#[test]
fn altered_experts_are_not_those_of_the_router() {
    let failed = after("experts", |payload| {
        let token = &mut run(payload).routing[4];
        assert_eq!(token.position, 95);
        let unused = (0..16).rev().find(|id| !token.experts[2].contains(id));
        token.experts[2][0] = unused.unwrap();
    });
    assert_eq!(names(&failed), ["replay.experts"]);
    let (_, found) = &failed[0];
    assert!(found.contains("position 95, layer 2: expert "), "{found}");
}

#[test]
fn altered_digests_of_weights_are_not_those_of_the_file() {
    let failed = after("weights", |payload| {
        let sha256 = "5eed".repeat(16);
        payload.weights[0].sha256 = sha256.clone();
        let mut cases = payload.cases.iter_mut();
        let generation = cases.find_map(|case| case.generation.as_mut());
        generation.unwrap().weights_sha256 = sha256;
    });
    assert_eq!(names(&failed), ["replay.weights"]);

    let failed = after("tensor", |payload| {
        let weights = &mut payload.weights[0];
        let tensors = &mut weights.tensors;
        let at = tensors
            .iter()
            .position(|tensor| tensor.name == "output.weight");
        tensors[at.unwrap()].sha256 = "5eed".repeat(16);
        weights.tensors_sha256 = tensors_sha256(tensors);
    });
    assert_eq!(names(&failed), ["replay.weights"]);
    let (_, found) = &failed[0];
    assert!(
        found.contains("other tensors than stated: output.weight"),
        "{found}"
    );
}

#[test]
fn weights_of_another_digest_do_not_hide_behind_the_true_ones() {
    let edit = |payload: &mut Payload| {
        let mut other = payload.weights[0].clone();
        other.sha256 = "5eed".repeat(16);
        let mut cases = payload.cases.iter_mut();
        let generation = cases.find_map(|case| case.generation.as_mut());
        generation.unwrap().weights_sha256 = other.sha256.clone();
        payload.weights.push(other);
    };
    let report = replayed(&HONEST.forged("second_weights.json", edit), model());
    let failed = failed(&report);
    assert_eq!(names(&failed), ["weights.manifest", "replay.weights"]);
}

#[test]
fn the_level_reached_is_one_at_which_something_was_looked_at() {
    let edit = |payload: &mut Payload| with_ids(payload, |ids| ids[63] = (ids[63] + 1) % 1024);
    let report = replayed(&HONEST.forged("level.json", edit), model());
    // Nobody asked for a rebuild.
    assert_eq!(report["level"]["value"], 2);
}

#[test]
fn an_altered_prompt_is_not_that_of_the_seed() {
    let failed = after("prompt", |payload| {
        let run = run(payload);
        let mut ids = run.prompt_ids.value().unwrap().clone();
        ids[0] = (ids[0] + 1) % 1024;
        run.prompt_sha256 = ids_sha256(&ids);
        run.prompt_ids = Reading::of(ids);
    });
    assert!(names(&failed).contains(&"replay.prompt"), "{failed:?}");

    let failed = after("generator", |payload| {
        let mut cases = payload.cases.iter_mut();
        let generation = cases.find_map(|case| case.generation.as_mut());
        generation.unwrap().prompt.generator = "sparkbench.text/1".to_owned();
    });
    assert_eq!(names(&failed), ["replay.prompt"]);
    assert!(failed[0].1.contains("made again sparkbench.plain_ids/1"));
}
