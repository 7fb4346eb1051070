//! From logits to the next token.

use crate::device::generator::word;

/// The id of the largest logit; of equals the lowest. A NaN is never chosen while there is another value.
pub fn greedy(logits: &[f64]) -> u32 {
    let mut best = (0, f64::NEG_INFINITY);
    for (id, logit) in (0..).zip(logits) {
        if *logit > best.1 {
            best = (id, *logit);
        }
    }
    best.0
}

/// A draw from softmax(logits / temperature): the largest of logit / temperature + Gumbel noise (Gumbel 1954; Maddison,
/// Tarlow, Minka 2014). At a temperature of 0 this is [`greedy`].
///
/// The noise of token `id` at `position` is a function of `seed`, `position` and `id` alone, so that any engine makes
/// any part of it in any order.
pub fn sample(logits: &[f64], temperature: f64, seed: u64, position: u32) -> u32 {
    if temperature == 0.0 {
        return greedy(logits);
    }
    let noisy = |(id, logit): (u32, &f64)| logit / temperature + gumbel(seed, position, id);
    let noisy: Vec<f64> = (0..).zip(logits).map(noisy).collect();
    greedy(&noisy)
}

/// -ln(-ln u), with u between 0 and 1 from the upper 53 bits of word position · 2^32 + id of the stream `seed` of
/// [`crate::device::generator`]: u = (bits + 1/2) / 2^53, which is neither 0 nor 1.
pub fn gumbel(seed: u64, position: u32, id: u32) -> f64 {
    let bits = word(seed, u64::from(position) << 32 | u64::from(id)) >> 11;
    let uniform = (bits as f64 + 0.5) / (1u64 << 53) as f64;
    -(-uniform.ln()).ln()
}

#[cfg(test)]
mod tests {
    use super::super::softmax::softmax;
    use super::*;

    #[test]
    fn of_equal_logits_the_lowest_id_is_greedy() {
        assert_eq!(greedy(&[-1.0, 2.0, 0.5, 2.0]), 1);
        assert_eq!(greedy(&[f64::NAN, -1e300, f64::NAN]), 1);
        assert_eq!(sample(&[-1.0, 2.0, 0.5, 2.0], 0.0, 1, 2), 1);
    }

    /// Expected: SplitMix64 and the formula in Python.
    #[test]
    fn the_noise_has_these_values() {
        for ((seed, position, id), expected) in [
            ((0, 0, 0), 2.08684367696744),
            ((7, 3, 2), 0.43118909943101924),
        ] {
            assert!((gumbel(seed, position, id) - expected).abs() < 1e-14);
        }
    }

    /// 20,000 draws; six standard deviations of a share are at most 6 · sqrt(0.25 / 20,000) = 0.021.
    #[test]
    fn draws_have_the_shares_of_the_softmax() {
        let (logits, temperature, draws) = ([1.0, 3.0, -1.0, 2.0], 1.7, 20_000);
        let scaled: Vec<f64> = logits.iter().map(|logit| logit / temperature).collect();
        let mut counts = [0; 4];
        for position in 0..draws {
            counts[sample(&logits, temperature, 5, position) as usize] += 1;
        }
        for (count, expected) in counts.iter().zip(softmax(&scaled)) {
            let share = f64::from(*count) / f64::from(draws);
            assert!((share - expected).abs() < 0.021, "{share}, not {expected}");
        }
    }
}
