//! Plain floating-point elements, little endian.

/// The value of an IEEE half; exact, subnormals included. Without branches, as every block has a scale.
pub fn f16_to_f32(bytes: [u8; 2]) -> f32 {
    /// What the exponents' biases differ by, at the place of an `f32`'s exponent.
    const REBIAS: u32 = (127 - 15) << 23;
    /// 2^-14, the least normal half.
    const LEAST: u32 = (127 - 14) << 23;
    let half = u16::from_le_bytes(bytes);
    let magnitude = u32::from(half & 0x7fff) << 13;
    let normal = f32::from_bits(magnitude + REBIAS);
    let subnormal = f32::from_bits(magnitude | LEAST) - f32::from_bits(LEAST);
    let infinite = f32::from_bits(magnitude + 2 * REBIAS);
    let value = match half & 0x7c00 {
        0 => subnormal,
        0x7c00 => infinite,
        _ => normal,
    };
    f32::from_bits(value.to_bits() | u32::from(half & 0x8000) << 16)
}

/// The value of a bfloat16: the upper half of an `f32`, NaN payloads included.
pub fn bf16_to_f32(bytes: [u8; 2]) -> f32 {
    f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_has_the_value_that_the_crate_half_gives_it() {
        for bits in 0..=u16::MAX {
            let (found, expected) = (
                f16_to_f32(bits.to_le_bytes()),
                half::f16::from_bits(bits).to_f32_const(),
            );
            let same = found.to_bits() == expected.to_bits();
            assert!(same || found.is_nan() && expected.is_nan(), "{bits:#06x}");
        }
    }
}
