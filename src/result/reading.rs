//! A value that may be missing, and then says why.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A reading, or the reason why there is none. In the file `{"value": 3}` or `{"value": null, "reason": "…"}`; never
/// both, never neither, and never 0 for "unknown".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound(deserialize = "T: Deserialize<'de>"))]
pub struct Reading<T> {
    // Without this, an absent `value` would read as null.
    #[serde(deserialize_with = "Option::deserialize")]
    value: Option<T>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl<T> Reading<T> {
    /// A value that was read.
    pub fn of(value: T) -> Self {
        Self {
            value: Some(value),
            reason: None,
        }
    }

    /// No value, because of `reason`.
    pub fn missing(reason: impl Into<String>) -> Self {
        Self {
            value: None,
            reason: Some(reason.into()),
        }
    }

    /// `value`, or the error's text as the reason.
    pub fn from_result<E: std::fmt::Display>(result: Result<T, E>) -> Self {
        match result {
            Ok(value) => Self::of(value),
            Err(error) => Self::missing(error.to_string()),
        }
    }

    /// `value`, or `reason` where there is none.
    pub fn from_option(value: Option<T>, reason: &str) -> Self {
        value.map_or_else(|| Self::missing(reason), Self::of)
    }

    /// The value, if there is one.
    pub fn value(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// Why there is no value.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Whether exactly one of value and (non-empty) reason is there. A parsed file may break this; code cannot.
    pub fn is_well_formed(&self) -> bool {
        self.value.is_some() == self.reason.is_none()
            && self.reason.as_deref().is_none_or(|r| !r.trim().is_empty())
    }

    /// The same reading of another type.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Reading<U> {
        Reading {
            value: self.value.map(f),
            reason: self.reason,
        }
    }
}
