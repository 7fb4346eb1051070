//! The decode family, `kernels/decode/`: the stages of a token as records, the planes that matrices are kept in, and the
//! launcher of both. Knows no model.

mod attention;
mod experts;
mod image;
mod matrix;
mod norms;
mod project;
mod repack;
mod ring;
mod stage;
#[cfg(test)]
mod tests;
mod traffic;

pub use attention::{Attention, Combine, Delta};
pub use experts::{Activation, ExpertsDown, ExpertsUp};
pub use image::Decode;
pub use matrix::{Address, Matrix};
pub use norms::{NormKind, Norms};
pub use project::{Head, NextToken, Product, Project, Segment, TOKEN_BYTES, Token};
pub use repack::{Plane, Planes, Repack, planes};
pub use stage::Stage;
