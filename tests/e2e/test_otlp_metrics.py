# SPDX-License-Identifier: Apache-2.0
"""Metrics by OTLP: the same figures as a scrape, in each form that they may have."""

import json
import os
import re
import time
import urllib.request

import pytest

from http_lab import Agent, Cgroup, Lab, free_port, total, wait_until
from otlp_receiver import Receiver, attributes, points_of
from test_otlp import ASK, SERVE

DURATION = "http.server.request.duration"


@pytest.fixture(scope="module")
def cgroup():
    group = Cgroup()
    yield group
    group.remove()


@pytest.fixture
def start(cgroup, tmp_path):
    parts = []

    def make(*arguments):
        receiver = Receiver()
        agent = Agent(cgroup, tmp_path / "agent.log", f"--otlp.endpoint={receiver.url}", "--no-otlp.traces",
                      "--otlp.metrics-interval=300ms", *arguments)
        lab = Lab(cgroup, agent, str(tmp_path), "metrics")
        parts.extend([receiver, agent, lab])
        port = free_port()
        lab.start(["/usr/bin/python3", "-c", SERVE, str(port)], "server", port)
        return receiver, agent, lambda path, count: lab.run(
            ["/usr/bin/python3", "-c", ASK, str(port), path, str(count)], "client")
    yield make
    for part in reversed(parts):
        part.stop()


def metrics(receiver):
    """(resource attributes, metric) of each request, in order."""
    with receiver.lock:
        requests = list(receiver.requests)
    return [[(attributes(resource.resource.attributes), metric) for resource in message.resource_metrics
             for scope in resource.scope_metrics for metric in scope.metrics]
            for path, _, message in requests if path.endswith("metrics")]


def find(request, name, service):
    return [metric for resource, metric in request if metric.name == name and resource["service.name"] == service]


def durations(receiver):
    """Data and points of the server's durations, of each request that has them."""
    found = [find(request, DURATION, "metrics-server") for request in metrics(receiver)]
    return [points_of(each[0]) for each in found if each]


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
@pytest.mark.parametrize("form", ["explicit_bucket_histogram", "base2_exponential_bucket_histogram"])
def test_cumulative(start, protocol, form):
    receiver, agent, ask = start(f"--otlp.protocol={protocol}", f"--otlp.metrics-histograms={form}")
    begin = time.time_ns()
    ask("/%d", 30)
    ask("/fail/%d", 3)
    wait_until(lambda: sum(point.count for _, points in durations(receiver)[-1:] for point in points) == 33, 10,
               "33 requests")
    data, points = durations(receiver)[-1]
    assert data.aggregation_temporality == 2
    by_status = {attributes(point.attributes)["http.response.status_code"]: point for point in points}
    assert {status: point.count for status, point in by_status.items()} == {200: 30, 500: 3}
    failed = attributes(by_status[500].attributes)
    assert failed["error.type"] == "500" and failed["http.request.method"] == "GET" and failed["url.scheme"] == "http"
    assert "service.name" not in failed
    for point in points:
        assert 0 < point.start_time_unix_nano < begin + 10**9 < point.time_unix_nano + 10**10
        counts = point.bucket_counts if form.startswith("explicit") else point.positive.bucket_counts
        assert sum(counts) + getattr(point, "zero_count", 0) == point.count
        if form.startswith("explicit"):
            assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
        else:
            assert point.scale == 3
    samples = agent.samples()
    for status, point in by_status.items():
        scraped = total(samples, "http_server_request_duration_seconds_sum", service_name="metrics-server",
                        http_response_status_code=str(status))
        assert abs(point.sum - scraped) < 1e-9
    own = [request for request in metrics(receiver)[-1:]][0]
    build = find(own, "sonde_build_info", "sonde")
    assert build and build[0].WhichOneof("data") == "gauge"
    exchanges = find(own, "sonde_exchanges_total", "sonde")[0]
    assert exchanges.sum.is_monotonic and exchanges.sum.aggregation_temporality == 2
    active = find(own, "http.server.active_requests", "metrics-server")[0]
    assert active.WhichOneof("data") == "sum" and not active.sum.is_monotonic and active.unit == "{request}"


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
def test_resources(start, protocol):
    """Each service's: what its processes declare, and what the configuration says; sonde's version is sonde's alone."""
    receiver, _, ask = start("--otlp.resource-attribute=host.name=box", f"--otlp.protocol={protocol}",
                             "--otlp.resource-attribute=service.version=mine",
                             "--otlp.resource-attribute=service.name=watcher",
                             "--otlp.resource-attribute=deployment.environment.name=test")
    ask("/%d", 3)
    wait_until(lambda: durations(receiver), 10, "metrics")
    resources = {resource["service.name"]: resource for request in metrics(receiver) for resource, _ in request}
    server, own = resources["metrics-server"], resources["watcher"]
    assert server["process.pid"] > 0 and server["process.runtime.name"] == "cpython"
    assert server["process.executable.name"].startswith("python3") and "service.version" not in server
    assert own["service.version"] == "mine" and "process.pid" not in own
    for resource in (server, own):
        assert (resource["host.name"], resource["service.instance.id"]) == ("box", "box")
        assert resource["deployment.environment.name"] == "test"
        if os.path.exists("/etc/machine-id"):
            with open("/etc/machine-id", encoding="ascii") as file:
                assert resource.get("host.id", "") == file.read().strip()
    assert "sonde" not in resources


