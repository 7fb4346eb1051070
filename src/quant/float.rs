//! Plain floating-point elements, little endian.

/// The value of an IEEE half; exact, subnormals included.
pub fn f16_to_f32(bytes: [u8; 2]) -> f32 {
    half::f16::from_le_bytes(bytes).to_f32()
}

/// The value of a bfloat16: the upper half of an `f32`, NaN payloads included.
pub fn bf16_to_f32(bytes: [u8; 2]) -> f32 {
    f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16)
}
