//! The prefill family, `kernels/prefill/`: what a batch of tokens passes through as records, and their launcher. Knows no
//! model.

mod experts;
mod image;
mod mixing;
mod product;
mod work;

pub use experts::{Join, List, Route};
pub use image::Prefill;
pub use mixing::{Append, Convolve, Heads, PromptAttention, Scan};
pub use product::{Batch, Embed, Experts, Mode, Product, Rows, Vectors};
pub use work::Work;
