//! Blocks of 32 five-bit codes: the low four bits in nibbles, the fifth in a 32-bit mask.

use super::float::f16_to_f32;

/// Q5_0, 22 bytes: `d` f16, mask of fifth bits u32, 16 B of nibbles. w = d·(q − 16).
#[derive(Debug, Clone, Copy)]
pub struct BlockQ5_0<'a>(pub &'a [u8; 22]);

/// Q5_1, 24 bytes: `d` and `m` f16, mask of fifth bits u32, 16 B of nibbles. w = d·q + m.
#[derive(Debug, Clone, Copy)]
pub struct BlockQ5_1<'a>(pub &'a [u8; 24]);

/// Codes 0 to 31. Byte i of the nibbles holds elements i (low) and i + 16 (high); bit i of the mask belongs to element i.
/// Eight at a time, each in a byte of a word.
fn codes(mask: &[u8], nibbles: &[u8]) -> [u8; 32] {
    const LOW: u64 = 0x0f0f_0f0f_0f0f_0f0f;
    let (halves, _) = nibbles.as_chunks::<8>();
    let mut codes = [0; 32];
    let (eights, _) = codes.as_chunks_mut::<8>();
    for (at, half) in halves.iter().enumerate() {
        let word = u64::from_le_bytes(*half);
        eights[at] = (word & LOW | fifth(mask[at])).to_le_bytes();
        eights[at + 2] = (word >> 4 & LOW | fifth(mask[at + 2])).to_le_bytes();
    }
    codes
}

/// Bit i of `bits` as bit 4 of byte i.
fn fifth(bits: u8) -> u64 {
    let copies = u64::from(bits) * 0x0101_0101_0101_0101;
    let one_each = copies & 0x8040_2010_0804_0201;
    // Carries into the highest bit of every byte that is not zero.
    (one_each + 0x7f7f_7f7f_7f7f_7f7f) >> 3 & 0x1010_1010_1010_1010
}

impl BlockQ5_0<'_> {
    /// The scale.
    pub fn d(self) -> f32 {
        f16_to_f32([self.0[0], self.0[1]])
    }

    /// The codes with their offset of 16 taken off, -16 to 15.
    pub fn codes(self) -> [i8; 32] {
        codes(&self.0[2..6], &self.0[6..]).map(|q| q as i8 - 16)
    }

    /// The 32 weights.
    pub fn dequantize(self, out: &mut [f32; 32]) {
        let d = self.d();
        let codes = codes(&self.0[2..6], &self.0[6..]);
        let mut i = 0; // counted by hand: an unoptimised build would spend its time in a zip
        while i < 32 {
            out[i] = d * f32::from(codes[i] as i8 - 16);
            i += 1;
        }
    }
}

impl BlockQ5_1<'_> {
    /// The scale.
    pub fn d(self) -> f32 {
        f16_to_f32([self.0[0], self.0[1]])
    }

    /// The minimum, which every weight has added to it.
    pub fn m(self) -> f32 {
        f16_to_f32([self.0[2], self.0[3]])
    }

    /// The codes, 0 to 31.
    pub fn codes(self) -> [u8; 32] {
        codes(&self.0[4..8], &self.0[8..])
    }

    /// The 32 weights.
    pub fn dequantize(self, out: &mut [f32; 32]) {
        let (d, m) = (self.d(), self.m());
        let codes = self.codes();
        let mut i = 0;
        while i < 32 {
            out[i] = d * f32::from(codes[i]) + m;
            i += 1;
        }
    }
}
