//! The bytes of a tensor from its position alone: any block can be made anywhere, in any order, the same everywhere.
//!
//! Only integer operations and IEEE 754 additions, multiplications, divisions and roundings are used, which no
//! compiler, processor or thread count changes.

use half::f16;

use crate::quant::TensorType::{self, *};

use super::values::Distribution;

/// A random sequence read by position: word `n` is the `n`-th output of SplitMix64 (Steele, Lea, Flood 2014) begun at
/// `key`.
#[derive(Debug, Clone, Copy)]
struct Words {
    key: u64,
}

impl Words {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

    /// The sequence of one tensor of one file.
    fn new(seed: u64, tensor: u64) -> Self {
        let per_seed = Words { key: seed };
        Words {
            key: per_seed.at(tensor),
        }
    }

    fn at(self, position: u64) -> u64 {
        let mut word = self
            .key
            .wrapping_add(position.wrapping_add(1).wrapping_mul(Self::STEP));
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}

/// A quantised type: where its blocks keep f16 scales, and what these do to uniformly random codes.
struct Layout {
    ty: TensorType,
    /// Standard deviation of a weight whose block has scale 1.
    spread: f64,
    /// Where the scale lies in a block.
    scale_at: usize,
    /// Where the offset's scale lies, and that scale in units of the first, which makes the mean zero.
    offset: Option<(usize, f64)>,
}

/// The spreads are exact for even codes: with sub-scales s in 0..64 and minima m alike, Q4_K has
/// `var(s q - 7.5 m) = E[s^2] E[q^2] - (E[s] E[q])^2 + 7.5^2 var(m) = 258.3^2`, and so on.
const LAYOUTS: &[Layout] = &[
    layout(Q4_K, 258.3, 0, Some((2, 7.5))),
    layout(Q5_K, 526.9, 0, Some((2, 15.5))),
    layout(Q6_K, 1365.7, 208, None),
    layout(Q8_0, 73.9, 0, None),
    layout(Q5_0, 9.23, 0, None),
    layout(Q5_1, 9.23, 0, Some((2, -15.5))),
];

const fn layout(
    ty: TensorType,
    spread: f64,
    scale_at: usize,
    offset: Option<(usize, f64)>,
) -> Layout {
    Layout {
        ty,
        spread,
        scale_at,
        offset,
    }
}

/// Makes the blocks of one tensor.
#[derive(Debug, Clone)]
pub(super) struct Generator {
    words: Words,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    /// f32 values; the tensor's number of elements.
    Float(Distribution, u64),
    /// Quantised blocks.
    Quantised {
        block_bytes: usize,
        /// Offset in the block and the f16 bits of each of 256 equally likely scales, 0.6 to 1.4 of the wanted one.
        fields: Vec<(usize, [[u8; 2]; 256])>,
    },
}

impl Generator {
    /// The generator of a tensor, or `None` for a type or distribution that it does not make.
    pub fn new(
        seed: u64,
        tensor: u64,
        ty: TensorType,
        distribution: Distribution,
        elements: u64,
    ) -> Option<Self> {
        let words = Words::new(seed, tensor);
        if ty == F32 {
            let kind = Kind::Float(distribution, elements);
            return Some(Generator { words, kind });
        }
        let Distribution::Normal { std, .. } = distribution else {
            return None;
        };
        let layout = LAYOUTS.iter().find(|layout| layout.ty == ty)?;
        let scale = std / layout.spread;
        let fields = [Some((layout.scale_at, 1.0)), layout.offset];
        let kind = Kind::Quantised {
            block_bytes: ty.block_bytes() as usize,
            fields: fields
                .into_iter()
                .flatten()
                .map(|(at, ratio)| (at, scales(scale * ratio)))
                .collect(),
        };
        Some(Generator { words, kind })
    }

