"""Writes small valid files into a folder (fuzz/seeds) with the `gguf` package: the reader's tests and the fuzzer start from them.

    pip install -r tests/oracle/requirements.txt && python tests/oracle/seeds.py fuzz/seeds
"""

import pathlib
import sys

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFValueType as V
from gguf import GGUFWriter
from gguf.constants import GGML_QUANT_SIZES

SCALARS = [
    (V.UINT8, 200), (V.INT8, -100), (V.UINT16, 60000), (V.INT16, -30000), (V.UINT32, 4000000000),
    (V.INT32, -2000000000), (V.FLOAT32, 1.5), (V.BOOL, True), (V.STRING, "▁text\n"), (V.UINT64, 2**64 - 1),
    (V.INT64, -(2**63)), (V.FLOAT64, 0.1),
]
TYPES = ["F32", "F16", "BF16", "Q8_0", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"]


def write(path, fill, tensors=(), alignment=None):
    writer = GGUFWriter(path, "test")
    if alignment:
        writer.add_custom_alignment(alignment)
    fill(writer)
    for name, rows, ty in tensors:
        elements, size = GGML_QUANT_SIZES[ty]
        row_bytes = 256 // elements * size
        rng = np.random.default_rng([rows, int(ty)])
        data = rng.integers(0, 256, (rows, row_bytes), dtype=np.uint8)
        data = data.view({Type.F32: np.float32, Type.F16: np.float16}.get(ty, np.uint8))
        writer.add_tensor(name, data, raw_dtype=ty)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def scalars(writer):
    for ty, value in SCALARS:
        writer.add_key_value(f"test.{ty.name.lower()}", value, ty)


def arrays(writer):
    for ty, value in SCALARS:
        writer.add_key_value(f"test.{ty.name.lower()}s", [value] * 3, V.ARRAY, sub_type=ty)
    writer.add_key_value("test.nested", [[1, 2], [3]], V.ARRAY, sub_type=V.ARRAY)


def vocabulary(writer):
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([f"token{i}" for i in range(40)])
    writer.add_token_merges([f"a b{i}" for i in range(20)])


folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
write(folder / "scalars.gguf", scalars)
write(folder / "arrays.gguf", arrays, [("one.weight", 1, Type.F32)], alignment=64)
write(folder / "vocabulary.gguf", vocabulary)
write(folder / "tensors.gguf", lambda _: None, [(f"blk.0.{name.lower()}.weight", 1, Type[name]) for name in TYPES])
old = bytearray((folder / "tensors.gguf").read_bytes())
old[4] = 2  # versions 2 and 3 are laid out alike
(folder / "version2.gguf").write_bytes(old)
