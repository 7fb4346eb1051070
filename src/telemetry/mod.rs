//! What the machine says about itself, once and while it works. Knows nothing of what it is working on.

mod clock;
mod cpu_model;
mod facts;
#[cfg(test)]
mod fake_nvml;
mod host;
mod host_load;
mod hwmon;
mod nvml;
mod probe;
mod quantity;
mod sampler;

pub use clock::{SessionClock, monotonic_raw_ns, utc_now};
pub use facts::{NvmlFacts, kernel_module_version, nvml_report};
pub use host::{cache_total_bytes, host};
pub use nvml::{Gpu, Nvml, NvmlUnavailable};
pub use quantity::{Quantity, SLOWDOWNS, event_reason_names};
pub use sampler::{INTERVAL_NS, Sampler};
