//! Blocks of 32 five-bit codes: the low four bits in nibbles, the fifth in a 32-bit mask.

use super::float::f16_to_f32;

/// Q5_0, 22 bytes: `d` f16, mask of fifth bits u32, 16 B of nibbles. w = d·(q − 16).
#[derive(Debug, Clone, Copy)]
pub struct BlockQ5_0<'a>(pub &'a [u8; 22]);

/// Q5_1, 24 bytes: `d` and `m` f16, mask of fifth bits u32, 16 B of nibbles. w = d·q + m.
#[derive(Debug, Clone, Copy)]
pub struct BlockQ5_1<'a>(pub &'a [u8; 24]);

/// Codes 0 to 31. Byte i of the nibbles holds elements i (low) and i + 16 (high); bit i of the mask belongs to element i.
fn codes(mask: [u8; 4], nibbles: &[u8]) -> [u8; 32] {
    let mut codes = [0; 32];
    let (low, high) = codes.split_at_mut(16);
    for ((low, high), byte) in low.iter_mut().zip(high).zip(nibbles) {
        (*low, *high) = (byte & 15, byte >> 4);
    }
    for (i, code) in codes.iter_mut().enumerate() {
        *code |= u8::from(mask[i / 8] & 1 << (i % 8) != 0) << 4;
    }
    codes
}

impl BlockQ5_0<'_> {
    /// The scale.
    pub fn d(self) -> f32 {
        f16_to_f32([self.0[0], self.0[1]])
    }

    /// The codes with their offset of 16 taken off, -16 to 15.
    pub fn codes(self) -> [i8; 32] {
        codes([self.0[2], self.0[3], self.0[4], self.0[5]], &self.0[6..]).map(|q| q as i8 - 16)
    }

    /// The 32 weights.
    pub fn dequantize(self, out: &mut [f32; 32]) {
        let d = self.d();
        for (w, q) in out.iter_mut().zip(&self.codes()) {
            *w = d * f32::from(*q);
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
        codes([self.0[4], self.0[5], self.0[6], self.0[7]], &self.0[8..])
    }

    /// The 32 weights.
    pub fn dequantize(self, out: &mut [f32; 32]) {
        let (d, m) = (self.d(), self.m());
        for (w, q) in out.iter_mut().zip(&self.codes()) {
            *w = d * f32::from(*q) + m;
        }
    }
}
