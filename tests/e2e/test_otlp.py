# SPDX-License-Identifier: Apache-2.0
"""Spans by OTLP to a receiver made of the published definitions: what arrives, and what a failing collector changes,
which is counters and a log line a minute, and nothing else."""

import os
import subprocess
import time

import pytest

from http_lab import SERVER, Agent, Cgroup, Lab, answers, free_port, total, wait_until
from otlp_receiver import Receiver, tls_context

SERVE = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def do_GET(self):
        self.send_response(500 if "fail" in self.path else 404 if "none" in self.path else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
ASK = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
for i in range(int(sys.argv[3])):
    connection.request("GET", sys.argv[2] % i)
    connection.getresponse().read()
"""
SCHEMA = "https://opentelemetry.io/schemas/1.44.0"


@pytest.fixture(scope="module")
def cgroup():
    group = Cgroup()
    yield group
    group.remove()


@pytest.fixture
def world(cgroup, tmp_path):
    """Starts an agent that exports to a receiver, and a server in the cgroup."""
    class World:
        def __init__(self):
            self.parts = []

        def start(self, *arguments, receiver=None, context=None, url=None, delay="50ms"):
            self.receiver = receiver or Receiver(context=context)
            self.parts.append(self.receiver)
            self.agent = Agent(cgroup, tmp_path / "agent.log", f"--otlp.endpoint={url or self.receiver.url}",
                               f"--otlp.batch-delay={delay}", *arguments)
            self.parts.append(self.agent)
            self.lab = Lab(cgroup, self.agent, str(tmp_path), "otlp")
            self.parts.append(self.lab)
            self.port = free_port()
            self.server = self.lab.start(["/usr/bin/python3", "-c", SERVE, str(self.port)], "server", self.port)
            return self

        def ask(self, path, count=1):
            self.lab.run(["/usr/bin/python3", "-c", ASK, str(self.port), path, str(count)], "client")

        def figure(self, name, **labels):
            return total(self.agent.samples(), name, **labels)

        def stop_agent(self):
            self.parts.remove(self.agent)
            self.agent.stop()

        def log(self):
            return (tmp_path / "agent.log").read_text(encoding="utf-8", errors="replace")

    made = World()
    yield made
    for part in reversed(made.parts):
        part.stop()


def pair(world):
    """The client's and the server's span of one request."""
    found = wait_until(lambda: (lambda s: s if len(s) >= 2 else None)(world.receiver.spans()), 5, "two spans")
    assert len(found) == 2, found
    return sorted(found, key=lambda span: -span[1].kind)


@pytest.mark.parametrize("options", [[], ["--otlp.compression=gzip"], ["--otlp.protocol=http/json"],
                                     ["--otlp.protocol=http/json", "--otlp.compression=gzip"]])
def test_a_span_arrives_attribute_for_attribute(world, options):
    world.start("--otlp.resource-attribute=deployment.environment.name=te%20st", *options)
    before = time.time_ns()
    world.ask("/none/%d")
    (client_resource, client, client_says), (server_resource, server, server_says) = pair(world)
    assert client.parent_span_id == b"" and server.parent_span_id == client.span_id
    assert client.trace_id == server.trace_id and len(client.trace_id) == 16 and len(client.span_id) == 8
    assert (client.kind, server.kind) == (3, 2)
    assert (client.name, server.name) == ("GET", "GET")
    assert before < client.start_time_unix_nano < server.end_time_unix_nano < time.time_ns()
    assert client.start_time_unix_nano < client.end_time_unix_nano
    # 4xx is the client's error alone, by the conventions.
    assert (client.status.code, server.status.code) == (2, 0)
    assert server.flags == 0x301 and client.flags == 1
    peer = server_says.pop("network.peer.port")
    assert peer > 1024
    assert server_says == {
        "http.request.method": "GET", "url.path": "/none/0", "url.scheme": "http", "http.response.status_code": 404,
        "server.address": "127.0.0.1", "server.port": world.port, "client.address": "127.0.0.1",
        "network.peer.address": "127.0.0.1", "network.protocol.version": "1.1"}
    assert client_says == {
        "http.request.method": "GET", "url.full": f"http://127.0.0.1:{world.port}/none/0",
        "http.response.status_code": 404, "error.type": "404", "server.address": "127.0.0.1",
        "server.port": world.port, "network.peer.address": "127.0.0.1", "network.peer.port": world.port,
        "network.protocol.version": "1.1"}
    assert client_resource["service.name"] == "otlp-client" and server_resource["service.name"] == "otlp-server"
    assert server_resource["deployment.environment.name"] == "te st"
    assert server_resource["process.pid"] == world.server.pid
    assert server_resource["process.executable.path"] == os.readlink(f"/proc/{world.server.pid}/exe")
    assert server_resource["host.name"] == os.uname().nodename and server_resource["os.type"] == "linux"
    for path, headers, message in world.receiver.requests:
        assert path == "/v1/traces" and headers["User-Agent"].startswith("sonde/")
        for resource in message.resource_spans:
            assert resource.schema_url == SCHEMA
            assert [scope.scope.name for scope in resource.scope_spans] == ["sonde"]
            assert resource.scope_spans[0].scope.version and resource.scope_spans[0].schema_url == SCHEMA


def test_headers_and_variables(world, monkeypatch):
    receiver = Receiver()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{receiver.url}/other/v1/traces")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b,tenant=1")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    world.start(receiver=receiver)
    world.ask("/%d", 5)
    world.ask("/fail/%d")
    pair(world)  # only the error's
    path, headers, _ = receiver.requests[0]
    assert path == "/other/v1/traces"
    assert headers["api-key"] == "a b" and headers["tenant"] == "1"
    assert world.figure("sonde_trace_exchanges_total", decision="not_sampled") == 10
    assert world.figure("sonde_trace_exchanges_total", decision="error") == 2


def metrics_are_whole(world, count):
    wait_until(lambda: world.figure(SERVER, service_name="otlp-server") == count, 5, f"{count} requests in metrics")
    assert answers(world.agent.port)


# What a collector does, and what becomes of the spans that were sent meanwhile.
FAILURES = [("hang", "connection", True), ("garbage", "answer", False), ("not-http", "connection", True),
            ("close", "connection", True), ("503", "retryable_status", True), ("400", "status", False)]


@pytest.mark.parametrize("mode, reason, again", FAILURES)
def test_a_failing_collector(world, mode, reason, again):
    world.start("--otlp.timeout=300ms")
    world.receiver.mode = mode
    world.ask("/%d", 20)
    metrics_are_whole(world, 20)
    wait_until(lambda: world.figure("sonde_otlp_failed_requests_total", reason=reason) > 0, 10, f"a failure: {reason}")
    metrics_are_whole(world, 20)
    world.receiver.release.set()
    world.receiver.mode = "ok"
    world.ask("/%d", 5)
    # Export goes on by itself, within the back-off.
    wanted = 50 if again else 10
    wait_until(lambda: len(world.receiver.spans()) >= wanted, 20, f"{wanted} spans")
    wait_until(lambda: world.figure("sonde_otlp_sent_total", signal="traces")
               + world.figure("sonde_otlp_dropped_total", signal="traces") == 50, 5, "every span accounted for")
    seen = [span.span_id for _, span, _ in world.receiver.spans()]
    dropped = world.figure("sonde_otlp_dropped_total", signal="traces", reason="refused")
    assert len(set(seen)) == len(seen)
    # What was answered by garbage counts as taken: sent again it might be there twice.
    assert len(seen) == 50 - dropped if mode == "400" else len(seen) >= wanted
    assert (dropped >= 38) == (mode == "400")
    assert world.log().count("export had problems") == 1


def test_a_collector_that_is_down(world):
    """Memory stays bounded, the oldest goes first, everything is accounted for, and export resumes by itself."""
    port = free_port()
    receiver = Receiver()
    world.start("--otlp.queue-bytes=64KiB", "--otlp.batch-spans=16", receiver=receiver, url=f"http://127.0.0.1:{port}")
    for _ in range(5):
        world.ask("/%d", 60)
        assert world.figure("sonde_otlp_queue_bytes") <= 64 << 10
    metrics_are_whole(world, 300)
    dropped = world.figure("sonde_otlp_dropped_total", reason="queue_full")
    assert dropped > 100
    late = Receiver(port=port)
    world.parts.insert(0, late)
    wait_until(lambda: world.figure("sonde_otlp_queue_bytes") == 0, 40, "an empty queue")
    dropped = world.figure("sonde_otlp_dropped_total", reason="queue_full")
    assert len(late.spans()) + dropped == 600
    assert world.figure("sonde_otlp_sent_total", signal="traces") == len(late.spans())
    assert late.spans()[-1][2].get("url.full", late.spans()[-1][2].get("url.path")).endswith("/59")
    assert world.log().count("export had problems") == 1


def test_retry_after_is_honoured(world):
    world.start()
    world.receiver.mode = "429 3"
    world.ask("/%d")
    wait_until(lambda: world.receiver.attempts, 5, "an attempt")
    world.receiver.mode = "ok"
    pair(world)
    first, second = [at for at, _ in world.receiver.attempts[:2]]
    assert 3 <= second - first < 4


def test_partial_success_is_counted_and_not_sent_again(world):
    world.start()
    world.receiver.mode = "partial"
    world.ask("/%d")
    pair(world)
    wait_until(lambda: world.figure("sonde_otlp_dropped_total", reason="rejected") >= 1, 5, "a rejected span")
    time.sleep(0.3)
    rejected = world.figure("sonde_otlp_dropped_total", reason="rejected")
    assert rejected == len(world.receiver.attempts)
    assert world.figure("sonde_otlp_sent_total", signal="traces") == 2 - rejected
    assert len(world.receiver.spans()) == 2
    wait_until(lambda: "one was too old" in world.log(), 5, "a line in the log")


def test_the_end_sends_what_is_left(world):
    world.start(delay="60s")
    world.ask("/%d", 30)
    assert not world.receiver.spans()
    world.stop_agent()
    assert len(world.receiver.spans()) == 60


@pytest.mark.parametrize("mode", ["hang", "503", "slow"])
def test_the_end_has_a_deadline(world, mode):
    world.start("--otlp.shutdown-timeout=1s", delay="60s")
    world.receiver.mode = mode
    world.ask("/%d", 30)
    begin = time.monotonic()
    world.stop_agent()
    assert time.monotonic() - begin < 2.5
    if mode == "slow":
        assert len(world.receiver.spans()) == 60
    else:
        assert "not everything was exported" in world.log()
    world.receiver.release.set()


@pytest.mark.parametrize("mutual", [False, True])
def test_tls(world, tmp_path, mutual):
    context = tls_context(tmp_path, subprocess.run, client_ca=mutual)
    options = [f"--otlp.certificate={tmp_path}/ca.pem"]
    if mutual:
        options += [f"--otlp.client-certificate={tmp_path}/client.pem", f"--otlp.client-key={tmp_path}/client.key"]
    world.start(*options, context=context)
    world.ask("/%d")
    pair(world)


def test_a_certificate_that_nobody_vouches_for(world, tmp_path):
    world.start(context=tls_context(tmp_path, subprocess.run))
    world.ask("/%d")
    wait_until(lambda: world.figure("sonde_otlp_failed_requests_total", reason="connection") > 0, 5, "a failure")
    assert not world.receiver.spans()


def test_a_proxy(world):
    proxy = Receiver()
    world.parts.append(proxy)
    world.start(f"--otlp.proxy={proxy.url}", url="http://collector.invalid:4318")
    world.ask("/%d")
    wait_until(lambda: len(proxy.spans()) == 2, 5, "two spans by the proxy")
    assert proxy.requests[0][0] == "http://collector.invalid:4318/v1/traces"
