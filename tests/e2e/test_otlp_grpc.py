# SPDX-License-Identifier: Apache-2.0
"""Spans and metrics by OTLP over gRPC to a receiver made of gRPC's own implementation."""

import subprocess
import time

import pytest

from http_lab import free_port, wait_until
from otlp_grpc_receiver import GrpcReceiver, credentials_of
from otlp_receiver import Receiver, tls_context
from test_otlp import cgroup, metrics_are_whole, pair, world  # noqa: F401 (two of them are fixtures)

GRPC = "--otlp.protocol=grpc"
RETRYABLE = ["CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"]
FINAL = ["UNKNOWN", "INVALID_ARGUMENT", "NOT_FOUND", "PERMISSION_DENIED", "UNAUTHENTICATED", "UNIMPLEMENTED",
         "INTERNAL", "RESOURCE_EXHAUSTED"]


def metric_names(receiver):
    with receiver.lock:
        messages = [message for path, _, message in receiver.requests if path == "/v1/metrics"]
    return {metric.name for message in messages for resource in message.resource_metrics
            for scope in resource.scope_metrics for metric in scope.metrics}


@pytest.mark.parametrize("options", [[], ["--otlp.compression=gzip"]], ids=["plain", "gzip"])
def test_spans_and_metrics_arrive(world, options):  # noqa: F811
    world.start(GRPC, "--otlp.header=tenant=1", "--otlp.metrics-interval=300ms", *options, receiver=GrpcReceiver())
    world.ask("/none/%d")
    (client_resource, client, _), (server_resource, server, says) = pair(world)
    assert server.parent_span_id == client.span_id and client.trace_id == server.trace_id
    assert says["http.response.status_code"] == 404 and says["url.path"] == "/none/0"
    assert (client_resource["service.name"], server_resource["service.name"]) == ("otlp-client", "otlp-server")
    wait_until(lambda: "http.server.request.duration" in metric_names(world.receiver), 5, "the request's metrics")
    for _, metadata, _ in world.receiver.requests:
        assert metadata["tenant"] == "1" and metadata["user-agent"].startswith("sonde/")
    assert world.figure("sonde_otlp_failed_requests_total") == 0
    assert world.figure("sonde_otlp_sent_total", signal="traces") == 2


def test_variables(world, monkeypatch):  # noqa: F811
    """An endpoint of one signal names a server: the method's path belongs to it all the same."""
    receiver = GrpcReceiver()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", receiver.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "GRPC")
    world.start(receiver=receiver)
    world.ask("/%d")
    pair(world)


@pytest.mark.parametrize("code", RETRYABLE)
def test_codes_that_are_tried_again(world, code):  # noqa: F811
    world.start(GRPC, receiver=GrpcReceiver())
    world.receiver.mode = code
    world.ask("/%d")
    wait_until(lambda: world.figure("sonde_otlp_failed_requests_total", reason="retryable_status") > 0, 5, "a failure")
    world.receiver.mode = "ok"
    wait_until(lambda: len(world.receiver.spans()) == 2, 10, "two spans")
    assert world.figure("sonde_otlp_dropped_total") == 0
    wait_until(lambda: f"{code} not now" in world.log(), 5, "a line in the log")


@pytest.mark.parametrize("code", FINAL)
def test_codes_that_are_not(world, code):  # noqa: F811
    world.start(GRPC, receiver=GrpcReceiver())
    world.receiver.mode = code
    world.ask("/%d")
    wait_until(lambda: world.figure("sonde_otlp_dropped_total", reason="refused") == 2, 5, "two dropped spans")
    attempts = len(world.receiver.attempts)
    world.receiver.mode = "ok"
    time.sleep(0.3)
    assert len(world.receiver.attempts) == attempts and not world.receiver.spans()
    wait_until(lambda: code in world.log(), 5, "a line in the log")


@pytest.mark.parametrize("code", ["RESOURCE_EXHAUSTED", "UNAVAILABLE"])
def test_retry_info_is_honoured(world, code):  # noqa: F811
    world.start(GRPC, receiver=GrpcReceiver())
    world.receiver.mode = f"{code} 3"
    world.ask("/%d")
    wait_until(lambda: world.receiver.attempts, 5, "an attempt")
    world.receiver.mode = "ok"
    pair(world)
    first, second = [at for at, _ in world.receiver.attempts[:2]]
    assert 3 <= second - first < 4


def test_partial_success(world):  # noqa: F811
    world.start(GRPC, receiver=GrpcReceiver())
    world.receiver.mode = "partial"
    world.ask("/%d")
    pair(world)
    wait_until(lambda: world.figure("sonde_otlp_dropped_total", reason="rejected") >= 1, 5, "a rejected span")
    assert world.figure("sonde_otlp_dropped_total", reason="rejected") == len(world.receiver.attempts)


def test_a_collector_that_hangs_and_one_that_comes_back(world):  # noqa: F811
    port = free_port()
    world.start(GRPC, "--otlp.timeout=300ms", receiver=GrpcReceiver(port=port))
    world.receiver.mode = "hang"
    world.ask("/%d", 5)
    wait_until(lambda: world.figure("sonde_otlp_failed_requests_total", reason="connection") > 0, 5, "a failure")
    world.receiver.stop()
    metrics_are_whole(world, 5)
    late = GrpcReceiver(port=port)
    world.parts.insert(0, late)
    wait_until(lambda: len({span.span_id for _, span, _ in late.spans()}) == 10, 30, "ten spans")
    assert world.figure("sonde_otlp_dropped_total") == 0


def test_a_server_of_http_1_alone(world):  # noqa: F811
    """No HTTP/2 there: nothing is taken for taken."""
    world.start(GRPC, receiver=Receiver())
    world.ask("/%d", 3)
    wait_until(lambda: world.figure("sonde_otlp_failed_requests_total") > 0, 10, "a failure")
    metrics_are_whole(world, 3)
    assert world.figure("sonde_otlp_sent_total") == 0 and not world.receiver.spans()


@pytest.mark.parametrize("mutual", [False, True])
def test_tls(world, tmp_path, mutual):  # noqa: F811
    tls_context(tmp_path, subprocess.run)
    options = [f"--otlp.certificate={tmp_path}/ca.pem"]
    if mutual:
        options += [f"--otlp.client-certificate={tmp_path}/client.pem", f"--otlp.client-key={tmp_path}/client.key"]
    world.start(GRPC, *options, receiver=GrpcReceiver(credentials=credentials_of(tmp_path, mutual)))
    world.ask("/%d")
    pair(world)
    assert world.figure("sonde_otlp_failed_requests_total") == 0
