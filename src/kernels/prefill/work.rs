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

impl Work {
    /// What it is, for those who time it: the kernel, and of a product its matrix.
    pub fn label(&self) -> String {
        match self {
            Self::Embed(_) => "embed".to_owned(),
            Self::Vectors(vectors) => format!("vectors {}", vectors.norms.columns),
            Self::Product(product) => {
                let whose = if product.experts.is_some() {
                    "experts"
                } else {
                    "product"
                };
                let matrix = product.matrix;
                format!("{whose} {} {}x{}", matrix.ty, product.rows, matrix.columns)
            }
            Self::Route(_) => "route".to_owned(),
            Self::List(_) => "list".to_owned(),
            Self::Join(_) => "join".to_owned(),
            Self::Convolve(_) => "convolve".to_owned(),
            Self::Scan(_) => "delta rule".to_owned(),
            Self::Heads(heads) => format!("heads {}", heads.step.head_dim),
            Self::Attention(attention) => format!("attention {}", attention.heads.step.head_dim),
            Self::Append(_) => "append".to_owned(),
        }
    }
}
