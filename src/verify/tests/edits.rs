//! What an honest result gives, and what an edit by hand gives.

use serde_json::Value;

use super::sealing::{failed, file, report, resealed, scalars};
use crate::result::{NixRecord, Payload, Reading, Salt, SessionStatus, parse, sample, seal};
use crate::verify::{CHECKS, Options, Status, result_files, verify, verify_file};

fn edited(value: &Value) -> Value {
    match value {
        Value::Null => "something".into(),
        Value::Bool(value) => (!value).into(),
        Value::Number(number) => match number.as_u64() {
            Some(integer) => (integer + 1).into(),
            None => (number.as_f64().unwrap() * 1.5 + 1.0).into(),
        },
        Value::String(text) => format!("{text}0").into(),
        other => other.clone(),
    }
}

#[test]
fn every_scalar_edit_is_refused() {
    for payload in [sample::h100(), sample::cpu()] {
        let honest = file(&payload);
        assert!(report(&resealed(honest.clone())).verified);
        let honest = resealed(honest);
        let pointers = scalars(&honest);
        assert!(pointers.len() > 100);
        let missed = |pointers: &[String]| -> Vec<String> {
            let notice = |pointer: &&String| {
                let mut file = honest.clone();
                let scalar = file.pointer_mut(pointer).unwrap();
                *scalar = edited(scalar);
                report(&file).verified
            };
            pointers.iter().filter(notice).cloned().collect()
        };
        let (left, right) = pointers.split_at(pointers.len() / 2);
        let missed = std::thread::scope(|scope| {
            let right = scope.spawn(|| missed(right));
            [missed(left), right.join().unwrap()].concat()
        });
        assert_eq!(missed, Vec::<String>::new());
    }
}

#[test]
fn honest_results_pass_every_check_that_can_be_made() {
    let statuses = [sample::h100(), sample::cpu()].map(|payload| {
        let report = report(&resealed(file(&payload)));
        assert_eq!(failed(&report), [""; 0]);
        assert_eq!(report.level.value(), Some(&2));
        let skipped = report
            .checks
            .into_iter()
            .filter(|check| check.status == Status::Skipped);
        skipped
            .map(|check| format!("{}: {}", check.name, check.details.join("; ")))
            .collect::<Vec<_>>()
    });
    insta::assert_debug_snapshot!(statuses);
}

#[test]
fn a_redacted_result_verifies() {
    let mut payload = sample::h100();
    payload.redact(&Salt([7; 32]));
    assert_eq!(failed(&report(&resealed(file(&payload)))), [""; 0]);
}

#[test]
fn an_interrupted_session_is_intact_and_incomplete() {
    let mut payload = sample::h100();
    payload.session.status = SessionStatus::Interrupted;
    payload.cases.truncate(3);
    payload.derive();
    let report = report(&resealed(file(&payload)));
    assert_eq!(failed(&report), ["session.complete"]);
    assert_eq!(report.level.value(), Some(&1));
}

