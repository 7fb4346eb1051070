//! Writes to stdout what was asked for, and to stderr what is said about it.

use std::io::{self, Write};

use super::style::Tone;

/// When escape codes reach the streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Decides for the whole process.
pub fn set_colour(colour: Colour) {
    match colour {
        Colour::Auto => anstream::ColorChoice::Auto,
        Colour::Always => anstream::ColorChoice::Always,
        Colour::Never => anstream::ColorChoice::Never,
    }
    .write_global();
}

/// Writes a text and ends its last line.
///
/// # Errors
///
/// Those of stdout; `BrokenPipe` when the reader has seen enough.
pub fn print(text: &str) -> io::Result<()> {
    let mut stdout = anstream::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        stdout.write_all(b"\n")?;
    }
    stdout.flush()
}

/// Writes bytes as they are: a result's text is covered by its digest.
///
/// # Errors
///
/// As [`print`].
pub fn print_bytes(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// `error: <message>`, then `hint: <hint>`.
pub fn error(message: &str, hint: Option<&str>) {
    say(Tone::Bad, "error", message);
    if let Some(hint) = hint {
        self::hint(hint);
    }
}

/// `warning: <message>`.
pub fn warning(message: &str) {
    say(Tone::Warning, "warning", message);
}

/// `hint: <message>`.
pub fn hint(message: &str) {
    say(Tone::Strong, "hint", message);
}

/// A stderr that nobody reads is no reason to stop.
fn say(tone: Tone, word: &str, message: &str) {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let _ = writeln!(anstream::stderr().lock(), "{}: {line}", tone.paint(word));
}
