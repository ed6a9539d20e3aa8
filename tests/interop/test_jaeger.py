# SPDX-License-Identifier: Apache-2.0
"""A real Jaeger takes what sonde sends by OTLP: each trace read back from its API is the tree that was sent, span for
span and attribute for attribute."""

import collections
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))

import chain_servers  # noqa: E402
from http_lab import Agent, Cgroup, Lab, answers, free_port, tool, wait_until  # noqa: E402

PORTS = ["admin.http", "collector.grpc-server", "collector.http-server", "collector.otlp.grpc", "collector.otlp.http",
         "query.grpc-server", "query.http-server", "http-server", "processor.jaeger-binary.server",
         "processor.jaeger-compact.server", "processor.zipkin-compact.server"]
CHAIN = ["first", "second", "third"]
REQUESTS = 20


@pytest.fixture
def jaeger(tmp_path):
    ports = {name: free_port() for name in PORTS}
    command = [tool("jaeger-all-in-one"), "--collector.otlp.enabled=true"]
    for name, port in ports.items():
        option = f"--{name}.host-port" if not name.startswith("processor") else f"--{name}-host-port"
        command.append(f"{option}=127.0.0.1:{port}")
    with open(tmp_path / "jaeger.log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        for name in ("collector.otlp.http", "query.http-server"):
            wait_until(lambda name=name: answers(ports[name]), 30, f"Jaeger's {name}")
        yield ports
    finally:
        process.terminate()
        process.wait(timeout=20)


def told(log):
    """(service, span) as the agent's standard output says."""
    with open(log, encoding="utf-8", errors="replace") as file:
        lines = [json.loads(line) for line in file if line.startswith('{"service"') and line.endswith("\n")]
    return [(line["service"], line["span"]) for line in lines]


def read_trace(port, trace_id):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/traces/{trace_id}", timeout=10) as answer:
            return json.loads(answer.read())["data"][0]
    except urllib.error.HTTPError:
        return {"spans": []}


def value_of(value):
    kind, text = next(iter(value.items()))
    return int(text) if kind == "intValue" else text


def check(service, sent, trace):
    span = next(one for one in trace["spans"] if one["spanID"] == sent["spanId"])
    tags = {tag["key"]: tag["value"] for tag in span["tags"]}
    process = trace["processes"][span["processID"]]
    assert process["serviceName"] == service and {tag["key"] for tag in process["tags"]} >= {"host.name", "process.pid"}
    assert span["operationName"] == sent["name"] and span["traceID"] == sent["traceId"]
    parents = [(one["refType"], one["traceID"], one["spanID"]) for one in span["references"]]
    wanted = [("CHILD_OF", sent["traceId"], sent["parentSpanId"])] if "parentSpanId" in sent else []
    assert parents == wanted
    assert span["startTime"] == int(sent["startTimeUnixNano"]) // 1000
    assert abs(span["duration"] - (int(sent["endTimeUnixNano"]) - int(sent["startTimeUnixNano"])) // 1000) <= 1
    assert tags["span.kind"] == {2: "server", 3: "client"}[sent["kind"]]
    for pair in sent["attributes"]:
        assert tags[pair["key"]] == value_of(pair["value"]), pair["key"]


def test_a_trace_read_back_is_the_tree_that_was_sent(jaeger, tmp_path):
    cgroup = Cgroup()
    agent = Agent(cgroup, tmp_path / "agent.log", f"--otlp.endpoint=http://127.0.0.1:{jaeger['collector.otlp.http']}",
                  "--no-otlp.metrics", "--otlp.batch-delay=50ms", "--stdout.spans")
    lab = Lab(cgroup, agent, str(tmp_path), "jaeger")
    try:
        lab.file("sync.py", chain_servers.SYNC)
        lab.file("client.py", chain_servers.CLIENT)
        ports = [free_port() for _ in CHAIN] + [0]
        for place in reversed(range(len(CHAIN))):
            lab.start(["/usr/bin/python3", "sync.py", str(ports[place]), str(ports[place + 1])], CHAIN[place],
                      ports[place])
        lab.run(["/usr/bin/python3", "client.py", str(ports[0]), str(REQUESTS), "1", "0"], "client")
        each = 2 * len(CHAIN)
        wait_until(lambda: len(told(tmp_path / "agent.log")) == each * REQUESTS, 20, "all spans")
        traces = collections.defaultdict(list)
        for service, span in told(tmp_path / "agent.log"):
            traces[span["traceId"]].append((service, span))
        assert sorted(len(spans) for spans in traces.values()) == [each] * REQUESTS
        for trace_id, spans in traces.items():
            def whole(trace_id=trace_id):
                trace = read_trace(jaeger["query.http-server"], trace_id)
                return trace if len(trace["spans"]) == each else None
            trace = wait_until(whole, 20, "the trace in Jaeger")
            for service, span in spans:
                check(service, span, trace)
    finally:
        lab.stop()
        agent.stop()
        cgroup.remove()
