//! Generations of other kinds than the sample's.

use super::sealing::{failed, file, report, resealed};
use crate::result::{CaseRecord, Payload, PlanRecord, Reading, case_seed, sample};
use crate::verify::Status;

/// The sample's case that generated.
fn case(payload: &mut Payload) -> &mut CaseRecord {
    let mut cases = payload.cases.iter_mut();
    cases.find(|case| case.generation.is_some()).unwrap()
}

/// The sample with its generation behind a context of `filled` tokens that the engine made up.
fn filled(filled: u64) -> Payload {
    let mut payload = sample::h100();
    let seed = payload.session.seed.clone();
    let case = case(&mut payload);
    let generation = case.generation.as_mut().unwrap();
    let context = filled + generation.prompt.tokens + generation.runs[0].ids.len() as u64;
    generation.witness = false;
    generation.stages = generation.stages.take().map(|stages| {
        stages.map(|mut stages| {
            stages.depth_tokens += filled;
            stages
        })
    });
    for run in &mut generation.runs {
        for token in &mut run.routing {
            token.position += filled;
        }
    }
    case.id = format!("e2e/gemma4_26b_a4b/{context}");
    case.labels
        .insert("fill".to_owned(), "synthetic".to_owned());
    case.labels.remove("replay");
    case.sizes.insert("filled_tokens".to_owned(), filled);
    case.sizes.insert("context_tokens".to_owned(), context);
    let inputs = &mut case.measurement.as_mut().unwrap().inputs;
    inputs.seed = case_seed(&seed, &case.id);
    let id = case.id.clone();
    let planned = &mut payload.plan.cases;
    planned.last_mut().unwrap().id = id;
    payload.plan.sha256 = PlanRecord::digest(planned);
    payload.derive();
    payload
}

/// The sample as if it had been read often enough to tell the energy of its short runs, 200 W.
fn often_read() -> Payload {
    let mut payload = sample::h100();
    let telemetry = &mut payload.telemetry;
    telemetry.interval_ns = 4_000_000;
    let times = 0..payload.session.duration_ns / telemetry.interval_ns;
    telemetry.times_ns = times.map(|n| n * 4_000_000).collect();
    for series in &mut telemetry.series {
        let first = series.samples.value().unwrap()[0].unwrap();
        let rise = if series.quantity == "energy" { 800 } else { 0 };
        let samples = 0..telemetry.times_ns.len() as u64;
        let samples = samples.map(|n| Some(first + n * rise)).collect();
        series.samples = Reading::of(samples);
    }
    payload.derive();
    payload
}

#[test]
fn energy_and_memory_follow_from_the_readings() {
    let honest = file(&often_read());
    assert_eq!(failed(&report(&resealed(honest.clone()))), [""; 0]);
    let at = "/payload/cases/9/generation/resources";
    let per_token = honest.pointer(&format!("{at}/energy_j_per_token/value"));
    let per_token = per_token.unwrap().as_f64().unwrap();
    // 1.9 ms and some at 200 W.
    assert!((0.38..0.385).contains(&per_token), "{per_token}");
    for (field, value) in [
        ("energy_from", "power".into()),
        ("decode_energy_j", 5.0.into()),
        ("energy_j_per_token", 0.1.into()),
        ("memory_peak_bytes", 5.into()),
    ] {
        let mut edited: serde_json::Value = honest.clone();
        *edited.pointer_mut(&format!("{at}/{field}/value")).unwrap() = value;
        assert_eq!(
            failed(&report(&resealed(edited))),
            ["generation.resources"],
            "{field}"
        );
    }
    // A counter that rises faster than the board can draw.
    let mut payload = often_read();
    for series in &mut payload.telemetry.series {
        if series.quantity == "energy" {
            series.samples = series.samples.clone().map(|mut samples| {
                let last = samples.last_mut().unwrap();
                *last = last.map(|energy| energy + 5_000_000);
                samples
            });
        }
    }
    payload.derive();
    assert_eq!(
        failed(&report(&resealed(file(&payload)))),
        ["telemetry.bounds"]
    );
}

#[test]
fn a_context_that_was_made_up_is_accepted_and_said_to_be_so() {
    let report = report(&resealed(file(&filled(1000))));
    assert_eq!(failed(&report), [""; 0]);
    let mut checks = report.checks.iter();
    let fill = checks.find(|check| check.name == "generation.fill");
    let fill = fill.unwrap();
    assert_eq!(fill.status, Status::Skipped);
    assert_eq!(
        fill.details,
        [
            "e2e/gemma4_26b_a4b/1016: the engine made up 1000 tokens of its context, so no replay can tell whether what it chose behind them is right"
        ]
    );
}

