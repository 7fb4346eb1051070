//! What every failure is called, whose fault it is, and how it reads.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::protocol::ErrorCode;

use super::*;

#[test]
fn every_failure_has_a_name_a_status_and_one_line() {
    let during = "a token";
    let said = || "CUDA error 700".to_owned();
    let refused = |code, hint: &str| SubjectError::Refused {
        during: "a loaded model",
        code,
        message: "expected 24 GiB of free memory, found 16 GiB".to_owned(),
        hint: hint.to_owned(),
    };
    let errors = [
        SubjectError::Start {
            program: PathBuf::from("engine"),
            cause: io::ErrorKind::NotFound.into(),
        },
        SubjectError::Interrupted { during },
        SubjectError::Crashed {
            during,
            signal: 11,
            last_words: said(),
        },
        SubjectError::Crashed {
            during,
            signal: 9,
            last_words: String::new(),
        },
        SubjectError::Ended {
            during,
            code: Some(0),
            last_words: String::new(),
        },
        SubjectError::Ended {
            during,
            code: None,
            last_words: said(),
        },
        SubjectError::Hung {
            during,
            limit: Duration::from_millis(1500),
            last_words: said(),
        },
        SubjectError::Garbage {
            during,
            cause: "status 500".to_owned(),
        },
        refused(ErrorCode::Memory, "a context of 4096 tokens fits"),
        refused(ErrorCode::Device, ""),
        refused(ErrorCode::Request, ""),
        SubjectError::Version { found: 7 },
        SubjectError::Order {
            expected: "a greeting",
            found: "token",
        },
        SubjectError::Early {
            found: "done",
            early_ns: 5,
        },
        SubjectError::OtherModel {
            what: "a vocabulary of",
            expected: 248_320,
            found: 32_000,
        },
        SubjectError::TooManyTokens { asked: 64 },
        SubjectError::TooFewTokens {
            asked: 64,
            found: 63,
        },
        SubjectError::Position {
            expected: 128,
            found: 64,
        },
        SubjectError::WrongId {
            id: 300_000,
            step: 5,
            vocabulary: 248_320,
        },
        SubjectError::Routing {
            expected: "8 different experts of 256 in a layer".to_owned(),
            found: "[1, 1, 2]".to_owned(),
            step: 3,
        },
    ];
    let document = include_str!("../../docs/engine-protocol.md");
    for error in &errors {
        let name = format!("`{}`", error.name());
        let status = format!("| `{}` |", error.fault().status());
        let mut rows = document.lines();
        let row = rows.find(|row| row.contains(&name) && row.ends_with(&status));
        assert!(row.is_some(), "{name} {status}");
    }
    let lines = errors.map(|error| {
        let hint = error.hint().unwrap_or_else(|| "none".to_owned());
        let status = error.fault().status();
        format!("{status} {}: {error}\n  hint: {hint}", error.name())
    });
    insta::assert_snapshot!(lines.join("\n"));
}
