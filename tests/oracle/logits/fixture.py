#!/usr/bin/env python3
"""Makes ../../fixtures/oracle: tiny models as GGUF, a prompt for each, and the logits that other programs compute.

  fixture.py LLAMA_CPP LLAMA_LOGITS LLAMA_QUANTIZE OUT [NAME...]

LLAMA_CPP is llama.cpp's source; LLAMA_LOGITS and LLAMA_QUANTIZE are programs built from it, as ../README.md says. Of each
model come NAME.gguf, NAME.ids, NAME.llama_cpp.npy (token by token) and NAME.transformers.npy: of F32 files in
transformers' own float32, of quantised ones in float64 on the dequantised weights, rounded to float32 once. Each has a
row per position. measured.json states versions and how far the programs lie apart.
"""

import contextlib
import importlib.metadata
import json
import pathlib
import platform
import subprocess
import sys
import tempfile

import numpy as np
import torch
from transformers import modeling_rope_utils
from transformers.models.gemma4 import modeling_gemma4
from transformers.models.qwen3_5_moe import modeling_qwen3_5_moe

import from_gguf
import models

HERE = pathlib.Path(__file__).parent


class Float64:
    """`torch` in which float32 means float64: the models' own casts to float32 would undo double precision."""

    float = float32 = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


@contextlib.contextmanager
def everything_in_float64():
    modules = modeling_gemma4, modeling_qwen3_5_moe, modeling_rope_utils
    single = torch.Tensor.float
    torch.Tensor.float = torch.Tensor.double
    for module in modules:
        module.torch = Float64()
    yield
    torch.Tensor.float = single
    for module in modules:
        module.torch = torch


@contextlib.contextmanager
def router_margins(model, into):
    """Notes how far the last expert in lies above the first one out, relative to it, for each router and position."""

    def note(module, _, output):
        probabilities = output[0] if isinstance(module, modeling_gemma4.Gemma4TextRouter) else output[0].softmax(-1)
        ranked = probabilities.sort(-1, descending=True).values
        used = getattr(module, "top_k", None) or module.config.top_k_experts
        into.append(float((1 - ranked[:, used] / ranked[:, used - 1]).min()))

    kinds = modeling_gemma4.Gemma4TextRouter, modeling_qwen3_5_moe.Qwen3_5MoeTopKRouter
    hooks = [module.register_forward_hook(note) for module in model.modules() if isinstance(module, kinds)]
    yield
    for hook in hooks:
        hook.remove()


@torch.no_grad()
def at_once(model, ids):
    return model(ids[None]).logits[0].double().numpy()


@torch.no_grad()
def one_by_one(model, ids):
    past, rows = None, []
    for token in ids:
        out = model(token[None, None], past_key_values=past, use_cache=True)
        past = out.past_key_values
        rows.append(out.logits[0, 0].double())
    return torch.stack(rows).numpy()


def float64(name, gguf, ids):
    with everything_in_float64():
        model = models.build(name).double()
        from_gguf.load(gguf, model)
        margins = []
        with router_margins(model, margins):
            logits = at_once(model, ids)
        return logits, min(margins), np.abs(logits - one_by_one(model, ids)).max()


def divergence(p, q):
    """Mean Kullback-Leibler divergence over the positions, in nats."""
    p, q = (torch.log_softmax(torch.from_numpy(x).double(), -1) for x in (p, q))
    return float((p.exp() * (p - q)).sum(-1).mean())


def distance(a, b):
    """How far the logits `b` lie from `a`."""
    return {"max_over_sigma": float(np.abs(a - b).max() / a.std()), "kl_nats": divergence(a, b),
            "same_argmax": float((a.argmax(-1) == b.argmax(-1)).mean())}


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=HERE)
    if done.returncode:
        sys.exit(f"{command[0]}: {done.stderr[-3000:]}")


def make(name, llama_cpp, llama_logits, llama_quantize, out):
    ids = models.prompt(name)
    (out / f"{name}.ids").write_text(" ".join(str(int(token)) for token in ids) + "\n")
    gguf, quantised = out / f"{name}.gguf", name.endswith("q4_k_m")
    original = models.build(name)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        original.save_pretrained(folder / "model")
        f32 = folder / "f32.gguf" if quantised else gguf
        run(sys.executable, "convert.py", llama_cpp, folder / "model", f32)
        if quantised:
            run(llama_quantize, f32, gguf)
        back = models.build(name)
        with torch.no_grad():
            for parameter in back.parameters():
                parameter.zero_()
        from_gguf.load(f32, back)
        pairs = zip(original.state_dict().values(), back.state_dict().values(), strict=True)
        returned = max(float((a - b).abs().max()) for a, b in pairs)

        def llama(batch):
            raw = folder / "logits.f32"
            run(llama_logits, gguf, raw, batch, *(int(token) for token in ids))
            return np.fromfile(raw, "<f4").reshape(len(ids), -1)

        stepwise, batched = llama(1), llama(len(ids))
    exact, margin, forms = float64(name, gguf, ids)
    transformers = exact if quantised else at_once(original, ids)
    np.save(out / f"{name}.llama_cpp.npy", stepwise)
    np.save(out / f"{name}.transformers.npy", transformers.astype(np.float32))
    report = {
        "seed": models.MODELS[name][1], "parameters": sum(p.numel() for p in original.parameters()),
        "bytes": gguf.stat().st_size, "positions": len(ids), "sigma": float(exact.std()),
        "distinct_argmax": len(set(exact.argmax(-1).tolist())),
        "weights_through_converter_and_back_max": returned, "least_router_margin": margin,
        "transformers_float64_one_by_one_max_over_sigma": float(forms / exact.std()),
        "llama_cpp_one_by_one": distance(exact, stepwise), "llama_cpp_batched": distance(exact, batched),
    }
    if quantised:
        report["before_quantisation"] = distance(exact, at_once(original, ids))
    else:
        report["transformers_float32"] = distance(exact, transformers)
    return report


def main():
    torch.set_num_threads(1)  # sums in float32 depend on how they are divided
    llama_cpp, llama_logits, llama_quantize, out = (pathlib.Path(word).resolve() for word in sys.argv[1:5])
    out.mkdir(parents=True, exist_ok=True)
    path = out / "measured.json"
    measured = json.loads(path.read_text()) if path.exists() else {"models": {}}
    packages = ("transformers", "torch", "gguf", "numpy")
    measured["versions"] = {name: importlib.metadata.version(name) for name in packages} | {
        "python": platform.python_version(), "machine": platform.machine(),
        "llama.cpp": "0c1e57098bba43ac29e6e3b677cdceebdd22334f (sdist of llama-cpp-python 0.3.36)"}
    for name in sys.argv[5:] or models.MODELS:
        measured["models"][name] = make(name, llama_cpp, llama_logits, llama_quantize, out)
        print(name, json.dumps(measured["models"][name], indent=1))
    measured["models"] = dict(sorted(measured["models"].items()))
    path.write_text(json.dumps(measured, indent=2) + "\n")


main()
