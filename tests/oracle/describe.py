"""Lists a GGUF file as the `gguf` package reads it: one line per metadata key, then one per tensor.

    pip install -r tests/oracle/requirements.txt && python tests/oracle/describe.py FILE

key TYPE COUNT                                  COUNT is the number of array elements, 1 for scalars
tensor NAME TYPE DIMS OFFSET BYTES DIGEST       DIGEST is the SHA-256 of the first row's f32 values, little endian
"""

import hashlib
import sys

import numpy as np
from gguf import GGUFReader, GGUFValueType
from gguf.quants import dequantize

NAMES = {"UINT": "u", "INT": "i", "FLOAT": "f"}


def type_name(ty):
    name = ty.name
    for long, short in NAMES.items():
        if name.startswith(long):
            return short + name[len(long):]
    return name.lower()


reader = GGUFReader(sys.argv[1])
for key, field in reader.fields.items():
    if key.startswith("GGUF."):
        continue  # the package's own names for the file's first words
    if field.types[0] == GGUFValueType.ARRAY:
        print("key", key, f"array of {type_name(field.types[1])}", len(field.data))
    else:
        print("key", key, type_name(field.types[0]), 1)
for t in reader.tensors:
    dims = [int(d) for d in t.shape]
    row = dequantize(t.data.reshape(-1, t.data.shape[-1])[:1], t.tensor_type).astype("<f4")
    assert row.size == dims[0]
    digest = hashlib.sha256(np.ascontiguousarray(row).tobytes()).hexdigest()
    print("tensor", t.name, t.tensor_type.name, dims, t.data_offset, t.n_bytes, digest)
