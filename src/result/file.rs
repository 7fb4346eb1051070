//! The result file: an envelope with the digest of the payload's exact bytes; how it is sealed and read.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Payload;
use super::error::{ReadError, SealError};
use super::scan::{Fault, scan};
use crate::build_info::sha256_hex;

/// Name and version of the format.
pub const FORMAT: &str = "sparkbench.result/1";

/// Most bytes of a result file.
pub const LARGEST_FILE_BYTES: u64 = 64 << 20;

/// What stands around the payload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Envelope<P> {
    /// `sparkbench.result/1`.
    pub format: String,
    /// SHA-256 of the payload's bytes as they stand in the file, from its first brace to its last.
    pub payload_sha256: String,
    /// What was recorded.
    pub payload: P,
}

/// A result as read, before anything in it is believed.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultFile {
    /// The digest that the file states.
    pub stated_sha256: String,
    /// The digest of the payload's bytes in the file.
    pub found_sha256: String,
    /// The payload.
    pub payload: Payload,
    /// Values of the right type that break a rule of the format.
    pub faults: Vec<Fault>,
}

/// A result as text, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The file's text.
    pub text: String,
    /// The file's name: date, machine, families and the first digits of the payload's digest.
    pub name: String,
}

/// The text and name of a result file.
///
/// # Errors
/// A payload that would not read back as it is, or that breaks a rule of the format: floats that are not finite,
/// integers from 2^53 on, readings with neither value nor reason, texts in place of digests.
pub fn seal(payload: &Payload) -> Result<Sealed, SealError> {
    let body = serde_json::to_string_pretty(payload).map_err(SealError::Serialise)?;
    let digest = sha256_hex(body.as_bytes());
    let text = format!(
        "{{\n\"format\": \"{FORMAT}\",\n\"payload_sha256\": \"{digest}\",\n\"payload\": {body}\n}}\n"
    );
    // What the reader refuses is never written. NaN and infinities, which JSON has not, end as null and show here.
    let file = parse(text.as_bytes()).map_err(SealError::ReadBack)?;
    if let Some(fault) = file.faults.into_iter().next() {
        return Err(SealError::Fault(fault));
    }
    if file.payload != *payload {
        return Err(SealError::Changed);
    }
    let name = file_name(payload, &digest);
    Ok(Sealed { text, name })
}

/// Reads a result from the bytes of a file.
///
/// # Errors
/// Everything but the file system's.
pub fn parse(bytes: &[u8]) -> Result<ResultFile, ReadError> {
    if bytes.len() as u64 > LARGEST_FILE_BYTES {
        return Err(ReadError::TooLarge {
            limit_bytes: LARGEST_FILE_BYTES,
        });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| ReadError::NotText {
        offset: error.valid_up_to(),
    })?;
    // Another version may have other fields, so the format is looked at first and alone.
    #[derive(Deserialize)]
    struct Head {
        format: String,
    }
    let head: Head = serde_json::from_str(text).map_err(ReadError::Json)?;
    if head.format != FORMAT {
        return Err(ReadError::Format { found: head.format });
    }
    let mut faults = scan(text).map_err(ReadError::Json)?;
    for fault in &mut faults {
        if let Some(path) = fault.path.strip_prefix("payload.") {
            fault.path = path.to_owned();
        }
    }
    let envelope: Envelope<&RawValue> = serde_json::from_str(text).map_err(ReadError::Json)?;
    let body = envelope.payload.get();
    Ok(ResultFile {
        stated_sha256: envelope.payload_sha256,
        found_sha256: sha256_hex(body.as_bytes()),
        // Parsed within the whole text, so that an error names its line in the file.
        payload: serde_json::from_str::<Envelope<Payload>>(text)
            .map_err(ReadError::Json)?
            .payload,
        faults,
    })
}

/// The bytes of a result file, never more than a result may have.
///
/// # Errors
/// The file system's, and a file that is too large.
pub fn read(path: &Path) -> Result<Vec<u8>, ReadError> {
    let failed = |source| ReadError::Io {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST_FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() as u64 > LARGEST_FILE_BYTES {
        return Err(ReadError::TooLarge {
            limit_bytes: LARGEST_FILE_BYTES,
        });
    }
    Ok(bytes)
}

/// `<date>-<machine>-<families>-<digest8>.json` of letters, digits, `_`, `-` and `.`.
fn file_name(payload: &Payload, digest: &str) -> String {
    let date = payload.session.started_at.get(..10).unwrap_or("undated");
    let machine = match (payload.target.machine.value(), payload.machine.gpu.value()) {
        (_, None) => "cpu",
        (Some(machine), _) => &machine.name,
        (None, Some(gpu)) => &gpu.name,
    };
    let families = payload.plan.families.join("-");
    let digest = digest.get(..8).unwrap_or(digest);
    let plain = |c: char| match c {
        'a'..='z' | '0'..='9' | '-' | '_' => c,
        'A'..='Z' => c.to_ascii_lowercase(),
        _ => '_',
    };
    let name: String = [date, machine, &families, digest]
        .join("-")
        .chars()
        .map(plain)
        .collect();
    format!("{name}.json")
}

#[cfg(test)]
mod tests {
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
        let manual = include_str!("../../docs/result-format.md");
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
}
