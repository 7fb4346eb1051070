//! Rules that a well-formed file can still break. Knows values and their key paths, not where they stand in the text.

use std::fmt::Display;

/// A broken rule: the key path, what is wrong with it, and what to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Failure {
    /// Path such as `weights[1].sha256`.
    pub path: String,
    /// What is wrong, without the place.
    pub message: String,
    /// Next step, if there is one.
    pub hint: Option<String>,
}

impl Failure {
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
            hint: None,
        }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A word that can be typed without quoting: lower-case letters, digits, `_`, `-`, `.`.
pub(super) fn name(path: &str, value: &str) -> Result<(), Failure> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-.".contains(c);
    if !value.is_empty() && value.chars().all(fits) {
        return Ok(());
    }
    Err(Failure::new(path, format!("`{value}` is not a name"))
        .hint("a name has lower-case letters, digits, `_`, `-` and `.`"))
}

/// Some text on one line, without control characters: it is shown in terminals.
pub(super) fn text(path: &str, value: &str) -> Result<(), Failure> {
    if value.trim().is_empty() {
        return Err(Failure::new(path, "expected some text, found none"));
    }
    if let Some(control) = value.chars().find(|c| c.is_control()) {
        let found = control.escape_default();
        return Err(Failure::new(
            path,
            format!("expected one line of text, found `{found}`"),
        ));
    }
    Ok(())
}

/// A list with at least one item.
pub(super) fn not_empty<T>(path: &str, list: &[T]) -> Result<(), Failure> {
    if list.is_empty() {
        return Err(Failure::new(path, "expected at least one item, found none"));
    }
    Ok(())
}

/// An integer above zero that JSON readers keep.
pub(super) fn count(path: &str, value: impl Into<u64>) -> Result<(), Failure> {
    let value = value.into();
    if value == 0 {
        return Err(Failure::new(path, "expected a number above 0, found 0"));
    }
    if value >= 1 << 53 {
        return Err(Failure::new(path, format!("{value} is not below 2^53"))
            .hint("results are JSON, whose readers keep integers below 2^53 only"));
    }
    Ok(())
}

/// A finite number above zero.
pub(super) fn quantity(path: &str, value: f64) -> Result<(), Failure> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(Failure::new(
        path,
        format!("expected a number above 0, found {value}"),
    ))
}

/// One of a few words.
pub(super) fn one_of(path: &str, value: &str, known: &[&str]) -> Result<(), Failure> {
    if known.contains(&value) {
        return Ok(());
    }
    Err(Failure::new(
        path,
        format!("expected one of {}, found `{value}`", known.join(", ")),
    ))
}

/// A figure, or null with a reason beside it; not both.
pub(super) fn value_or_reason(
    path: &str,
    has_value: bool,
    reason: Option<&str>,
) -> Result<(), Failure> {
    let (parent, key) = path.rsplit_once('.').unwrap_or(("", path));
    let reason_path = match parent {
        "" => format!("{key}_reason"),
        parent => format!("{parent}.{key}_reason"),
    };
    match (has_value, reason) {
        (true, Some(_)) => Err(Failure::new(
            &reason_path,
            format!("a reason for null beside a value of `{key}`"),
        )
        .hint(format!("remove `{key}_reason`, or set `{key}: null`"))),
        (false, None) => Err(Failure::new(path, "null without a reason").hint(format!(
            "give the figure, or say in `{key}_reason` why it is unknown"
        ))),
        (false, Some(reason)) => text(&reason_path, reason),
        (true, None) => Ok(()),
    }
}

/// 64 lower-case hexadecimal digits.
pub(super) fn sha256(path: &str, value: &str) -> Result<(), Failure> {
    hexadecimal(path, value, 64, "a sha-256")
}

/// A git commit: 40 lower-case hexadecimal digits.
pub(super) fn git_commit(path: &str, value: &str) -> Result<(), Failure> {
    hexadecimal(path, value, 40, "a commit")
}

fn hexadecimal(path: &str, value: &str, digits: usize, what: &str) -> Result<(), Failure> {
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    if value.len() == digits && value.chars().all(hex) {
        return Ok(());
    }
    let found = match value.chars().find(|c| !hex(*c)) {
        Some(c) => format!("`{c}`"),
        None => format!("{} digits", value.len()),
    };
    Err(Failure::new(
        path,
        format!("expected {what} of {digits} lower-case hexadecimal digits, found {found}"),
    ))
}

/// A path that stays below the folder it is joined to.
pub(super) fn relative_file(path: &str, value: &str) -> Result<(), Failure> {
    text(path, value)?;
    let inside = |part: &str| !matches!(part, "" | "." | "..");
    if value.split(['/', '\\']).all(inside) {
        return Ok(());
    }
    Err(Failure::new(
        path,
        format!("`{value}` is not a file below the repository"),
    ))
}

/// Numbers above zero in ascending order, none twice, none above `max` (whose meaning is `max_is`).
pub(super) fn ascending(path: &str, values: &[u64], max: u64, max_is: &str) -> Result<(), Failure> {
    not_empty(path, values)?;
    let mut before = 0;
    for (i, value) in values.iter().copied().enumerate() {
        let item = format!("{path}[{i}]");
        count(&item, value)?;
        at_most(&item, value, max, max_is)?;
        if value == before {
            return Err(
                Failure::new(item, format!("{value} is listed twice")).hint("remove one of them")
            );
        }
        if value < before {
            return Err(Failure::new(item, format!("{value} comes after {before}"))
                .hint("list the numbers in ascending order"));
        }
        before = value;
    }
    Ok(())
}

/// No more than a limit.
pub(super) fn at_most<T: PartialOrd + Display>(
    path: &str,
    value: T,
    max: T,
    max_is: &str,
) -> Result<(), Failure> {
    if value > max {
        return Err(Failure::new(
            path,
            format!("{value} is more than {max}, {max_is}"),
        ));
    }
    Ok(())
}
