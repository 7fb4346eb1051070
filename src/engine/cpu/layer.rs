//! What the engine asks of a layer, whichever model it belongs to.

use super::activations::Activations;
use super::experts::Routed;

/// A layer with its weights and what it remembers of the tokens so far.
pub(super) trait Layer: Send {
    /// Passes the residual stream `x` of consecutive tokens through, the first of them at position `first`. Gives back
    /// what the router made of each token.
    fn forward(&mut self, x: &mut Activations, first: usize) -> Routed;

    /// Forgets all tokens.
    fn reset(&mut self);
}
