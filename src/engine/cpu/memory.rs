//! Whether a context fits the memory that is free, asked before anything is allocated.

use std::fs;

use crate::device::cpu::available_bytes;
use crate::engine::EngineError;
use crate::model::{Architecture, LayerKind};

use super::attention::{Heads, KvCache};
use super::{gemma4, qwen35moe};

/// Most tokens that pass through the layers together.
pub(super) const CHUNK: usize = 128;

/// Refuses a context whose memory is not free. Where the system does not say what is free, every context passes.
pub(super) fn check(architecture: &Architecture, context: usize) -> Result<(), EngineError> {
    let available = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| available_bytes(&text));
    match available {
        Some(available) => check_against(architecture, context, available),
        None => Ok(()),
    }
}

fn check_against(
    architecture: &Architecture,
    context: usize,
    available: u64,
) -> Result<(), EngineError> {
    let needed = needed(architecture, context);
    if needed <= available {
        return Ok(());
    }
    // The longest context that fits: below `fits` all do, from `too_long` on none does.
    let (mut fits, mut too_long) = (0, context);
    while fits + 1 < too_long {
        let middle = fits + (too_long - fits) / 2;
        if self::needed(architecture, middle) <= available {
            fits = middle;
        } else {
            too_long = middle;
        }
    }
    Err(EngineError::OutOfMemory {
        context,
        needed,
        available,
        fits,
    })
}

/// Bytes that an engine of this context allocates: keys, values, recurrent state, and the vectors of one chunk. The
/// mapped weights are not counted: the system drops their pages where it must and reads them again.
pub(super) fn needed(architecture: &Architecture, context: usize) -> u64 {
    let caches = architecture
        .layers()
        .iter()
        .filter_map(|kind| heads(architecture, *kind))
        .map(|heads| KvCache::bytes(heads, context, CHUNK));
    caches.fold(
        architecture.state_bytes() + chunk_bytes(architecture),
        u64::saturating_add,
    )
}

fn heads(architecture: &Architecture, kind: LayerKind) -> Option<Heads> {
    match (architecture, kind) {
        (_, LayerKind::GatedDeltaNet) => None,
        (Architecture::Qwen35Moe(shape), _) => Some(qwen35moe::heads(shape)),
        (Architecture::Gemma4(shape), _) => Some(gemma4::heads(shape, kind)),
    }
}

/// An upper bound of what a chunk's vectors take: at most eight of the widest projection live at once, beside the outputs
/// of all chosen experts; and the logits, twice.
fn chunk_bytes(architecture: &Architecture) -> u64 {
    let tensors = architecture.tensors();
    let in_layer = tensors
        .iter()
        .filter(|tensor| tensor.name.starts_with("blk."));
    let widest = in_layer
        .flat_map(|tensor| tensor.dims.iter().take(2).copied())
        .max()
        .unwrap_or(0);
    let (_, used) = architecture.experts();
    4 * (CHUNK as u64 * widest * (8 + used) + 2 * architecture.vocabulary())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Model, Scale};
    use crate::quant::TensorType;

    #[test]
    fn a_context_that_does_not_fit_is_refused_with_one_that_does() {
        for model in Model::ALL {
            let architecture = model.architecture(Scale::Full);
            let error = check_against(&architecture, 262_144, 4 << 30).unwrap_err();
            let EngineError::OutOfMemory { fits, .. } = error else {
                panic!("{error}")
            };
            assert!(fits > 1000 && error.hint().is_some());
            assert!(check_against(&architecture, fits, 4 << 30).is_ok());
            assert!(check_against(&architecture, fits + 1, 4 << 30).is_err());
        }
    }

    #[test]
    fn memory_that_holds_no_context_at_all_is_said_so() {
        let architecture = Model::Qwen35.architecture(Scale::Full);
        let error = check_against(&architecture, 1, 1 << 20).unwrap_err();
        assert!(matches!(error, EngineError::OutOfMemory { fits: 0, .. }));
        assert_eq!(
            error.hint().unwrap(),
            "free some memory, or use a machine with more"
        );
    }

    #[test]
    fn keys_and_values_are_counted_as_f32_and_windows_with_a_chunk_beside_them() {
        let qwen = Model::Qwen35.architecture(Scale::Full);
        let grows = needed(&qwen, 2000) - needed(&qwen, 1000);
        let kv = |context| qwen.kv_bytes(context, TensorType::F32).unwrap();
        assert_eq!(grows, kv(2000) - kv(1000));
        let gemma = Model::Gemma4.architecture(Scale::Full);
        // 5 full layers of 2 heads of 512 elements; the 25 sliding ones are full.
        assert_eq!(
            needed(&gemma, 20_000) - needed(&gemma, 10_000),
            10_000 * 5 * 2 * 2 * 512 * 4
        );
    }
}
