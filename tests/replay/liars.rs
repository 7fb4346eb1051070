//! Engines that lie are found out: by what is odd about their runs, or by a replay.

use serde_json::Value as Json;

use crate::lab::{Session, failed, failed_replays, liar, replayed};
use crate::model::{model, other_model};
use crate::program::text;

fn report_on(lie: &str) -> Json {
    let directory = tempfile::tempdir().unwrap();
    let engine = liar(directory.path(), lie);
    let session = Session::of(model(), &["--engine", text(&engine)]);
    replayed(&session.file, model())
}

#[test]
fn an_engine_in_a_shell_is_no_liar_by_itself() {
    let report = report_on("honest");
    assert_eq!(failed(&report), []);
    assert_eq!(report["level"]["value"], 4);
}

#[test]
fn ids_that_do_not_depend_on_the_prompt_are_odd_and_not_those_of_the_weights() {
    for lie in ["canned", "stale"] {
        let report = report_on(lie);
        let failed = failed(&report);
        let odd = failed
            .iter()
            .find(|(name, _)| name == "generation.oddities");
        assert!(
            odd.is_some_and(|(_, found)| found.contains("repeated_ids")),
            "{failed:?}"
        );
        assert!(
            failed_replays(&report).contains(&"replay.tokens"),
            "{failed:?}"
        );
    }
}

#[test]
fn an_engine_that_uses_fewer_experts_is_found_by_a_replay() {
    let report = report_on("few_experts");
    assert_eq!(failed_replays(&report), ["replay.tokens", "replay.experts"]);
}

#[test]
fn an_engine_that_runs_another_model_is_found_by_a_replay() {
    let report = report_on(&format!("other_model={}", other_model().display()));
    assert_eq!(failed_replays(&report), ["replay.tokens", "replay.experts"]);
}

#[test]
fn tokens_that_were_held_back_are_odd_though_they_are_right() {
    let report = report_on("burst");
    let failed = failed(&report);
    assert!(
        failed
            .iter()
            .any(|(name, found)| name == "generation.oddities" && found.contains("burst"))
    );
    assert_eq!(failed_replays(&report), [""; 0]);
}