/// The sample's generation, and the same of another engine, run by run in turn.
fn beside() -> Payload {
    let mut payload = sample::h100();
    let mut peer = payload.engines[0].clone();
    peer.name = "peer 1".to_owned();
    peer.program_sha256 = crate::build_info::sha256_hex(b"peer");
    payload.engines.push(peer.clone());
    let first = case(&mut payload);
    let mut second = first.clone();
    let turn = |case: &mut CaseRecord, begin: u64| {
        let runs = &mut case.generation.as_mut().unwrap().runs;
        let sent = runs[0].sent_ns;
        for (index, run) in runs.iter_mut().enumerate() {
            run.sent_ns = sent + begin + 80_000_000 * index as u64;
        }
        case.ended_ns += 80_000_000;
    };
    turn(first, 0);
    turn(&mut second, 40_000_000);
    second.id = "e2e/gemma4_26b_a4b/beside/witness".to_owned();
    second.labels.insert("beside".to_owned(), first.id.clone());
    let generation = second.generation.as_mut().unwrap();
    generation.engine_sha256 = peer.program_sha256;
    generation.stages = None;
    let mut planned = payload.plan.cases.last().unwrap().clone();
    planned.id = second.id.clone();
    payload.plan.estimate_ns += planned.estimate_ns;
    payload.plan.cases.push(planned);
    payload.plan.sha256 = PlanRecord::digest(&payload.plan.cases);
    payload.session.duration_ns = payload.session.duration_ns.max(second.ended_ns);
    payload.cases.push(second);
    payload.derive();
    payload
}

#[test]
fn engines_that_ran_in_turn_are_accepted_and_others_named() {
    // The session's end is that of its last case.
    let without_times = |payload: &Payload| {
        let mut failed = failed(&report(&resealed(file(payload))));
        failed.retain(|check| *check != "session.times");
        failed
    };
    assert_eq!(without_times(&beside()), [""; 0]);
    type Edit<'a> = &'a dyn Fn(&mut CaseRecord);
    let edits: [(&str, Edit<'_>); 5] = [
        ("generation.beside", &|case| {
            case.generation.as_mut().unwrap().runs[0].sent_ns -= 20_000_000;
        }),
        ("generation.beside", &|case| {
            case.generation.as_mut().unwrap().runs.swap(0, 1);
        }),
        ("generation.beside", &|case| {
            case.labels.remove("beside");
        }),
        ("generation.beside", &|case| {
            case.id = "e2e/gemma4_26b_a4b/other/witness".to_owned();
        }),
        ("case.seed", &|case| {
            let seed = &mut case.measurement.as_mut().unwrap().inputs.seed;
            *seed = case_seed("5eed5eed5eed5eed", &case.id);
        }),
    ];
    for (check, edit) in edits {
        let mut payload = beside();
        edit(payload.cases.last_mut().unwrap());
        let failed = without_times(&payload);
        assert!(failed.contains(&check), "{check}: {failed:?}");
    }
    // A case that only says so does not share another's time.
    let mut payload = beside();
    let last = payload.cases.len() - 1;
    payload.cases[last].labels.remove("beside");
    assert!(without_times(&payload).contains(&"case.window"));
}

#[test]
fn a_result_without_stages_verifies_and_is_written_as_it_was_read() {
    for stages in [None, Some(Reading::missing("the engine offers none"))] {
        let mut payload = sample::h100();
        case(&mut payload).generation.as_mut().unwrap().stages = stages.clone();
        let file = resealed(file(&payload));
        assert_eq!(failed(&report(&file)), [""; 0]);
        let written = file.pointer("/payload/cases/9/generation/stages");
        assert_eq!(written.is_some(), stages.is_some());
    }
}

#[test]
fn stages_of_an_engine_that_has_none_are_refused() {
    let mut payload = sample::h100();
    payload.engines[0].driver = "llama_server".to_owned();
    for run in &mut case(&mut payload).generation.as_mut().unwrap().runs {
        run.routing.clear();
    }
    payload.derive();
    assert_eq!(failed(&report(&resealed(file(&payload)))), ["stages.table"]);
}

#[test]
fn a_context_that_was_made_up_is_declared_in_full() {
    type Edit<'a> = &'a dyn Fn(&mut CaseRecord);
    let edits: [(&str, Edit<'_>); 5] = [
        ("generation.case", &|case| {
            case.labels.insert("fill".to_owned(), "prompt".to_owned());
        }),
        ("generation.case", &|case| {
            case.sizes.insert("filled_tokens".to_owned(), 0);
        }),
        ("generation.routing", &|case| {
            case.sizes.insert("filled_tokens".to_owned(), 999);
            case.sizes.insert("context_tokens".to_owned(), 1015);
        }),
        ("generation.case", &|case| {
            case.sizes.insert("context_tokens".to_owned(), 1015);
        }),
        ("generation.case", &|case| {
            case.generation.as_mut().unwrap().witness = true;
        }),
    ];
    for (check, edit) in edits {
        let mut payload = filled(1000);
        edit(case(&mut payload));
        let failed = failed(&report(&resealed(file(&payload))));
        assert!(failed.contains(&check), "{check}: {failed:?}");
    }
}
