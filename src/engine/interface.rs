//! What every engine does, whichever device it runs on. Knows no device.

use std::ops::ControlFlow;

use crate::model::Architecture;

use super::{EngineError, Profile, greedy};

/// Takes a token that [`Engine::generate`] chose: its id, and where they were asked for, the experts of the token in
/// front of it, \[layers\]\[top_k\]. A break ends the generation.
pub type EachToken<'a> = &'a mut dyn FnMut(u32, &[Vec<u32>]) -> ControlFlow<()>;

/// A model that reads tokens one after another and keeps what it has read: its context.
///
/// A call that fails has appended nothing: the context, the logits and the routing are those from before it. A device's
/// context may belong to a thread, so an engine stays on the thread that opened it.
pub trait Engine {
    /// Hyper-parameters of the loaded model.
    fn architecture(&self) -> &Architecture;

    /// Tokens in the context so far.
    fn position(&self) -> usize;

    /// Most tokens that the context may hold.
    fn context(&self) -> usize;

    /// Bytes of a device's own memory that weights, context and buffers take; none where the host's is used.
    fn device_bytes(&self) -> Option<u64> {
        None
    }

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

    /// [`step`](Engine::step) that gives the residual stream with which each layer begins, \[layers\]\[embedding\]: that of
    /// layer 0 is the embedding, scaled where the model does so. Whatever follows is the same, bit for bit, as behind `step`.
    ///
    /// # Errors
    ///
    /// `NotOffered` by engines that cannot; as [`prefill`](Engine::prefill).
    fn step_by_layers(&mut self, _id: u32) -> Result<Vec<f32>, EngineError> {
        Err(EngineError::NotOffered {
            what: "or on the processor to show its layers",
        })
    }

    /// Logits behind the last token, \[vocabulary\]; empty while there is no token.
    fn logits(&self) -> &[f32];

    /// Expert ids chosen for the last token, \[layers\]\[top_k\], in each layer sorted by falling router probability;
    /// empty while there is no token.
    fn routing(&self) -> &[Vec<u32>];

    /// Makes the context one of `tokens` tokens that nobody gave: keys, values and state are made up, finite, and the same
    /// each time. There are no logits until a token is appended.
    ///
    /// # Errors
    ///
    /// `NotOffered` by engines that cannot; `ContextFull`; what the device refuses.
    fn fill(&mut self, _tokens: usize) -> Result<(), EngineError> {
        Err(EngineError::NotOffered {
            what: "to make up a context",
        })
    }

    /// Takes a token behind `position` tokens apart. Their keys, values and state are made up; the context is empty
    /// afterwards.
    ///
    /// # Errors
    ///
    /// `NotOffered` by engines that cannot; `ContextFull` without room for the tokens timed; what the device refuses.
    fn profile(&mut self, _position: usize) -> Result<Profile, EngineError> {
        Err(EngineError::NotOffered {
            what: "to take a token apart",
        })
    }

    /// Chooses `tokens` ids one after another, each the greedy choice behind all before it, and appends all but the last.
    /// `pending`, if there is one, is appended first. `each` takes every id as soon as it is chosen; the experts of the
    /// token in front of it come along at the steps (counted from 0) that `traced` names in rising order.
    ///
    /// A generation that `each` breaks off, or that fails on its way, leaves a context that is good for nothing but
    /// [`reset`](Engine::reset): a device may have gone ahead.
    ///
    /// # Errors
    ///
    /// As [`prefill`](Engine::prefill); `Logits` where those behind a token are not numbers.
    fn generate(
        &mut self,
        pending: Option<u32>,
        tokens: usize,
        traced: &[u32],
        each: EachToken,
    ) -> Result<(), EngineError> {
        let mut traced = traced.iter().copied().peekable();
        let mut pending = pending;
        for step in 0..tokens {
            if let Some(id) = pending.take() {
                self.step(id)?;
            }
            let id = greedy(self.logits()).ok_or_else(|| EngineError::Logits {
                position: self.position(),
            })?;
            let is_traced = traced.next_if(|at| *at as usize == step).is_some();
            let routing = if is_traced { self.routing() } else { &[] };
            if each(id, routing).is_break() {
                return Ok(());
            }
            pending = Some(id);
        }
        Ok(())
    }
}
