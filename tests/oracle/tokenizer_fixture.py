#!/usr/bin/env python3
"""Cuts a vocabulary down to what some texts need, beside the ids that llama.cpp makes of them.

  tokenizer_fixture.py LLAMA_TOKENS VOCABULARY.gguf > ../fixtures/tokenizer/NAME.json

The texts are encoded with the whole vocabulary. A merge is kept if what it makes occurs in a text, so the cut vocabulary
makes the same tokens of them; each kept token states its id in the whole one. Needs PyPI gguf 0.19.0.
"""

import json
import subprocess
import sys
import tempfile

import gguf

TEXTS = [
    "The lock keeper counts boats.",
    " leading space, trailing space ",
    "two  spaces   three    four",
    "\ttab\t\ttabs \t mixed",
    "line\nline\n\nparagraph\n\n\n\nfour feeds",
    "carriage\r\nreturn\r\n\r\n  indented\n    more",
    "trailing feeds\n\n",
    "   \n \n  x",
    "It's we've they'll I'm he'd you're can't, IT'S WE'VE THEY'LL I'M HE'D YOU'RE CAN'T",
    "'s'sky'mist 'tis o'clock ''quoted''",
    "0 1 12 123 1234 12345 3.14159 1,000,000 0xff 1e-9",
    "fn area(w: u32, h: u32) -> u64 {\n    u64::from(w) * u64::from(h) // no overflow\n}\n",
    "if (a && !b) { return x[i]->y; } /* !!! ??? ... */",
    "| name | value |\n|------|-------|\n| a    |     1 |\n",
    "Das Mädchen läuft über die Straße.",
    "¿Dónde está el río? ¡Allí!",
    "Черепаха медленно идёт к воде.",
    "乌龟慢慢地走向水边。",
    "亀はゆっくり水辺へ歩いていく。",
    "거북이가 천천히 물가로 걸어간다.",
    "السلحفاة تمشي ببطء إلى الماء",
    "नदी के किनारे कछुआ धीरे चलता है",
    "เต่าเดินช้าๆ ไปที่น้ำ",
    "cafe\u0301 nin\u0303o a\u0308\u0301 \u0301lone \u0301",
    "x\u0301\u0302 1\u0301 !\u0301a",
    "½ ² Ⅳ ٣ ४ 三",
    "🐢🐢 🏳️‍🌈 👩‍🔬 ✅ ☃",
    "\u00a0no-break\u00a0 \u2003em\u3000ideographic",
    "\u2581lower\u2581block ▁▁",
    "\u0000\u0001\u007f\u0085\u200b\ufeff".replace("\u0000", ""),
    "\U0001f9ff\U000e0001\U0010ffff\ue000",
    "<|im_start|>user<|im_end|><|endoftext|>",
    "<bos><eos><pad><turn|><0x41><unused3>",
    "<|tool_call>f<tool_call|> [PAD151646]x[PAD151647]",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "================================",
    "ǅ ʰ ª ᾳ Ω ﬁ",
    "e\n\u0301f \n'll\n 's",
]


def byte_letters():
    letters, beyond = {}, 0
    for byte in range(256):
        if 33 <= byte <= 126 or 161 <= byte <= 172 or 174 <= byte <= 255:
            letters[byte] = chr(byte)
        else:
            letters[byte] = chr(256 + beyond)
            beyond += 1
    return letters


def main(program, path):
    fields = gguf.GGUFReader(path).fields
    key = lambda name: fields[f"tokenizer.ggml.{name}"].contents() if f"tokenizer.ggml.{name}" in fields else None
    tokens, types, merges = key("tokens"), key("token_type"), key("merges")
    with tempfile.NamedTemporaryFile() as file:
        file.write("\0".join(TEXTS).encode())
        file.flush()
        out = subprocess.run([program, path, file.name], check=True, capture_output=True, text=True).stdout
    ids = [[int(word) for word in line.split()] for line in out.splitlines()]
    assert len(ids) == len(TEXTS)

    letters = byte_letters()
    if key("model") == "gpt2":
        written = ["".join(letters[byte] for byte in text.encode()) for text in TEXTS]
        always = set(letters.values())
    else:
        written = [text.replace(" ", "\u2581") for text in TEXTS]
        always = {f"<0x{byte:02X}>" for byte in range(256)} | {c for text in written for c in text}
        always |= {"\n" * n for n in range(1, 32)}
    kept_merges = []
    for merge in merges:
        at = merge.index(" ", 1)
        left, right = merge[:at], merge[at + 1 :]
        if any(left + right in text for text in written):
            kept_merges.append(merge)
            always |= {left, right, left + right}
    special = lambda i: types[i] != 1 and any(tokens[i] in text for text in TEXTS)
    kept = [i for i, token in enumerate(tokens) if token in always or special(i) or i in (key("bos_token_id"), key("eos_token_id"))]
    assert {i for row in ids for i in row} <= set(kept)

    rows = lambda items: "[\n" + ",\n".join(json.dumps(item, ensure_ascii=False) for item in items) + "\n]"
    print("{")
    for name in ["model", "pre", "bos_token_id", "eos_token_id", "add_bos_token"]:
        print(f'"{name}": {json.dumps(key(name))},')
    print(f'"tokens": {rows([kept_id, tokens[kept_id], types[kept_id]] for kept_id in kept)},')
    print(f'"merges": {rows(kept_merges)},')
    print(f'"cases": {rows({"text": text, "ids": row} for text, row in zip(TEXTS, ids))}')
    print("}")


main(*sys.argv[1:])
