//! What every engine refuses before it computes: contexts that a model does not have, ids, tokens too many.

use crate::model::Architecture;

use super::EngineError;

/// Context where none is asked for, in tokens.
const DEFAULT_CONTEXT: usize = 4096;

/// The context asked for, or the default, within what the model was made for.
pub(super) fn context(
    architecture: &Architecture,
    asked: Option<usize>,
) -> Result<usize, EngineError> {
    let limit = usize::try_from(architecture.context()).unwrap_or(usize::MAX);
    match asked {
        None => Ok(DEFAULT_CONTEXT.min(limit)),
        Some(found) if (1..=limit).contains(&found) => Ok(found),
        Some(found) => Err(EngineError::Context { found, limit }),
    }
}

/// Refuses ids that a vocabulary does not have.
pub(super) fn check_ids(ids: &[u32], vocabulary: u64) -> Result<(), EngineError> {
    match ids.iter().find(|id| u64::from(**id) >= vocabulary) {
        Some(id) => Err(EngineError::TokenOutOfRange {
            id: *id,
            vocabulary,
        }),
        None => Ok(()),
    }
}

/// Refuses more tokens than fit a context behind `position`.
pub(super) fn check_room(context: usize, position: usize, added: usize) -> Result<(), EngineError> {
    match position.saturating_add(added) <= context {
        true => Ok(()),
        false => Err(EngineError::ContextFull {
            context,
            position,
            added,
        }),
    }
}
