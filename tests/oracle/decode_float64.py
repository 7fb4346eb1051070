"""Decodes qwen35moe and gemma4 GGUF files in float64 NumPy, one token after another, written from the equations.

    pip install -r tests/oracle/requirements.txt
    SPARKBENCH_MICRO_DIR=DIR cargo test --lib known_answers      # writes the files; fails while the answers are old
    python tests/oracle/decode_float64.py DIR > tests/fixtures/micro_logits.json

Small files only: all weights are held in float64.
"""

import hashlib
import json
import math
import pathlib
import sys

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize


def load(path):
    reader = GGUFReader(path)
    keys = {}
    for name, field in reader.fields.items():
        if not name.startswith(("GGUF", "tokenizer")):
            keys[name.split(".", 1)[1]] = field.contents()
    tensors = {}
    for t in reader.tensors:
        values = t.data if t.tensor_type.name == "F32" else dequantize(t.data, t.tensor_type)
        tensors[t.name] = np.array(values, dtype=np.float64).reshape([int(n) for n in reversed(t.shape)])
    return keys, tensors


def rms(x, weight, eps):
    y = x / np.sqrt((x * x).mean(-1, keepdims=True) + eps)
    return y if weight is None else y * weight


def unit(x, eps):
    return x / np.sqrt((x * x).sum(-1, keepdims=True) + eps)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def silu(x):
    return x * sigmoid(x)


def softplus(x):
    return np.log1p(np.exp(x))


