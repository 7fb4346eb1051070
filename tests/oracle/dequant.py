"""Writes random blocks of every type that is dequantised, with the values that the `gguf` package gives them.

    pip install -r tests/oracle/requirements.txt && python tests/oracle/dequant.py tests/fixtures

One file `TYPE.blocks` per type: raw blocks, then the f32 values, little endian; the number of blocks is BLOCKS.
Scales cover normal, subnormal, zero, negative and the largest finite halves; none is infinite or NaN.
"""

import pathlib
import sys

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize

# Type -> byte offsets of the f16 scales in a block.
SCALES = {
    "F32": [], "F16": [0], "BF16": [], "Q8_0": [0], "Q5_0": [0], "Q5_1": [0, 2],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}
EXTREMES = np.array(
    [0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x83FF, 0x0400, 0x8400, 0x7BFF, 0xFBFF, 0x3C00, 0xBC00], np.uint16
)  # ±0, least and greatest subnormals, least normals, greatest finite values, ±1


def blocks_of(name, count):
    ty = Type[name]
    elements, size = GGML_QUANT_SIZES[ty]
    rng = np.random.default_rng(int(ty))
    blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for place, offset in enumerate(SCALES[name]):
        bits = rng.integers(0, 2**16, count, dtype=np.uint16)
        bits &= ~np.uint16(0x0400)  # clears one bit of the exponent: neither infinity nor NaN
        bits[: len(EXTREMES)] = np.roll(EXTREMES, place * 5)  # d and its companion meet in different pairs
        blocks[:, offset : offset + 2] = bits.view(np.uint8).reshape(count, 2)
    if name == "F32":
        blocks.view(np.uint32)[...] &= ~np.uint32(0x00800000)
    if name == "BF16":
        blocks.view(np.uint16)[...] &= ~np.uint16(0x0080)
    values = dequantize(blocks, ty).astype("<f4").reshape(count, elements)
    assert np.isfinite(values).all(), name
    return blocks, values


folder = pathlib.Path(sys.argv[1])
for name in SCALES:
    elements, _ = GGML_QUANT_SIZES[Type[name]]
    count = 20 * 32 if elements == 1 else 40 if elements == 32 else 16
    blocks, values = blocks_of(name, count)
    (folder / f"{name}.blocks").write_bytes(blocks.tobytes() + values.tobytes())
