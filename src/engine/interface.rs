//! What every engine does, whichever device it runs on. Knows no device.

use crate::model::Architecture;

use super::EngineError;

/// A model that reads tokens one after another and keeps what it has read: its context.
///
/// A call that fails has appended nothing: the context, the logits and the routing are those from before it.
pub trait Engine: Send {
    /// Hyper-parameters of the loaded model.
    fn architecture(&self) -> &Architecture;

    /// Tokens in the context so far.
    fn position(&self) -> usize;

    /// Most tokens that the context may hold.
    fn context(&self) -> usize;

    /// Forgets all tokens: KV cache, recurrent state, logits and routing.
    fn reset(&mut self);

    /// Appends `ids`; afterwards `logits()` are those behind the last of them. Without ids nothing changes.
    ///
    /// # Errors
    ///
    /// `TokenOutOfRange` for an id that the vocabulary does not have; `ContextFull` if the context cannot take all ids.
    fn prefill(&mut self, ids: &[u32]) -> Result<(), EngineError>;

    /// Appends one token: a decode step. Errors as [`prefill`](Engine::prefill).
    fn step(&mut self, id: u32) -> Result<(), EngineError> {
        self.prefill(&[id])
    }

    /// Logits behind the last token, \[vocabulary\]; empty while there is no token.
    fn logits(&self) -> &[f32];

    /// Expert ids chosen for the last token, \[layers\]\[top_k\], in each layer sorted by falling router probability;
    /// empty while there is no token.
    fn routing(&self) -> &[Vec<u32>];
}
