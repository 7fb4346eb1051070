//! Generated text, block after block. Knows no tokens.

use std::sync::LazyLock;

use super::draws::Draws;
use super::grammar::Grammar;
use super::{arithmetic, code, english, languages, table};

/// What a block may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Genre {
    /// A paragraph of English.
    English,
    /// A piece of a program.
    Code,
    /// Exercises with their answers.
    Arithmetic,
    /// Rows and columns.
    Table,
    /// A paragraph in another language, by its place in [`languages::ALL`].
    Language(usize),
}

/// Of eleven blocks, on average: three of English, two of code, one of arithmetic, one table, four in other languages.
const GENRES: [Option<Genre>; 11] = [
    Some(Genre::English),
    Some(Genre::English),
    Some(Genre::English),
    Some(Genre::Code),
    Some(Genre::Code),
    Some(Genre::Arithmetic),
    Some(Genre::Table),
    None,
    None,
    None,
    None,
];

/// Block `index` of the text of `seed`: some lines, then an empty one. It begins with no white space.
pub(super) fn block(seed: u64, index: u64) -> String {
    let mut draws = Draws::new(seed, index);
    let genre = match draws.pick(&GENRES).copied().flatten() {
        Some(genre) => genre,
        None => Genre::Language(draws.below(languages::ALL.len() as u64) as usize),
    };
    write(genre, &mut draws)
}

/// A block of one genre.
pub(super) fn write(genre: Genre, draws: &mut Draws) -> String {
    static ENGLISH: LazyLock<Grammar> = LazyLock::new(|| Grammar::new(english::RULES));
    static CODE: LazyLock<Grammar> = LazyLock::new(|| Grammar::new(code::RULES));
    static LANGUAGES: LazyLock<Vec<Grammar>> = LazyLock::new(|| {
        languages::ALL
            .iter()
            .map(|rules| Grammar::new(rules))
            .collect()
    });

    let text = match genre {
        Genre::English => ENGLISH.derive("paragraph", draws),
        Genre::Code => CODE.derive("block", draws),
        Genre::Arithmetic => arithmetic::exercises(draws),
        Genre::Table => table::rows(draws),
        Genre::Language(at) => match LANGUAGES.get(at) {
            Some(grammar) => grammar.derive("paragraph", draws),
            None => String::new(),
        },
    };
    format!("{}\n\n", text.trim())
}
