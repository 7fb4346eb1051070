//! Honest results pass, and what cannot be replayed is refused.

use std::fs;

use sparkbench::result::{Payload, Reading};

use crate::lab::{HONEST, failed, failed_replays, replayed, verify};
use crate::model::{model, other_model};
use crate::program::{refusal, sparkbench, stderr, stdout, text};

/// The session's one case made one that is not replayed in full.
fn longer(payload: &mut Payload) {
    let case = payload
        .cases
        .iter_mut()
        .find(|case| case.generation.is_some());
    case.unwrap().generation.as_mut().unwrap().witness = false;
}

#[test]
fn an_honest_result_reaches_level_4() {
    let report = replayed(&HONEST.file, model());
    assert_eq!(failed(&report), []);
    assert_eq!(report["level"]["value"], 4);
    let run = |run| {
        format!(
            "e2e/qwen35_35b_a3b/witness, run {run}: 64 tokens, at most 0.0000 sigma below the most probable; 36 expert sets, at most 0.00 % off"
        )
    };
    assert_eq!(
        report["replayed"],
        serde_json::json!([run(0), run(1), run(2)])
    );
    let output = verify(&HONEST.file, &["--replay", text(model())]);
    assert!(
        stdout(&output).contains(": verified, level 4"),
        "{}",
        stdout(&output)
    );
    assert_eq!(stderr(&output), "");
}

