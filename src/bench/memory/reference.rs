//! What reading cases must return, computed from the generator alone.

use rayon::prelude::*;

use crate::device::generator;

/// Words that one task sums.
const TASK_WORDS: u64 = 1 << 16;

/// Sum modulo 2^64 of `words` words of the stream `seed` from word `first`.
pub fn range_sum(seed: u64, first: u64, words: u64) -> u64 {
    (0..words.div_ceil(TASK_WORDS))
        .into_par_iter()
        .map(|task| {
            let begin = first + task * TASK_WORDS;
            generator::sum(seed, begin..(begin + TASK_WORDS).min(first + words))
        })
        .reduce(|| 0, u64::wrapping_add)
}

/// The chosen experts of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Layer that they belong to.
    pub layer: u64,
    /// Their ids.
    pub ids: Vec<u32>,
}

/// Expert weights of several layers as one stream of words: `[layer][tensor][expert]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpertMemory {
    /// Experts of a layer.
    pub experts: u64,
    /// Bytes of one expert in each tensor.
    pub bytes_per_expert: [u64; 3],
}

impl ExpertMemory {
    /// Bytes of a layer.
    pub fn layer_bytes(&self) -> u64 {
        self.experts * self.bytes_per_expert.iter().sum::<u64>()
    }

    /// Where tensor `tensor` of `layer` begins, in bytes.
    pub fn tensor_offset(&self, layer: u64, tensor: usize) -> u64 {
        let before: u64 = self.bytes_per_expert.iter().take(tensor).sum();
        layer * self.layer_bytes() + self.experts * before
    }

    /// What fetching must return for each of `fetches`.
    pub fn sums(&self, seed: u64, fetches: &[Fetch]) -> Vec<u64> {
        fetches
            .iter()
            .map(|fetch| {
                let one = |id: u32, tensor: usize| {
                    let bytes = self.bytes_per_expert[tensor];
                    let begin = self.tensor_offset(fetch.layer, tensor) + u64::from(id) * bytes;
                    range_sum(seed, begin / 8, bytes / 8)
                };
                fetch
                    .ids
                    .iter()
                    .flat_map(|&id| (0..3).map(move |tensor| (id, tensor)))
                    .fold(0u64, |sum, (id, tensor)| sum.wrapping_add(one(id, tensor)))
            })
            .collect()
    }
}

/// Random disjoint sets of `used` experts, as many as `sets`: layer after layer, each expert of a layer in one set.
pub fn fetches(seed: u64, experts: u32, used: u32, sets: u64) -> Vec<Fetch> {
    let per_layer = u64::from(experts / used.max(1)).max(1);
    (0..sets.div_ceil(per_layer))
        .flat_map(|layer| {
            // Another stream than the weights': the ids must not follow from the words.
            let ids = generator::distinct(!seed ^ layer, experts as usize, experts as usize);
            let ids: Vec<u32> = ids.into_iter().map(|id| id as u32).collect();
            let sets: Vec<Fetch> = ids
                .chunks_exact(used.max(1) as usize)
                .map(|ids| Fetch {
                    layer,
                    ids: ids.to_vec(),
                })
                .collect();
            sets
        })
        .take(sets as usize)
        .collect()
}

/// Little-endian bytes of words.
pub fn bytes_of(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parallel_sum_is_the_plain_sum() {
        let words = 3 * TASK_WORDS + 17;
        assert_eq!(range_sum(9, 5, words), generator::sum(9, 5..5 + words));
        assert_eq!(range_sum(9, 5, 0), 0);
    }

    #[test]
    fn sets_hold_every_expert_of_every_layer_once() {
        let mut seen: Vec<(u64, u32)> = fetches(1, 128, 8, 32)
            .iter()
            .flat_map(|fetch| fetch.ids.iter().map(|&id| (fetch.layer, id)))
            .collect();
        seen.sort_unstable();
        let all: Vec<(u64, u32)> = (0..2)
            .flat_map(|layer| (0..128).map(move |id| (layer, id)))
            .collect();
        assert_eq!(seen, all);
    }

    #[test]
    fn the_sum_of_all_experts_is_the_sum_of_the_memory() {
        let memory = ExpertMemory {
            experts: 16,
            bytes_per_expert: [64, 0, 128],
        };
        let sums = memory.sums(3, &fetches(3, 16, 4, 8));
        let total = sums.into_iter().fold(0, u64::wrapping_add);
        assert_eq!(total, range_sum(3, 0, 2 * memory.layer_bytes() / 8));
    }
}
