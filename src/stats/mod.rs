//! Order statistics of samples: pure numbers in, pure numbers out; knows neither clocks nor files.

mod bootstrap;
mod quantile;
mod summary;

pub use bootstrap::median_interval;
pub use quantile::{mad, median, quantile};
pub use summary::{Summary, ascending, relative_standard_error};
