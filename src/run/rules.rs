//! The one table of warm-up and stopping rules.

use crate::{
    measure::Rules,
    result::{Cache, Scale, StoppingRule},
};

const MS: u64 = 1_000_000;

/// The rules of a case. The first case of a session also wakes the clocks. A warm cache settles over hundreds of
/// milliseconds: on an H100 the times of warm reads were still falling after half a second.
pub fn rules(scale: Scale, cache: Cache, first: bool) -> Rules {
    let (warmup_min_ns, warmup_max_ns) = match (scale, first, cache) {
        (Scale::Small, ..) => (20 * MS, 300 * MS),
        (Scale::Full, true, _) => (1000 * MS, 3000 * MS),
        (Scale::Full, _, Cache::Warm) => (500 * MS, 4000 * MS),
        (Scale::Full, ..) => (20 * MS, 1000 * MS),
    };
    let stopping = match scale {
        Scale::Full => StoppingRule {
            relative_error: 0.001,
            min_samples: 50,
            max_samples: 5000,
            min_time_ns: 50 * MS,
            max_time_ns: 3000 * MS,
        },
        Scale::Small => StoppingRule {
            relative_error: 0.01,
            min_samples: 5,
            max_samples: 200,
            min_time_ns: 10 * MS,
            max_time_ns: 500 * MS,
        },
    };
    Rules {
        warmup_min_ns,
        warmup_max_ns,
        stopping,
    }
}
