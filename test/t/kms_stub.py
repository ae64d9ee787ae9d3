"""A server that misbehaves in one way, for tests of what no real KMS does.

usage: kms_stub.py MODE HOST PORT [CERT KEY]

  hang       accepts and never says a word
  drip       one byte of the answer a second
  huge       an answer of one megabyte
  truncated  half of a JSON text
  page403    403 with a page, as a proxy would
  redirect   307 to an address that nobody configured
  tls11      TLS 1.1 and nothing newer
  wrongkey   wraps anything, and opens everything to 32 zero bytes

All but hang speak TLS, and log everybody in; with "login-" before the mode,
the login is answered in that way too.
"""
import base64
import json
import socket
import ssl
import sys
import threading
import time

MODE, HOST, PORT = sys.argv[1], sys.argv[2], int(sys.argv[3])
AT_LOGIN = MODE.startswith("login-")
MODE = MODE.removeprefix("login-")
LOGIN = {"auth": {"client_token": "stub-token", "lease_duration": 60, "renewable": False}}
WRAPPED = {"data": {"ciphertext": "vault:v1:" + base64.b64encode(bytes(60)).decode()}}
WRONG = {"data": {"plaintext": base64.b64encode(bytes(32)).decode()}}


def answer(status, body, *headers):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def is_login(request):
    return b"/login" in request.split(b"\r\n")[0]


def reply(request):
    if is_login(request) and not AT_LOGIN:
        return answer("200 OK", json.dumps(LOGIN).encode())
    if MODE == "huge":
        return answer("200 OK", b'{"data": "' + b"x" * 1000000 + b'"}')
    if MODE == "truncated":
        return answer("200 OK", b'{"auth": {"client_token": "s.trunc')
    if MODE == "page403":
        return answer("403 Forbidden", b"<html>no</html>")
    if MODE == "redirect":
        return answer("307 Temporary Redirect", b"", "Location: https://example.invalid/v1/x")
    if b"/encrypt/" in request.split(b"\r\n")[0]:
        return answer("200 OK", json.dumps(WRAPPED).encode())
    return answer("200 OK", json.dumps(WRONG).encode())


def read_request(conn):
    data = b""
    while b"\r\n\r\n" not in data:
        piece = conn.recv(65536)
        if not piece:
            return None
        data += piece
    head, body = data.split(b"\r\n\r\n", 1)
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length:
        body += conn.recv(65536)
    return head


def serve(conn, context):
    try:
        conn = context.wrap_socket(conn, server_side=True)
        while True:
            request = read_request(conn)
            if request is None:
                break
            if MODE == "drip" and (AT_LOGIN or not is_login(request)):
                for byte in answer("200 OK", b"x" * 1000):
                    conn.sendall(bytes([byte]))
                    time.sleep(1)
            conn.sendall(reply(request))
    except OSError:
        pass
    finally:
        conn.close()


listener = socket.create_server((HOST, PORT), backlog=64)
print("ready", flush=True)
kept = []
tls = None
if MODE != "hang":
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(sys.argv[4], sys.argv[5])
    if MODE == "tls11":
        tls.set_ciphers("ALL:@SECLEVEL=0")
        tls.minimum_version = ssl.TLSVersion.TLSv1_1
        tls.maximum_version = ssl.TLSVersion.TLSv1_1
while True:
    accepted, _ = listener.accept()
    if MODE == "hang":
        kept.append(accepted)
    else:
        threading.Thread(target=serve, args=(accepted, tls), daemon=True).start()