#[test]
fn what_was_not_asked_for_is_not_counted() {
    let output = verify(&HONEST.file, &["--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let report = &report["files"][0];
    assert_eq!(report["level"]["value"], 2);
    assert_eq!(report["replayed"], serde_json::json!([]));
    let checks = report["checks"].as_array().unwrap();
    let replays = checks.iter().filter(|check| check["level"] == 4);
    let states: Vec<_> = replays
        .map(|check| (&check["status"], &check["details"]))
        .collect();
    let skipped = serde_json::json!("skipped");
    let why = serde_json::json!(["not asked for; see --replay"]);
    assert_eq!(states, [(&skipped, &why); 4]);
}

#[test]
fn longer_cases_are_replayed_at_chosen_positions() {
    let file = HONEST.forged("longer.json", longer);
    let positions = |positions: &str| {
        verify(
            &file,
            &[
                "--replay",
                text(model()),
                "--positions",
                positions,
                "--json",
            ],
        )
    };
    let report: serde_json::Value = serde_json::from_slice(&positions("71,126,64").stdout).unwrap();
    let report = &report["files"][0];
    assert_eq!(failed_replays(report), [""; 0]);
    let run = |run| {
        format!(
            "e2e/qwen35_35b_a3b/witness, run {run}: 3 tokens, at most 0.0000 sigma below the most probable; 8 expert sets, at most 0.00 % off"
        )
    };
    assert_eq!(
        report["replayed"],
        serde_json::json!([run(0), run(1), run(2)])
    );
    // Behind 126 the last token was chosen; before 63 none was.
    for outside in ["127", "62", "18446744073709551615"] {
        assert_eq!(
            refusal(&positions(outside)),
            format!(
                "exit code 2\nerror: expected positions behind which a case longer than its witness chose a token, found {outside}\nhint: a token was chosen behind the prompt's last position and each one after it; the witness is replayed in full\n"
            )
        );
    }
}

#[test]
fn a_result_without_a_witness_needs_positions() {
    let file = HONEST.forged("no_witness.json", longer);
    assert_eq!(
        refusal(&verify(&file, &["--replay", text(model())])),
        "exit code 2\nerror: expected a witness in the result, or positions of its longer cases, found neither\nhint: name positions behind which tokens were chosen with --positions\n"
    );
}

#[test]
fn among_results_those_that_the_weights_are_not_of_are_passed_over() {
    let others = tempfile::tempdir().unwrap();
    let edit = |payload: &mut Payload| {
        payload.cases.retain(|case| case.generation.is_none());
        payload.weights.clear();
    };
    fs::copy(
        HONEST.forged("none.json", edit),
        others.path().join("1.json"),
    )
    .unwrap();
    fs::copy(&HONEST.file, others.path().join("2.json")).unwrap();
    let output = verify(others.path(), &["--replay", text(model()), "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let replays = |file: usize| {
        let checks = report["files"][file]["checks"].as_array().unwrap().iter();
        let of_level = checks.filter(|check| check["level"] == 4);
        of_level
            .map(|check| (check["status"].as_str().unwrap(), &check["details"][0]))
            .collect::<Vec<_>>()
    };
    for (status, why) in replays(0) {
        assert_eq!(status, "skipped");
        let why = why.as_str().unwrap();
        assert!(
            why.starts_with("expected a measured case of qwen35moe"),
            "{why}"
        );
    }
    assert!(replays(1).iter().all(|(status, _)| *status == "pass"));
}

#[test]
fn a_context_that_an_engine_made_up_cannot_be_replayed() {
    let file = HONEST.forged("made_up.json", |payload| {
        let cases = payload.cases.iter_mut();
        for case in cases.filter(|case| case.generation.is_some()) {
            case.sizes.insert("filled_tokens".to_owned(), 100);
        }
    });
    assert_eq!(
        refusal(&verify(&file, &["--replay", text(model())])),
        "exit code 2\nerror: expected a case whose context is a prompt, found contexts that the engine made up\n\
         hint: nobody else has what stood in such a context; replay the witness of a session that has one\n"
    );
    // What is declared to be made up and is not does not verify.
    let said = stdout(&verify(&file, &[]));
    assert!(said.contains("labels.fill is not synthetic"), "{said}");
}

#[test]
fn a_long_prompt_is_made_again_from_its_seed() {
    let file = HONEST.forged("long_prompt.json", |payload| {
        let case = payload
            .cases
            .iter_mut()
            .find(|case| case.generation.is_some());
        for run in &mut case.unwrap().generation.as_mut().unwrap().runs {
            run.prompt_ids =
                Reading::missing("the generator gives them again from the case's seed");
        }
    });
    assert_eq!(failed_replays(&replayed(&file, model())), [""; 0]);
}

#[test]
fn other_weights_of_the_same_shape_are_named_tensor_by_tensor() {
    let report = replayed(&HONEST.file, other_model());
    let failed = failed(&report);
    let names: Vec<&str> = failed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["replay.weights", "replay.tokens", "replay.experts"]);
    let (_, weights) = &failed[0];
    assert!(weights.contains("sha256: stated "), "{weights}");
    assert!(
        weights.contains("other tensors than stated: blk.0."),
        "{weights}"
    );
}

#[test]
fn a_file_that_cannot_be_used_is_a_wrong_argument() {
    let home = HONEST.home.path();
    let gemma = home.join("gemma.gguf");
    let made = [
        "weights",
        "synth",
        "gemma4_26b_a4b",
        text(&gemma),
        "--scale",
        "tiny",
    ];
    assert!(sparkbench(home, &made).status.success());
    assert_eq!(
        refusal(&verify(&HONEST.file, &["--replay", text(&gemma)])),
        format!(
            "exit code 2\nerror: expected a measured case of gemma4 in the result, which {} is of, found none\nhint: the result names its models in `weights`; `sparkbench inspect` shows what a file holds\n",
            gemma.display()
        )
    );
    let broken = home.join("broken.gguf");
    fs::write(&broken, b"GGUF").unwrap();
    for path in [broken, home.join("absent.gguf")] {
        let said = refusal(&verify(&HONEST.file, &["--replay", text(&path)]));
        assert!(said.starts_with("exit code 2\nerror: "), "{said}");
    }
    for alone in [["--positions", "7"], ["--corpus", "text.txt"]] {
        let output = verify(&HONEST.file, &alone);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    }
}
