//! Blocks of 32 signed bytes under one scale.

use super::float::f16_to_f32;

/// Q8_0, 34 bytes: `d` f16, then 32 × i8. w = d·q.
#[derive(Debug, Clone, Copy)]
pub struct BlockQ8_0<'a>(pub &'a [u8; 34]);

impl BlockQ8_0<'_> {
    /// The scale.
    pub fn d(self) -> f32 {
        f16_to_f32([self.0[0], self.0[1]])
    }

    /// The codes, -128 to 127.
    pub fn codes(self) -> [i8; 32] {
        std::array::from_fn(|i| self.0[2 + i] as i8)
    }

    /// The 32 weights.
    pub fn dequantize(self, out: &mut [f32; 32]) {
        let d = self.d();
        let mut i = 0; // counted by hand: an unoptimised build would spend its time in a zip
        while i < 32 {
            out[i] = d * f32::from(self.0[2 + i] as i8);
            i += 1;
        }
    }
}
