//! Puts what the YAML library says into the words of these files: where, which key, and what to do. Knows the wording of
//! serde's messages; `tests/config/errors.rs` notices when it changes.

use super::locate::{Place, locate, locate_second};
use super::suggest::{nearest, unit_of};

/// A complaint in our words.
pub(super) struct Explained {
    pub place: Place,
    pub message: String,
    pub hint: Option<String>,
}

/// A message of the library, taken apart.
struct Complaint<'a> {
    text: &'a str,
    role: &'a str,
    /// Path of the key such as `weights[0].bytes`; empty for the document itself.
    path: &'a str,
    said: &'a str,
    place: Place,
}

/// Explains why `text`, a file of this role, was not accepted.
pub(super) fn explain(error: &serde_yaml::Error, text: &str, role: &str) -> Explained {
    let mut said = error.to_string();
    let mut given = None;
    if let Some(location) = error.location() {
        let (line, column) = (location.line(), location.column());
        said = said.replacen(&format!(" at line {line} column {column}"), "", 1);
        given = Some(Place { line, column });
    }
    let (path, said) = split_path(&said);
    let place = given.unwrap_or_else(|| locate(text, path));
    let complaint = Complaint {
        text,
        role,
        path,
        said,
        place,
    };
    let about = |prefix| said.strip_prefix(prefix);
    if let Some(rest) = about("unknown field ") {
        complaint.unknown_key(rest)
    } else if let Some(rest) = about("missing field ") {
        complaint.missing_key(rest)
    } else if let Some(rest) = about("duplicate field ") {
        complaint.duplicate_key(rest)
    } else if let Some(rest) = about("invalid type: ") {
        complaint.wrong_type(rest)
    } else if let Some(rest) = about("invalid length ") {
        complaint.wrong_length(rest)
    } else if let Some(rest) = about("unknown variant ") {
        complaint.unknown_word(rest)
    } else if said.contains("more than one document") {
        complaint.second_document()
    } else {
        complaint.syntax()
    }
}

impl Complaint<'_> {
    fn here(&self, message: String, hint: Option<String>) -> Explained {
        Explained {
            place: self.place,
            message,
            hint,
        }
    }

    /// The message with the key in front, where a key is known.
    fn of_key(&self, message: &str) -> String {
        match self.path {
            "" => message.to_owned(),
            path => format!("`{path}`: {message}"),
        }
    }

    /// `` `nam`, expected one of `name`, `description` ``
    fn unknown_key(&self, rest: &str) -> Explained {
        let (found, known) = found_and_expected(rest);
        let found = quoted(found).first().copied().unwrap_or(found);
        let known = quoted(known);
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
        // For a key of the document itself the library points at line 1.
        let place = match self.path {
            "" => locate(self.text, found),
            _ => self.place,
        };
        Explained {
            place,
            message: format!("unknown key `{found}`"),
            hint: Some(hint),
        }
    }

    /// `` `memory_bytes` ``
    fn missing_key(&self, rest: &str) -> Explained {
        let key = quoted(rest).first().copied().unwrap_or(rest);
        let message = match self.path {
            "" => format!("the key `{key}` is missing"),
            path => format!("the key `{key}` is missing in `{path}`"),
        };
        Explained {
            place: locate(self.text, self.path),
            message,
            hint: unit_of(key).map(|unit| format!("`{key}` is in {unit}")),
        }
    }

    /// `` `name` ``
    fn duplicate_key(&self, rest: &str) -> Explained {
        let key = quoted(rest).first().copied().unwrap_or(rest);
        Explained {
            place: locate_second(self.text, self.path, key),
            message: format!("the key `{key}` is given twice"),
            hint: Some("remove one of them".to_owned()),
        }
    }

    /// `string "~273", expected u64`
    fn wrong_type(&self, rest: &str) -> Explained {
        let (found, expected) = found_and_expected(rest);
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
        let key = self.path.rsplit('.').next().unwrap_or(self.path);
        let hint = match (self.path, unit_of(key)) {
            ("", _) => Some(format!(
                "a {} file is a set of `key: value` lines",
                self.role
            )),
            (_, Some(unit)) => Some(format!("`{key}` is in {unit}")),
            (_, None) => None,
        };
        self.here(
            self.of_key(&format!("expected {expected}, found {found}")),
            hint,
        )
    }

    /// `1, expected a tuple of size 2`; `compute_capability` is the only list of a fixed length.
    fn wrong_length(&self, rest: &str) -> Explained {
        let (found, _) = found_and_expected(rest);
        self.here(
            self.of_key(&format!("expected a list of 2 numbers, found {found}")),
            None,
        )
    }

    /// `` `huge`, expected `full` or `tiny` ``
    fn unknown_word(&self, rest: &str) -> Explained {
        let (found, known) = found_and_expected(rest);
        let known = quoted(known);
        let hint =
            nearest(found.trim_matches('`'), &known).map(|near| format!("did you mean `{near}`?"));
        let message = format!("expected one of {}, found {found}", known.join(", "));
        self.here(self.of_key(&message), hint)
    }

    fn second_document(&self) -> Explained {
        let mut later = self.text.lines().skip(1);
        let second = later.position(|line| line.starts_with("---"));
        Explained {
            place: Place {
                line: second.map_or(1, |n| n + 2),
                column: 1,
            },
            message: "expected one document, found a second".to_owned(),
            hint: Some("keep each configuration in a file of its own".to_owned()),
        }
    }

    /// What the YAML reader refuses before any key is looked at; sometimes located by a byte offset alone.
    fn syntax(&self) -> Explained {
        if let Some((said, position)) = self.said.split_once(" at position ") {
            let offset = position.parse().unwrap_or(0);
            let before = self.text.get(..offset).unwrap_or_default();
            let place = Place {
                line: before.matches('\n').count() + 1,
                column: before.chars().rev().take_while(|c| *c != '\n').count() + 1,
            };
            return Explained {
                place,
                message: said.to_owned(),
                hint: None,
            };
        }
        let hint = match self.said {
            said if said.contains("tab character") => Some("indent with spaces"),
            said if said.contains("unknown anchor") => Some("quote a text that begins with `*`"),
            _ => None,
        };
        self.here(self.of_key(self.said), hint.map(str::to_owned))
    }
}

/// Splits `weights[0].bytes: complaint`.
fn split_path(said: &str) -> (&str, &str) {
    let in_path = |c: char| c.is_ascii_alphanumeric() || "_.[]".contains(c);
    match said.split_once(": ") {
        Some((path, complaint)) if path.chars().all(in_path) => (path, complaint),
        _ => ("", said),
    }
}

fn found_and_expected(rest: &str) -> (&str, &str) {
    rest.rsplit_once(", expected ").unwrap_or((rest, ""))
}

/// The words in back quotes.
fn quoted(list: &str) -> Vec<&str> {
    list.split('`').skip(1).step_by(2).collect()
}