    /// Fills `out` with whole blocks, of which the first is block `first` of the tensor.
    pub fn fill(&self, first: u64, out: &mut [u8]) {
        match &self.kind {
            Kind::Float(distribution, elements) => {
                for (index, value) in (first..).zip(out.chunks_exact_mut(4)) {
                    let drawn = float(*distribution, self.words.at(index), index, *elements);
                    value.copy_from_slice(&drawn.to_le_bytes());
                }
            }
            Kind::Quantised {
                block_bytes,
                fields,
            } => {
                // One word chooses the scale, the others are the codes; the last may be cut short.
                let words_per_block = 1 + block_bytes.div_ceil(8) as u64;
                for (index, block) in (first..).zip(out.chunks_exact_mut(*block_bytes)) {
                    let start = index * words_per_block;
                    for (word, codes) in (start + 1..).zip(block.chunks_mut(8)) {
                        codes.copy_from_slice(&self.words.at(word).to_le_bytes()[..codes.len()]);
                    }
                    let choice = self.words.at(start) as u8;
                    for (at, scales) in fields {
                        block[*at..at + 2].copy_from_slice(&scales[usize::from(choice)]);
                    }
                }
            }
        }
    }
}

/// The f16 bits of 256 scales, evenly from 0.6 to 1.4 of `wanted`.
fn scales(wanted: f64) -> [[u8; 2]; 256] {
    std::array::from_fn(|choice| {
        let scale = wanted * (0.6 + 0.8 * (choice as f64 / 255.0));
        f16::from_f32(scale as f32).to_le_bytes()
    })
}

/// One f32 value from one random word.
fn float(distribution: Distribution, word: u64, index: u64, elements: u64) -> f32 {
    // 53 random bits below 1, exact in f64.
    let unit = (word >> 11) as f64 / (1u64 << 53) as f64;
    let value = match distribution {
        Distribution::Normal { mean, std } => mean + std * bell(word),
        // `unit` leaves the lowest bits unused.
        Distribution::Signed => match word & 1 {
            0 => 0.9 + 0.2 * unit,
            _ => -0.9 - 0.2 * unit,
        },
        Distribution::Uniform { low, high } => low + (high - low) * unit,
        Distribution::Decay => {
            let octave = [0.125, 0.25, 0.5, 1.0, 2.0, 4.0][(word % 6) as usize];
            -octave * (1.0 + unit)
        }
        Distribution::RopeFactors => match index < elements / 4 {
            true => 1.0,
            false => 1e30,
        },
    };
    value as f32
}

/// A bell-shaped value of mean 0 and standard deviation 1: the sum of four uniform 16-bit numbers, scaled.
fn bell(word: u64) -> f64 {
    let sum: u64 = (0..4).map(|part| (word >> (16 * part)) & 0xffff).sum();
    // Mean 4 * 65535 / 2; standard deviation sqrt(4 (65536^2 - 1) / 12).
    (sum as f64 - 131_070.0) / 37_837.2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::quant::dequantize;

    fn generator(ty: TensorType) -> Generator {
        let distribution = Distribution::Normal {
            mean: 0.0,
            std: 1.0,
        };
        Generator::new(1, 2, ty, distribution, 1 << 20).unwrap()
    }

    /// The first outputs of SplitMix64 begun at 1234567, as Rosetta Code lists them under "Pseudo-random numbers/Splitmix64".
    #[test]
    fn words_are_those_of_splitmix64() {
        let words = Words { key: 1_234_567 };
        let first: Vec<_> = (0..5).map(|position| words.at(position)).collect();
        let published = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(first, published);
    }

    #[test]
    fn scales_are_finite_positive_and_about_the_wanted_one() {
        for wanted in [1e-6, 1e-3, 0.1] {
            for bits in scales(wanted) {
                let scale = f64::from(f16::from_le_bytes(bits));
                assert!(
                    (0.5..1.5).contains(&(scale / wanted)),
                    "{scale} for {wanted}"
                );
            }
        }
    }

    #[test]
    fn float_values_keep_to_their_distribution() {
        let draw = |distribution| {
            (0..10_000).map(move |index| {
                let word = Words::new(1, 2).at(index);
                f64::from(float(distribution, word, index, 10_000))
            })
        };
        let normal = || {
            draw(Distribution::Normal {
                mean: 3.0,
                std: 2.0,
            })
        };
        let mean = normal().sum::<f64>() / 1e4;
        let std = (normal()
            .map(|value| (value - mean) * (value - mean))
            .sum::<f64>()
            / 1e4)
            .sqrt();
        assert!(
            (mean - 3.0).abs() < 0.1 && (std - 2.0).abs() < 0.1,
            "mean {mean}, std {std}"
        );
        assert!(
            draw(Distribution::Uniform {
                low: -4.0,
                high: 1.0
            })
            .all(|value| (-4.0..=1.0).contains(&value))
        );
        assert!(draw(Distribution::Decay).all(|value| (-8.0..=-0.125).contains(&value)));
        let negative = draw(Distribution::Signed)
            .filter(|value| *value < 0.0)
            .count();
        assert!((4_800..5_200).contains(&negative), "{negative} negative");
        assert!(draw(Distribution::Signed).all(|value| (0.89..1.11).contains(&value.abs())));
        assert_eq!(
            draw(Distribution::RopeFactors)
                .filter(|value| *value == 1.0)
                .count(),
            2_500
        );
    }

    #[test]
    fn quantised_weights_have_mean_zero_and_the_wanted_deviation() {
        for layout in LAYOUTS {
            let blocks = 100_000 / layout.ty.block_elements() as usize;
            let mut bytes = vec![0; blocks * layout.ty.block_bytes() as usize];
            generator(layout.ty).fill(0, &mut bytes);
            let mut weights = vec![0.0; blocks * layout.ty.block_elements() as usize];
            dequantize(layout.ty, &bytes, &mut weights).unwrap();
            let count = weights.len() as f64;
            let mean = weights.iter().map(|weight| f64::from(*weight)).sum::<f64>() / count;
            let squares = weights
                .iter()
                .map(|weight| f64::from(*weight) * f64::from(*weight));
            let std = (squares.sum::<f64>() / count).sqrt();
            // Codes of 5 and 8 bits with a sign have one more negative value; the scales' spread adds 2.6 %.
            let found = format!("{}: mean {mean}, std {std}", layout.ty);
            assert!(mean.abs() < 0.07 && (0.99..1.07).contains(&std), "{found}");
        }
    }

    proptest! {
        #[test]
        fn any_piece_equals_that_part_of_the_whole(kind in 0..=LAYOUTS.len(), first in 0usize..20, len in 1usize..20) {
            let ty = LAYOUTS.get(kind).map_or(F32, |layout| layout.ty);
            let (generator, block) = (generator(ty), ty.block_bytes() as usize);
            let mut whole = vec![0; 40 * block];
            generator.fill(0, &mut whole);
            let mut piece = vec![0; len * block];
            generator.fill(first as u64, &mut piece);
            prop_assert_eq!(&piece, &whole[first * block..(first + len) * block]);
        }
    }
}
