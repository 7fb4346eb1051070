//! Sealing, parsing and refusing result files.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::super::{Reading, sample};
use super::*;

fn sealed() -> Sealed {
    seal(&sample::h100()).unwrap()
}

fn refusal(text: &str) -> String {
    parse(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn what_is_sealed_reads_back_as_it_was() {
    for payload in [sample::h100(), sample::cpu()] {
        let file = parse(seal(&payload).unwrap().text.as_bytes()).unwrap();
        assert_eq!(file.stated_sha256, file.found_sha256);
        assert_eq!(file.faults, []);
        assert_eq!(file.payload, payload);
    }
}

#[test]
fn the_documented_python_finds_the_same_digest() {
    let manual = include_str!("../../../docs/result-format.md");
    let (_, rest) = manual.split_once("```python\n").unwrap();
    let (program, _) = rest.split_once("```").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("result.json");
    std::fs::write(&path, sealed().text).unwrap();
    let python = std::process::Command::new("python3")
        .arg("-c")
        .arg(program)
        .arg(&path)
        .output();
    let Ok(output) = python else {
        eprintln!("python3 is not installed: nothing was compared");
        return;
    };
    let found = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        found.trim(),
        parse(sealed().text.as_bytes()).unwrap().stated_sha256
    );
}

#[test]
fn a_record_that_json_cannot_hold_is_not_sealed() {
    type Edit = fn(&mut Payload);
    let edits: [(Edit, &str); 6] = [
        (
            |p| p.cases[0].measurement.as_mut().unwrap().check.max_error = f64::NAN,
            "does not read back: expected a result, found something else: invalid type: null",
        ),
        (
            |p| p.machine.host.load_average = Reading::of(f64::INFINITY),
            "machine.host.load_average: expected the reason",
        ),
        (
            |p| {
                p.cases[0].sizes.insert("bytes".to_owned(), 1 << 53);
            },
            "cases[0].sizes.bytes: expected an integer below 2^53",
        ),
        (
            |p| p.machine.host.governor = Reading::missing(""),
            "machine.host.governor: expected the reason",
        ),
        (
            |p| p.plan.sha256 = "unknown".to_owned(),
            "plan.sha256: expected 64",
        ),
        (
            |p| p.cases[0].measurement.as_mut().unwrap().samples_ns = vec![1; 1_000_001],
            "expected at most 1000000 elements in payload.cases[0].measurement.samples_ns",
        ),
    ];
    for (edit, expected) in edits {
        let mut payload = sample::h100();
        edit(&mut payload);
        let error = seal(&payload).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn bad_files_are_refused_with_one_clear_line() {
    let text = sealed().text;
    let edited = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };
    let long = format!("[{}1]", "1,".repeat(20_000_000));
    for (text, expected) in [
        (String::new(), "EOF while parsing"),
        ("[]".to_owned(), "found something else"),
        (
            edited("result/1", "result/2"),
            "found `sparkbench.result/2`",
        ),
        (edited("sparkbench.result/1", "other"), "found `other`"),
        (
            edited(
                "\"redacted\": false",
                "\"redacted\": false, \"redacted\": false",
            ),
            "appears twice",
        ),
        (
            edited("\"tokens\": 32768", "\"a\": 1, \"a\": 1"),
            "`payload.cases[1].sizes.a` appears twice",
        ),
        (
            edited("\"redacted\": false", "\"redacted\": false, \"extra\": 1"),
            "unknown field `extra`",
        ),
        (
            edited("\"redacted\": false", "\"redacted\": 0"),
            "invalid type",
        ),
        (
            edited("\"value\": 0.25", "\"value\": NaN"),
            "expected value",
        ),
        (
            edited("\"value\": 0.25", "\"value\": 1e999"),
            "number out of range",
        ),
        (
            edited("\"value\": 0.25", "\"reason\": \"none\""),
            "missing field `value`",
        ),
        (format!("{text}{{}}"), "trailing characters"),
        (
            edited(
                "\"families\": [",
                &format!("\"families\": {long}, \"x\": ["),
            ),
            "expected at most 1000000",
        ),
        (text[..text.len() / 2].to_owned(), "EOF while parsing"),
    ] {
        let error = refusal(&text);
        assert!(
            error.contains(expected) && error.lines().count() == 1,
            "{error}"
        );
    }
    assert!(matches!(
        parse(b"\xff{}"),
        Err(ReadError::NotText { offset: 0 })
    ));
    let huge = vec![b' '; LARGEST_FILE_BYTES as usize + 1];
    assert!(matches!(parse(&huge), Err(ReadError::TooLarge { .. })));
}

#[test]
fn only_a_later_version_points_to_a_newer_program() {
    let hint = |format: &str| {
        parse(sealed().text.replacen(FORMAT, format, 1).as_bytes())
            .unwrap_err()
            .hint()
    };
    assert!(
        hint("sparkbench.result/2")
            .unwrap()
            .contains("newer sparkbench")
    );
    assert_eq!(hint("sparkbench.result/0"), None);
    assert_eq!(hint("other.result/2"), None);
}

#[test]
fn the_name_says_when_where_and_what() {
    let name = sealed().name;
    assert!(
        name.starts_with("2026-11-23-h100-memory-") && name.ends_with(".json"),
        "{name}"
    );
    let mut payload = sample::h100();
    payload.target.machine = Reading::missing("unknown device");
    let name = seal(&payload).unwrap().name;
    assert!(
        name.starts_with("2026-11-23-nvidia_h100_80gb_hbm3-memory-"),
        "{name}"
    );
    assert!(
        seal(&sample::cpu())
            .unwrap()
            .name
            .starts_with("2026-11-23-cpu-memory-")
    );
}

#[test]
fn the_shape_of_a_result_is_kept() {
    let text = sealed().text;
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    mask_numbers(&mut value["payload"]["peaks"]);
    mask_numbers(&mut value["payload"]["cases"][0]["measurement"]["derived"]);
    insta::assert_json_snapshot!(value, {
        ".payload_sha256" => "[digest]",
        ".payload.**.samples_ns" => "[20 samples]",
        ".payload.**.times_ns" => "[times]",
        ".payload.target.**.sha256" => "[digest]",
        ".payload.telemetry.series[].samples.value" => "[one value per time]",
        ".payload.cases[1:]" => "[another case]",
        ".payload.plan.cases[1:]" => "[another case]",
    });
}

fn mask_numbers(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Number(_) => *value = "[number]".into(),
        serde_json::Value::Object(fields) => fields.values_mut().for_each(mask_numbers),
        _ => {}
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn no_edit_of_a_result_makes_the_reader_panic(at in 0usize..1_000_000, with in any::<u8>(), cut in any::<bool>()) {
        static TEXT: LazyLock<String> = LazyLock::new(|| seal(&sample::cpu()).unwrap().text);
        let mut bytes = TEXT.clone().into_bytes();
        let at = at % bytes.len();
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] = with;
        }
        let _ = parse(&bytes);
    }
}
