//! What a walk through the layers carries along: in which form it computes, where it is, and who looks on.

use super::router::Routing;

/// In which order a walk computes. Both give the same numbers up to rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// By definition: one position after another.
    Stepwise,
    /// Many positions at once: the delta rule in chunks, attention as a stream.
    Batched,
}

/// A vector inside the model that an observer is shown, `[embedding]` each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Point {
    /// The residual stream in front of the first layer.
    Embedding,
    /// What attention or Gated DeltaNet adds to the residual stream, Gemma's norm behind it included.
    Mixer,
    /// The residual stream between a layer's mixer and its feed-forward part.
    Middle,
    /// What the feed-forward part adds to the residual stream, Gemma's norm behind it included.
    FeedForward,
    /// The residual stream behind a layer.
    Layer,
    /// What the output projection multiplies: the last residual stream after its norm.
    Output,
}

/// Where a vector was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// The layer; 0 for the embedding, the number of layers for the output.
    pub layer: usize,
    /// The position in the context.
    pub position: usize,
    /// The point in the layer.
    pub point: Point,
}

/// Looks on while tokens pass through the model. `()` looks away.
pub trait Observer {
    /// A vector of the walk.
    fn values(&mut self, _at: Place, _values: &[f64]) {}
    /// The router's decision for the token at `position`.
    fn routing(&mut self, _layer: usize, _position: usize, _routing: &Routing) {}
}

impl Observer for () {}

/// A walk of several consecutive positions through the layers.
pub(super) struct Pass<'o> {
    pub form: Form,
    /// The position of the first token.
    pub first: usize,
    /// The layer that the walk is in.
    pub layer: usize,
    pub observer: &'o mut dyn Observer,
}

impl Pass<'_> {
    /// Shows one vector per token.
    pub fn show(&mut self, point: Point, xs: &[Vec<f64>]) {
        for (position, x) in (self.first..).zip(xs) {
            let at = Place {
                layer: self.layer,
                position,
                point,
            };
            self.observer.values(at, x);
        }
    }

    /// Shows one decision per token.
    pub fn show_routing(&mut self, routings: &[Routing]) {
        for (position, routing) in (self.first..).zip(routings) {
            self.observer.routing(self.layer, position, routing);
        }
    }
}

/// `f` of each token's vector.
pub(super) fn each(xs: &[Vec<f64>], f: impl FnMut(&Vec<f64>) -> Vec<f64>) -> Vec<Vec<f64>> {
    xs.iter().map(f).collect()
}

/// Adds each token's `ys` to its `xs`.
pub(super) fn add(xs: &mut [Vec<f64>], ys: &[Vec<f64>]) {
    for (x, y) in xs.iter_mut().zip(ys) {
        x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
    }
}
