//! The timed loop: warm-up until times stand still, samples until the median is known, discards accounted for.

use crate::{
    device::DeviceError,
    result::{
        Discard, DiscardReason, Stopping, StoppingReason, StoppingRule, Warmup, WarmupReason,
    },
    stats::{median, relative_standard_error},
    telemetry::monotonic_raw_ns,
};

use super::{Outcome, Timed};

/// When warm-up and sampling end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// Warm-up takes at least this long.
    pub warmup_min_ns: u64,
    /// Warm-up takes at most this long.
    pub warmup_max_ns: u64,
    /// The stopping rule.
    pub stopping: StoppingRule,
}

/// What the loop found.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    /// Warm-up.
    pub warmup: Warmup,
    /// Kept samples in order.
    pub samples_ns: Vec<u64>,
    /// Samples that do not count.
    pub discards: Vec<Discard>,
    /// Why it stopped.
    pub stopping: Stopping,
    /// All comparisons together: words compared, largest error.
    pub outcome: Outcome,
}

/// Fewest runs on each side of the comparison that finds the steady state.
const STEADY_RUNS: usize = 5;
/// Largest relative difference of the two medians that counts as steady.
const STEADY_DIFFERENCE: f64 = 0.005;

/// Whether the last quarter of the runs was as fast as the quarter before it. The windows grow with the warm-up, so that
/// a slow drift is seen as well as a quick one.
fn steady(runs_ns: &[f64]) -> bool {
    let window = (runs_ns.len() / 4).max(STEADY_RUNS);
    let Some(start) = runs_ns.len().checked_sub(2 * window) else {
        return false;
    };
    let (earlier, later) = runs_ns[start..].split_at(window);
    let middle = |runs: &[f64]| {
        let mut sorted = runs.to_vec();
        sorted.sort_by(f64::total_cmp);
        median(&sorted)
    };
    match (middle(earlier), middle(later)) {
        (Some(a), Some(b)) => (a - b).abs() <= STEADY_DIFFERENCE * a,
        _ => false,
    }
}

fn warm_up(work: &mut dyn Timed, rules: &Rules) -> Result<Warmup, DeviceError> {
    let begin = monotonic_raw_ns();
    let mut runs = Vec::new();
    let mut next_look = 2 * STEADY_RUNS;
    loop {
        runs.push(work.run()?.duration_ns as f64);
        let duration_ns = monotonic_raw_ns() - begin;
        let look = duration_ns >= rules.warmup_min_ns && runs.len() >= next_look;
        let reason = if duration_ns >= rules.warmup_max_ns {
            WarmupReason::TimeLimit
        } else if look && steady(&runs) {
            WarmupReason::Stable
        } else {
            if look {
                next_look = runs.len() + runs.len().div_ceil(8);
            }
            continue;
        };
        return Ok(Warmup {
            samples: runs.len() as u64,
            duration_ns,
            reason,
        });
    }
}

fn converged(samples_ns: &[u64], timed_ns: u64, rule: &StoppingRule) -> bool {
    timed_ns >= rule.min_time_ns
        && relative_standard_error(samples_ns).is_some_and(|error| error <= rule.relative_error)
}

