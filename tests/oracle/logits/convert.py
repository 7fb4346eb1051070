#!/usr/bin/env python3
"""Converts a saved model to an F32 GGUF with llama.cpp's own converter, whose source is in the first argument.

  convert.py LLAMA_CPP MODEL_DIR OUT.gguf

Only the vocabulary is not the converter's: a random model has none to convert.
"""

import json
import pathlib
import sys

import vocabulary

sys.path[:0] = [sys.argv[1], f"{sys.argv[1]}/gguf-py"]
import gguf  # noqa: E402
from conversion import get_model_class  # noqa: E402

folder, out = pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
config = json.loads((folder / "config.json").read_text())
size = config["vocab_size"]
# The converter cuts Gemma's embedding to the tokens that this file counts.
tokens = {"model": {"vocab": {str(token): token for token in range(size)}}, "added_tokens": []}
(folder / "tokenizer.json").write_text(json.dumps(tokens))

Model = get_model_class(config["architectures"][0])
Model.no_mtp = True
Model.set_vocab = lambda self: vocabulary.write(self.gguf_writer, gguf.MODEL_ARCH_NAMES[self.model_arch], size)
Model(folder, gguf.LlamaFileType.ALL_F32, out, eager=True, model_name=out.stem).write()
