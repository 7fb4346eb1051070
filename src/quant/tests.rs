//! Dequantised values equal those of the Python package `gguf` bit for bit (`tests/oracle/dequant.py` recorded them).

use super::{TensorType, dequantize};

#[track_caller]
fn equals_the_oracle(ty: TensorType, recorded: &[u8]) {
    let per_block = ty.block_bytes() + 4 * ty.block_elements();
    let count = recorded.len() as u64 / per_block;
    assert!(
        count >= 16 && count * per_block == recorded.len() as u64,
        "whole blocks"
    );
    let (blocks, expected) = recorded.split_at((count * ty.block_bytes()) as usize);
    let mut weights = vec![0.0; (count * ty.block_elements()) as usize];
    dequantize(ty, blocks, &mut weights).unwrap();
    let (expected, _) = expected.as_chunks::<4>();
    for (i, (weight, expected)) in weights.iter().zip(expected).enumerate() {
        let expected = f32::from_le_bytes(*expected);
        assert_eq!(
            weight.to_bits(),
            expected.to_bits(),
            "{ty} element {i}: expected {expected:e}, found {weight:e}"
        );
    }
}

macro_rules! oracle_tests {
    ($($name:ident: $ty:ident,)*) => {$(
        #[test]
        fn $name() {
            let recorded = include_bytes!(concat!("../../tests/fixtures/", stringify!($ty), ".blocks"));
            equals_the_oracle(TensorType::$ty, recorded);
        }
    )*};
}

oracle_tests! {
    f32_elements_equal_the_oracle: F32,
    f16_elements_equal_the_oracle: F16,
    bf16_elements_equal_the_oracle: BF16,
    q8_0_blocks_equal_the_oracle: Q8_0,
    q5_0_blocks_equal_the_oracle: Q5_0,
    q5_1_blocks_equal_the_oracle: Q5_1,
    q4_k_blocks_equal_the_oracle: Q4_K,
    q5_k_blocks_equal_the_oracle: Q5_K,
    q6_k_blocks_equal_the_oracle: Q6_K,
}
