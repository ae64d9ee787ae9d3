#!/usr/bin/env python3
"""Write the seed corpora test/fuzz/corpus/{value,armour,text,vault_answer,
vault_config}.

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


LOGIN = (200, b'{"auth":{"client_token":"s.t","lease_duration":60,"renewable":true}}')
ANSWERS = {
    "wrap": (0, LOGIN, (200, b'{"data":{"ciphertext":"vault:v1:YQ==","key_version":1},"warnings":null}')),
    "unwrap": (1, LOGIN, (200, b'{"data":{"plaintext":"%s"}}' % base64.b64encode(bytes(32)))),
    "check": (2, LOGIN, (200, b'{"data":{"derived":false,"supports_encryption":true}}')),
    "renew": (0x43, (200, b'{"auth":{"lease_duration":20,"renewable":true}}')),
    "renew-late": (0x43, (500, b'{"errors":["past the max TTL, cannot renew"]}'), LOGIN),
    "revoked": (0x41, (403, b'{"errors":["permission denied"]}'), LOGIN,
                (403, b'{"errors":["1 error occurred:\\n\\t* permission denied\\n\\n"]}')),
    "token-before": (0x41, (403, b'{"errors":["permission denied"]}'), LOGIN,
                     (403, b'{"errors":["0 s.AAAAAAAAAAAAAAAAAAAAAAAA"]}')),
    "standby": (0x41, (307, b""), (503, b'{"errors":["Vault is sealed"]}')),
    "no-key": (0x41, (400, b'{"errors":["encryption key not found"]}')),
    "page": (0x41, (403, b"<html></html>")),
    "deep": (0x41, (200, b'{"data":' + b"[" * 64)),
    "delete": (0x44, (400, b'{"errors":["deletion is not allowed for this key"]}'), (200, b"{}"), (204, b"")),
    "deleted": (4, LOGIN, (400, b'{"errors":["could not delete key; not found"]}')),
}

ADDRESS = "address=https://a:8200/, https://[::1],http://127.0.0.1:8200\nkey=fc\n"
CONFIGS = {
    "approle": ADDRESS + "auth=approle\nrole_id_file=/r\nsecret_id_file=/s\nauth_mount=a/b/\n"
               "location=https://a:8200/v1/x",
    "kubernetes": ADDRESS + "auth=kubernetes\nrole=r\njwt_file=/j\nnamespace=/n/m/\nlocation=https://a:82000/",
    "cert": ADDRESS + "auth=cert\nclient_cert_file=/c\nclient_key_file=/k\nmount=kms/transit\ntls_min=1.3",
    "token": ADDRESS + "auth=token\ntoken_file=/t\nca_file=/ca.pem\nlocation=/v1/transit/decrypt/fc",
    "hosts": "address=https://1.2.3.4:65535/p/q,http://127.1.evil,https://u@h,https://h:0\n",
}


def answers(call, *exchanges):
    data = bytes([call])
    for status, body in exchanges:
        data += status.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body
    return data


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
    for name, (call, *exchanges) in ANSWERS.items():
        write("vault_answer", name, answers(call, *exchanges))
    for name, text in CONFIGS.items():
        write("vault_config", name, text.encode())


if __name__ == "__main__":
    main()
