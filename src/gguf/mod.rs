//! GGUF files: a checked reader over mapped bytes and a writer of headers. Knows the format, not what any key means.

mod cursor;
mod error;
mod file;
mod metadata;
mod mmap;
mod parse;
mod tensor;
#[cfg(test)]
mod tests;
mod value;
pub mod writer;

pub use error::GgufError;
pub use file::Gguf;
pub use metadata::Metadata;
pub use mmap::Map;
pub use tensor::TensorInfo;
pub use value::{Array, Strings, Value, ValueType};
