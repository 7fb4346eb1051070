#!/usr/bin/env python3
"""An engine of the protocol of docs/engine-protocol.md, without a model: token = sum of the tokens so far % vocabulary.

usage: engine.py VOCABULARY LAYERS EXPERTS EXPERTS_USED
"""
import struct
import sys

VOCABULARY, LAYERS, EXPERTS, USED = map(int, sys.argv[1:])


def send(kind, payload):
    sys.stdout.buffer.write(struct.pack("<2sBBI", b"SB", kind, 0, len(payload)) + payload)
    sys.stdout.buffer.flush()


def numbers(payload):
    return list(struct.unpack(f"<{len(payload) // 4}I", payload))


def routing(position):
    ids = [(position + layer + slot) % EXPERTS for layer in range(LAYERS) for slot in range(USED)]
    return struct.pack(f"<HH{len(ids)}H", LAYERS, USED, *ids)


tokens, context = [], 0
while header := sys.stdin.buffer.read(8):
    _, kind, _, length = struct.unpack("<2sBBI", header)
    payload = sys.stdin.buffer.read(length)
    if kind == 1:  # hello
        send(0x81, struct.pack("<H", 1) + b"engine.py 1\nfill")
    elif kind == 2:  # load
        (context,) = struct.unpack("<I", payload[:4])
        send(0x82, struct.pack("<IIHHH", VOCABULARY, context, LAYERS, EXPERTS, USED))
    elif kind == 3 and len(tokens) + length // 4 <= context:  # prefill
        tokens += numbers(payload)
        send(0x83, struct.pack("<I", len(tokens)))
    elif kind == 4:  # decode
        count, *traced = numbers(payload)
        for step in range(count):
            token = sum(tokens) % VOCABULARY
            trace = routing(len(tokens) - 1) if step in traced else b""
            send(0x84, struct.pack("<I", token) + trace)
            tokens.append(token)
        send(0x83, struct.pack("<I", len(tokens)))
    elif kind == 5:  # reset
        tokens = []
        send(0x83, struct.pack("<I", 0))
    elif kind == 6:  # stats
        send(0x85, b"language=python\n")
    elif kind == 7:  # stop
        break
    elif kind == 8 and not tokens and numbers(payload)[0] <= context:  # fill
        tokens = [1] * numbers(payload)[0]
        send(0x83, struct.pack("<I", len(tokens)))
    else:
        message = f"expected at most {context} tokens in the context".encode()
        send(0x86, struct.pack("<HH", 2, len(message)) + message + b"ask for a longer context")
        sys.exit(2)
