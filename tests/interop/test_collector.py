# SPDX-License-Identifier: Apache-2.0
"""A real OpenTelemetry Collector takes what sonde sends: spans come back out of it attribute for attribute, and its
Prometheus exporter tells the metrics."""

import json
import os
import subprocess
import sys
import urllib.request

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))

from http_lab import Agent, Cgroup, Lab, answers, free_port, parse, tool, total, wait_until  # noqa: E402
from test_otlp import ASK, SERVE  # noqa: E402

CONFIG = """
receivers:
  otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{otlp}"}}, grpc: {{endpoint: "127.0.0.1:{grpc}"}}}}}}
exporters:
  file: {{path: {folder}/out.json, flush_interval: 100ms}}
  prometheus: {{endpoint: "127.0.0.1:{prometheus}", resource_to_telemetry_conversion: {{enabled: true}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [file]}}
    metrics: {{receivers: [otlp], exporters: [prometheus]}}
"""


@pytest.fixture
def world(tmp_path):
    otlp, grpc, prometheus = free_port(), free_port(), free_port()
    (tmp_path / "config.yaml").write_text(CONFIG.format(otlp=otlp, grpc=grpc, prometheus=prometheus, folder=tmp_path))
    log = open(tmp_path / "collector.log", "wb")
    collector = subprocess.Popen([tool("otelcol"), f"--config={tmp_path}/config.yaml"], stdout=log, stderr=log)
    wait_until(lambda: answers(otlp), 20, "the collector to listen")
    cgroup = Cgroup()
    parts = [cgroup]

    def start(*arguments):
        port = grpc if "--otlp.protocol=grpc" in arguments else otlp
        agent = Agent(cgroup, tmp_path / "agent.log", f"--otlp.endpoint=http://127.0.0.1:{port}",
                      "--otlp.batch-delay=50ms", "--otlp.metrics-interval=500ms", "--stdout.spans",
                      "--trace.request-header=accept-encoding", *arguments)
        lab = Lab(cgroup, agent, str(tmp_path), "interop")
        parts.extend([agent, lab])
        port = free_port()
        lab.start(["/usr/bin/python3", "-c", SERVE, str(port)], "server", port)
        lab.run(["/usr/bin/python3", "-c", ASK, str(port), "/none/%d", "20"], "client")
        return agent
    yield start, tmp_path, prometheus
    for part in reversed(parts[1:]):
        part.stop()
    cgroup.remove()
    collector.terminate()
    collector.wait(timeout=20)
    log.close()


def spans_of(folder):
    try:
        lines = (folder / "out.json").read_text().splitlines()
    except FileNotFoundError:
        return []
    return [(resource, span) for line in lines for resource in json.loads(line)["resourceSpans"]
            for scope in resource["scopeSpans"] for span in scope["spans"]]


def told(folder):
    """By span id, as standard output says it; its encoder is not OTLP's."""
    lines = (folder / "agent.log").read_text(errors="replace").splitlines()
    spans = [json.loads(line) for line in lines if line.startswith('{"service"')]
    return {line["span"]["spanId"]: line for line in spans}


def says(pairs):
    found = {pair["key"]: pair["value"] for pair in pairs}
    assert len(found) == len(pairs)
    return found


def check_whole(resource, span, line, options):
    """What came out of the collector is what went in, attribute for attribute. Of JSON this version's reader passes
    over the flags (its protobuf has them)."""
    if "--otlp.protocol=http/json" in options:
        span = {**span, "flags": line["span"]["flags"]}
    came, went = ({key: value for key, value in each.items() if key != "attributes" and value not in ({}, "")}
                  for each in (span, line["span"]))
    assert came == went
    assert says(span["attributes"]) == says(line["span"]["attributes"])
    about = says(resource["resource"]["attributes"])
    assert about["service.name"] == {"stringValue": line["service"]}
    assert about["process.pid"]["intValue"].isdigit() and about["process.runtime.name"] == {"stringValue": "cpython"}
    scope, = resource["scopeSpans"]
    assert scope["scope"]["name"] == "sonde" and scope["scope"]["version"]
    assert scope["schemaUrl"] == resource["schemaUrl"] == "https://opentelemetry.io/schemas/1.44.0"


@pytest.mark.parametrize("options", [[], ["--otlp.protocol=http/json"], ["--otlp.compression=gzip"],
                                     ["--otlp.protocol=grpc"], ["--otlp.protocol=grpc", "--otlp.compression=gzip"]])
def test_spans_and_metrics(world, options):
    start, folder, prometheus = world
    agent = start(*options)
    wait_until(lambda: len(spans_of(folder)) == 40, 10, "40 spans")
    spans = spans_of(folder)
    by_id = {span["spanId"]: span for _, span in spans}
    servers = [span for _, span in spans if span["kind"] == 2]
    assert len(by_id) == 40 and len(servers) == 20
    for resource, span in spans:
        check_whole(resource, span, told(folder)[span["spanId"]], options)
    for span in servers:
        parent = by_id[span["parentSpanId"]]
        assert parent["kind"] == 3 and parent["traceId"] == span["traceId"] and not parent.get("parentSpanId")
        about = says(span["attributes"])
        assert about["http.response.status_code"] == {"intValue": "404"}
        assert about["http.request.method"] == {"stringValue": "GET"}
        assert about["url.path"]["stringValue"].startswith("/none/")
        assert about["http.request.header.accept-encoding"]["arrayValue"]["values"]

    def scraped():
        with urllib.request.urlopen(f"http://127.0.0.1:{prometheus}/metrics", timeout=10) as answer:
            return parse(answer.read().decode())
    wait_until(lambda: total(scraped(), "http_server_request_duration_seconds_count",
                             service_name="interop-server", http_response_status_code="404") == 20, 10, "20 requests")
    assert total(agent.samples(), "sonde_otlp_dropped_total") == 0
    assert total(agent.samples(), "sonde_otlp_failed_requests_total") == 0
