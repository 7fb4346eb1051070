//! Teacher-forced logits as a NumPy array. Knows no file but the bytes that it writes.

use std::io::{self, Write};

use thiserror::Error;

use super::{Engine, EngineError, npy};

/// Why a text could not be scored.
#[derive(Debug, Error)]
pub enum ScoreError {
    /// The model refused a token.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The array could not be written.
    #[error("cannot write logits: {0}")]
    Write(#[from] io::Error),
    /// The prompts asked for are none that the ids have.
    #[error("expected prompts of 1 and more of {ids} tokens in all, found {prompts:?}")]
    Prompts {
        /// How many ids there are.
        ids: usize,
        /// Lengths asked for.
        prompts: Vec<usize>,
    },
}

/// Why a text is no list of token ids.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum IdsError {
    /// A word is no id.
    #[error(
        "expected decimal token ids separated by white space, found {found:?} as number {number}"
    )]
    Word {
        /// The word, cut after 40 characters.
        found: String,
        /// Its place, counted from 1.
        number: usize,
    },
    /// There is no word.
    #[error("expected at least one token id, found none")]
    Empty,
}

/// Token ids as the command line takes them: decimal, separated by white space.
///
/// # Errors
///
/// The first word that is no id; a text without words.
pub fn parse_ids(text: &str) -> Result<Vec<u32>, IdsError> {
    let id = |(index, word): (usize, &str)| {
        // `parse` alone would take a sign.
        let digits = word.bytes().all(|byte| byte.is_ascii_digit());
        let id = word.parse().ok().filter(|_| digits);
        id.ok_or_else(|| IdsError::Word {
            found: word.chars().take(40).collect(),
            number: index + 1,
        })
    };
    let ids: Vec<u32> = text
        .split_whitespace()
        .enumerate()
        .map(id)
        .collect::<Result<_, _>>()?;
    match ids.is_empty() {
        true => Err(IdsError::Empty),
        false => Ok(ids),
    }
}

/// Writes the logits behind `ids`, which are appended to what the engine has read: the first as prompts of the lengths
/// `prompts`, the others one after another. A `.npy` file of float32, \[prompts and other ids\]\[vocabulary\].
///
/// # Errors
///
/// Those of the engine, and of the writer; `Prompts` for an empty one, or more than there are ids.
pub fn score(
    engine: &mut dyn Engine,
    ids: &[u32],
    prompts: &[usize],
    output: &mut impl Write,
) -> Result<(), ScoreError> {
    let in_prompts = prompts.iter().try_fold(0usize, |all, length| {
        let sum = all.checked_add(*length)?;
        (*length > 0 && sum <= ids.len()).then_some(sum)
    });
    let Some(in_prompts) = in_prompts else {
        return Err(ScoreError::Prompts {
            ids: ids.len(),
            prompts: prompts.to_vec(),
        });
    };
    let rows = prompts.len() + ids.len() - in_prompts;
    let mut rest = ids;
    for row in 0..rows {
        let (next, behind) = rest.split_at(prompts.get(row).copied().unwrap_or(1));
        match (next, row < prompts.len()) {
            ([id], false) => engine.step(*id)?,
            (prompt, _) => engine.prefill(prompt)?,
        }
        rest = behind;
        let logits = engine.logits();
        if row == 0 {
            output.write_all(&npy::header(&[rows, logits.len()]))?;
        }
        output.write_all(&npy::numbers(logits))?;
    }
    output.flush()?;
    Ok(())
}
