# SPDX-License-Identifier: Apache-2.0
"""A collector for tests, built from the published protocol definitions (the opentelemetry-proto package), with ways to
fail. Knows nothing of sonde."""

import base64
import gzip
import http.server
import json
import os
import re
import ssl
import sys
import threading
import time

from http_lab import ROOT

sys.path.insert(0, os.path.join(ROOT, "build", "tools", "python"))

from google.protobuf import json_format  # noqa: E402
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics  # noqa: E402
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces  # noqa: E402

REQUESTS = {"/v1/traces": traces.ExportTraceServiceRequest, "/v1/metrics": metrics.ExportMetricsServiceRequest}
ANSWERS = {"/v1/traces": traces.ExportTraceServiceResponse, "/v1/metrics": metrics.ExportMetricsServiceResponse}
IDS = re.compile(r'"(traceId|spanId|parentSpanId)":\s*"([0-9a-fA-F]*)"')


def value_of(value):
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else None


def attributes(pairs):
    found = {pair.key: value_of(pair.value) for pair in pairs}
    assert len(found) == len(pairs), f"a key comes twice: {[pair.key for pair in pairs]}"
    return found


def from_json(message, text):
    """OTLP's JSON has ids in hexadecimal where protobuf's has base64; everything else is protobuf's, strictly."""
    json.loads(text)
    text = IDS.sub(lambda m: f'"{m[1]}":"{base64.b64encode(bytes.fromhex(m[2])).decode()}"', text)
    return json_format.Parse(text, message)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):  # noqa: N802
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers["Content-Length"]))
        mode = receiver.mode
        receiver.attempts.append((time.monotonic(), mode))
        if mode == "hang":
            receiver.release.wait(60)
            self.close_connection = True
            return
        if mode == "slow":
            time.sleep(0.5)
        if mode.isdigit() or mode.startswith("429"):
            status, _, after = mode.partition(" ")
            self.answer(int(status), b"no", **({"Retry-After": after} if after else {}))
            return
        if mode == "garbage":
            self.answer(200, os.urandom(700))
            return
        if mode == "not-http":
            self.wfile.write(os.urandom(300))
            self.close_connection = True
            return
        if mode == "close":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhal")
            self.close_connection = True
            return
        self.take(receiver, body, mode)

    def take(self, receiver, body, mode):
        path = "/" + "/".join(self.path.split("/")[-2:])
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.headers["Content-Type"] == "application/json":
            message = from_json(REQUESTS[path](), body.decode())
        else:
            message = REQUESTS[path].FromString(body)
        answer = ANSWERS[path]()
        if mode == "partial":
            if path == "/v1/traces":
                answer.partial_success.rejected_spans = 1
            answer.partial_success.error_message = "one was too old"
        with receiver.lock:
            receiver.requests.append((self.path, dict(self.headers), message))
        is_json = self.headers["Content-Type"] == "application/json"
        out = json_format.MessageToJson(answer).encode() if is_json else answer.SerializeToString()
        self.answer(200, out, **{"Content-Type": self.headers["Content-Type"]})

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Receiver:
    """mode: ok slow hang garbage not-http close partial, a status, or "429 SECONDS"."""

    def __init__(self, port=0, context=None):
        self.mode = "ok"
        self.requests = []
        self.attempts = []
        self.lock = threading.Lock()
        self.release = threading.Event()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.server.receiver = self
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def spans(self):
        """(resource attributes, span, its attributes) of every span taken."""
        with self.lock:
            requests = list(self.requests)
        return [(attributes(resource.resource.attributes), span, attributes(span.attributes))
                for path, _, message in requests if path.endswith("traces")
                for resource in message.resource_spans for scope in resource.scope_spans for span in scope.spans]

    def stop(self):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


def tls_context(folder, run, client_ca=False):
    """A server's context with a certificate for 127.0.0.1; its CA is folder/ca.pem, a client's pair client.*"""
    def openssl(*arguments):
        run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca",
            "-days", "2")
    for name in ("server", "client"):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj",
                f"/CN={name}")
        with open(os.path.join(folder, "names"), "w", encoding="ascii") as file:
            file.write("subjectAltName=IP:127.0.0.1")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out",
                f"{name}.pem", "-days", "2", "-extfile", "names")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(folder, "server.pem"), os.path.join(folder, "server.key"))
    if client_ca:
        context.load_verify_locations(os.path.join(folder, "ca.pem"))
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def points_of(metric):
    """Its data points and what its data say beside them."""
    data = getattr(metric, metric.WhichOneof("data"))
    return data, list(data.data_points)
