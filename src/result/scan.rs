//! What the types cannot say about a result's JSON: one pass over the text that keeps no values.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::build_info::is_hex;

/// The first integer that some JSON readers round.
const INTEGER_LIMIT: u64 = 1 << 53;

/// Most elements of one array. The longest honest ones are the samples of a case and the telemetry of a session.
const LONGEST_ARRAY: usize = 1_000_000;

/// SHA-256 of nothing: a digest of something that was not there.
const DIGEST_OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What kind of rule a [`Fault`] breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Integers stay below 2^53.
    Integer,
    /// A reading has a value or a reason, never both, never neither.
    Reading,
    /// What is called a SHA-256 is 64 hex digits, and not the digest of nothing.
    Digest,
}

/// A value that has the right type and breaks a rule all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The rule.
    pub rule: Rule,
    /// Where, e.g. `machine.gpu.value.l2_bytes`.
    pub path: String,
    /// What was expected and found.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Every fault of the JSON in `text`.
///
/// # Errors
/// Text that is no single JSON value, repeats a key, holds a number that no `f64` can, or has an array of more than a
/// million elements.
pub(super) fn scan(text: &str) -> Result<Vec<Fault>, serde_json::Error> {
    let mut faults = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Walk {
        path: String::new(),
        is_digest: false,
        faults: &mut faults,
    }
    .deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(faults)
}

/// The walk at one place of the document.
struct Walk<'a> {
    path: String,
    /// Whether texts here are digests: the key, or that of a reading, list or map around, ends in `sha256`.
    is_digest: bool,
    faults: &'a mut Vec<Fault>,
}

/// What a walk tells its parent.
enum Seen {
    Null,
    BlankText,
    Text,
    Other,
}

impl Walk<'_> {
    fn fault(&mut self, rule: Rule, message: String) {
        let path = self.path.clone();
        self.faults.push(Fault {
            rule,
            path,
            message,
        });
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = Seen;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Seen, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Seen, E> {
        Ok(Seen::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_u64<E: Error>(mut self, value: u64) -> Result<Seen, E> {
        if value >= INTEGER_LIMIT {
            self.fault(
                Rule::Integer,
                format!("expected an integer below 2^53, found {value}"),
            );
        }
        Ok(Seen::Other)
    }

    fn visit_i64<E: Error>(mut self, value: i64) -> Result<Seen, E> {
        self.fault(
            Rule::Integer,
            format!("expected no negative integer, found {value}"),
        );
        Ok(Seen::Other)
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<Seen, E> {
        if let Some(message) = digest_fault(text).filter(|_| self.is_digest) {
            self.fault(Rule::Digest, message);
        }
        match text.trim().is_empty() {
            true => Ok(Seen::BlankText),
            false => Ok(Seen::Text),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Seen, A::Error> {
        for index in 0.. {
            if index == LONGEST_ARRAY {
                return Err(A::Error::custom(format!(
                    "expected at most {LONGEST_ARRAY} elements in {}, found more",
                    self.path
                )));
            }
            let child = Walk {
                path: format!("{}[{index}]", self.path),
                is_digest: self.is_digest,
                faults: self.faults,
            };
            if elements.next_element_seed(child)?.is_none() {
                break;
            }
        }
        Ok(Seen::Other)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Seen, A::Error> {
        let mut keys = HashSet::new();
        let (mut value, mut reason) = (None, None);
        while let Some(key) = entries.next_key::<String>()? {
            let dot = if self.path.is_empty() { "" } else { "." };
            let path = format!("{}{dot}{key}", self.path);
            if keys.contains(&key) {
                return Err(A::Error::custom(format!("key `{path}` appears twice")));
            }
            let seen = entries.next_value_seed(Walk {
                path,
                is_digest: key.ends_with("sha256") || (self.is_digest && key != "reason"),
                faults: self.faults,
            })?;
            match key.as_str() {
                "value" => value = Some(seen),
                "reason" => reason = Some(seen),
                _ => {}
            }
            keys.insert(key);
        }
        let is_reading = keys.iter().all(|key| key == "value" || key == "reason");
        if is_reading && let Some(message) = reading_fault(value.as_ref(), reason.as_ref()) {
            self.fault(Rule::Reading, message.to_owned());
        }
        Ok(Seen::Other)
    }
}

/// What is wrong with a reading of this value and reason; nothing if both are absent, as in an empty map.
fn reading_fault(value: Option<&Seen>, reason: Option<&Seen>) -> Option<&'static str> {
    match (value?, reason) {
        (Seen::Null, Some(Seen::Text)) => None,
        (Seen::Null, _) => Some("expected the reason why there is no value, found none"),
        (_, None) => None,
        (_, Some(_)) => Some("expected a value or a reason, found both"),
    }
}

fn digest_fault(text: &str) -> Option<String> {
    if !is_hex(text, 64) {
        Some(format!("expected 64 lowercase hex digits, found `{text}`"))
    } else if text == DIGEST_OF_NOTHING {
        Some("expected the digest of something, found that of no bytes".to_owned())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        scan(text).unwrap().iter().map(Fault::to_string).collect()
    }

    #[test]
    fn integers_that_readers_round_are_found_wherever_they_are() {
        assert_eq!(
            faults(r#"{"a": {"b": [1, 9007199254740992]}, "c": -1, "d": 9007199254740991}"#),
            [
                "a.b[1]: expected an integer below 2^53, found 9007199254740992",
                "c: expected no negative integer, found -1",
            ]
        );
    }

    #[test]
    fn a_reading_has_a_value_or_a_reason() {
        let text = r#"{"fine": {"value": 3}, "missing": {"value": null, "reason": "no driver"}, "map": {},
            "neither": {"value": null}, "blank": {"value": null, "reason": " "}, "both": {"value": 3, "reason": "x"},
            "no reading": {"value": null, "form": "plain"}}"#;
        assert_eq!(
            faults(text),
            [
                "neither: expected the reason why there is no value, found none",
                "blank: expected the reason why there is no value, found none",
                "both: expected a value or a reason, found both",
            ]
        );
    }

    #[test]
    fn a_digest_of_nothing_is_no_digest() {
        let text = format!(
            r#"{{"a_sha256": "{DIGEST_OF_NOTHING}", "sha256": {{"value": "ABC"}}, "other": "ABC",
            "b_sha256": {{"value": null, "reason": "no such file"}}}}"#
        );
        assert_eq!(
            faults(&text),
            [
                "a_sha256: expected the digest of something, found that of no bytes",
                "sha256.value: expected 64 lowercase hex digits, found `ABC`",
            ]
        );
    }

    #[test]
    fn what_is_not_strict_json_is_refused() {
        let deep = "[".repeat(10_000);
        let long = format!("[{}0]", "0,".repeat(LONGEST_ARRAY));
        for (text, expected) in [
            (
                r#"{"a": 1, "b": {"c": 1, "c": 2}}"#,
                "key `b.c` appears twice",
            ),
            (r#"{"a": NaN}"#, "expected value"),
            (r#"{"a": 1e999}"#, "number out of range"),
            (r#"{} {}"#, "trailing characters"),
            (r#"{"a": 1,}"#, "trailing comma"),
            (&deep, "recursion limit"),
            (&long, "expected at most 1000000 elements"),
        ] {
            let error = scan(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
