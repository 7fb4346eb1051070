//! A stream of random choices. Knows nothing of what is chosen.

use crate::device::generator;

/// Choices that follow from a seed: equal on every machine.
#[derive(Debug, Clone)]
pub(super) struct Draws {
    seed: u64,
    next: u64,
}

impl Draws {
    /// The stream `index` of `seed`; streams have nothing to do with one another.
    pub fn new(seed: u64, index: u64) -> Self {
        Draws {
            seed: generator::word(seed, index),
            next: 0,
        }
    }

    /// A number of `0..bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        let draw = self.next;
        self.next += 1;
        generator::below(self.seed, draw, bound)
    }

    /// A number of `least..=most`.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most.saturating_sub(least).saturating_add(1))
    }

    /// One of `items`, or nothing of nothing.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let at = self.below(items.len() as u64);
        items.get(at as usize)
    }
}