@pytest.mark.parametrize("form", ["explicit_bucket_histogram", "base2_exponential_bucket_histogram"])
def test_delta(start, form):
    receiver, _, ask = start("--otlp.metrics-temporality=delta", f"--otlp.metrics-histograms={form}")

    def told():
        return sum(point.count for _, points in durations(receiver) for point in points)
    for step in (1, 2, 3):
        ask("/%d", 20)
        wait_until(lambda wanted=20 * step: told() == wanted, 10, f"{20 * step} requests over all deltas")
    time.sleep(0.7)
    assert told() == 60
    before = None
    for data, points in durations(receiver):
        assert data.aggregation_temporality == 1
        point, = points
        counts = point.bucket_counts if form.startswith("explicit") else point.positive.bucket_counts
        assert sum(counts) + getattr(point, "zero_count", 0) == point.count
        # Intervals follow each other without a hole.
        assert before is None or point.start_time_unix_nano == before
        before = point.time_unix_nano


def test_low_memory(start, monkeypatch):
    """As the specification has it: histograms since the last export, counters that are read anew since the start."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "LowMemory")
    receiver, _, ask = start()
    for _ in range(2):
        ask("/%d", 10)
        time.sleep(0.5)
    wait_until(lambda: sum(point.count for _, points in durations(receiver) for point in points) == 20, 10,
               "20 requests")
    assert {data.aggregation_temporality for data, _ in durations(receiver)} == {1}
    exchanges = [find(request, "sonde_exchanges_total", "sonde")[0].sum for request in metrics(receiver)]
    assert {data.aggregation_temporality for data in exchanges} == {2}
    values = [sum(point.as_double for point in data.data_points) for data in exchanges]
    assert values == sorted(values) and values[-1] == 40


def test_a_collector_that_refuses_metrics(start):
    receiver, agent, ask = start()
    receiver.mode = "400"
    ask("/%d", 5)
    wait_until(lambda: total(agent.samples(), "sonde_otlp_dropped_total", signal="metrics", reason="refused") > 0, 10,
               "refused points")
    receiver.mode = "ok"
    wait_until(lambda: durations(receiver), 10, "metrics again")
    assert durations(receiver)[-1][1][0].count == 5


@pytest.mark.parametrize("form", ["explicit_bucket_histogram", "base2_exponential_bucket_histogram"])
def test_exemplars(start, tmp_path, form):
    """Each names a span that was told, of the series that it stands beside, with that span's duration."""
    receiver, agent, ask = start("--stdout.spans", f"--otlp.metrics-histograms={form}")
    ask("/%d", 30)

    def exemplars():
        return [exemplar for _, points in durations(receiver)[-1:] for point in points for exemplar in point.exemplars]
    wait_until(exemplars, 10, "exemplars")
    spans = {}
    for line in (tmp_path / "agent.log").read_text(errors="replace").splitlines():
        if line.startswith('{"service":"metrics-server"'):
            span = json.loads(line)["span"]
            spans[span["traceId"], span["spanId"]] = span
    for exemplar in exemplars():
        span = spans[exemplar.trace_id.hex(), exemplar.span_id.hex()]
        took = (int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])) / 1e9
        assert abs(exemplar.as_double - took) < 1e-9 and exemplar.time_unix_nano == int(span["endTimeUnixNano"])
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    request = urllib.request.Request(f"http://127.0.0.1:{agent.port}/metrics", headers=accept)
    with urllib.request.urlopen(request, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    told = [re.search(r'le="([^"]*)".* # {trace_id="(\w+)",span_id="(\w+)"} (\S+) (\S+)$', line) for line in lines
            if line.startswith('http_server_request_duration_seconds_bucket{service_name="metrics-server"')]
    told = [match for match in told if match]
    assert told
    for bound, trace, span, value, _ in (match.groups() for match in told):
        assert (trace, span) in spans and float(value) <= float(bound)
