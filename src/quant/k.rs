//! Super-blocks of 256 elements, in sub-blocks whose small integer scales share one f16 scale.

use super::float::f16_to_f32;

/// Q4_K, 144 bytes: `d` and `dmin` f16, 12 B of packed sub-scales, 128 B of nibbles. w = (d·scale)·q − dmin·min.
#[derive(Debug, Clone, Copy)]
pub struct BlockQ4K<'a>(pub &'a [u8; 144]);

/// Q5_K, 176 bytes: as Q4_K with 32 B of fifth bits before the nibbles. w = (d·scale)·q − dmin·min.
#[derive(Debug, Clone, Copy)]
pub struct BlockQ5K<'a>(pub &'a [u8; 176]);

/// Q6_K, 210 bytes: 128 B of low nibbles, 64 B of upper bit pairs, 16 × i8 scales, `d` f16. w = (d·scale)·(q − 32).
#[derive(Debug, Clone, Copy)]
pub struct BlockQ6K<'a>(pub &'a [u8; 210]);

/// Scale and minimum of a sub-block of 32 elements, each 0 to 63.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the type says it")]
pub struct SubScale {
    pub scale: u8,
    pub min: u8,
}

/// Six-bit numbers in 12 bytes: bytes 0-3 hold scales 0-3, bytes 4-7 mins 0-3; bytes 8-11 hold the low nibbles of
/// scales (low) and mins (high) 4-7, whose upper two bits are the upper two bits of bytes 0-3 and 4-7.
fn sub_scales(packed: &[u8]) -> [SubScale; 8] {
    let mut subs = [SubScale { scale: 0, min: 0 }; 8];
    let (packed, _) = packed.as_chunks::<4>();
    let [scales, mins, low, ..] = packed else {
        return subs;
    };
    for i in 0..4 {
        subs[i] = SubScale {
            scale: scales[i] & 63,
            min: mins[i] & 63,
        };
        subs[i + 4] = SubScale {
            scale: low[i] & 15 | scales[i] >> 6 << 4,
            min: low[i] >> 4 | mins[i] >> 6 << 4,
        };
    }
    subs
}

// Elements are counted by hand in the innermost loops: an unoptimised build would spend its time in ranges and zips.

/// Codes by sub-block. Each 32 bytes hold two of them: one in the low nibbles, the next in the high ones.
fn nibbles(packed: &[u8]) -> [[u8; 32]; 8] {
    let (packed, _) = packed.as_chunks::<32>();
    let mut codes = [[0; 32]; 8];
    let (pairs, _) = codes.as_chunks_mut::<2>();
    for ([low, high], packed) in pairs.iter_mut().zip(packed) {
        let mut i = 0;
        while i < 32 {
            (low[i], high[i]) = (packed[i] & 15, packed[i] >> 4);
            i += 1;
        }
    }
    codes
}

fn scale_and_shift(
    d: f32,
    dmin: f32,
    subs: [SubScale; 8],
    codes: &[[u8; 32]; 8],
    out: &mut [f32; 256],
) {
    let (weights, _) = out.as_chunks_mut::<32>();
    for ((weights, codes), sub) in weights.iter_mut().zip(codes).zip(subs) {
        let scale = d * f32::from(sub.scale);
        let min = dmin * f32::from(sub.min);
        affine(scale, min, codes, weights);
    }
}

/// Apart from the loop over sub-blocks, because the compiler would vectorise across them and gather single bytes.
#[inline(never)]
fn affine(scale: f32, min: f32, codes: &[u8; 32], out: &mut [f32; 32]) {
    let mut i = 0;
    while i < 32 {
        out[i] = scale * f32::from(codes[i]) - min;
        i += 1;
    }
}