#[test]
fn what_is_no_pinned_evidence_is_named_and_can_be_allowed() {
    fn of_nix(payload: &mut Payload, edit: impl Fn(&mut NixRecord)) {
        let nix = &mut payload.build.provenance.nix;
        *nix = nix.clone().map(|mut nix| {
            edit(&mut nix);
            nix
        });
    }
    type Edit<'a> = &'a dyn Fn(&mut Payload);
    let edits: [(&str, Edit<'_>); 7] = [
        ("provenance.clean", &|p| {
            p.build.provenance.dirty = Reading::of(true);
        }),
        ("provenance.clean", &|p| {
            p.build.provenance.dirty = Reading::missing("unknown");
        }),
        ("provenance.commit", &|p| {
            p.build.provenance.commit = Reading::missing("overridden");
        }),
        ("provenance.nixpkgs", &|p| {
            of_nix(p, |nix| nix.stand_in = true)
        }),
        ("provenance.nixpkgs", &|p| {
            of_nix(p, |nix| nix.nixpkgs_rev = Reading::missing("a path"));
        }),
        ("provenance.nixpkgs", &|p| {
            of_nix(p, |nix| nix.nixpkgs_nar_hash = Reading::missing("a path"));
        }),
        ("weights.pins", &|p| {
            p.weights[0].pin = Reading::missing("no pin has this digest");
        }),
    ];
    for (check, edit) in edits {
        let mut payload = sample::h100();
        edit(&mut payload);
        let text = seal(&payload).unwrap().text;
        let with = |allow_unpinned| {
            let options = Options {
                allow_unpinned,
                ..Options::default()
            };
            verify("sample", text.as_bytes(), &options)
        };
        let refused = with(false);
        assert_eq!(failed(&refused), [check]);
        assert!(!refused.verified && !refused.pinned);
        let allowed = with(true);
        assert!(allowed.verified && !allowed.pinned, "{check}");
        assert_eq!((allowed.level.value(), allowed.allowed), (Some(&2), 1));
        let found = allowed.checks.iter().find(|found| found.name == check);
        assert_eq!(found.unwrap().status, Status::Allowed);
    }
    let honest = report(&resealed(file(&sample::h100())));
    assert!(honest.verified && honest.pinned);
}

#[test]
fn a_flake_knows_no_tree_and_always_a_lock() {
    let mut payload = sample::h100();
    payload.build.provenance.tree = Reading::missing("a flake does not learn it");
    assert!(report(&resealed(file(&payload))).pinned);
    payload.build.provenance.flake_lock_sha256 = Reading::missing("no flake.lock");
    assert_eq!(
        failed(&report(&resealed(file(&payload)))),
        ["provenance.flake_lock"]
    );
    let mut payload = sample::cpu();
    payload.build.provenance.tree = Reading::missing("not asked");
    assert_eq!(
        failed(&report(&resealed(file(&payload)))),
        ["provenance.commit"]
    );
}

#[test]
fn a_result_from_before_nix_was_recorded_verifies() {
    let mut old = file(&sample::cpu());
    let provenance = old.pointer_mut("/payload/build/provenance").unwrap();
    provenance.as_object_mut().unwrap().remove("nix").unwrap();
    let old = resealed(old);
    let found = report(&old);
    assert!(found.verified && found.pinned);
    // It is written as it was read.
    let payload = parse(old.to_string().as_bytes()).unwrap().payload;
    assert!(!seal(&payload).unwrap().text.contains("\"nix\""));
}

#[test]
fn what_is_no_result_fails_at_the_check_that_says_why() {
    let text = crate::result::seal(&sample::cpu()).unwrap().text;
    let of = |bytes: &[u8]| failed(&verify("sample", bytes, &Options::default()));
    assert_eq!(of(b"\xff"), ["file.text"]);
    assert_eq!(of(b"{}"), ["file.parse"]);
    assert_eq!(
        of(text.replacen("result/1", "result/2", 1).as_bytes()),
        ["file.format"]
    );
    assert_eq!(
        of(text
            .replacen("\"value\": 0.25", "\"value\": NaN", 1)
            .as_bytes()),
        ["file.parse"]
    );
    assert_eq!(of(&vec![b' '; (64 << 20) + 1]), ["file.size"]);
    let report = verify("sample", b"{}", &Options::default());
    assert_eq!(
        (report.verified, report.passed, report.failed),
        (false, 3, 1)
    );
    assert_eq!(report.level.reason(), Some("a check of level 0 failed"));
}

#[test]
fn the_report_keeps_its_shape() {
    let mut report = verify(
        "sample.json",
        b"{\"format\": \"sparkbench.result/2\"}",
        &Options::default(),
    );
    report.checks.truncate(4);
    insta::assert_json_snapshot!(report, { ".skipped" => "[all that follow]" });
}

#[test]
fn a_directory_stands_for_all_results_below_it() {
    let directory = tempfile::tempdir().unwrap();
    assert!(result_files(directory.path()).is_err(), "no results");
    let day = directory.path().join("h100/2026-11-23");
    std::fs::create_dir_all(&day).unwrap();
    let text = crate::result::seal(&sample::cpu()).unwrap().text;
    std::fs::write(day.join("b.json"), &text).unwrap();
    std::fs::write(directory.path().join("a.json"), "{}").unwrap();
    std::fs::write(directory.path().join("notes.md"), "").unwrap();
    let files = result_files(directory.path()).unwrap();
    let verified: Vec<bool> = files
        .iter()
        .map(|path| verify_file(path, &Options::default()).unwrap().verified)
        .collect();
    assert_eq!(verified, [false, true]);
    assert_eq!(result_files(&files[0]).unwrap(), files[..1]);
    assert!(result_files(&directory.path().join("absent")).is_err());
    assert!(verify_file(&directory.path().join("absent"), &Options::default()).is_err());
}

#[test]
fn checks_have_names_of_their_own_in_order_of_their_levels() {
    let names: std::collections::BTreeSet<&str> = CHECKS.iter().map(|check| check.name).collect();
    assert_eq!(names.len(), CHECKS.len());
    assert!(CHECKS.is_sorted_by_key(|check| check.level));
}

/// `UPDATE_DOCS=1 cargo test documented` writes the list anew.
#[test]
fn the_documented_checks_are_those_of_the_program() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/result-format.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once("cargo test documented -->\n").unwrap();
    let (found, after) = rest.split_once("<!-- end of checks -->").unwrap();
    let row = |check: &crate::verify::Check| {
        format!("| {} | `{}` | {} |\n", check.level, check.name, check.holds)
    };
    let rows: String = CHECKS.iter().map(row).collect();
    let table = format!("\n| level | check | what must hold |\n|---|---|---|\n{rows}\n");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let marker = "cargo test documented -->\n";
        std::fs::write(
            path,
            format!("{before}{marker}{table}<!-- end of checks -->{after}"),
        )
        .unwrap();
        return;
    }
    assert!(
        found == table,
        "stale: run UPDATE_DOCS=1 cargo test documented"
    );
}

