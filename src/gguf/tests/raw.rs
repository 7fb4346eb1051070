//! Files put together as no writer would.

use crate::gguf::Gguf;
use crate::quant::TensorType;

/// The bytes so far; each method adds what it is named after.
pub struct Raw(pub Vec<u8>);

impl Raw {
    pub fn header(tensors: u64, pairs: u64) -> Self {
        Raw(b"GGUF".to_vec()).u32(3).u64(tensors).u64(pairs)
    }

    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub fn u32(self, v: u32) -> Self {
        self.bytes(&v.to_le_bytes())
    }

    pub fn u64(self, v: u64) -> Self {
        self.bytes(&v.to_le_bytes())
    }

    pub fn str(self, s: &str) -> Self {
        self.u64(s.len() as u64).bytes(s.as_bytes())
    }

    pub fn tensor(self, name: &str, dims: &[u64], ty: TensorType, relative: u64) -> Self {
        let row = self.str(name).u32(dims.len() as u32);
        let row = dims.iter().fold(row, |row, dim| row.u64(*dim));
        row.u32(ty.id()).u64(relative)
    }

    /// Pads to the data section and adds `count` bytes of it.
    pub fn data(mut self, count: usize) -> Self {
        self.0.resize(self.0.len().next_multiple_of(32) + count, 0);
        self
    }

    pub fn refusal(self) -> String {
        Gguf::parse(self.0).unwrap_err().to_string()
    }
}
