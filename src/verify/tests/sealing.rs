//! Results as JSON that can be edited anywhere and sealed again.

use serde_json::Value;

use crate::build_info::sha256_hex;
use crate::result::{Payload, seal};
use crate::verify::report::verify_as;
use crate::verify::{Options, Report, Status};

/// The sample's commit: with it as its own, `verify` holds configurations to the built-in text.
pub(super) const COMMIT: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";

/// The whole file of a payload as JSON.
pub(super) fn file(payload: &Payload) -> Value {
    serde_json::from_str(&seal(payload).unwrap().text).unwrap()
}

/// The file with a digest that fits its payload.
pub(super) fn resealed(mut file: Value) -> Value {
    let body = serde_json::to_string(&file["payload"]).unwrap();
    file["payload_sha256"] = sha256_hex(body.as_bytes()).into();
    file
}

pub(super) fn report(file: &Value) -> Report {
    verify_as(
        Some(COMMIT),
        "sample",
        file.to_string().as_bytes(),
        &Options::default(),
    )
}

pub(super) fn failed(report: &Report) -> Vec<&'static str> {
    let failed = report
        .checks
        .iter()
        .filter(|check| check.status == Status::Fail);
    failed.map(|check| check.name).collect()
}

/// JSON pointers to every scalar, nulls included.
pub(super) fn scalars(value: &Value) -> Vec<String> {
    fn walk(value: &Value, pointer: String, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    let key = key.replace('~', "~0").replace('/', "~1");
                    walk(value, format!("{pointer}/{key}"), found);
                }
            }
            Value::Array(elements) => {
                for (index, value) in elements.iter().enumerate() {
                    walk(value, format!("{pointer}/{index}"), found);
                }
            }
            _ => found.push(pointer),
        }
    }
    let mut found = Vec::new();
    walk(value, String::new(), &mut found);
    found
}
