//! The 95 % interval of a median, the same bits on every machine.

use super::quantile::quantile;

/// Resamples of the percentile bootstrap.
const RESAMPLES: usize = 1000;

/// Above this many values the interval is taken from its limit law: the error of that is below the noise of 1000
/// resamples, and the cost no longer grows with resamples times values.
const LARGEST_RESAMPLED: usize = 1000;

/// Seed of every bootstrap, so that the interval depends on the values alone.
const SEED: u64 = 0x5350_4152_4b42_4e43;

/// Lower and upper end of the 95 % interval of the median of ascending `sorted`. None when empty.
///
/// Up to 1000 values: percentile bootstrap (Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, section
/// 13.3) with 1000 resamples from a fixed seed. Above: the order statistics of ranks n/2 ∓ 1.96 √n / 2, which is what
/// the bootstrap converges to, since the rank of a resampled median is binomial with variance n/4 (David & Nagaraja,
/// "Order Statistics", 2003, section 7.1). Only + − × ÷ √ in a fixed order.
pub fn median_interval(sorted: &[f64]) -> Option<(f64, f64)> {
    let n = sorted.len();
    if n > LARGEST_RESAMPLED {
        let count = n as f64;
        let half_width = 0.5 * 1.96 / count.sqrt();
        return Some((
            quantile(sorted, 0.5 - half_width)?,
            quantile(sorted, 0.5 + half_width)?,
        ));
    }
    let mut generator = SplitMix64(SEED);
    let mut draws = vec![0; n];
    let mut medians = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        draws.fill(0);
        for _ in 0..n {
            *draws.get_mut(generator.index(n))? += 1;
        }
        medians.push(median_of_draws(sorted, &draws)?);
    }
    medians.sort_unstable_by(f64::total_cmp);
    Some((quantile(&medians, 0.025)?, quantile(&medians, 0.975)?))
}

/// The median of a resample that holds `sorted[i]` `draws[i]` times: counting spares sorting it.
fn median_of_draws(sorted: &[f64], draws: &[u32]) -> Option<f64> {
    let n = sorted.len() as u32;
    let (low_rank, high_rank) = (n.checked_sub(1)? / 2, n / 2);
    let (mut seen, mut low) = (0, None);
    for (value, draws) in sorted.iter().zip(draws) {
        seen += draws;
        if low.is_none() && seen > low_rank {
            low = Some(*value);
        }
        if seen > high_rank {
            return low.map(|low| low + 0.5 * (value - low));
        }
    }
    None
}

/// SplitMix64 (Steele, Lea & Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// An index below `n` ≤ 1000; its bias is below n / 2^32.
    fn index(&mut self, n: usize) -> usize {
        (((self.next() >> 32) * n as u64) >> 32) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // First outputs for seed 1234567, as listed at rosettacode.org/wiki/Pseudo-random_numbers/Splitmix64.
    #[test]
    fn the_generator_is_splitmix64() {
        let mut generator = SplitMix64(1_234_567);
        let found: Vec<u64> = (0..5).map(|_| generator.next()).collect();
        assert_eq!(
            found,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821,
            ]
        );
    }

    #[test]
    fn the_median_of_draws_is_the_median_of_what_was_drawn() {
        let sorted = [1.0, 2.0, 4.0, 8.0];
        assert_eq!(median_of_draws(&sorted, &[1, 1, 1, 1]), Some(3.0));
        assert_eq!(median_of_draws(&sorted, &[0, 3, 0, 1]), Some(2.0));
        assert_eq!(median_of_draws(&sorted, &[2, 0, 0, 2]), Some(4.5));
        assert_eq!(median_of_draws(&sorted[..3], &[1, 0, 2]), Some(4.0));
        assert_eq!(median_of_draws(&[], &[]), None);
    }

    #[test]
    fn equal_values_leave_no_interval() {
        assert_eq!(median_interval(&[5.0; 40]), Some((5.0, 5.0)));
        assert_eq!(median_interval(&[3.0]), Some((3.0, 3.0)));
        assert_eq!(median_interval(&[]), None);
    }

    // The exact bootstrap law: P(resampled median ≤ x_(i)) = P(Binomial(n, i/n) ≥ (n + 1)/2) for odd n (Efron,
    // "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics 7 (1979), section 3). For n = 101 its
    // 2.5 % and 97.5 % points are the 41st and the 61st value.
    #[test]
    fn the_interval_agrees_with_the_exact_bootstrap_law() {
        let x: Vec<f64> = (1..=101).map(f64::from).collect();
        let (low, high) = median_interval(&x).unwrap();
        assert!((low - 41.0).abs() <= 1.0, "{low}");
        assert!((high - 61.0).abs() <= 1.0, "{high}");
    }

    #[test]
    fn resampling_and_its_limit_law_meet_where_one_takes_over() {
        let values = |n: u32| (1..=n).map(f64::from).collect::<Vec<_>>();
        let (low, high) = median_interval(&values(1000)).unwrap();
        let (limit_low, limit_high) = median_interval(&values(1001)).unwrap();
        assert!((low - limit_low).abs() < 4.0, "{low} {limit_low}");
        assert!((high - limit_high).abs() < 4.0, "{high} {limit_high}");
    }

    #[test]
    fn the_interval_is_the_same_every_time() {
        let x: Vec<f64> = (0..257).map(|i| f64::from(i * i)).collect();
        assert_eq!(median_interval(&x), median_interval(&x));
    }
}
