"""How far logits are from a reference's: kl.py REFERENCE.npy LOGITS...

LOGITS are .npy files, or raw f32 as llama_logits writes them. Prints the mean and the largest KL divergence in nats, the largest
difference over the reference's standard deviation, and the share of positions with the same argmax.
"""

import sys

import numpy as np


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


reference = np.load(sys.argv[1]).astype(np.float64)
p = log_softmax(reference)
for path in sys.argv[2:]:
    raw = np.load(path) if path.endswith(".npy") else np.fromfile(path, np.float32)
    logits = raw.astype(np.float64).reshape(reference.shape)
    kl = (np.exp(p) * (p - log_softmax(logits))).sum(-1)
    far = np.abs(logits - reference).max() / reference.std()
    same = (logits.argmax(-1) == reference.argmax(-1)).mean()
    print(f"{path}: KL mean {kl.mean():.1e}, largest {kl.max():.1e}; {far:.1e} sigma; same argmax {same:.3f}")
