"""Puts the weights of a GGUF, dequantised, back into the model that it was converted from.

The converter's transforms are undone here one by one, so that a file whose weights come back unchanged shows that both
sides understand them alike, and so that a quantised file can be computed in float64 by transformers.
"""

import numpy as np
import torch
from gguf import GGUFReader
from gguf.quants import dequantize

QWEN = {
    "input_layernorm.weight": "attn_norm.weight", "post_attention_layernorm.weight": "post_attention_norm.weight",
    "self_attn.q_proj.weight": "attn_q.weight", "self_attn.k_proj.weight": "attn_k.weight",
    "self_attn.v_proj.weight": "attn_v.weight", "self_attn.o_proj.weight": "attn_output.weight",
    "self_attn.q_norm.weight": "attn_q_norm.weight", "self_attn.k_norm.weight": "attn_k_norm.weight",
    "linear_attn.in_proj_qkv.weight": "attn_qkv.weight", "linear_attn.in_proj_z.weight": "attn_gate.weight",
    "linear_attn.in_proj_a.weight": "ssm_alpha.weight", "linear_attn.in_proj_b.weight": "ssm_beta.weight",
    "linear_attn.conv1d.weight": "ssm_conv1d.weight", "linear_attn.A_log": "ssm_a", "linear_attn.dt_bias": "ssm_dt.bias",
    "linear_attn.norm.weight": "ssm_norm.weight", "linear_attn.out_proj.weight": "ssm_out.weight",
    "mlp.gate.weight": "ffn_gate_inp.weight", "mlp.experts.down_proj": "ffn_down_exps.weight",
    "mlp.shared_expert_gate.weight": "ffn_gate_inp_shexp.weight",
    "mlp.shared_expert.gate_proj.weight": "ffn_gate_shexp.weight",
    "mlp.shared_expert.up_proj.weight": "ffn_up_shexp.weight",
    "mlp.shared_expert.down_proj.weight": "ffn_down_shexp.weight",
}
GEMMA = {
    "input_layernorm.weight": "attn_norm.weight", "post_attention_layernorm.weight": "post_attention_norm.weight",
    "self_attn.q_proj.weight": "attn_q.weight", "self_attn.k_proj.weight": "attn_k.weight",
    "self_attn.v_proj.weight": "attn_v.weight", "self_attn.o_proj.weight": "attn_output.weight",
    "self_attn.q_norm.weight": "attn_q_norm.weight", "self_attn.k_norm.weight": "attn_k_norm.weight",
    "pre_feedforward_layernorm.weight": "ffn_norm.weight", "post_feedforward_layernorm.weight": "post_ffw_norm.weight",
    "pre_feedforward_layernorm_2.weight": "pre_ffw_norm_2.weight",
    "post_feedforward_layernorm_1.weight": "post_ffw_norm_1.weight",
    "post_feedforward_layernorm_2.weight": "post_ffw_norm_2.weight", "layer_scalar": "layer_output_scale.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight", "mlp.up_proj.weight": "ffn_up.weight", "mlp.down_proj.weight": "ffn_down.weight",
    "router.proj.weight": "ffn_gate_inp.weight", "router.scale": "ffn_gate_inp.scale",
    "router.per_expert_scale": "ffn_down_exps.scale", "experts.gate_up_proj": "ffn_gate_up_exps.weight",
    "experts.down_proj": "ffn_down_exps.weight",
}
OUTSIDE = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
           "lm_head.weight": "output.weight"}


def grouped(rows, key_heads):
    """Undoes the tiled order of value heads: GGUF's head r * K + k is head k * R + r of transformers."""
    heads = rows.reshape(-1, key_heads, *rows.shape[1:])
    return heads.swapaxes(0, 1).reshape(rows.shape)


def value_heads_first(weight, name, config):
    """`weight` with its value heads in the order of transformers."""
    keys, key_dim = config.linear_num_key_heads, config.linear_key_head_dim
    heads, dim = config.linear_num_value_heads, config.linear_value_head_dim
    by_head = lambda rows: grouped(rows.reshape(heads, -1), keys).reshape(rows.shape)
    if ".in_proj_qkv." in name or ".conv1d." in name:
        split = 2 * keys * key_dim
        return np.concatenate([weight[:split], by_head(weight[split:])])
    if ".out_proj." in name:
        return by_head(weight.T.copy()).T
    return by_head(weight)


def load(path, model):
    """Copies the weights of the file at `path` into `model`, in its own precision."""
    tensors = {}
    for tensor in GGUFReader(path).tensors:
        values = tensor.data if tensor.tensor_type.name == "F32" else dequantize(tensor.data, tensor.tensor_type)
        tensors[tensor.name] = np.array(values, dtype=np.float64).reshape([int(n) for n in reversed(tensor.shape)])
    config = model.config
    qwen = config.model_type.startswith("qwen")
    names = QWEN if qwen else GEMMA
    unused = set(tensors) - {"rope_freqs.weight"}

    def take(name):
        unused.discard(name)
        return tensors[name]

    def weight(name):
        if name in OUTSIDE:
            values = take(OUTSIDE[name])
        else:
            _, _, layer, inner = name.split(".", 3)
            blk = lambda tensor: take(f"blk.{layer}.{tensor}")
            if inner == "mlp.experts.gate_up_proj":
                return np.concatenate([blk("ffn_gate_exps.weight"), blk("ffn_up_exps.weight")], axis=1)
            values = blk(names[inner])
        if not qwen:
            return values
        if name.endswith("norm.weight") and "linear_attn" not in name:
            return values - 1
        if "linear_attn" in name and "norm" not in name:
            values = value_heads_first(values, name, config)
        return np.log(-values) if name.endswith("A_log") else values

    with torch.no_grad():
        targets = dict(model.named_parameters()) | {
            name: buffer for name, buffer in model.named_buffers() if name.endswith("layer_scalar")}
        for name, target in targets.items():
            values = torch.from_numpy(np.ascontiguousarray(weight(name)))
            assert values.numel() == target.numel(), name
            target.copy_(values.reshape(target.shape))
    assert not unused, unused
