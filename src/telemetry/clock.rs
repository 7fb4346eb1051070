//! The clocks: one for durations, which nothing adjusts, and one for dates.

use rustix::time::{ClockId, clock_gettime};

/// `CLOCK_MONOTONIC_RAW` in nanoseconds: unlike `CLOCK_MONOTONIC`, its rate is not steered while we measure.
pub fn monotonic_raw_ns() -> u64 {
    let now = clock_gettime(ClockId::MonotonicRaw);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Date and time in UTC as RFC 3339, to the millisecond: `2026-11-23T05:27:27.000Z`.
pub fn utc_now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

/// Time since a session began, in `CLOCK_MONOTONIC_RAW`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionClock {
    origin_ns: u64,
}

impl SessionClock {
    /// A session that begins now.
    pub fn start() -> Self {
        Self::since(monotonic_raw_ns())
    }

    /// A session that began at `origin_ns`, as `monotonic_raw_ns` gave it.
    pub fn since(origin_ns: u64) -> Self {
        Self { origin_ns }
    }

    /// Nanoseconds since the session began.
    pub fn now_ns(&self) -> u64 {
        self.at(monotonic_raw_ns())
    }

    /// A time of `monotonic_raw_ns` in nanoseconds since the session began; 0 if it lies before.
    pub fn at(&self, raw_ns: u64) -> u64 {
        raw_ns.saturating_sub(self.origin_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_raw_clock_only_goes_forward() {
        let times: Vec<u64> = (0..1000).map(|_| monotonic_raw_ns()).collect();
        assert!(times.is_sorted());
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(monotonic_raw_ns() - times[0] >= 1_900_000);
    }

    #[test]
    fn a_session_clock_counts_from_its_origin() {
        let clock = SessionClock::since(1000);
        assert_eq!((clock.at(1500), clock.at(400)), (500, 0));
        assert!(SessionClock::start().now_ns() < 1_000_000_000);
    }

    #[test]
    fn dates_are_rfc_3339_in_utc() {
        let now = utc_now();
        assert_eq!(now.len(), "2026-11-23T05:27:27.000Z".len());
        assert!(now.ends_with('Z'));
        assert!(now.parse::<jiff::Timestamp>().is_ok());
    }
}