#[test]
fn bounds_hold_on_a_host_too() {
    let mut payload = sample::cpu();
    payload.cases[0].measurement.as_mut().unwrap().samples_ns[3] = 10_000;
    payload.cases[1].measurement.as_mut().unwrap().samples_ns[3] = 50_000;
    payload.derive();
    let report = report(&resealed(file(&payload)));
    assert_eq!(
        failed(&report),
        ["physics.memory_bandwidth", "physics.latency"]
    );
    let mut payload = sample::cpu();
    payload.target.comparable = crate::result::Reading::of(true);
    payload.cases[0]
        .measurement
        .as_mut()
        .unwrap()
        .rotation
        .cache_bytes = 1 << 20;
    assert_eq!(
        failed(&super::sealing::report(&resealed(file(&payload)))),
        ["case.cache", "target.comparable"]
    );
}

#[test]
fn a_gpu_under_another_name_keeps_its_own_data_sheet() {
    let mut payload = sample::h100();
    payload.target.machine = crate::result::Reading::missing("a machine of my own");
    payload.target.data_sheet_bandwidth_gbps = crate::result::Reading::of(8000.0);
    payload.derive();
    let report = report(&resealed(file(&payload)));
    assert_eq!(
        failed(&report),
        ["machine.configuration", "target.data_sheet"]
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]

    // Arithmetic of the checks must bear whatever an edited file holds.
    #[test]
    fn no_extreme_value_makes_a_check_panic(at in 0usize..100_000, extreme in 0usize..9) {
        static HONEST: std::sync::LazyLock<(Value, Vec<String>)> = std::sync::LazyLock::new(|| {
            let file = file(&sample::h100());
            let samples = |pointer: &String| pointer.contains("samples") && !pointer.ends_with("/0");
            let pointers = scalars(&file).into_iter().filter(|pointer| !samples(pointer)).collect();
            (file, pointers)
        });
        let extremes = [
            Value::Null,
            0.into(),
            (-1).into(),
            u64::MAX.into(),
            ((1u64 << 53) - 1).into(),
            1e308.into(),
            (-1e308).into(),
            "".into(),
            "9999999999999999999999".into(),
        ];
        let (mut file, pointers) = HONEST.clone();
        *file.pointer_mut(&pointers[at % pointers.len()]).unwrap() = extremes[extreme].clone();
        report(&resealed(file));
    }
}
