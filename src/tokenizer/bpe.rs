//! Byte-pair encoding of one word: which neighbours join, in which order. Knows nothing of where words come from.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::gguf::Strings;

use super::TokenizerError;

/// A piece of a word while it is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Symbol {
    /// A token.
    Token(u32),
    /// A character that is no token, and so joins with nothing.
    Unknown(char),
}

/// Which pairs of tokens join, and into what; the lower the rank, the earlier.
#[derive(Debug, Clone)]
pub(super) struct Merges {
    pairs: HashMap<(u32, u32), Merge>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Merge {
    rank: u32,
    joined: u32,
}

/// A symbol and its neighbours that are left. One that has joined its neighbour on the left holds no symbol.
struct Link {
    symbol: Option<Symbol>,
    left: Option<usize>,
    right: Option<usize>,
}

impl Merges {
    /// Merges in order of rank, each `left right`, over the tokens `ids`. A token may begin with a space, so the text is
    /// cut at the first one behind its first byte.
    pub fn new(merges: &Strings, ids: &HashMap<String, u32>) -> Result<Self, TokenizerError> {
        let mut pairs = HashMap::with_capacity(merges.len());
        for (rank, merge) in (0u32..).zip(merges.iter()) {
            let parsed = parse(merge, ids).ok_or_else(|| TokenizerError::BadMerge {
                index: rank as usize,
                merge: merge.to_owned(),
            });
            let (pair, joined) = parsed?;
            // A pair that is listed twice keeps its first rank.
            pairs.entry(pair).or_insert(Merge { rank, joined });
        }
        Ok(Merges { pairs })
    }

    /// Joins neighbours until none can be: always the pair of lowest rank, and of equals the leftmost.
    pub fn apply(&self, word: Vec<Symbol>) -> Vec<Symbol> {
        let last = word.len().saturating_sub(1);
        let mut chain: Vec<Link> = word
            .into_iter()
            .enumerate()
            .map(|(at, symbol)| Link {
                symbol: Some(symbol),
                left: at.checked_sub(1),
                right: (at < last).then_some(at + 1),
            })
            .collect();
        let candidate = |chain: &[Link], at: usize| Some(Reverse((self.at(chain, at)?, at)));
        let mut queue: BinaryHeap<_> = (0..chain.len())
            .filter_map(|at| candidate(&chain, at))
            .collect();

        while let Some(Reverse((merge, at))) = queue.pop() {
            // The pair may have changed since it was queued.
            if self.at(&chain, at) != Some(merge) {
                continue;
            }
            join(&mut chain, at, merge.joined);
            queue.extend(chain[at].left.and_then(|left| candidate(&chain, left)));
            queue.extend(candidate(&chain, at));
        }
        chain.into_iter().filter_map(|link| link.symbol).collect()
    }

    /// The merge of the symbol at `at` with its neighbour on the right.
    fn at(&self, chain: &[Link], at: usize) -> Option<Merge> {
        let token = |at: usize| match chain.get(at)?.symbol? {
            Symbol::Token(id) => Some(id),
            Symbol::Unknown(_) => None,
        };
        let pair = (token(at)?, token(chain.get(at)?.right?)?);
        self.pairs.get(&pair).copied()
    }
}

/// Makes the symbol at `at` and its neighbour on the right one token, which stays at `at`.
fn join(chain: &mut [Link], at: usize, joined: u32) {
    let Some(right) = chain[at].right else { return };
    let beyond = chain[right].right;
    chain[right].symbol = None;
    chain[at].symbol = Some(Symbol::Token(joined));
    chain[at].right = beyond;
    if let Some(beyond) = beyond {
        chain[beyond].left = Some(at);
    }
}

/// The pair that a merge joins, and the token that it makes.
fn parse(merge: &str, ids: &HashMap<String, u32>) -> Option<((u32, u32), u32)> {
    let space = merge.bytes().skip(1).position(|byte| byte == b' ')? + 1;
    let (left, right) = (merge.get(..space)?, merge.get(space + 1..)?);
    let joined = format!("{left}{right}");
    Some(((*ids.get(left)?, *ids.get(right)?), *ids.get(&joined)?))
}
