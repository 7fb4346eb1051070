"""Tiny random models of both architectures: their hyper-parameters, and weights under which context and experts matter.

Widths are odd on purpose, except where K-quants need rows of 256. Outputs of the residual branches are damped and routers
spread, since otherwise rounding alone flips the choice of experts; the last norm has signs of its own, since a tied
embedding would otherwise answer with its own input.
"""

import math

import torch
from transformers import Gemma4ForCausalLM, Gemma4TextConfig, Qwen3_5MoeForCausalLM, Qwen3_5MoeTextConfig

LINEAR, FULL, SLIDING = "linear_attention", "full_attention", "sliding_attention"


def qwen(layers, rotary, sections, theta, **sizes):
    rope = {"rope_type": "default", "rope_theta": theta, "partial_rotary_factor": rotary, "mrope_section": sections,
            "mrope_interleaved": True}
    kinds = [LINEAR if letter == "l" else FULL for letter in layers]
    return Qwen3_5MoeTextConfig(
        vocab_size=271, num_hidden_layers=len(kinds), layer_types=kinds, full_attention_interval=kinds.index(FULL) + 1,
        rope_parameters=rope, max_position_embeddings=512, eos_token_id=257, pad_token_id=256, **sizes)


def gemma(layers, full_dim, full_kv_heads, rotary, theta, cap, **sizes):
    rope = {SLIDING: {"rope_type": "default", "rope_theta": theta},
            FULL: {"rope_type": "proportional", "partial_rotary_factor": rotary, "rope_theta": 100 * theta}}
    kinds = [SLIDING if letter == "s" else FULL for letter in layers]
    return Gemma4TextConfig(
        vocab_size=367, num_hidden_layers=len(kinds), layer_types=kinds, rope_parameters=rope, final_logit_softcapping=cap,
        global_head_dim=full_dim, num_global_key_value_heads=full_kv_heads, attention_k_eq_v=True, enable_moe_block=True,
        hidden_size_per_layer_input=0, max_position_embeddings=512, tie_word_embeddings=True, **sizes)


# name: (hyper-parameters, seed, damping of the residual branches)
MODELS = {
    "qwen35moe_a": (qwen(
        "lllflllf", 0.25, [1, 1, 1], 1e7, hidden_size=40, num_attention_heads=4, num_key_value_heads=2, head_dim=24,
        linear_num_key_heads=2, linear_num_value_heads=6, linear_key_head_dim=12, linear_value_head_dim=12,
        linear_conv_kernel_dim=4, num_experts=7, num_experts_per_tok=3, moe_intermediate_size=12,
        shared_expert_intermediate_size=28), 11, 0.5),
    "qwen35moe_b": (qwen(
        "llflf", 0.5, [2, 2, 1], 5e5, hidden_size=36, num_attention_heads=6, num_key_value_heads=3, head_dim=20,
        linear_num_key_heads=3, linear_num_value_heads=6, linear_key_head_dim=20, linear_value_head_dim=20,
        linear_conv_kernel_dim=3, num_experts=12, num_experts_per_tok=4, moe_intermediate_size=12,
        shared_expert_intermediate_size=20), 12, 0.5),
    "qwen35moe_q4_k_m": (qwen(
        "lfl", 0.25, [3, 3, 2], 1e7, hidden_size=256, num_attention_heads=4, num_key_value_heads=2, head_dim=64,
        linear_num_key_heads=4, linear_num_value_heads=8, linear_key_head_dim=32, linear_value_head_dim=32,
        linear_conv_kernel_dim=4, num_experts=3, num_experts_per_tok=2, moe_intermediate_size=256,
        shared_expert_intermediate_size=32), 13, 0.2),
    "gemma4_a": (gemma(
        "sssssf", 40, 1, 0.25, 1e4, 30.0, hidden_size=48, num_attention_heads=4, num_key_value_heads=2, head_dim=24,
        intermediate_size=44, num_experts=7, top_k_experts=3, moe_intermediate_size=20, sliding_window=11), 36, 0.2),
    "gemma4_b": (gemma(
        "ssfsf", 36, 2, 0.5, 5e3, 5.0, hidden_size=44, num_attention_heads=6, num_key_value_heads=3, head_dim=20,
        intermediate_size=52, num_experts=6, top_k_experts=2, moe_intermediate_size=28, sliding_window=8), 31, 0.2),
    "gemma4_q4_k_m": (gemma(
        "ssf", 128, 1, 0.25, 1e4, 30.0, hidden_size=256, num_attention_heads=4, num_key_value_heads=2, head_dim=64,
        intermediate_size=96, num_experts=6, top_k_experts=2, moe_intermediate_size=32, sliding_window=16), 23, 0.1),
}


def build(name):
    """The model in float32."""
    config, seed, damping = MODELS[name]
    random = torch.Generator().manual_seed(seed)
    normal = lambda like: torch.randn(like.shape, generator=random)
    uniform = lambda like, low, high: torch.rand(like.shape, generator=random) * (high - low) + low
    model = (Qwen3_5MoeForCausalLM if config.model_type.startswith("qwen") else Gemma4ForCausalLM)(config).eval()
    model.set_experts_implementation("eager")  # the others refuse float64
    qwen = isinstance(model, Qwen3_5MoeForCausalLM)
    offset = 0.0 if qwen else 1.0  # Qwen multiplies by 1 + w
    tied = config.tie_word_embeddings

    def draw(name, old):
        last = name.removesuffix(".weight").rsplit(".", 1)[-1]
        if last == "A_log":
            return torch.log(uniform(old, 0.1, 8.0))
        if last == "dt_bias":
            return uniform(old, -4.0, 1.0)
        if last == "conv1d":
            return 0.5 * normal(old)
        if last == "layer_scalar":
            return uniform(old, 0.4, 0.9)
        if last == "per_expert_scale":
            return uniform(old, 0.5, 1.5)
        if name.endswith("router.scale"):
            return math.sqrt(config.hidden_size) * (1 + 0.1 * normal(old))
        if name == "model.norm.weight":
            return normal(old) - (1 - offset)
        if name.endswith("linear_attn.norm.weight"):
            return 1 + 0.1 * normal(old)
        if last == "q_norm" and not qwen:
            return 1.5 / math.sqrt(len(old)) * (1 + 0.1 * normal(old))
        if last == "post_attention_layernorm" and not qwen:
            return 0.5 * (1 + 0.1 * normal(old))
        if last == "post_feedforward_layernorm" and not qwen:
            return damping * (1 + 0.1 * normal(old))
        if "norm" in last:
            return offset + 0.1 * normal(old)
        spread = 1 / math.sqrt(old.shape[-1])
        if last == "embed_tokens":
            return (spread if tied else 1.0) * normal(old)
        if name.endswith(("mlp.gate.weight", "router.proj.weight")):
            return 2 * spread * normal(old)
        if last in ("o_proj", "out_proj", "down_proj") and qwen:
            return damping * spread * normal(old)
        return spread * normal(old)

    with torch.no_grad():
        weights = dict(model.named_parameters()) | {
            name: buffer for name, buffer in model.named_buffers() if name.endswith("layer_scalar")}
        for name in sorted(weights):
            weights[name].copy_(draw(name, weights[name]))
    return model


def prompt(name, length=66):
    """Token ids in a row; the first is the model's own first token where it has one."""
    config, seed, _ = MODELS[name]
    random = torch.Generator().manual_seed(1000 + seed)
    ids = torch.randint(4, config.vocab_size, (length,), generator=random)
    if config.bos_token_id is not None:
        ids[0] = config.bos_token_id
    return ids
