//! Dequantisation of any number of blocks, chosen by type at run time.

use super::float::{bf16_to_f32, f16_to_f32};
use super::{
    BlockQ4K, BlockQ5_0, BlockQ5_1, BlockQ5K, BlockQ6K, BlockQ8_0, QuantError, TensorType,
};

/// Writes the `f32` values of `bytes`, whole blocks of type `ty`, to `out`, which says how many elements there are.
///
/// Products and sums round one at a time, in the order that each block's formula states, which makes every value
/// bit-equal to that of the Python package `gguf`.
pub fn dequantize(ty: TensorType, bytes: &[u8], out: &mut [f32]) -> Result<(), QuantError> {
    let elements = out.len() as u64;
    let expected = ty
        .bytes(elements)
        .ok_or(QuantError::PartialBlock { ty, elements })?;
    if bytes.len() as u64 != expected {
        return Err(QuantError::Size {
            ty,
            elements,
            expected,
            found: bytes.len() as u64,
        });
    }
    dequantizer(ty)?(bytes, out);
    Ok(())
}

/// Writes the `f32` values of whole blocks; where bytes and values do not fill equally many, the rest is left alone.
pub type Dequantizer = fn(&[u8], &mut [f32]);

/// What [`dequantize`] does for type `ty`, for those who choose the type once and know their sizes.
pub fn dequantizer(ty: TensorType) -> Result<Dequantizer, QuantError> {
    Ok(match ty {
        TensorType::F32 => |bytes, out| each(bytes, out, |b, [w]| *w = f32::from_le_bytes(*b)),
        TensorType::F16 => |bytes, out| each(bytes, out, |b, [w]| *w = f16_to_f32(*b)),
        TensorType::BF16 => |bytes, out| each(bytes, out, |b, [w]| *w = bf16_to_f32(*b)),
        TensorType::Q8_0 => |bytes, out| each(bytes, out, |b, w| BlockQ8_0(b).dequantize(w)),
        TensorType::Q5_0 => |bytes, out| each(bytes, out, |b, w| BlockQ5_0(b).dequantize(w)),
        TensorType::Q5_1 => |bytes, out| each(bytes, out, |b, w| BlockQ5_1(b).dequantize(w)),
        TensorType::Q4_K => |bytes, out| each(bytes, out, |b, w| BlockQ4K(b).dequantize(w)),
        TensorType::Q5_K => |bytes, out| each(bytes, out, |b, w| BlockQ5K(b).dequantize(w)),
        TensorType::Q6_K => |bytes, out| each(bytes, out, |b, w| BlockQ6K(b).dequantize(w)),
        _ => return Err(QuantError::Unsupported { ty }),
    })
}

fn each<const BYTES: usize, const ELEMENTS: usize>(
    bytes: &[u8],
    out: &mut [f32],
    block: impl Fn(&[u8; BYTES], &mut [f32; ELEMENTS]),
) {
    let (blocks, _) = bytes.as_chunks::<BYTES>();
    let (weights, _) = out.as_chunks_mut::<ELEMENTS>();
    for (bytes, weights) in blocks.iter().zip(weights) {
        block(bytes, weights);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_does_not_fit_the_blocks_is_refused() {
        let short = dequantize(TensorType::Q8_0, &[0; 33], &mut [0.0; 32]).unwrap_err();
        assert_eq!(
            short.to_string(),
            "expected 34 bytes for 32 Q8_0 elements, found 33"
        );
        let partial = dequantize(TensorType::Q4_K, &[0; 144], &mut [0.0; 200]).unwrap_err();
        assert_eq!(
            partial.to_string(),
            "expected whole blocks of 256 Q4_K elements, found 200 elements"
        );
    }

    #[test]
    fn a_type_that_only_has_a_size_is_refused() {
        let refused = dequantize(TensorType::Q2_K, &[0; 84], &mut [0.0; 256]).unwrap_err();
        assert_eq!(
            refused,
            QuantError::Unsupported {
                ty: TensorType::Q2_K
            }
        );
    }

    #[test]
    fn the_smallest_halves_keep_their_value() {
        // IEEE 754 binary16: the least subnormal is 2^-24, the greatest finite value 65504.
        let mut out = [0.0; 3];
        dequantize(TensorType::F16, &[1, 0, 0xff, 0x7b, 0, 0x80], &mut out).unwrap();
        assert_eq!(
            out.map(f32::to_bits),
            [2f32.powi(-24), 65504.0, -0.0].map(f32::to_bits)
        );
    }
}
