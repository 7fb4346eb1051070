//! What a replay gave, and what follows from it for a result.

use super::sealing::failed;
use crate::result::{GenerationRecord, Payload, Reading, sample, seal};
use crate::verify::{
    Options, RemadePrompt, Replayed, ReplayedExperts, ReplayedRun, ReplayedToken, Report, Status,
    Stranger, verify,
};

fn generation(payload: &Payload) -> (&str, &GenerationRecord) {
    let mut cases = payload.cases.iter();
    let found = cases.find_map(|case| Some((case.id.as_str(), case.generation.as_ref()?)));
    found.unwrap()
}

/// What a replay of the sample gives if it is honest.
fn honest(payload: &Payload) -> Replayed {
    let (id, generation) = generation(payload);
    let (first, run) = (generation.prompt.tokens - 1, &generation.runs[0]);
    let token = |(step, id): (u64, &u32)| ReplayedToken {
        position: first + step,
        recorded: *id,
        best: *id,
        gap_sigma: 0.0,
        experts: None,
    };
    let mut tokens: Vec<ReplayedToken> = (0..).zip(&run.ids).map(token).collect();
    tokens[0].experts = Some(ReplayedExperts {
        sets: 30,
        strangers: vec![],
    });
    Replayed {
        weights: payload.weights[0].clone(),
        runs: vec![ReplayedRun {
            case: id.to_owned(),
            run: 0,
            prompt: Reading::of(RemadePrompt {
                record: generation.prompt.clone(),
                ids_sha256: run.prompt_sha256.clone(),
            }),
            tokens: Ok(tokens),
        }],
    }
}

/// The report on the honest sample where a replay gave something else.
fn after(edit: impl FnOnce(&mut Replayed)) -> Report {
    let payload = sample::h100();
    let mut replayed = honest(&payload);
    edit(&mut replayed);
    let options = Options {
        replayed: vec![replayed],
        ..Options::default()
    };
    verify("sample", seal(&payload).unwrap().text.as_bytes(), &options)
}

fn failed_after(edit: impl FnOnce(&mut Replayed)) -> Vec<&'static str> {
    let mut failed = failed(&after(edit));
    failed.retain(|name| name.starts_with("replay."));
    failed
}

fn first(replayed: &mut Replayed) -> &mut ReplayedToken {
    &mut replayed.runs[0].tokens.as_mut().unwrap()[0]
}

fn with_gap(gap: f64) -> Vec<&'static str> {
    failed_after(|replayed| first(replayed).gap_sigma = gap)
}

fn with_stranger(gap: f64) -> Vec<&'static str> {
    failed_after(|replayed| {
        let (layer, expert) = (3, 7);
        let experts = first(replayed).experts.as_mut().unwrap();
        experts.strangers.push(Stranger { layer, expert, gap });
    })
}

#[test]
fn an_honest_replay_reaches_level_4() {
    let report = after(|_| {});
    assert_eq!(report.level.value(), Some(&4));
    assert_eq!(report.replayed.len(), 1);
}

#[test]
fn near_equals_are_ties() {
    assert_eq!(with_gap(0.02), [""; 0]);
    assert_eq!(with_gap(0.0201), ["replay.tokens"]);
    assert_eq!(with_gap(f64::NAN), ["replay.tokens"]);
    assert_eq!(with_stranger(0.01), [""; 0]);
    assert_eq!(with_stranger(0.0101), ["replay.experts"]);
    assert_eq!(with_stranger(f64::NAN), ["replay.experts"]);
}

#[test]
fn what_cannot_be_replayed_does_not_hold() {
    let failed = failed_after(|replayed| {
        replayed.runs[0].tokens = Err("ids of another model".to_owned());
    });
    assert_eq!(failed, ["replay.tokens", "replay.experts"]);
}

#[test]
fn every_fact_about_the_file_is_compared() {
    type Edit = fn(&mut Replayed);
    let edits: [Edit; 9] = [
        |r| r.weights.file_bytes += 1,
        |r| r.weights.sha256 = "0".repeat(64),
        |r| r.weights.vocabulary += 1,
        |r| r.weights.layers += 1,
        |r| r.weights.experts += 1,
        |r| r.weights.experts_used += 1,
        |r| r.weights.tensors[1].sha256 = "0".repeat(64),
        |r| r.weights.tensors.truncate(1),
        |r| r.weights.tensors_sha256 = "0".repeat(64),
    ];
    for (index, edit) in edits.into_iter().enumerate() {
        assert_eq!(failed_after(edit), ["replay.weights"], "{index}");
    }
}

#[test]
fn a_prompt_that_cannot_be_made_again_is_skipped_and_another_one_is_found() {
    let status = |edit: fn(&mut Reading<RemadePrompt>)| {
        let report = after(|replayed| edit(&mut replayed.runs[0].prompt));
        let mut checks = report.checks.into_iter();
        checks
            .find(|check| check.name == "replay.prompt")
            .unwrap()
            .status
    };
    assert_eq!(status(|_| {}), Status::Pass);
    assert_eq!(
        status(|prompt| *prompt = Reading::missing("no corpus")),
        Status::Skipped
    );
    fn edited(prompt: &mut Reading<RemadePrompt>, edit: fn(&mut RemadePrompt)) {
        let mut other = prompt.value().unwrap().clone();
        edit(&mut other);
        *prompt = Reading::of(other);
    }
    assert_eq!(
        status(|prompt| edited(prompt, |p| p.ids_sha256 = "0".repeat(64))),
        Status::Fail
    );
    assert_eq!(
        status(|prompt| edited(prompt, |p| p.record.corpus_sha256 =
            Reading::of("0".repeat(64)))),
        Status::Fail
    );
    assert_eq!(
        status(|prompt| edited(prompt, |p| p.record.generator = "other/1".to_owned())),
        Status::Fail
    );
}
