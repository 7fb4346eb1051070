//! What the machine says about itself, once and while it works. Knows nothing of what it is working on.

mod clock;
mod cpu_model;
mod host;

pub use clock::{SessionClock, monotonic_raw_ns, utc_now};
pub use host::{cache_total_bytes, host};
