# SPDX-License-Identifier: Apache-2.0
"""Client -> Python over TLS -> Python over a unix socket, and Redis over another: both ends of each call meet, inside
of TLS and without sequence numbers, and the parent is the request with the same number."""

import collections
import json
import sys

import pytest

from http_lab import Agent, Cgroup, Lab, free_port, tool, wait_until
from test_tls import fixture_certificate  # pylint: disable=unused-import

SERVER = """
import http.client, os, socket, ssl, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
place, following, redis = sys.argv[1:4]
mine = threading.local()
class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(following)
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def address_string(self): return "unix"
    def do_GET(self):
        body = b"ok"
        if following:
            if not hasattr(mine, "connection"):
                mine.connection = Unix("unix")
                mine.redis = socket.socket(socket.AF_UNIX)
                mine.redis.connect(redis)
            mine.connection.request("GET", self.path)
            body = mine.connection.getresponse().read()
            mine.redis.sendall(b"*2\\r\\n$3\\r\\nGET\\r\\n$1\\r\\nk\\r\\n")
            mine.redis.recv(100)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
class Server(ThreadingHTTPServer):
    request_queue_size = 512
    def server_bind(self): self.socket.bind(self.server_address)
    def get_request(self):
        sock, _ = self.socket.accept()
        return sock, ("unix", 0)
if place[0] == "/":
    Server.address_family = socket.AF_UNIX
    server = Server(place, Handler)
else:
    server = Server(("127.0.0.1", int(place)), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[4], sys.argv[5])
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
"""

CLIENT = """
import http.client, ssl, sys, threading
port, count, threads, first = map(int, sys.argv[1:5])
context = ssl._create_unverified_context()
def ask(thread):
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context)
    for i in range(count):
        connection.request("GET", "/r/%d" % (first + thread * count + i))
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
threads = [threading.Thread(target=ask, args=(i,)) for i in range(threads)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""

# Who is below whom: service, kind, system.
BELOW = {("front", 2, "http"): ("client", 3, "http"), ("front", 3, "http"): ("front", 2, "http"),
         ("back", 2, "http"): ("front", 3, "http"), ("front", 3, "redis"): ("front", 2, "http"),
         ("store", 2, "redis"): ("front", 3, "redis")}


@pytest.fixture(name="lab", scope="module")
def fixture_lab(tmp_path_factory, certificate):
    folder = tmp_path_factory.mktemp("tls")
    cgroup = Cgroup()
    agent = Agent(cgroup, folder / "agent.log", "--stdout.spans")
    lab = Lab(cgroup, agent, str(folder), "joins")
    port, back, redis = free_port(), str(folder / "back"), str(folder / "redis")
    lab.file("server.py", SERVER)
    lab.file("client.py", CLIENT)
    python = "/usr/bin/python3"
    try:
        lab.start([tool("redis-server"), "--port", "0", "--unixsocket", redis, "--save", ""], "store")
        lab.start([python, "server.py", back, "", ""], "back")
        lab.start([python, "server.py", str(port), back, redis, certificate[1], certificate[0]], "front", port)
        # The first call of a TLS library may come before it is hooked, and what was before is not known.
        lab.run([python, "client.py", str(port), "1", "1", "90000"], "client")
        wait_until(lambda: (folder / "agent.log").read_text(errors="replace").count('{"service"') > 3, 20, "spans")
        yield lab, folder / "agent.log", port
    finally:
        lab.stop()
        agent.stop()
        cgroup.remove()


def spans_of(log):
    """By span id: (service, kind, system), the request's number or None, the span."""
    found = {}
    with open(log, encoding="utf-8", errors="replace") as file:
        for line in file:
            if not line.startswith('{"service"') or not line.endswith("\n"):
                continue
            told = json.loads(line)
            span = told["span"]
            says = {pair["key"]: next(iter(pair["value"].values())) for pair in span["attributes"]}
            path = says.get("url.path") or says.get("url.full")
            who = told["service"].removeprefix("joins-"), span["kind"], says.get("db.system.name", "http")
            found[span["spanId"]] = who, int(path.rsplit("/", 1)[1]) if path else None, span
    return found


@pytest.mark.parametrize("threads, count, first", [(1, 100, 0), (32, 10, 10000)])
def test_joins(lab, threads, count, first):
    lab, log, port = lab
    total = threads * count
    before = set(spans_of(log))
    lab.run(["/usr/bin/python3", "client.py", str(port), str(count), str(threads), str(first)], "client", timeout=100)

    def all_there():
        spans = spans_of(log)
        return spans if len(spans) >= len(before) + 6 * total else None
    spans = wait_until(all_there, 20, f"{6 * total} more spans")
    right = collections.Counter()
    for span_id, (who, number, span) in spans.items():
        parent = spans.get(span.get("parentSpanId"))
        if span_id in before or not parent:
            continue
        assert parent[0] == BELOW.get(who), f"{who} below {parent[0]}"
        assert parent[2]["traceId"] == span["traceId"]
        assert None in (number, parent[1]) or number == parent[1], f"{who} {number} below {parent[1]}"
        right[who] += 1
    for who in BELOW:
        print(f"concurrency {threads}: {who}: {right[who]} of {total}", file=sys.stderr)
    for who in BELOW:
        assert right[who] >= 0.99 * total, f"{who} lacks its parent"