def gelu(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def softmax(x):
    powers = np.exp(x - x.max())
    return powers / powers.sum()


def rope(heads, position, rotary, base, factors=None):
    half = rotary // 2
    angle = position * base ** (-2.0 * np.arange(half) / rotary)
    if factors is not None:
        angle = angle / factors[:half]
    cos, sin = np.cos(angle), np.sin(angle)
    first, second = heads[:, :half], heads[:, half:rotary]
    return np.concatenate([first * cos - second * sin, first * sin + second * cos, heads[:, rotary:]], axis=1)


def attend(queries, keys, values, scale):
    """[heads, dim] over [positions, KV heads, dim]."""
    group = queries.shape[0] // keys.shape[1]
    heads = [softmax(keys[:, h // group] @ q * scale) @ values[:, h // group] for h, q in enumerate(queries)]
    return np.concatenate(heads)


def top(probabilities, count):
    chosen = np.argsort(-probabilities, kind="stable")[:count]
    return zip(chosen, probabilities[chosen] / probabilities[chosen].sum())


class Cache:
    def __init__(self, window=None):
        self.window, self.keys, self.values = window, None, None

    def push(self, key, value):
        self.keys = key[None] if self.keys is None else np.concatenate([self.keys, key[None]])
        self.values = value[None] if self.values is None else np.concatenate([self.values, value[None]])
        if self.window:
            self.keys, self.values = self.keys[-self.window :], self.values[-self.window :]


def qwen35moe(k, t, ids):
    eps, head_dim, kv_heads = k["attention.layer_norm_rms_epsilon"], k["attention.key_length"], k["attention.head_count_kv"]
    key_heads, value_heads, key_dim = k["ssm.group_count"], k["ssm.time_step_rank"], k["ssm.state_size"]
    value_dim = k["ssm.inner_size"] // value_heads
    layers = range(k["block_count"])
    caches = [Cache() for _ in layers]
    windows = [np.zeros((2 * key_heads * key_dim + value_heads * value_dim, k["ssm.conv_kernel"])) for _ in layers]
    states = [np.zeros((value_heads, value_dim, key_dim)) for _ in layers]
    for position, token in enumerate(ids):
        x = t["token_embd.weight"][token]
        for layer in layers:
            w = lambda name: t[f"blk.{layer}.{name}"]
            h = rms(x, w("attn_norm.weight"), eps)
            if (layer + 1) % k["full_attention_interval"] == 0:
                both = (w("attn_q.weight") @ h).reshape(-1, 2 * head_dim)
                turn = lambda heads: rope(heads, position, k["rope.dimension_count"], k["rope.freq_base"])
                q = turn(rms(both[:, :head_dim], w("attn_q_norm.weight"), eps))
                key = turn(rms((w("attn_k.weight") @ h).reshape(kv_heads, -1), w("attn_k_norm.weight"), eps))
                caches[layer].push(key, (w("attn_v.weight") @ h).reshape(kv_heads, -1))
                out = attend(q, caches[layer].keys, caches[layer].values, 1 / math.sqrt(head_dim))
                out = w("attn_output.weight") @ (out * sigmoid(both[:, head_dim:]).reshape(-1))
            else:
                windows[layer] = np.concatenate([windows[layer][:, 1:], (w("attn_qkv.weight") @ h)[:, None]], axis=1)
                y = silu((windows[layer] * w("ssm_conv1d.weight")).sum(1))
                q, key, v = np.split(y, [key_heads * key_dim, 2 * key_heads * key_dim])
                q = unit(q.reshape(key_heads, -1), eps) / math.sqrt(key_dim)
                key = unit(key.reshape(key_heads, -1), eps)
                v = v.reshape(value_heads, -1)
                beta = sigmoid(w("ssm_beta.weight") @ h)
                decay = np.exp(w("ssm_a") * softplus(w("ssm_alpha.weight") @ h + w("ssm_dt.bias")))
                read = np.zeros((value_heads, value_dim))
                for j in range(value_heads):
                    s, kj = states[layer][j] * decay[j], key[j % key_heads]
                    s = s + np.outer(beta[j] * (v[j] - s @ kj), kj)
                    states[layer][j], read[j] = s, s @ q[j % key_heads]
                z = (w("attn_gate.weight") @ h).reshape(value_heads, -1)
                out = w("ssm_out.weight") @ (rms(read, w("ssm_norm.weight"), eps) * silu(z)).reshape(-1)
            x = x + out
            h = rms(x, w("post_attention_norm.weight"), eps)
            swiglu = lambda gate, up, down: down @ (silu(gate @ h) * (up @ h))
            out = sigmoid(w("ffn_gate_inp_shexp.weight").reshape(-1) @ h) * swiglu(
                w("ffn_gate_shexp.weight"), w("ffn_up_shexp.weight"), w("ffn_down_shexp.weight"))
            for e, share in top(softmax(w("ffn_gate_inp.weight") @ h), k["expert_used_count"]):
                out = out + share * swiglu(
                    w("ffn_gate_exps.weight")[e], w("ffn_up_exps.weight")[e], w("ffn_down_exps.weight")[e])
            x = x + out
        yield t["output.weight"] @ rms(x, t["output_norm.weight"], eps)


def gemma4(k, t, ids):
    eps, width, cap = k["attention.layer_norm_rms_epsilon"], k["embedding_length"], k["final_logit_softcapping"]
    local = k["attention.sliding_window_pattern"]
    caches = [Cache(k["attention.sliding_window"] if is_local else None) for is_local in local]
    for position, token in enumerate(ids):
        x = t["token_embd.weight"][token] * math.sqrt(width)
        for layer, is_local in enumerate(local):
            w = lambda name: t[f"blk.{layer}.{name}"]
            kv_heads, suffix = k["attention.head_count_kv"][layer], "_swa" if is_local else ""
            head_dim, rotary = k["attention.key_length" + suffix], k["rope.dimension_count" + suffix]
            factors = None if is_local else t["rope_freqs.weight"]
            turn = lambda heads: rope(heads, position, rotary, k["rope.freq_base" + suffix], factors)
            h = rms(x, w("attn_norm.weight"), eps)
            q = turn(rms((w("attn_q.weight") @ h).reshape(-1, head_dim), w("attn_q_norm.weight"), eps))
            key = (w("attn_k.weight") @ h).reshape(kv_heads, -1)
            value = (w("attn_v.weight") @ h).reshape(kv_heads, -1) if is_local else key
            caches[layer].push(turn(rms(key, w("attn_k_norm.weight"), eps)), rms(value, None, eps))
            out = w("attn_output.weight") @ attend(q, caches[layer].keys, caches[layer].values, 1.0)
            y = x + rms(out, w("post_attention_norm.weight"), eps)
            h = rms(y, w("ffn_norm.weight"), eps)
            dense = w("ffn_down.weight") @ (gelu(w("ffn_gate.weight") @ h) * (w("ffn_up.weight") @ h))
            r = rms(y, None, eps) * w("ffn_gate_inp.scale") / math.sqrt(width)
            h = rms(y, w("pre_ffw_norm_2.weight"), eps)
            routed = np.zeros(width)
            for e, share in top(softmax(w("ffn_gate_inp.weight") @ r), k["expert_used_count"]):
                gate, up = np.split(w("ffn_gate_up_exps.weight")[e] @ h, 2)
                routed += share * w("ffn_down_exps.scale")[e] * (w("ffn_down_exps.weight")[e] @ (gelu(gate) * up))
            out = rms(dense, w("post_ffw_norm_1.weight"), eps) + rms(routed, w("post_ffw_norm_2.weight"), eps)
            x = (y + rms(out, w("post_ffw_norm.weight"), eps)) * w("layer_output_scale.weight")[0]
        yield cap * np.tanh(t["token_embd.weight"] @ rms(x, t["output_norm.weight"], eps) / cap)


CASES = {  # file: decoder, tokens, positions whose logits are kept
    "qwen35moe": (qwen35moe, 70, [0, 1, 6, 69]),
    "gemma4": (gemma4, 20, [0, 1, 6, 19]),
    "gemma4_long": (gemma4, 3000, [1023, 1024, 2999]),
}

if __name__ == "__main__":
    recorded = {}
    for name, (decode, count, kept) in CASES.items():
        path = pathlib.Path(sys.argv[1]) / f"{name}.gguf"
        ids = [(7 * i + 3 + i * i % 5) % 40 for i in range(count)]
        logits = decode(*load(path), ids)
        recorded[name] = {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "tokens": count,
            "logits": [[at, [float(f"{x:.13g}") for x in found]] for at, found in enumerate(logits) if at in kept],
        }
    lines = [f'"{name}": {json.dumps(record)}' for name, record in recorded.items()]
    print("{\n" + ",\n".join(lines) + "\n}")
