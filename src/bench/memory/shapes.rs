//! What the models' KV caches and experts look like in memory, from their configurations.

use crate::{
    config,
    model::{Mix, Model, Scale},
};

/// The KV cache of one kind of attention layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvLayout {
    /// Model and kind of attention, e.g. `gemma4_26b_a4b_global`.
    pub name: String,
    /// Key and value heads.
    pub kv_heads: u32,
    /// Elements of one head.
    pub head_dim: u32,
    /// Tokens that a query sees at most.
    pub window_tokens: Option<u64>,
    /// Longest context of the model.
    pub context_max_tokens: u64,
}

/// The routed experts of one kind of layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpertLayout {
    /// Model and type of the down matrix, e.g. `qwen35_35b_a3b_q6_k`.
    pub name: String,
    /// Experts of the layer.
    pub experts: u32,
    /// Experts that a token uses.
    pub used: u32,
    /// Bytes of one expert in each of its tensors (gate, up, down; or gate and up fused, down, nothing).
    pub bytes_per_expert: [u64; 3],
}

/// The KV layouts of a model.
pub fn kv_layouts(model: &config::Model) -> Vec<KvLayout> {
    model
        .attention
        .iter()
        .map(|attention| KvLayout {
            name: format!("{}_{}", model.name, attention.name),
            kv_heads: attention.kv_heads,
            head_dim: attention.head_dim,
            window_tokens: attention.window_tokens,
            context_max_tokens: model.context_max_tokens,
        })
        .collect()
}

/// The expert layouts of a model's pinned file, one for each type that its down matrices have; none for an architecture
/// whose files the suite cannot describe.
pub fn expert_layouts(model: &config::Model) -> Vec<ExpertLayout> {
    let Some(known) = Model::ALL
        .into_iter()
        .find(|known| known.architecture(Scale::Full).name() == model.architecture)
    else {
        return Vec::new();
    };
    let architecture = known.architecture(Scale::Full);
    let types = Mix::pinned(known).types(&architecture);
    let experts = u64::from(model.experts.count);
    let mut layouts: Vec<ExpertLayout> = Vec::new();
    for layer in 0..model.layer_count {
        let mut bytes_per_expert = [0; 3];
        let mut down = None;
        let suffixes = [
            "ffn_gate_up_exps",
            "ffn_gate_exps",
            "ffn_up_exps",
            "ffn_down_exps",
        ];
        let parts = suffixes.iter().filter_map(|suffix| {
            let name = format!("blk.{layer}.{suffix}.weight");
            let at = architecture
                .tensors()
                .iter()
                .position(|tensor| tensor.name == name)?;
            let (tensor, ty) = (architecture.tensors().get(at)?.clone(), *types.get(at)?);
            if *suffix == "ffn_down_exps" {
                down = Some(ty);
            }
            Some(ty.bytes(tensor.dims.iter().product())? / experts)
        });
        for (slot, bytes) in bytes_per_expert.iter_mut().zip(parts.collect::<Vec<_>>()) {
            *slot = bytes;
        }
        let Some(down) = down else { continue };
        let name = format!("{}_{}", model.name, down.to_string().to_lowercase());
        if layouts.iter().all(|layout| layout.name != name) {
            layouts.push(ExpertLayout {
                name,
                experts: model.experts.count,
                used: model.experts.per_token,
                bytes_per_expert,
            });
        }
    }
    layouts.sort_by(|a, b| a.name.cmp(&b.name));
    layouts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn experts_have_the_bytes_of_the_published_files() {
        // Source: the slices that llama.cpp's loader computes from the published files' tensor tables.
        let layouts = |name: &str| expert_layouts(&config::load::model(name).unwrap());
        let qwen = layouts("qwen35_35b_a3b");
        assert_eq!(
            qwen.iter()
                .map(|l| (l.name.as_str(), l.bytes_per_expert))
                .collect::<Vec<_>>(),
            [
                ("qwen35_35b_a3b_q4_k", [589_824, 589_824, 589_824]),
                ("qwen35_35b_a3b_q6_k", [589_824, 589_824, 860_160]),
            ]
        );
        let gemma = layouts("gemma4_26b_a4b");
        assert_eq!(
            gemma
                .iter()
                .map(|l| (l.name.as_str(), l.bytes_per_expert))
                .collect::<Vec<_>>(),
            [
                ("gemma4_26b_a4b_q5_0", [2_230_272, 1_362_944, 0]),
                ("gemma4_26b_a4b_q8_0", [2_230_272, 2_106_368, 0]),
            ]
        );
        assert!(gemma.iter().all(|l| (l.experts, l.used) == (128, 8)));
    }

    #[test]
    fn kv_layouts_follow_the_kinds_of_attention() {
        let gemma = kv_layouts(&config::load::model("gemma4_26b_a4b").unwrap());
        let global = gemma.iter().find(|l| l.name.ends_with("global")).unwrap();
        assert_eq!(
            (global.kv_heads, global.head_dim, global.window_tokens),
            (2, 512, None)
        );
        let local = gemma.iter().find(|l| l.name.ends_with("local")).unwrap();
        assert_eq!(
            (local.kv_heads, local.head_dim, local.window_tokens),
            (8, 256, Some(1024))
        );
    }
}
