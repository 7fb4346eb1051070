//! A launch of a batch: a kernel with its arguments, as data.

use super::experts::{Join, List, Route};
use super::mixing::{Append, Convolve, Heads, PromptAttention, Scan};
use super::product::{Embed, Product, Vectors};

/// One launch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Work {
    /// `prefill_embed`
    Embed(Embed),
    /// `prefill_vectors`
    Vectors(Vectors),
    /// `prefill_product_*` or `prefill_plain`
    Product(Product),
    /// `prefill_route`
    Route(Route),
    /// `prefill_list`
    List(List),
    /// `prefill_join`
    Join(Join),
    /// `prefill_convolve`
    Convolve(Convolve),
    /// `prefill_delta_*`
    Scan(Scan),
    /// `prefill_heads_*`
    Heads(Heads),
    /// `prefill_attention_*`
    Attention(PromptAttention),
    /// `prefill_append`
    Append(Append),
}
