//! Nothing about a size is taken for granted: models of any small sizes run, and alike in both forms.

use proptest::prelude::*;

use crate::model::sample::{Sample, micro_gemma4, micro_qwen35moe};
use crate::model::{Architecture, Gemma4, LayerKind, Qwen35Moe};
use crate::quant::TensorType;
use crate::reference::Decoder;

prop_compose! {
    fn qwen35moe()(
        interval in 1usize..4,
        (kv_heads, group, half_head) in (1u64..4, 1u64..4, 1u64..6),
        half_rotary in 1u64..6,
        (key_heads, replicas, state_size, value_dim) in (1u64..4, 1u64..4, 1u64..7, 1u64..7),
        (conv_kernel, embedding) in (1u64..6, 1u64..20),
        (experts, used) in (1u64..6, 1u64..6),
        (expert_width, shared_expert_width) in (1u64..9, 1u64..9),
    ) -> Architecture {
        let mut layers = vec![LayerKind::GatedDeltaNet; interval - 1];
        layers.push(LayerKind::FullAttention);
        Architecture::Qwen35Moe(Qwen35Moe {
            layers,
            embedding,
            query_heads: group * kv_heads,
            kv_heads,
            head_dim: 2 * half_head,
            rotary_dim: 2 * half_rotary.min(half_head),
            key_heads,
            value_heads: replicas * key_heads,
            state_size,
            value_dim,
            conv_kernel,
            experts,
            experts_used: used.min(experts),
            expert_width,
            shared_expert_width,
            ..micro_qwen35moe()
        })
    }
}

prop_compose! {
    fn gemma4()(
        sliding in prop::collection::vec(any::<bool>(), 1..4),
        (sliding_kv_heads, full_kv_heads, group) in (1u64..4, 1u64..4, 1u64..3),
        (half_sliding, half_full) in (1u64..6, 1u64..6),
        (window, embedding, dense_width) in (1u64..9, 1u64..20, 1u64..9),
        (experts, used, expert_width) in (1u64..6, 1u64..6, 1u64..9),
    ) -> Architecture {
        let kind = |sliding: bool| match sliding {
            true => LayerKind::SlidingAttention,
            false => LayerKind::FullAttention,
        };
        Architecture::Gemma4(Gemma4 {
            layers: sliding.into_iter().map(kind).collect(),
            embedding,
            query_heads: group * sliding_kv_heads * full_kv_heads,
            sliding_kv_heads,
            full_kv_heads,
            sliding_head_dim: 2 * half_sliding,
            full_head_dim: 2 * half_full,
            sliding_rotary_dim: 2 * half_sliding,
            full_rotary_dim: 2 * half_full,
            window,
            dense_width,
            experts,
            experts_used: used.min(experts),
            expert_width,
            ..micro_gemma4()
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn models_of_any_size_run_alike_in_both_forms(
        architecture in prop_oneof![qwen35moe(), gemma4()],
        ids in prop::collection::vec(0u32..40, 2..12),
    ) {
        let file = Sample::new(&architecture, 1, TensorType::F32).file();
        let mut decoder = Decoder::new(&file).unwrap();
        prop_assert_eq!(decoder.architecture().tensors(), architecture.tensors());
        let prefilled = decoder.prefill(&ids).unwrap().to_vec();
        decoder.reset();
        for id in &ids {
            decoder.step(*id).unwrap();
        }
        prop_assert_eq!(decoder.routing().len(), architecture.layers().len());
        for (stepped, prefilled) in decoder.logits().iter().zip(&prefilled) {
            prop_assert!(stepped.is_finite() && (stepped - prefilled).abs() < 1e-9, "{stepped} and {prefilled}");
        }
    }
}
