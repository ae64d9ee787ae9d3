"""A server that misbehaves in one way, for tests of what no real KMS does.

usage: kms_stub.py MODE HOST PORT [CERT KEY]

  hang       accepts and never says a word
  drip       TLS; one byte of the answer a second
  huge       TLS; an answer of one megabyte
  truncated  TLS; half of a JSON text
  page403    TLS; 403 with a page, as a proxy would
  redirect   TLS; 307 to an address that nobody configured
  wrongkey   TLS; logs in, wraps anything, and opens everything to 32 zero bytes

The others answer every request alike.
"""
import base64
import json
import socket
import ssl
import sys
import threading
import time

MODE, HOST, PORT = sys.argv[1], sys.argv[2], int(sys.argv[3])


def answer(status, body, *headers):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def wrong_key(request):
    line = request.split(b"\r\n")[0]
    if b"/login" in line:
        return {"auth": {"client_token": "stub-token", "lease_duration": 60, "renewable": False}}
    if b"/encrypt/" in line:
        return {"data": {"ciphertext": "vault:v1:" + base64.b64encode(bytes(60)).decode()}}
    return {"data": {"plaintext": base64.b64encode(bytes(32)).decode()}}


def reply(request):
    if MODE == "huge":
        return answer("200 OK", b'{"data": "' + b"x" * 1000000 + b'"}')
    if MODE == "truncated":
        return answer("200 OK", b'{"auth": {"client_token": "s.trunc')
    if MODE == "page403":
        return answer("403 Forbidden", b"<html>no</html>")
    if MODE == "redirect":
        return answer("307 Temporary Redirect", b"", "Location: https://example.invalid/v1/x")
    return answer("200 OK", json.dumps(wrong_key(request)).encode())


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
            if MODE == "drip":
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
while True:
    accepted, _ = listener.accept()
    if MODE == "hang":
        kept.append(accepted)
    else:
        threading.Thread(target=serve, args=(accepted, tls), daemon=True).start()
