# SPDX-License-Identifier: Apache-2.0
"""Which spans are told: by ratio, alike on two agents; errors and slow ones always; overrides, exclusions, the cap;
what a traceparent says. Whatever is left out is counted, and metrics know all of it."""

import collections
import json
import re
import time
import urllib.request

import pytest

from http_lab import CLIENT, SERVER, Agent, Cgroup, Lab, free_port, total, wait_until

SERVE = """
import http.client, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version, disable_nagle_algorithm = "HTTP/1.1", True
    def log_message(self, *_): pass
    def do_GET(self):
        if "?" in self.path:
            time.sleep(float(self.path.split("?")[1]))
        if "call" in self.path:
            connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
            connection.request("GET", "/r/below")
            connection.getresponse().read()
        self.send_response(500 if "fail" in self.path else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
ASK = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
headers = {"traceparent": sys.argv[4]} if len(sys.argv) > 4 else {}
for i in range(int(sys.argv[3])):
    connection.request("GET", sys.argv[2].replace("%d", str(i)), headers=headers)
    connection.getresponse().read()
"""
RANDOM_MASK = (1 << 56) - 1


class Part:
    """A server or a client in a cgroup of its own, and an agent that sees that alone."""

    def __init__(self, folder, name, *arguments):
        self.cgroup = Cgroup(name)
        self.log = folder / f"{name}.log"
        self.agent = Agent(self.cgroup, self.log, "--stdout.spans", *arguments)
        self.lab = Lab(self.cgroup, self.agent, str(folder), "sampling")

    def spans(self):
        """(service, kind, path, span) of every span told."""
        told = []
        for line in self.log.read_text(errors="replace").splitlines(keepends=True):
            if line.startswith('{"service"') and line.endswith("\n"):
                one = json.loads(line)
                says = {pair["key"]: pair["value"].get("stringValue", "") for pair in one["span"]["attributes"]}
                path = says.get("url.path") or "/" + says["url.full"].split("/", 3)[3]
                told.append((one["service"].removeprefix("sampling-"), one["span"]["kind"], path, one["span"]))
        return told

    def paths(self, kind):
        return collections.Counter(path for _, own, path, _ in self.spans() if own == kind)

    def decisions(self):
        samples = self.agent.samples()
        return {decision: total(samples, "sonde_trace_exchanges_total", decision=decision)
                for decision in ("sampled", "error", "slow", "not_sampled", "excluded", "rate_limited")}

    def decided(self, count):
        wait_until(lambda: sum(self.decisions().values()) >= count, 10, f"{count} decisions")
        # What is held for its other end, and written, comes within the hold.
        time.sleep(0.3)
        told = self.decisions()
        assert sum(told.values()) == count
        return told

    def stop(self):
        self.lab.stop()
        self.agent.stop()
        self.cgroup.remove()


@pytest.fixture(name="start")
def fixture_start(tmp_path):
    parts = []

    def start(*arguments, name="all"):
        parts.append(Part(tmp_path, f"{name}-{len(parts)}", *arguments))
        return parts[-1]
    yield start
    for part in reversed(parts):
        part.stop()


def serve(part):
    port = free_port()
    part.lab.start(["/usr/bin/python3", "-c", SERVE, str(port)], "server", port)
    return port


def ask(part, port, path, count, *header):
    part.lab.run(["/usr/bin/python3", "-c", ASK, str(port), path, str(count), *header], "client")


def ratio(value):
    return ["--trace.sampler=parentbased_traceidratio", f"--trace.sampler-arg={value}"]


def test_two_agents_agree(start):
    """One sees the clients and keeps a fifth of the traces, one sees the server and keeps a twentieth: of the same."""
    clients, server = start(*ratio(0.2), name="clients"), start(*ratio(0.05), name="server")
    port = serve(server)
    ask(clients, port, "/r/%d", 1000)
    for part in (clients, server):
        part.decided(1000)
    for part, kept, kind in ((clients, 0.2, 3), (server, 0.05, 2)):
        threshold = int((1 - kept) * (1 << 56))
        spans = part.spans()
        # Four standard deviations: one run in 16,000 is outside of them.
        assert abs(len(spans) - 1000 * kept) < 4 * (1000 * kept * (1 - kept)) ** 0.5
        for _, own, _, span in spans:
            assert own == kind and int(span["traceId"], 16) & RANDOM_MASK >= threshold
            told = int(re.fullmatch(r"ot=th:([0-9a-f]{1,14})", span["traceState"])[1].ljust(14, "0"), 16)
            assert abs(told - threshold) <= 8
    ids = [{span["traceId"] for *_, span in part.spans()} for part in (clients, server)]
    assert ids[1] < ids[0]
    for part, name in ((clients, CLIENT), (server, SERVER)):
        assert total(part.agent.samples(), name) == 1000


