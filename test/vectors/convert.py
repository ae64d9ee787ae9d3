#!/usr/bin/env python3
"""Turn published test vectors into the line format that test/unit reads.

Usage: convert.py VECTORS_DIR AES_GCM_TEST.json AES_WRAP_TEST.json

VECTORS_DIR is the data directory of the Python package cryptography_vectors
(NIST CAVP, RFC 4231); the two JSON files are testvectors_v1/aes_gcm_test.json
and aes_wrap_test.json of C2SP/wycheproof.  See README.md.  The files are
written beside this script.  Fields are hexadecimal, "-" is the empty string.
"""

import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def field(text):
    return text.strip().lower() or "-"


def write(name, head, lines):
    with open(os.path.join(HERE, name), "w", encoding="ascii") as out:
        for line in head:
            out.write("# %s\n" % line)
        for line in lines:
            out.write(line + "\n")
    print("%-20s %d" % (name, len(lines)))


def cavp(path):
    """Yield (headers, record) for each case of a CAVP response file."""
    headers, record = {}, {}
    with open(path, encoding="ascii") as data:
        for line in data:
            line = line.strip()
            match = re.match(r"\[(.+?)\s*=\s*(.+?)\]$", line)
            if match:
                if record:
                    yield headers, record
                    record = {}
                headers = dict(headers)
                headers[match.group(1)] = match.group(2)
            elif line == "FAIL":
                record["FAIL"] = ""
            elif "=" in line and not line.startswith("#"):
                name, value = (part.strip() for part in line.split("=", 1))
                if name.lower() == "count":
                    if record:
                        yield headers, record
                    record = {}
                record[name] = value
    if record:
        yield headers, record


def gcm_nist(root):
    lines, seen = [], {}
    for name in ("gcmEncryptExtIV256.rsp", "gcmDecrypt256.rsp"):
        path = os.path.join(root, "ciphers", "AES", "GCM", name)
        for head, rec in cavp(path):
            if head["IVlen"] != "96" or head["Taglen"] != "128":
                continue
            bad = "FAIL" in rec
            group = (name, head["PTlen"], head["AADlen"], bad)
            seen[group] = seen.get(group, 0) + 1
            if seen[group] > 4:
                continue
            lines.append(" ".join(["invalid" if bad else "valid"] + [
                field(rec.get(k, "")) for k in ("Key", "IV", "AAD", "CT", "Tag", "PT")]))
    write("gcm_nist.txt", ["NIST CAVP, AES-256-GCM, 96-bit IV, 128-bit tag",
                           "result key nonce aad ciphertext tag plaintext"], lines)


def gcm_wycheproof(path):
    lines = []
    for group in json.load(open(path, encoding="utf-8"))["testGroups"]:
        if (group["keySize"], group["ivSize"], group["tagSize"]) != (256, 96, 128):
            continue
        for case in group["tests"]:
            lines.append(" ".join([case["result"]] + [
                field(case[k]) for k in ("key", "iv", "aad", "ct", "tag", "msg")]))
    write("gcm_wycheproof.txt", ["Wycheproof aes_gcm_test, 256-bit key, 96-bit nonce, 128-bit tag",
                                 "result key nonce aad ciphertext tag plaintext"], lines)


def kw_nist(root):
    lines, seen = [], {}
    for name in ("KW_AE_256.txt", "KW_AD_256.txt"):
        for head, rec in cavp(os.path.join(root, "keywrap", "kwtestvectors", name)):
            if head["PLAINTEXT LENGTH"] != "256":
                continue
            bad = "FAIL" in rec
            seen[name, bad] = seen.get((name, bad), 0) + 1
            if seen[name, bad] > 25:
                continue
            lines.append(" ".join(["invalid" if bad else "valid", field(rec["K"]),
                                   field(rec.get("P", "")), field(rec["C"])]))
    write("kw_nist.txt", ["NIST CAVP, SP 800-38F KW, AES-256, 256-bit plaintext",
                          "result kek key wrapped"], lines)


def kw_wycheproof(path):
    lines = []
    for group in json.load(open(path, encoding="utf-8"))["testGroups"]:
        if group["keySize"] != 256:
            continue
        for case in group["tests"]:
            if len(case["ct"]) != 80 or len(case["msg"]) not in (0, 64):
                continue
            lines.append(" ".join([case["result"], field(case["key"]),
                                   field(case["msg"]), field(case["ct"])]))
    write("kw_wycheproof.txt", ["Wycheproof aes_wrap_test, 256-bit KEK, 40-byte wrapped key",
                                "result kek key wrapped"], lines)


def kbkdf_nist(root):
    lines = []
    for head, rec in cavp(os.path.join(root, "KDF", "nist-800-108-KBKDF-CTR.txt")):
        if (head["PRF"], head["CTRLOCATION"], head["RLEN"]) != (
                "HMAC_SHA256", "BEFORE_FIXED", "32_BITS"):
            continue
        if int(rec["L"]) <= 256:
            lines.append(" ".join(field(rec[k]) for k in ("KI", "FixedInputData", "KO")))
    write("kbkdf_nist.txt", ["NIST CAVP, SP 800-108 KBKDF, counter mode, HMAC-SHA-256,",
                             "32-bit counter before the fixed data, one block",
                             "key fixed-data output"], lines)


def hmac_rfc4231(root):
    lines, rec = [], {}
    with open(os.path.join(root, "HMAC", "rfc-4231-sha256.txt"), encoding="ascii") as data:
        for line in data:
            if "=" in line and not line.startswith("#"):
                name, value = (part.strip() for part in line.split("=", 1))
                rec[name] = value
                if name == "MD" and len(rec["Key"]) <= 64:
                    lines.append(" ".join(field(rec[k]) for k in ("Key", "Msg", "MD")))
    write("hmac_rfc4231.txt", ["RFC 4231, HMAC-SHA-256; keys of at most 32 bytes,",
                               "which zeros after them do not change", "key data mac"], lines)


def main():
    root, gcm, wrap = sys.argv[1:4]
    gcm_nist(root)
    gcm_wycheproof(gcm)
    kw_nist(root)
    kw_wycheproof(wrap)
    kbkdf_nist(root)
    hmac_rfc4231(root)


if __name__ == "__main__":
    main()