impl BlockQ4K<'_> {
    /// Scale of the sub-scales.
    pub fn d(self) -> f32 {
        f16_to_f32([self.0[0], self.0[1]])
    }

    /// Scale of the minima.
    pub fn dmin(self) -> f32 {
        f16_to_f32([self.0[2], self.0[3]])
    }

    /// Scale and minimum of each sub-block of 32.
    pub fn sub_scales(self) -> [SubScale; 8] {
        sub_scales(&self.0[4..16])
    }

    /// The codes by sub-block, 0 to 15.
    pub fn codes(self) -> [[u8; 32]; 8] {
        nibbles(&self.0[16..])
    }

    /// The 256 weights.
    pub fn dequantize(self, out: &mut [f32; 256]) {
        scale_and_shift(self.d(), self.dmin(), self.sub_scales(), &self.codes(), out);
    }
}

impl BlockQ5K<'_> {
    /// Scale of the sub-scales.
    pub fn d(self) -> f32 {
        f16_to_f32([self.0[0], self.0[1]])
    }

    /// Scale of the minima.
    pub fn dmin(self) -> f32 {
        f16_to_f32([self.0[2], self.0[3]])
    }

    /// Scale and minimum of each sub-block of 32.
    pub fn sub_scales(self) -> [SubScale; 8] {
        sub_scales(&self.0[4..16])
    }

    /// The codes by sub-block, 0 to 31. Bit s of byte j of the fifth bits belongs to element j of sub-block s.
    pub fn codes(self) -> [[u8; 32]; 8] {
        let (fifth, low) = self.0[16..].split_at(32);
        let mut codes = nibbles(low);
        for (sub, codes) in codes.iter_mut().enumerate() {
            let mut i = 0;
            while i < 32 {
                codes[i] |= (fifth[i] >> sub & 1) << 4;
                i += 1;
            }
        }
        codes
    }

    /// The 256 weights.
    pub fn dequantize(self, out: &mut [f32; 256]) {
        scale_and_shift(self.d(), self.dmin(), self.sub_scales(), &self.codes(), out);
    }
}

impl BlockQ6K<'_> {
    /// Scale of the sub-scales.
    pub fn d(self) -> f32 {
        f16_to_f32([self.0[208], self.0[209]])
    }

    /// Scale of each sub-block of 16.
    pub fn scales(self) -> [i8; 16] {
        std::array::from_fn(|i| self.0[192 + i] as i8)
    }

    /// The codes with their offset of 32 taken off, -32 to 31, by sub-block. Each half of 128 elements has 64 B of nibbles
    /// (the first 64 elements low, the others high) and 32 B of bit pairs (elements 0-31 in the lowest pair, and so on).
    pub fn codes(self) -> [[i8; 16]; 16] {
        let (nibbles, pairs) = self.0.split_at(128);
        let (nibbles, _) = nibbles.as_chunks::<64>();
        let (pairs, _) = pairs.as_chunks::<32>();
        let mut codes = [[0; 16]; 16];
        let (halves, _) = codes.as_chunks_mut::<8>();
        for ((codes, nibbles), pairs) in halves.iter_mut().zip(nibbles).zip(pairs) {
            for (sub, codes) in codes.iter_mut().enumerate() {
                let (lows, highs) = (&nibbles[sub % 4 * 16..][..16], &pairs[sub % 2 * 16..][..16]);
                let (low_bit, high_bit) = (sub / 4 * 4, sub / 2 * 2);
                let mut i = 0;
                while i < 16 {
                    let low = lows[i] >> low_bit & 15;
                    let high = highs[i] >> high_bit & 3;
                    codes[i] = (low | high << 4) as i8 - 32;
                    i += 1;
                }
            }
        }
        codes
    }

    /// The 256 weights.
    pub fn dequantize(self, out: &mut [f32; 256]) {
        let d = self.d();
        let codes = self.codes();
        let (weights, _) = out.as_chunks_mut::<16>();
        for ((weights, codes), scale) in weights.iter_mut().zip(&codes).zip(self.scales()) {
            let scale = d * f32::from(scale);
            let mut i = 0;
            while i < 16 {
                weights[i] = scale * f32::from(codes[i]);
                i += 1;
            }
        }
    }
}
