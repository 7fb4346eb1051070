"""Vocabularies just large enough for a tokenizer: every byte, some pairs, and the special tokens."""

PAIRS = "th he in er an re on at en nd".split()
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6


def byte_letters():
    """The printable letter that byte-level BPE writes for each byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    beyond = (chr(256 + n) for n in range(256))
    return [chr(byte) if byte in printable else next(beyond) for byte in range(256)]


def fill(tokens, kinds, size):
    tokens += [f"<extra_{index}>" for index in range(size - len(tokens))]
    kinds += [CONTROL] * (size - len(kinds))


def write(writer, architecture, size):
    """Adds the tokenizer of `architecture` with `size` tokens to a GGUF writer."""
    merges = [f"{pair[0]} {pair[1]}" for pair in PAIRS]
    if architecture == "qwen35moe":
        tokens = byte_letters() + ["<|endoftext|>", "<|im_end|>"] + PAIRS
        kinds = [NORMAL] * 256 + [CONTROL] * 2 + [NORMAL] * len(PAIRS)
        fill(tokens, kinds, size)
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("qwen35")
    else:
        letters = ["\n", "\u2581"] + [chr(letter) for letter in range(33, 127)]
        tokens = ["<pad>", "<eos>", "<bos>", "<unk>"] + [f"<0x{byte:02X}>" for byte in range(256)] + letters + PAIRS
        kinds = [CONTROL] * 3 + [UNKNOWN] + [BYTE] * 256 + [NORMAL] * (len(letters) + len(PAIRS))
        fill(tokens, kinds, size)
        writer.add_tokenizer_model("gemma4")
        writer.add_token_scores([-1000.0] * size)
        writer.add_add_space_prefix(False)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    bos = architecture == "gemma4"
    writer.add_add_bos_token(bos)
    if bos:
        writer.add_bos_token_id(2)
    writer.add_eos_token_id(1 if bos else 257)
    writer.add_pad_token_id(0 if bos else 256)