def test_exemplars_name_spans_that_were_told(start):
    part = start(*ratio(0.1))
    port = serve(part)
    ask(part, port, "/r/%d", 500)
    part.decided(1000)
    told = {(span["traceId"], span["spanId"]) for *_, span in part.spans()}
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    request = urllib.request.Request(f"http://127.0.0.1:{part.agent.port}/metrics", headers=accept)
    with urllib.request.urlopen(request, timeout=10) as answer:
        exemplars = re.findall(r'# {trace_id="(\w+)",span_id="(\w+)"}', answer.read().decode())
    assert exemplars and set(exemplars) <= told
    # Both ends of a trace, or neither.
    assert set(collections.Counter(trace for trace, _ in told).values()) == {2}


def test_errors_and_slow_ones_are_always_told(start):
    part = start("--trace.sampler=always_off", "--trace.slow=150ms")
    port = serve(part)
    ask(part, port, "/r/%d", 150)
    ask(part, port, "/fail/%d", 5)
    ask(part, port, "/slow?0.2", 2)
    told = part.decided(2 * 157)
    assert told == {"sampled": 0, "error": 10, "slow": 4, "not_sampled": 300, "excluded": 0, "rate_limited": 0}
    expected = collections.Counter({**{f"/fail/{i}": 1 for i in range(5)}, "/slow": 2})
    assert part.paths(2) == part.paths(3) == expected
    # Each is the child of its other end, although the trace is not sampled.
    spans = {span["spanId"]: span for *_, span in part.spans()}
    for span in spans.values():
        assert span["kind"] == 3 or spans[span["parentSpanId"]]["traceId"] == span["traceId"]


def test_slow_by_its_own_series(start):
    """What is slow for one route is not for another; and a series of few exchanges is no measure."""
    part = start("--trace.sampler=always_off", "--trace.slow=0", "--trace.slow-p99")
    port = serve(part)

    def told(path):
        """Whole tenths of a second that the server's spans of a path took."""
        return [(int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])) // 10**8
                for _, kind, own, span in part.spans() if (kind, own) == (2, path)]
    ask(part, port, "/batch?0.1", 1)
    ask(part, port, "/batch?0.02", 98)
    part.decided(2 * 99)
    assert told("/batch") == []
    ask(part, port, "/batch?0.02", 60)
    ask(part, port, "/quick", 200)
    part.decided(2 * 359)
    assert 1 not in told("/batch")
    # A time as batches take it is slow here.
    ask(part, port, "/quick?0.1", 1)
    ask(part, port, "/batch?0.4", 1)
    decisions = part.decided(2 * 361)
    assert told("/quick").count(1) == 1 and told("/batch").count(4) == 1
    assert decisions["slow"] == len(part.spans())
    assert decisions["sampled"] == decisions["error"] == 0


def test_overrides(start):
    """For traces that begin there: a service's, and before it a route's."""
    part = start(*ratio(0), "--trace.service-ratio=*-client=1", "--trace.route-ratio=/quiet/*=0")
    port = serve(part)
    ask(part, port, "/r/%d", 50)
    ask(part, port, "/quiet/%d", 50)
    told = part.decided(200)
    assert (told["sampled"], told["not_sampled"]) == (100, 100)
    assert part.paths(2) == part.paths(3) == collections.Counter(f"/r/{i}" for i in range(50))
    assert not any("traceState" in span for *_, span in part.spans())


def test_excluded_routes(start):
    """Neither they nor the calls made for them, whatever became of them."""
    part = start("--trace.exclude=/health*", "--trace.exclude=/metrics")
    port = serve(part)
    for path in ("/health/call/%d", "/health/fail/%d", "/metrics", "/r/%d"):
        ask(part, port, path, 10)
    told = part.decided(2 * 50)
    assert (told["excluded"], told["sampled"]) == (80, 20)
    assert part.paths(2) == part.paths(3) == collections.Counter(f"/r/{i}" for i in range(10))
    assert total(part.agent.samples(), SERVER) == 50


def test_rate(start):
    part = start("--trace.rate=20")
    port = serve(part)
    begin = time.monotonic()
    ask(part, port, "/r/%d", 500)
    told = part.decided(1000)
    allowed = 20 * (time.monotonic() - begin + 1)
    assert 20 <= told["sampled"] == len(part.spans()) <= allowed
    assert told["rate_limited"] == 1000 - told["sampled"]
    assert total(part.agent.samples(), SERVER) == 500


@pytest.mark.parametrize("flag, sampler, expected", [("01", ratio(0), True), ("00", ratio(1), False),
                                                     ("01", ["--trace.sampler=always_off"], False)])
def test_traceparent(start, flag, sampler, expected):
    part = start(*sampler)
    port = serve(part)
    ask(part, port, "/r/%d", 10, f"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flag}")
    part.decided(20)
    spans = [span for _, kind, _, span in part.spans() if kind == 2]
    assert len(spans) == (10 if expected else 0)
    for span in spans:
        assert (span["traceId"], span["parentSpanId"]) == ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
