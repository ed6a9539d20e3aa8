# SPDX-License-Identifier: Apache-2.0
"""Secrets that are planted in requests, headers and commands are in no span: they do not leave the parser."""

import re

import pytest

from http_lab import Agent, Cgroup, Lab, free_port, tool, wait_until

SERVER = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Set-Cookie", "session=S3CR3T_a")
        self.send_header("Location", "/next?S3CR3T_b")
        self.send_header("Content-Length", "8")
        self.end_headers()
        self.wfile.write(b"S3CR3T_c")
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""

CLIENT = r"""
import socket, sys
port, redis = map(int, sys.argv[1:3])
targets = ["/plain?token=S3CR3T_d&x=1", "/path;jsessionid=S3CR3T_e/rest;v=S3CR3T_f?S3CR3T_g", "/fragment#S3CR3T_h",
           "http://user:S3CR3T_i@127.0.0.1/absolute?S3CR3T_j", "/?S3CR3T_k", "/%3f?q=S3CR3T_l?S3CR3T_m"]
for target in targets:
    body = "password=S3CR3T_n"
    sock = socket.create_connection(("127.0.0.1", port))
    sock.sendall((f"POST {target} HTTP/1.1\r\nHost: user:S3CR3T_o@127.0.0.1\r\nAuthorization: Bearer S3CR3T_p\r\n"
                  f"Cookie: a=S3CR3T_q\r\nX-Api-Key: S3CR3T_r\r\nUser-Agent: S3CR3T_s\r\nReferer: /?S3CR3T_t\r\n"
                  f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode())
    while sock.recv(4096):
        pass
sock = socket.create_connection(("127.0.0.1", redis))
for words in (["SET", "S3CR3T_u", "S3CR3T_v"], ["GET", "S3CR3T_u"], ["AUTH", "S3CR3T_w"], ["S3CR3T_x", "1"],
              ["CLIENT", "SETNAME", "S3CR3T_y"], ["EVAL", "return 'S3CR3T_z'", "0"]):
    sock.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words))
    sock.recv(4096)
"""
CALLS = 6 + 6
# Everything that may be told of them is asked for: what they hold of credentials is left out all the same.
KEEP = ["--trace.query-key=x", "--trace.query-key=token", "--trace.request-header=Host",
        "--trace.request-header=referer", "--trace.response-header=location", "--trace.response-header=server",
        "--trace.query-text"]


@pytest.fixture(params=[[], KEEP], ids=["nothing named", "named"])
def run(request, tmp_path):
    """What the agent told of the calls, and with which options."""
    cgroup = Cgroup("secrets")
    agent = Agent(cgroup, tmp_path / "agent.log", "--stdout.spans", *request.param)
    lab = Lab(cgroup, agent, str(tmp_path), "secrets")

    def told():
        return (tmp_path / "agent.log").read_text(encoding="utf-8", errors="replace")
    try:
        port, redis = free_port(), free_port()
        lab.start([tool("redis-server"), "--port", str(redis), "--bind", "127.0.0.1", "--save", ""], "store", redis)
        lab.start(["/usr/bin/python3", "-c", SERVER, str(port)], "server", port)
        lab.run(["/usr/bin/python3", "-c", CLIENT, str(port), str(redis)], "client")
        wait_until(lambda: told().count('{"service"') == 2 * CALLS, 20, f"{2 * CALLS} spans")
    finally:
        lab.stop()
        agent.stop()
        cgroup.remove()
    return told(), request.param


def test_planted_secrets(run):
    told, _ = run
    assert not re.findall(r"S3CR3T_\w", told)
    for seen in ('"/plain', "jsessionid=REDACTED/rest;v=REDACTED", "/absolute", '"SET"', '"CLIENT SETNAME"'):
        assert seen in told, seen


def test_what_is_named_is_told(run):
    told, named = run
    list_of = '{"key":"%s","value":{"arrayValue":{"values":[{"stringValue":"%s"}]}}}'
    for text in ('"url.query","value":{"stringValue":"token=REDACTED&x=1"}', "/plain?token=REDACTED&x=1",
                 list_of % ("http.response.header.location", "/next"), list_of % ("http.request.header.referer", "/"),
                 '{"key":"http.response.header.server","value":{"arrayValue":{"values":[{"stringValue":"BaseHTTP'):
        assert (text in told) == bool(named), text
    assert ("http.request.header" in told) == bool(named)
