//! Whether a plan fits the device memory that is free, asked before anything is allocated.

use crate::engine::EngineError;

/// Device memory that is left to the driver: graphs, launches under way, what printing would need.
const LEFT_BYTES: u64 = 128 << 20;

/// What of `free` bytes may be used, if of all `total` no more than `limit` may be in use.
pub(super) fn within(limit: Option<u64>, free: u64, total: u64) -> u64 {
    let used = total.saturating_sub(free);
    limit.map_or(free, |limit| limit.saturating_sub(used).min(free))
}

/// Refuses a context whose plan needs more than `free` bytes, and says which fits. `needed` gives the bytes of a context,
/// which grow with it.
pub(super) fn check(
    context: usize,
    free: u64,
    needed: impl Fn(usize) -> Result<u64, EngineError>,
) -> Result<(), EngineError> {
    let available = free.saturating_sub(LEFT_BYTES);
    let bytes = needed(context)?;
    if bytes <= available {
        return Ok(());
    }
    // The longest context that fits: below `fits` all do, from `too_long` on none does.
    let (mut fits, mut too_long) = (0, context);
    while fits + 1 < too_long {
        let middle = fits + (too_long - fits) / 2;
        if needed(middle)? <= available {
            fits = middle;
        } else {
            too_long = middle;
        }
    }
    Err(EngineError::OutOfMemory {
        context,
        needed: bytes,
        available,
        fits,
    })
}
