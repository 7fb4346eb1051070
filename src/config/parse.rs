//! From YAML text to a typed value, and from the library's complaints to located ones that say what to do.

use serde::de::DeserializeOwned;

use super::check::Failure;
use super::error::ConfigError;
use super::locate::{Place, locate, locate_second};
use super::suggest::{nearest, unit_of};

/// No configuration nests brackets; the YAML reader takes quadratic time in their depth.
const DEPTH_LIMIT: usize = 32;

/// A text and the path that messages name.
pub(super) struct Document<'a> {
    pub path: &'a str,
    pub text: &'a str,
    /// `machine`, `model` or `target`.
    pub role: &'a str,
}

impl Document<'_> {
    /// Reads the text as a `T`.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        let empty = |line: &str| {
            let line = line.trim();
            line.is_empty() || line.starts_with('#')
        };
        if self.text.lines().all(empty) {
            let message = format!("expected a {} file, found no keys", self.role);
            return Err(self.at(Place { line: 1, column: 1 }, message, None));
        }
        if let Some(place) = too_deep(self.text) {
            let message = format!("brackets nested deeper than {DEPTH_LIMIT}");
            return Err(self.at(place, message, None));
        }
        serde_yaml::from_str(self.text).map_err(|error| self.explain(&error))
    }

    /// Turns a broken rule into an error at the key that breaks it.
    pub fn check(&self, outcome: Result<(), Failure>) -> Result<(), ConfigError> {
        outcome.map_err(|failure| self.fail(failure))
    }

    /// A rule that the parsed value breaks, at the key that breaks it.
    pub fn fail(&self, failure: Failure) -> ConfigError {
        let place = locate(self.text, &failure.path);
        let message = format!("{}{}", key_of(&failure.path), failure.message);
        self.at(place, message, failure.hint)
    }

    fn at(&self, place: Place, message: String, hint: Option<String>) -> ConfigError {
        ConfigError::At {
            path: self.path.to_owned(),
            line: place.line,
            column: place.column,
            message,
            hint,
        }
    }

    fn explain(&self, error: &serde_yaml::Error) -> ConfigError {
        let said = error.to_string();
        let given = error.location().map(|l| Place {
            line: l.line(),
            column: l.column(),
        });
        let said = match given {
            Some(place) => said.replacen(
                &format!(" at line {} column {}", place.line, place.column),
                "",
                1,
            ),
            None => said,
        };
        let (path, complaint) = split_path(&said);
        let place = given.unwrap_or_else(|| locate(self.text, path));
        if let Some(rest) = complaint.strip_prefix("unknown field ") {
            return self.unknown_key(path, rest, place);
        }
        if let Some(key) = quoted(complaint, "missing field ") {
            let message = match path {
                "" => format!("the key `{key}` is missing"),
                path => format!("the key `{key}` is missing in `{path}`"),
            };
            let place = locate(self.text, path);
            return self.at(
                place,
                message,
                unit_of(key).map(|unit| format!("`{key}` is in {unit}")),
            );
        }
        if let Some(key) = quoted(complaint, "duplicate field ") {
            let place = locate_second(self.text, path, key);
            return self.at(
                place,
                format!("the key `{key}` is given twice"),
                Some("remove one of them".to_owned()),
            );
        }
        if let Some(rest) = complaint.strip_prefix("invalid type: ") {
            return self.wrong_type(path, rest, place);
        }
        if let Some(rest) = complaint.strip_prefix("invalid length ") {
            let found = rest.split(',').next().unwrap_or(rest);
            let message = format!(
                "{}expected a list of 2 numbers, found {found}",
                key_of(path)
            );
            return self.at(place, message, None);
        }
        if let Some(rest) = complaint.strip_prefix("unknown variant ") {
            let known = rest
                .split_once(", expected ")
                .map_or("", |(_, known)| known);
            let found = rest.split(',').next().unwrap_or(rest);
            let message = format!(
                "{}expected {}, found {found}",
                key_of(path),
                plain_list(known)
            );
            let hint = nearest(found.trim_matches('`'), &names(known))
                .map(|near| format!("did you mean `{near}`?"));
            return self.at(place, message, hint);
        }
        self.syntax(path, complaint, place)
    }

    /// What the YAML reader itself refuses, before any key is looked at.
    fn syntax(&self, path: &str, complaint: &str, place: Place) -> ConfigError {
        if complaint.contains("more than one document") {
            let second = self
                .text
                .lines()
                .skip(1)
                .position(|line| line.starts_with("---"));
            let place = Place {
                line: second.map_or(1, |n| n + 2),
                column: 1,
            };
            let message = "expected one document, found a second".to_owned();
            return self.at(
                place,
                message,
                Some("keep each configuration in a file".to_owned()),
            );
        }
        if let Some((complaint, position)) = complaint.split_once(" at position ") {
            let before = position
                .parse()
                .ok()
                .and_then(|n: usize| self.text.get(..n));
            let place = before.map_or(place, |before| Place {
                line: before.matches('\n').count() + 1,
                column: before.chars().rev().take_while(|c| *c != '\n').count() + 1,
            });
            return self.at(place, complaint.to_owned(), None);
        }
        let hint = match complaint {
            said if said.contains("tab character") => Some("indent with spaces"),
            said if said.contains("unknown anchor") => Some("quote a text that begins with `*`"),
            _ => None,
        };
        self.at(
            place,
            format!("{}{complaint}", key_of(path)),
            hint.map(str::to_owned),
        )
    }

    fn unknown_key(&self, path: &str, rest: &str, given: Place) -> ConfigError {
        let found = rest.split('`').nth(1).unwrap_or(rest);
        let known = rest
            .split_once(", expected ")
            .map_or("", |(_, known)| known);
        let known: Vec<&str> = names(known);
        let place = match path {
            "" => locate(self.text, found),
            _ => given,
        };
        let hint = match nearest(found, &known) {
            Some(near) => match unit_of(near) {
                Some(unit) => format!("did you mean `{near}`? it is in {unit}"),
                None => format!("did you mean `{near}`?"),
            },
            None => {
                let main = known.into_iter().filter(|key| !key.ends_with("_reason"));
                format!("the keys here are {}", main.collect::<Vec<_>>().join(", "))
            }
        };
        self.at(place, format!("unknown key `{found}`"), Some(hint))
    }

    fn wrong_type(&self, path: &str, rest: &str, place: Place) -> ConfigError {
        let (found, expected) = rest
            .split_once(", expected ")
            .unwrap_or((rest, "something else"));
        let expected = match expected {
            "u64" | "u32" => "an integer of 0 or more",
            "f64" => "a number",
            "a YAML tag starting with '!'" => "one word",
            "a boolean" => "true or false",
            "a sequence" => "a list",
            "a tuple of size 2" => "a list of 2 numbers",
            other if other.starts_with("struct ") => "a set of keys",
            other => other,
        };
        let found = match found {
            "unit value" => "null".to_owned(),
            "map" => "a set of keys".to_owned(),
            "sequence" => "a list".to_owned(),
            other => other
                .trim_end_matches(" as u128")
                .replacen("string ", "the text ", 1)
                .replacen("floating point ", "the number ", 1)
                .replacen("integer ", "the number ", 1)
                .replacen("boolean ", "", 1),
        };
        let key = path.rsplit('.').next().unwrap_or(path);
        let hint = unit_of(key)
            .map(|unit| format!("`{key}` is in {unit}"))
            .or_else(|| {
                (path.is_empty())
                    .then(|| format!("a {} file is a set of `key: value` lines", self.role))
            });
        self.at(
            place,
            format!("{}expected {expected}, found {found}", key_of(path)),
            hint,
        )
    }
}

