#!/usr/bin/env python3
"""Write test/vectors/format1.txt: the known answers of value format 1.

Usage: gen_format1.py > format1.txt

An implementation of docs/format.md that shares no code with the extension
(Python package cryptography), so that the frozen answers do not merely repeat
what the C code did.  The output is frozen: run this to check, not to change.
"""

import base64
import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

KEY_ID = bytes.fromhex("0123456789ab")
ROOT = {1: bytes(range(0x40, 0x60)), 2: bytes(range(0x60, 0x80))}
DATA_KEY = bytes(range(0xA0, 0xC0))
NONCE = bytes(range(0xC0, 0xCC))
XNONCE = bytes(range(0xD0, 0xE8))
TEXTS = ["", "Ada Lovelace", "078-05-1120", "Ærøskøbing \N{GRINNING FACE}" * 3]


def hmac256(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def context(purpose, suite, version):
    return bytes([purpose, suite]) + KEY_ID + struct.pack(">H", version)


def derive(root, ctx):
    return hmac256(root, b"\0\0\0\1" + b"fieldcrypt/1" + b"\0" + ctx + b"\0\0\1\0")


def ecb(key, data):
    enc = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return enc.update(data) + enc.finalize()


def xaes_key(key, nonce12):
    value = int.from_bytes(ecb(key, bytes(16)), "big")
    k1 = ((value << 1) & (2**128 - 1)) ^ (0x87 if value >> 127 else 0)
    out = b""
    for i in (1, 2):
        block = int.from_bytes(bytes([0, i]) + b"X\0" + nonce12, "big") ^ k1
        out += ecb(key, block.to_bytes(16, "big"))
    return out


def tag_of(index_key, mode, version, normalised):
    byte0 = bytes([mode << 5 | version % 32])
    return byte0 + hmac256(index_key, byte0 + normalised)[:15]


def seal(suite, version, master, tag, text):
    head = bytes([suite, 1 if tag else 0]) + KEY_ID
    aad = head + struct.pack(">H", 0 if suite == 1 else version) + b"\1"
    aad += bytes([len(tag)]) + tag
    if suite == 1:
        keys = aes_key_wrap(master, DATA_KEY) + NONCE
        body = AESGCM(DATA_KEY).encrypt(NONCE, text, aad)
    else:
        keys = XNONCE
        body = AESGCM(xaes_key(master, XNONCE[:12])).encrypt(XNONCE[12:], text, aad)
    return head + struct.pack(">H", version) + tag + keys + body


def main():
    out = lambda *f: print(" ".join(x.hex() or "-" if isinstance(x, bytes) else str(x) for x in f))
    print("# Known answers of value format 1 (docs/format.md); frozen")
    print("# kdf purpose suite key_id version root context key kcv")
    master = {}
    for purpose in (1, 2):
        for suite in (1, 2):
            for version in (1, 258):
                ctx = context(purpose, suite, version)
                key = derive(ROOT[purpose], ctx)
                master[purpose, suite, version] = key
                kcv = hmac256(ROOT[purpose], b"fieldcrypt/1 kcv" + ctx)[:8]
                out("kdf", purpose, suite, KEY_ID, version, ROOT[purpose], ctx, key, kcv)
    print("# wrap master data_key wrapped")
    for version in (1, 258):
        out("wrap", master[1, 1, version], DATA_KEY,
            aes_key_wrap(master[1, 1, version], DATA_KEY))
    print("# tag index_key mode index_version normalised tag")
    index = master[2, 1, 1]
    cases = [(1, 1, "078-05-1120"), (2, 1, "ada lovelace"), (3, 33, "078051120"),
             (4, 31, "1120"), (4, 32, "")]
    for mode, version, text in cases:
        out("tag", index, mode, version, text.encode(),
            tag_of(index, mode, version, text.encode()))
    print("# value suite key_id version tag root random plaintext value armour")
    for suite in (1, 2):
        for version in (1, 258):
            for text in TEXTS:
                for tag in (b"", tag_of(index, 1, 1, text.encode())):
                    value = seal(suite, version, master[1, suite, version], tag, text.encode())
                    out("value", suite, KEY_ID, version, tag, ROOT[1],
                        DATA_KEY + NONCE if suite == 1 else XNONCE, text.encode(), value,
                        "fieldcrypt:1:" + base64.b64encode(value).decode())


if __name__ == "__main__":
    main()
