//! A random cycle of pointers in memory, so that each load must wait for the one before it.

use super::buffer::words_in;
use super::{Buffer, CpuError};
use crate::device::generator;

/// One node every `stride_bytes`; the first word of a node holds the word index of the next node.
#[derive(Debug)]
pub struct Chain {
    buffer: Buffer,
    nodes: u64,
}

impl Chain {
    /// A random cycle through all `bytes / stride_bytes` nodes.
    pub(super) fn new(bytes: u64, stride_bytes: u64, seed: u64) -> Result<Self, CpuError> {
        let stride = words_in("the stride of a chain", stride_bytes)?;
        let nodes = words_in("the size of a chain", bytes)? / stride;
        let next = generator::cycle(seed, nodes);
        let buffer = Buffer::filled(bytes, |word| {
            let word = word as usize;
            match next.get(word / stride) {
                Some(node) if word.is_multiple_of(stride) => (node * stride) as u64,
                _ => 0,
            }
        })?;
        Ok(Self {
            buffer,
            nodes: nodes as u64,
        })
    }

    /// The words in memory: what a GPU would be given.
    pub fn words(&self) -> &[u64] {
        self.buffer.words()
    }

    /// Nodes of the cycle: after so many hops the walk is where it began.
    pub fn nodes(&self) -> u64 {
        self.nodes
    }

    /// The word index that `hops` dependent loads lead to, from `start`, a word index that an earlier walk returned or 0.
    /// Runs on the calling thread.
    pub fn walk(&self, start: u64, hops: u64) -> u64 {
        let words = std::hint::black_box(self.buffer.words());
        let mut at = start;
        for _ in 0..hops {
            // An index from elsewhere ends the walk at a value that no node has.
            at = words.get(at as usize).copied().unwrap_or(u64::MAX);
        }
        std::hint::black_box(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_follows_the_cycle_of_the_generator() {
        let (bytes, stride, seed) = (4096, 64, 9);
        let chain = Chain::new(bytes, stride, seed).unwrap();
        let next = generator::cycle(seed, (bytes / stride) as usize);
        assert_eq!(chain.nodes(), 64);
        let mut node = 0;
        for hops in 0..200 {
            assert_eq!(chain.walk(0, hops), node as u64 * stride / 8);
            node = next[node];
        }
        assert_eq!(chain.walk(0, chain.nodes()), 0);
        assert_eq!(chain.walk(chain.walk(0, 10), 20), chain.walk(0, 30));
    }

    #[test]
    fn a_remainder_behind_the_last_node_is_never_visited() {
        let chain = Chain::new(1000, 64, 1).unwrap();
        assert_eq!(chain.nodes(), 15);
        assert!((0..15).all(|hops| chain.walk(0, hops) < 15 * 8));
    }

    #[test]
    fn a_start_outside_the_chain_leads_nowhere() {
        let chain = Chain::new(512, 64, 1).unwrap();
        assert_eq!(chain.walk(1 << 40, 1), u64::MAX);
    }
}
