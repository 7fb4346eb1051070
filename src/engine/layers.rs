//! The residual stream in front of every layer of a text as a NumPy array. Knows no file but the bytes that it writes.

use std::io::{self, Write};

use thiserror::Error;

use super::{Engine, EngineError, npy};

/// Why a text's layers could not be shown.
#[derive(Debug, Error)]
pub enum LayersError {
    /// The model refused a token.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The array could not be written.
    #[error("cannot write layers: {0}")]
    Write(#[from] io::Error),
}

/// Writes the residual stream with which each layer begins, for each of `ids`, which are appended one after another to what
/// the engine has read. A `.npy` file of float32, \[ids\]\[layers\]\[embedding\].
///
/// # Errors
///
/// Those of the engine, and of the writer.
pub fn layers(
    engine: &mut dyn Engine,
    ids: &[u32],
    output: &mut impl Write,
) -> Result<(), LayersError> {
    let layers = engine.architecture().layers().len();
    for (row, id) in ids.iter().enumerate() {
        let streams = engine.step_by_layers(*id)?;
        if row == 0 {
            let shape = [ids.len(), layers, streams.len() / layers.max(1)];
            output.write_all(&npy::header(&shape))?;
        }
        output.write_all(&npy::numbers(&streams))?;
    }
    output.flush()?;
    Ok(())
}
