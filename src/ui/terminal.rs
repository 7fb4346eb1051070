//! Writes to stdout what was asked for, and to stderr what is said about it.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

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

/// Writes a text to stdout and ends its last line. A reader who has seen enough (`| head`) is no error.
///
/// # Errors
///
/// Those of stdout, but `BrokenPipe`.
pub fn print(text: &str) -> io::Result<()> {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    let mut stdout = anstream::stdout().lock();
    unless_closed(
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.write_all(end.as_bytes()))
            .and_then(|()| stdout.flush()),
    )
}

/// Writes bytes to stdout as they are: a result's text is covered by its digest.
///
/// # Errors
///
/// As [`print()`].
pub fn print_bytes(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    unless_closed(stdout.write_all(bytes).and_then(|()| stdout.flush()))
}

/// Stdout for frames of bytes, each of which is to be written at once: `io::stdout()` would split them at line feeds.
///
/// # Errors
///
/// Those of `fcntl`.
pub fn unbuffered_output() -> io::Result<File> {
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

fn unless_closed(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Writes a text to stderr as it is.
pub fn explain(text: &str) {
    let _ = write!(anstream::stderr().lock(), "{text}");
}

/// A panic: its message and place, and what to do with them.
pub fn bug(found: &str) {
    error(
        &format!("this is a bug: {found}"),
        Some("please report it with the command line and the output of `sparkbench doctor`"),
    );
    let backtrace = std::backtrace::Backtrace::capture();
    if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
        explain(&format!("{backtrace}"));
    }
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
