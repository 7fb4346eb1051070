//! Cutting text into the words that merges stay within. Knows characters, not tokens.

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// What the rules tell characters apart by. Categories come from one version of Unicode (`unicode-properties`), not from
/// the compiler's library, so that a text has the same ids whatever compiled this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// `\p{L}`
    Letter,
    /// `\p{M}`
    Mark,
    /// `\p{N}`
    Number,
    /// `\s`
    Space,
    /// Anything else.
    Symbol,
}

fn class(c: char) -> Class {
    match c {
        'a'..='z' | 'A'..='Z' => Class::Letter,
        '0'..='9' => Class::Number,
        _ if c.is_whitespace() => Class::Space,
        _ if c.is_ascii() => Class::Symbol,
        _ => match c.general_category_group() {
            GeneralCategoryGroup::Letter => Class::Letter,
            GeneralCategoryGroup::Mark => Class::Mark,
            GeneralCategoryGroup::Number => Class::Number,
            _ => Class::Symbol,
        },
    }
}

/// The words of a text for Qwen3.5. In the order in which they are tried, a word is
///
/// 1. `'s 't 're 've 'm 'll 'd` in either case;
/// 2. letters and marks, after at most one character that is neither line break, letter nor number;
/// 3. one number character;
/// 4. symbols after at most one space, with the line breaks behind them;
/// 5. white space up to and with its last line break;
/// 6. white space, but for the last character if something follows.
///
/// As a regular expression: `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}|`
/// ` ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    cut(text, |rest| {
        contraction(rest)
            .or_else(|| letters(rest))
            .or_else(|| number(rest))
            .or_else(|| symbols(rest))
            .or_else(|| space_with_line_break(rest))
            .unwrap_or_else(|| space(rest))
    })
}

/// The words of a text for Gemma 4: runs of line feeds, and what is between them.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    cut(text, |rest| {
        let feed = rest.starts_with('\n');
        run(rest, |c| (c == '\n') == feed)
    })
}

/// Cuts a text into pieces of the lengths in bytes that `length` gives for what is left.
fn cut(text: &str, length: impl Fn(&str) -> usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (word, behind) = rest.split_at(length(rest));
        rest = behind;
        Some(word)
    })
}

/// Bytes of the characters at the start for which `holds`.
fn run(text: &str, holds: impl Fn(char) -> bool) -> usize {
    text.find(|c| !holds(c)).unwrap_or(text.len())
}

fn is_line_break(c: char) -> bool {
    matches!(c, '\r' | '\n')
}

fn is_letter(c: char) -> bool {
    matches!(class(c), Class::Letter | Class::Mark)
}

fn contraction(text: &str) -> Option<usize> {
    let behind = text.strip_prefix('\'')?;
    ["s", "t", "re", "ve", "m", "ll", "d"]
        .into_iter()
        .find(|ending| {
            behind
                .get(..ending.len())
                .is_some_and(|found| found.eq_ignore_ascii_case(ending))
        })
        .map(|ending| 1 + ending.len())
}

fn letters(text: &str) -> Option<usize> {
    let first = text.chars().next()?;
    let may_lead = !is_line_break(first) && !matches!(class(first), Class::Letter | Class::Number);
    let lead = if may_lead { first.len_utf8() } else { 0 };
    match run(&text[lead..], is_letter) {
        // A mark may lead, but is a word of its own where no letter follows.
        0 => (class(first) == Class::Mark).then_some(lead),
        letters => Some(lead + letters),
    }
}

fn number(text: &str) -> Option<usize> {
    let first = text.chars().next()?;
    (class(first) == Class::Number).then(|| first.len_utf8())
}

fn symbols(text: &str) -> Option<usize> {
    let lead = usize::from(text.starts_with(' '));
    match run(&text[lead..], |c| class(c) == Class::Symbol) {
        0 => None,
        symbols => {
            let end = lead + symbols;
            Some(end + run(&text[end..], is_line_break))
        }
    }
}

fn space_with_line_break(text: &str) -> Option<usize> {
    let space = &text[..run(text, char::is_whitespace)];
    space.rfind(is_line_break).map(|at| at + 1)
}

/// What is left to be cut is white space here: every other class has its rule.
fn space(text: &str) -> usize {
    let end = run(text, char::is_whitespace);
    let last = text[..end].chars().next_back().map_or(0, char::len_utf8);
    match end - last {
        before if before > 0 && end < text.len() => before,
        _ => end,
    }
}
