//! The one table of warm-up and stopping rules.

use crate::{
    measure::Rules,
    result::{Scale, StoppingRule},
};

const MS: u64 = 1_000_000;

/// The rules of a case. The first case of a session also wakes the clocks, which takes longer.
pub fn rules(scale: Scale, first: bool) -> Rules {
    match scale {
        Scale::Full => Rules {
            warmup_min_ns: if first { 1000 * MS } else { 20 * MS },
            warmup_max_ns: if first { 3000 * MS } else { 1000 * MS },
            stopping: StoppingRule {
                relative_error: 0.0005,
                min_samples: 50,
                max_samples: 2000,
                min_time_ns: 50 * MS,
                max_time_ns: 2000 * MS,
            },
        },
        Scale::Small => Rules {
            warmup_min_ns: 20 * MS,
            warmup_max_ns: 300 * MS,
            stopping: StoppingRule {
                relative_error: 0.01,
                min_samples: 5,
                max_samples: 200,
                min_time_ns: 10 * MS,
                max_time_ns: 500 * MS,
            },
        },
    }
}
