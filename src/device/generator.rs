//! The counter-based generator of all inputs: word `i` depends on the seed and `i` alone, so that any device makes any
//! part of a buffer in any order. Knows nothing of what the words mean.

use std::ops::Range;

/// Name and version of the generator, as results state it.
pub const NAME: &str = "splitmix64/1";

/// The increment of SplitMix64: 2^64 over the golden ratio, made odd.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Word `index` of the stream `seed`: the `index`-th output of SplitMix64 started at `seed` (Steele, Lea, Flood, "Fast
/// splittable pseudorandom number generators", OOPSLA 2014).
#[inline]
pub fn word(seed: u64, index: u64) -> u64 {
    let z = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(GOLDEN));
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Sum modulo 2^64 of the words `indices` of the stream `seed`: what a read of that part must return.
pub fn sum(seed: u64, indices: Range<u64>) -> u64 {
    indices.fold(0, |total: u64, index| total.wrapping_add(word(seed, index)))
}

/// Word `index` of a buffer written with `salt`: cheap enough for a store-bound loop, and unlike that of any other salt.
#[inline]
pub fn written(salt: u64, index: u64) -> u64 {
    salt.wrapping_add(index.wrapping_mul(GOLDEN))
}

/// Word `draw` of the stream, scaled to `0..bound`. The bias is below `bound / 2^64`.
pub fn below(seed: u64, draw: u64, bound: u64) -> u64 {
    ((u128::from(word(seed, draw)) * u128::from(bound)) >> 64) as u64
}

/// A random cycle through all of `0..nodes`, as the successor of each node. Sattolo's shuffle draws each of the
/// `(nodes - 1)!` cycles with equal probability ("An algorithm to generate a random cyclic permutation", 1986).
pub fn cycle(seed: u64, nodes: usize) -> Vec<usize> {
    let mut next: Vec<usize> = (0..nodes).collect();
    for last in (1..nodes).rev() {
        let other = below(seed, last as u64, last as u64) as usize;
        next.swap(last, other);
    }
    next
}

/// `count` distinct numbers of `0..bound` in random order (all of them if `bound` is smaller).
pub fn distinct(seed: u64, count: usize, bound: usize) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..bound).collect();
    let count = count.min(bound);
    for at in 0..count {
        let other = at + below(seed, at as u64, (bound - at) as u64) as usize;
        numbers.swap(at, other);
    }
    numbers.truncate(count);
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_splitmix64() {
        // Outputs of Vigna's splitmix64.c (prng.di.unimi.it) for the states 0 and 1234567.
        assert_eq!(
            [0, 1, 2].map(|i| word(0, i)),
            [
                0xE220_A839_7B1D_CDAF,
                0x6E78_9E6A_A1B9_65F4,
                0x06C4_5D18_8009_454F
            ]
        );
        assert_eq!(
            [0, 1, 2].map(|i| word(1_234_567, i)),
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn the_sum_of_a_range_is_that_of_its_parts() {
        assert_eq!(sum(7, 0..100), sum(7, 0..37).wrapping_add(sum(7, 37..100)));
        assert_eq!(sum(7, 5..5), 0);
        assert_eq!(sum(7, 5..6), word(7, 5));
    }

    #[test]
    fn a_cycle_visits_every_node_once_before_it_returns() {
        for nodes in [1, 2, 3, 1000] {
            let next = cycle(42, nodes);
            let mut seen = vec![false; nodes];
            let mut at = 0;
            for _ in 0..nodes {
                assert!(!seen[at], "{nodes} nodes: {at} came twice");
                seen[at] = true;
                at = next[at];
            }
            assert_eq!(at, 0);
        }
        assert!(cycle(42, 0).is_empty());
        assert_ne!(cycle(1, 1000), cycle(2, 1000));
    }

    #[test]
    fn distinct_numbers_are_distinct_and_in_bounds() {
        let mut chosen = distinct(3, 8, 256);
        chosen.sort_unstable();
        chosen.dedup();
        assert_eq!(chosen.len(), 8);
        assert!(chosen.iter().all(|&n| n < 256));
        assert_eq!(distinct(3, 9, 4).len(), 4);
    }
}
