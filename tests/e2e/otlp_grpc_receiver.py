# SPDX-License-Identifier: Apache-2.0
"""A collector for tests that speaks OTLP by gRPC: gRPC's own implementation (the grpcio package) and the published
definitions. Knows nothing of sonde."""

import threading
import time
from concurrent import futures

from otlp_receiver import REQUESTS, Receiver, metrics, traces

import grpc  # noqa: E402  (otlp_receiver says where it is)
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, duration_pb2, message_factory  # noqa: E402

SERVICES = {"opentelemetry.proto.collector.trace.v1.TraceService": ("/v1/traces", traces.ExportTraceServiceResponse),
            "opentelemetry.proto.collector.metrics.v1.MetricsService": ("/v1/metrics",
                                                                        metrics.ExportMetricsServiceResponse)}


def rpc_messages():
    """google.rpc.Status and RetryInfo, by their published definitions (status.proto and error_details.proto)."""
    file = descriptor_pb2.FileDescriptorProto(name="rpc.proto", package="google.rpc", syntax="proto3", dependency=[
        "google/protobuf/any.proto", "google/protobuf/duration.proto"])
    status = file.message_type.add(name="Status")
    status.field.add(name="code", number=1, type=5, label=1)
    status.field.add(name="message", number=2, type=9, label=1)
    status.field.add(name="details", number=3, type=11, label=3, type_name=".google.protobuf.Any")
    retry = file.message_type.add(name="RetryInfo")
    retry.field.add(name="retry_delay", number=1, type=11, label=1, type_name=".google.protobuf.Duration")
    pool = descriptor_pool.Default()
    assert any_pb2.DESCRIPTOR and duration_pb2.DESCRIPTOR
    pool.Add(file)
    return [message_factory.GetMessageClass(pool.FindMessageTypeByName(f"google.rpc.{name}"))
            for name in ("Status", "RetryInfo")]


Status, RetryInfo = rpc_messages()


class GrpcReceiver:
    """mode: ok hang partial, the name of a code, or "CODE SECONDS" with a RetryInfo."""

    def __init__(self, port=0, credentials=None):
        self.mode = "ok"
        self.requests = []
        self.attempts = []
        self.lock = threading.Lock()
        self.release = threading.Event()
        self.server = grpc.server(futures.ThreadPoolExecutor(4))
        for service, (path, answer) in SERVICES.items():
            method = grpc.unary_unary_rpc_method_handler(
                lambda body, context, path=path, answer=answer: self.take(path, answer, body, context),
                request_deserializer=bytes, response_serializer=lambda message: message.SerializeToString())
            self.server.add_generic_rpc_handlers(
                [grpc.method_handlers_generic_handler(service, {"Export": method})])
        self.port = self.server.add_secure_port(f"127.0.0.1:{port}", credentials) if credentials else \
            self.server.add_insecure_port(f"127.0.0.1:{port}")
        assert self.port
        self.url = f"http{'s' if credentials else ''}://127.0.0.1:{self.port}"
        self.server.start()

    def take(self, path, answer_type, body, context):
        mode = self.mode
        self.attempts.append((time.monotonic(), mode))
        if mode == "hang":
            self.release.wait(60)
        code, _, seconds = mode.partition(" ")
        if seconds:
            info = RetryInfo(retry_delay=duration_pb2.Duration(seconds=int(seconds)))
            detail = any_pb2.Any(type_url="type.googleapis.com/google.rpc.RetryInfo", value=info.SerializeToString())
            context.set_trailing_metadata([("grpc-status-details-bin", Status(details=[detail]).SerializeToString())])
        if code.isupper():
            context.abort(getattr(grpc.StatusCode, code), "not now, 100%")
        answer = answer_type()
        if mode == "partial":
            if path == "/v1/traces":
                answer.partial_success.rejected_spans = 1
            answer.partial_success.error_message = "one was too old"
        with self.lock:
            self.requests.append((path, dict(context.invocation_metadata()), REQUESTS[path].FromString(body)))
        return answer

    spans = Receiver.spans

    def stop(self):
        self.release.set()
        self.server.stop(0.2).wait()


def credentials_of(folder, client_ca=False):
    """After tls_context() made the files."""
    def read(name):
        with open(f"{folder}/{name}", "rb") as file:
            return file.read()
    return grpc.ssl_server_credentials([(read("server.key"), read("server.pem"))],
                                       read("ca.pem") if client_ca else None, client_ca)