/// Where brackets are nested deeper than the limit, comments and quotes not looked at.
fn too_deep(text: &str) -> Option<Place> {
    let mut depth = 0_usize;
    for (i, line) in text.lines().enumerate() {
        for (j, c) in line.chars().enumerate() {
            match c {
                '[' | '{' => depth += 1,
                ']' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > DEPTH_LIMIT {
                return Some(Place {
                    line: i + 1,
                    column: j + 1,
                });
            }
        }
    }
    None
}

/// Splits `weights[0].bytes: complaint`; the path is empty for the document itself.
fn split_path(said: &str) -> (&str, &str) {
    let is_path = |head: &str| {
        !head.is_empty()
            && head
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_.[]".contains(c))
    };
    match said.split_once(": ") {
        Some((head, complaint)) if is_path(head) => (head, complaint),
        _ => (said.get(..0).unwrap_or_default(), said),
    }
}

/// The word in back quotes behind a prefix.
fn quoted<'a>(complaint: &'a str, prefix: &str) -> Option<&'a str> {
    complaint.strip_prefix(prefix)?.split('`').nth(1)
}

/// The words in back quotes.
fn names(list: &str) -> Vec<&str> {
    list.split('`').skip(1).step_by(2).collect()
}

fn plain_list(list: &str) -> String {
    format!("one of {}", names(list).join(", "))
}

fn key_of(path: &str) -> String {
    match path {
        "" => String::new(),
        path => format!("`{path}`: "),
    }
}
