#!/usr/bin/env python3
"""Write the seed corpora test/fuzz/corpus/{value,armour,text}.

Usage: make_corpus.py

Seeds are the frozen values of test/vectors/format1.txt and a few damaged ones;
the files are named after what they hold, so the output is stable.
"""

import base64
import os

HERE = os.path.dirname(os.path.abspath(__file__))
VECTORS = os.path.join(HERE, "..", "vectors", "format1.txt")
PREFIX = b"fieldcrypt:1:"

TEXTS = {
    "empty": "",
    "ascii": "Ada Lovelace 078-05-1120",
    "latin": "\u0130stanbul STRA\u1e9eE \u00c5\u212b",
    "greek": "\u0391\u03a3 \u039f\u0394\u039f\u03a3 \u03c2",
    "cherokee": "\u13e3\u13b3\u13a9 \u13f5",
    "deseret": "\U00010414\U00010407\U0001041d",
    "growing": "\u023a\u023e" * 8,
    "digits": "\u0660\u0661 12-34 \uff13",
    "georgian": "\u1c90\u10a0",
}


def values():
    with open(VECTORS, encoding="ascii") as lines:
        for line in lines:
            field = line.split()
            if field and field[0] == "value":
                yield bytes.fromhex(field[8])


def write(kind, name, data):
    folder = os.path.join(HERE, "corpus", kind)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as out:
        out.write(data)


def main():
    for number, value in enumerate(values()):
        name = "suite%d-%s-v%d-%02d" % (value[0], "tag" if value[1] else "plain",
                                        value[8] * 256 + value[9], number)
        write("value", name, value)
        if number % 4 == 0:
            armour = PREFIX + base64.b64encode(value)
            write("armour", name, armour)
            write("value", name + "-cut", value[:-1])
            write("value", name + "-altered", value[:-1] + bytes([value[-1] ^ 1]))
            write("armour", name + "-unpadded", armour.rstrip(b"="))
            write("armour", name + "-newline", armour + b"\n")
    write("value", "literal", b"\0plaintext")
    write("value", "version0", bytes([2, 0]) + bytes(60))
    write("value", "mode7", bytes([1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xE1]) + bytes(90))
    write("armour", "prefix", PREFIX)
    write("armour", "base64-loose-bits", PREFIX + b"AR==")
    write("armour", "hex", b"00112233445566778899aAbBcCdDeEfF")
    for name, text in TEXTS.items():
        write("text", name, text.encode())
    write("text", "overlong", b"\xc0\x80")
    write("text", "surrogate", b"\xed\xa0\x80")
    write("text", "cut", b"\xf0\x9f\x98")


if __name__ == "__main__":
    main()
