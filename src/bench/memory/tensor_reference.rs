//! Inputs and exact results of the tensor-core cases, in the fragment order of `mma.sync` (PTX ISA, "Matrix fragments for
//! mma.m16n8k16 / m16n8k32").

use crate::{device::generator, kernels::Precision};

/// Products per iteration and warp.
const ACCUMULATORS: usize = 8;

/// Inputs in fragment order and the result.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorReference {
    /// A: `[4][32]` words.
    pub a: Vec<u32>,
    /// B: `[8][2][32]` words.
    pub b: Vec<u32>,
    /// Sum over the accumulators of word c of a lane after all iterations: `[4][32]`.
    pub sums: Vec<i64>,
}

/// Where the elements of a fragment word lie: register, lane → rows of A (or columns of B) and first inner index.
fn inner_index(precision: Precision, high: usize, lane: usize) -> usize {
    let per_word = precision.inner() as usize / 8;
    high * per_word * 4 + (lane % 4) * per_word
}

fn pack(precision: Precision, values: &[i64]) -> u32 {
    match precision {
        Precision::Fp16 => values.iter().rev().fold(0, |word, &value| {
            word << 16 | u32::from(half::f16::from_f32(value as f32).to_bits())
        }),
        Precision::Int8 => values
            .iter()
            .rev()
            .fold(0, |word, &value| word << 8 | u32::from(value as i8 as u8)),
    }
}

impl TensorReference {
    /// Small random integers and their products.
    pub fn new(precision: Precision, seed: u64, iterations: u32) -> Self {
        let inner = precision.inner() as usize;
        // -2..=2: every partial sum of the kernel stays below 2^24, so f32 holds it exactly.
        let value = |index: usize| generator::below(seed, index as u64, 5) as i64 - 2;
        let a = |row: usize, k: usize| value(row * inner + k);
        let b = |j: usize, k: usize, column: usize| value(4096 + (j * inner + k) * 8 + column);
        let per_word = inner / 8;
        let word = |element: &dyn Fn(usize) -> i64, high: usize, lane: usize| {
            let first = inner_index(precision, high, lane);
            pack(
                precision,
                &(first..first + per_word).map(element).collect::<Vec<_>>(),
            )
        };
        let mut reference = Self {
            a: Vec::new(),
            b: Vec::new(),
            sums: Vec::new(),
        };
        for register in 0..4 {
            for lane in 0..32 {
                let row = lane / 4 + 8 * (register % 2);
                reference.a.push(word(&|k| a(row, k), register / 2, lane));
            }
        }
        for j in 0..ACCUMULATORS {
            for register in 0..2 {
                for lane in 0..32 {
                    reference
                        .b
                        .push(word(&|k| b(j, k, lane / 4), register, lane));
                }
            }
        }
        for register in 0..4 {
            for lane in 0..32 {
                let (row, column) = (lane / 4 + 8 * (register / 2), lane % 4 * 2 + register % 2);
                let product: i64 = (0..ACCUMULATORS)
                    .flat_map(|j| (0..inner).map(move |k| (j, k)))
                    .map(|(j, k)| a(row, k) * b(j, k, column))
                    .sum();
                reference.sums.push(product * i64::from(iterations));
            }
        }
        reference
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partial_sum_is_exact_in_f32() {
        for precision in [Precision::Fp16, Precision::Int8] {
            let reference = TensorReference::new(precision, 7, 4096);
            assert!(reference.sums.iter().all(|sum| sum.abs() < 1 << 24));
            assert!(reference.sums.iter().any(|&sum| sum != 0));
            assert_eq!((reference.a.len(), reference.b.len()), (128, 512));
        }
    }

    #[test]
    fn packing_puts_the_first_element_lowest() {
        assert_eq!(pack(Precision::Int8, &[1, -1, 2, 0]), 0x0002_FF01);
        assert_eq!(pack(Precision::Fp16, &[1, -2]), 0xC000_3C00);
    }
}
