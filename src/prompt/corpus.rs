//! A text file from which prompts are cut. Knows no tokens.

use std::fs;
use std::io;
use std::path::Path;

use crate::build_info::sha256_hex;

use super::PromptError;
use super::draws::Draws;

/// A text, and the digest by which a configuration pins it.
#[derive(Debug, Clone)]
pub struct Corpus {
    text: String,
    sha256: String,
}

impl Corpus {
    /// Reads a file of UTF-8. Whether it is the file that was meant is for the caller to check by [`Corpus::sha256`].
    pub fn read(path: &Path) -> Result<Self, PromptError> {
        // A pipe or a device may have no end.
        let bytes = fs::metadata(path)
            .and_then(|metadata| match metadata.is_file() {
                true => fs::read(path),
                false => Err(io::Error::other("not a regular file")),
            })
            .map_err(|source| PromptError::CannotRead {
                path: path.to_owned(),
                source,
            })?;
        Corpus::new(bytes)
    }

    /// Takes the bytes of a file.
    pub fn new(bytes: Vec<u8>) -> Result<Self, PromptError> {
        let sha256 = sha256_hex(&bytes);
        let text = String::from_utf8(bytes).map_err(|error| PromptError::NotUtf8 {
            offset: error.utf8_error().valid_up_to(),
        })?;
        Ok(Corpus { text, sha256 })
    }

    /// SHA-256 of the file in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Where the window of `seed` begins, in bytes: at the first line that does not begin with white space at or after a
    /// byte drawn from all, or at 0 where there is none.
    pub(super) fn offset(&self, seed: u64) -> usize {
        let drawn = Draws::new(seed, 0).below(self.text.len() as u64) as usize;
        let line = (drawn..self.text.len()).find(|at| self.is_start(*at));
        line.unwrap_or(0)
    }

    /// The text from `offset` on and then from the start up to it, in pieces that begin where windows may begin: there
    /// both tokenizers cut whatever stands before, so that the pieces' ids in a row are the text's.
    pub(super) fn pieces(&self, offset: usize) -> impl Iterator<Item = &str> {
        let (before, behind) = self.text.split_at(offset);
        [behind, before].into_iter().flat_map(pieces)
    }

    fn is_start(&self, at: usize) -> bool {
        is_start(&self.text, at)
    }
}

/// Whether `at` is a line's first byte and no white space.
fn is_start(text: &str, at: usize) -> bool {
    let follows_line_feed = at == 0 || text.as_bytes().get(at - 1) == Some(&b'\n');
    let behind = text.get(at..).unwrap_or_default();
    follows_line_feed && behind.chars().next().is_some_and(|c| !c.is_whitespace())
}

fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut feeds = rest.match_indices('\n').map(|(at, _)| at + 1);
        let end = feeds.find(|at| is_start(rest, *at)).unwrap_or(rest.len());
        let (piece, behind) = rest.split_at(end);
        rest = behind;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "first\n\n  second\nthird\n\u{3000}\nfourth";

    fn corpus(text: &str) -> Corpus {
        Corpus::new(text.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn pieces_go_once_around_from_any_start() {
        let corpus = corpus(TEXT);
        let pieces: Vec<&str> = corpus.pieces(16).collect();
        assert_eq!(
            pieces,
            ["third\n\u{3000}\n", "fourth", "first\n\n  second\n"]
        );
    }

    #[test]
    fn windows_begin_at_lines() {
        let corpus = corpus(TEXT);
        let mut offsets: Vec<usize> = (0..200).map(|seed| corpus.offset(seed)).collect();
        offsets.sort();
        offsets.dedup();
        assert_eq!(offsets, [0, 16, 26]);
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let error = Corpus::new(b"ab\xff".to_vec()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected a corpus of UTF-8 text, found another byte at offset 2"
        );
    }

    #[test]
    fn what_may_have_no_end_is_not_read() {
        let error = Corpus::read(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read the corpus /dev/zero: not a regular file"
        );
    }

    #[test]
    fn an_empty_corpus_has_no_pieces() {
        let corpus = corpus("");
        assert_eq!(corpus.offset(3), 0);
        assert_eq!(corpus.pieces(0).count(), 0);
    }
}
