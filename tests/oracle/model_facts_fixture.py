#!/usr/bin/env python3
"""Distils model_facts.json into tests/fixtures/model_facts.json.

  model_facts_fixture.py model_facts.json > tests/fixtures/model_facts.json

model_facts.json lists every tensor of five published Q4_K_M files with name, shape, type, bytes and offset, worked out
from transformers and llama.cpp without this project's code. The lists become digests: SHA-256 over one line
"NAME D0xD1x.. TYPE BYTES OFFSET\n" per tensor in file order. Totals stay as they are.
"""
import hashlib
import json
import sys

# The class names of model_facts.json, as `TensorClass` serialises them.
CLASSES = {
    "token_embd": "token_embd",
    "norms/scales": "norms_and_scales",
    "output (lm_head)": "output",
    "gated-deltanet": "gated_deltanet",
    "router": "router",
    "routed experts": "routed_experts",
    "shared expert": "shared_expert",
    "dense MLP": "dense_mlp",
    "full/softmax attention proj": "softmax_attention",
}
MODELS = {"qwen3.5-35b-a3b": "qwen35_35b_a3b", "gemma-4-26b-a4b-it": "gemma4_26b_a4b"}
# Variant in model_facts.json: mix, and its name in `bytes_per_token`.
VARIANTS = {
    "q4_k_m.lmstudio_feb2026": ("lmstudio-feb2026", "qwen_feb2026"),
    "q4_k_m.llamacpp_0c1e5709_no_mtp": ("llama.cpp", "qwen_current"),
    "q4_k_m.unsloth": ("unsloth", "qwen_unsloth"),
    "q4_k_m.ggml_org": ("ggml-org", "gemma_current"),
    "ud_q4_k_m.unsloth": ("unsloth-ud", "gemma_unsloth"),
}


def variant(facts, per_token):
    lines = "".join(
        "{} {} {} {} {}\n".format(t["name"], "x".join(map(str, t["shape"])), t["type"], t["bytes"], t["offset"])
        for t in facts["tensors"]
    )
    return {
        "tensors": facts["n_tensors"],
        "tensors_sha256": hashlib.sha256(lines.encode()).hexdigest(),
        "types": dict(sorted(facts["type_counts"].items())),
        "tensor_bytes": facts["tensor_bytes"],
        "data_section_bytes": facts["data_section_bytes_align32"],
        "weights_per_token_bytes": per_token["weights"],
        "weights_per_token_by_class": {CLASSES[name]: n for name, n in sorted(per_token["by_class"].items())},
    }


def model(facts):
    kv = facts["kv_bytes_per_token_f16"]
    kv = kv if isinstance(kv, dict) else {"global_": kv, "local": 0, "local_cap_tokens": 0}
    hparams = facts["hparams"]
    return {
        "parameters": hparams.get("total_params") or hparams["total_params_text_no_mtp"],
        "kv_per_token_full_bytes": kv["global_"],
        "kv_per_token_sliding_bytes": kv["local"],
        "window_tokens": kv["local_cap_tokens"],
        "state_bytes": facts.get("recurrent_state_bytes_f32", 0) + facts.get("conv_state_bytes_f32", 0),
        # Values that are texts ("248320 entries", "...") stand for arrays that only the publisher's file has.
        "metadata": [
            [e["key"], e["type"], e["value"]]
            for e in facts["gguf_kv"]
            if not e["key"].startswith(("tokenizer.", "general."))
        ],
        "tokenizer": {
            e["key"]: int(e["value"].split()[0])
            for e in facts["gguf_kv"]
            if e["key"].startswith("tokenizer.") and e["type"].startswith("ARRAY")
        },
        "variants": {
            VARIANTS[name][0]: variant(v, facts["bytes_per_token"][VARIANTS[name][1]])
            for name, v in facts["variants"].items()
        },
    }


facts = json.load(open(sys.argv[1], encoding="utf-8"))
fixture = {"llama_cpp_commit": facts["llama_cpp_commit"].split()[0]}
fixture |= {MODELS[name]: model(m) for name, m in facts["models"].items()}
print(json.dumps(fixture, indent=1))