/// Warms up, then samples and checks every sample. `unfit(begin, end)` says whether the machine's state between two
/// `CLOCK_MONOTONIC_RAW` times spoils what was timed.
///
/// # Errors
///
/// What the device refuses.
pub fn sample(
    work: &mut dyn Timed,
    rules: &Rules,
    unfit: &dyn Fn(u64, u64) -> Option<DiscardReason>,
) -> Result<Sampled, DeviceError> {
    let warmup = warm_up(work, rules)?;
    let rule = rules.stopping;
    let (mut samples_ns, mut discards) = (Vec::new(), Vec::new());
    let (mut outcome, mut timed_ns) = (Outcome::default(), 0u64);
    let begin = monotonic_raw_ns();
    // The error of the median needs a sort; doubling the wait between two looks keeps the loop linear.
    let mut next_look = rule.min_samples as usize;
    let reason = loop {
        let before = monotonic_raw_ns();
        let sample = work.run()?;
        let discard = match sample.host_bound {
            true => Some(DiscardReason::HostBound),
            false => unfit(before, monotonic_raw_ns()),
        };
        let found = work.check()?;
        outcome.checked += found.checked;
        // `f64::max` would lose a NaN.
        if found.max_error.is_nan() || found.max_error > outcome.max_error {
            outcome.max_error = found.max_error;
        }
        timed_ns += sample.duration_ns;
        match discard {
            Some(reason) => discards.push(Discard {
                after_samples: samples_ns.len() as u64,
                duration_ns: sample.duration_ns,
                reason,
            }),
            None => samples_ns.push(sample.duration_ns),
        }
        if samples_ns.len() >= next_look {
            if converged(&samples_ns, timed_ns, &rule) {
                break StoppingReason::Converged;
            }
            next_look = samples_ns.len() + samples_ns.len().div_ceil(8).max(1);
        }
        if samples_ns.len() as u64 >= rule.max_samples {
            break StoppingReason::SampleLimit;
        }
        let elapsed = monotonic_raw_ns() - begin;
        let enough = samples_ns.len() as u64 >= rule.min_samples;
        // Discards must not keep the loop alive for ever.
        if elapsed >= rule.max_time_ns && (enough || elapsed >= 4 * rule.max_time_ns) {
            break StoppingReason::TimeLimit;
        }
    };
    Ok(Sampled {
        warmup,
        samples_ns,
        discards,
        stopping: Stopping {
            rule,
            reason,
            duration_ns: monotonic_raw_ns() - begin,
        },
        outcome,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Sample;

    /// Work whose times are given.
    struct Script {
        times_ns: Vec<u64>,
        at: usize,
        host_bound_every: usize,
    }

    impl Timed for Script {
        fn run(&mut self) -> Result<Sample, DeviceError> {
            let duration_ns = self.times_ns[self.at % self.times_ns.len()];
            self.at += 1;
            Ok(Sample {
                duration_ns,
                host_bound: self.host_bound_every != 0
                    && self.at.is_multiple_of(self.host_bound_every),
            })
        }

        fn check(&mut self) -> Result<Outcome, DeviceError> {
            Ok(Outcome {
                checked: 2,
                max_error: 0.0,
            })
        }

        fn outputs(&self) -> (Vec<u8>, Vec<u8>) {
            Default::default()
        }
    }

    const RULES: Rules = Rules {
        warmup_min_ns: 0,
        warmup_max_ns: 1_000_000_000,
        stopping: StoppingRule {
            relative_error: 0.001,
            min_samples: 20,
            max_samples: 100,
            min_time_ns: 0,
            max_time_ns: 1_000_000_000,
        },
    };

    fn script(times_ns: &[u64]) -> Script {
        Script {
            times_ns: times_ns.to_vec(),
            at: 0,
            host_bound_every: 0,
        }
    }

    #[test]
    fn steady_times_end_the_warm_up_and_the_sampling_at_once() {
        let found = sample(&mut script(&[1000]), &RULES, &|_, _| None).unwrap();
        assert_eq!(
            (found.warmup.samples, found.warmup.reason),
            (10, WarmupReason::Stable)
        );
        assert_eq!(found.samples_ns, vec![1000; 20]);
        assert_eq!(found.stopping.reason, StoppingReason::Converged);
        assert_eq!(found.outcome.checked, 40);
    }

    #[test]
    fn a_falling_time_is_warm_up_until_it_stands() {
        let mut times: Vec<u64> = (0..30).map(|i| 10_000 - 300 * i).collect();
        times.resize(10_000, 1000);
        let found = sample(&mut script(&times), &RULES, &|_, _| None).unwrap();
        assert!(found.warmup.samples > 30);
        assert!(found.samples_ns.iter().all(|&ns| ns == 1000));
    }

    #[test]
    fn noise_runs_into_the_sample_limit() {
        let times: Vec<u64> = (0..97).map(|i| 1000 + (i * 37 % 97) * 20).collect();
        let found = sample(&mut script(&times), &RULES, &|_, _| None).unwrap();
        assert_eq!(found.samples_ns.len(), 100);
        assert_eq!(found.stopping.reason, StoppingReason::SampleLimit);
    }

    #[test]
    fn discards_are_counted_and_kept_apart() {
        let mut work = script(&[1000]);
        work.host_bound_every = 4;
        let found = sample(&mut work, &RULES, &|_, _| None).unwrap();
        assert_eq!(found.samples_ns.len(), 20);
        assert!(found.discards.len() >= 6);
        assert!(
            found
                .discards
                .iter()
                .all(|d| d.reason == DiscardReason::HostBound)
        );
    }

    #[test]
    fn an_unfit_machine_ends_at_the_time_limit_with_nothing() {
        let mut rules = RULES;
        rules.stopping.max_time_ns = 1_000_000;
        let found = sample(&mut script(&[1000]), &rules, &|_, _| {
            Some(DiscardReason::Throttled)
        })
        .unwrap();
        assert!(found.samples_ns.is_empty());
        assert_eq!(found.stopping.reason, StoppingReason::TimeLimit);
    }
}
