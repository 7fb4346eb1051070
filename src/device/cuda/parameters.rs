//! The one struct that a kernel takes by value, put together field by field as a C compiler lays it out.

/// The bytes of a C struct. Each field begins at the next multiple of its own size, as the compilers of host and device
/// place it; a struct within it at a multiple of its strictest field's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    bytes: Vec<u8>,
    alignment: usize,
}

impl Default for Parameters {
    fn default() -> Self {
        Self::new()
    }
}

impl Parameters {
    /// A struct without fields.
    pub fn new() -> Self {
        Self {
            bytes: Vec::new(),
            alignment: 1,
        }
    }

    fn field(mut self, bytes: &[u8], alignment: usize) -> Self {
        self.alignment = self.alignment.max(alignment);
        self.bytes
            .resize(self.bytes.len().next_multiple_of(alignment), 0);
        self.bytes.extend(bytes);
        self
    }

    /// Adds a pointer: a device address, or 0 for null.
    pub fn pointer(self, address: u64) -> Self {
        self.u64(address)
    }

    /// Adds a `uint64_t`.
    pub fn u64(self, value: u64) -> Self {
        self.field(&value.to_le_bytes(), 8)
    }

    /// Adds a `uint32_t`.
    pub fn u32(self, value: u32) -> Self {
        self.field(&value.to_le_bytes(), 4)
    }

    /// Adds a `float`.
    pub fn f32(self, value: f32) -> Self {
        self.field(&value.to_le_bytes(), 4)
    }

    /// Adds a struct.
    pub fn nested(self, inner: &Parameters) -> Self {
        self.field(&inner.padded(), inner.alignment)
    }

    /// `sizeof` the struct.
    pub fn size(&self) -> usize {
        self.bytes.len().next_multiple_of(self.alignment)
    }

    /// The bytes with the padding behind the last field.
    fn padded(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes.resize(self.size(), 0);
        bytes
    }

    /// The struct in 8-byte words, which gives it the alignment that any of its fields may ask for.
    pub(super) fn words(&self) -> Vec<u64> {
        let word = |chunk: &[u8]| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_le_bytes(word)
        };
        self.bytes.chunks(8).map(word).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lie_where_a_c_compiler_puts_them() {
        // struct { u32 a; u64 b; u32 c; } has b at 8 and 24 bytes.
        let inner = Parameters::new().u32(1).u64(2).u32(3);
        assert_eq!(inner.size(), 24);
        assert_eq!(inner.words(), [1, 2, 3]);
        // struct { u32 a; inner b; f32 c; u32 d; } has b at 8, c at 32, d at 36 and 40 bytes.
        let outer = Parameters::new().u32(7).nested(&inner).f32(1.0).u32(9);
        assert_eq!(outer.size(), 40);
        assert_eq!(outer.words(), [7, 1, 2, 3, 9 << 32 | 0x3f80_0000]);
    }

    #[test]
    fn a_struct_of_words_has_no_padding_to_eight_bytes() {
        let three = Parameters::new().u32(1).u32(2).u32(3);
        assert_eq!(three.size(), 12);
        assert_eq!(Parameters::new().nested(&three).u32(4).size(), 16);
    }
}
