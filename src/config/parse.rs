//! From YAML text to a typed value, or to an error at a place in the text.

use serde::de::DeserializeOwned;

use super::check::Failure;
use super::complaint::{Explained, explain};
use super::error::ConfigError;
use super::locate::{Place, locate};

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
        let refused = |place, message| {
            Err(self.error(Explained {
                place,
                message,
                hint: None,
            }))
        };
        let blank = |line: &str| line.is_empty() || line.starts_with('#');
        if self.text.lines().map(str::trim).all(blank) {
            let message = format!("expected a {} file, found no keys", self.role);
            return refused(Place { line: 1, column: 1 }, message);
        }
        if let Some(place) = too_deep(self.text) {
            let message = format!("brackets nested deeper than {DEPTH_LIMIT}");
            return refused(place, message);
        }
        serde_yaml::from_str(self.text)
            .map_err(|error| self.error(explain(&error, self.text, self.role)))
    }

    /// Turns a broken rule into an error at the key that breaks it.
    pub fn check(&self, outcome: Result<(), Failure>) -> Result<(), ConfigError> {
        outcome.map_err(|failure| self.fail(failure))
    }

    /// The error for a broken rule, at the key that breaks it.
    pub fn fail(&self, failure: Failure) -> ConfigError {
        self.error(Explained {
            place: locate(self.text, &failure.path),
            message: format!("`{}`: {}", failure.path, failure.message),
            hint: failure.hint,
        })
    }

    fn error(&self, explained: Explained) -> ConfigError {
        ConfigError::At {
            path: self.path.to_owned(),
            line: explained.place.line,
            column: explained.place.column,
            message: one_line(&explained.message),
            hint: explained.hint,
        }
    }
}

/// What a file says, fit for a terminal: control characters escaped, and not longer than a reader wants.
pub(super) fn one_line(message: &str) -> String {
    const LONGEST: usize = 300;
    let mut line = String::new();
    for c in message.chars().take(LONGEST) {
        match c.is_control() {
            true => line.extend(c.escape_default()),
            false => line.push(c),
        }
    }
    if message.chars().nth(LONGEST).is_some() {
        line.push('…');
    }
    line
}

/// Where brackets are nested deeper than the limit; those in comments and quotes count too.
fn too_deep(text: &str) -> Option<Place> {
    let mut depth = 0_usize;
    for (line, content) in (1..).zip(text.lines()) {
        for (column, c) in (1..).zip(content.chars()) {
            match c {
                '[' | '{' => depth += 1,
                ']' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > DEPTH_LIMIT {
                return Some(Place { line, column });
            }
        }
    }
    None
}
