# SPDX-License-Identifier: Apache-2.0
"""A pod in a network namespace of its own: its traffic against the namespace's counters and known datagrams, its
requests counted from outside of the namespace, and kubernetes-mixin's network queries on a real Prometheus."""

import contextlib
import json
import os
import subprocess

import pytest

import http_lab
import test_container
from http_lab import tool, total, wait_until
from test_container import HEX, fixture_cgroups  # noqa: F401  (the fixture)

POD, OUTSIDE = (f"sonde-{name}-{os.getpid()}" for name in ("pod", "outside"))
POD_ADDRESS, PORT = "10.98.1.2", 8080
DATAGRAMS, DATAGRAM_BYTES, REQUESTS = 200, 1000, 25
HEADERS = 14 + 20 + 8  # Ethernet, IP, UDP
SEND = ("import socket\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n"
        f"for _ in range({DATAGRAMS}): s.sendto(b'x'*{DATAGRAM_BYTES},('{POD_ADDRESS}',9))\n")
ASK = ("import http.client\nc=http.client.HTTPConnection('%s',%d)\nfor _ in range(%d):\n"
       " c.request('GET','/');r=c.getresponse();r.read();assert r.status==200\n" % (POD_ADDRESS, PORT, REQUESTS))
SERVE = ("import http.server\nclass H(http.server.BaseHTTPRequestHandler):\n protocol_version='HTTP/1.1'\n"
         " def do_GET(self):\n  self.send_response(200);self.send_header('Content-Length','2');self.end_headers()\n"
         "  self.wfile.write(b'ok')\n def log_message(self,*a): pass\n"
         f"http.server.HTTPServer(('0.0.0.0',{PORT}),H).serve_forever()\n")
QUERIES = {
    "received": 'sum by (cluster, namespace, pod) (rate(container_network_receive_bytes_total{job="cadvisor", '
                'namespace="shop"}[5s])) > 0',
    "sent": 'sum(irate(container_network_transmit_bytes_total{job="cadvisor", namespace=~".+"}[5s])) by (pod) >= 0',
    "packets": 'sum(rate(container_network_receive_packets_total{job="cadvisor", namespace="shop"}[5s])) by (pod) > 0',
    "dropped": 'sum(rate(container_network_receive_packets_dropped_total{job="cadvisor", namespace="shop"}[5s])) '
               'by (pod) == 0',
}


def ip(*arguments, check=True):
    return subprocess.run([tool("ip"), *arguments], check=check, capture_output=True, text=True)


def inside(name, script):
    return subprocess.run([tool("ip"), "netns", "exec", name, "/usr/bin/python3", "-c", script], check=True,
                          capture_output=True, text=True, timeout=60)


@pytest.fixture(name="network")
def fixture_network():
    with contextlib.ExitStack() as stack:
        for name in (POD, OUTSIDE):
            if ip("netns", "add", name, check=False).returncode:
                pytest.skip("network namespaces cannot be made here")
            stack.callback(ip, "netns", "del", name, check=False)
            ip("-n", name, "link", "set", "lo", "up")
        ip("link", "add", "eth0", "netns", POD, "type", "veth", "peer", "out0", "netns", OUTSIDE)
        for name, device, address in ((POD, "eth0", POD_ADDRESS), (OUTSIDE, "out0", "10.98.1.1")):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", device)
            ip("-n", name, "link", "set", device, "up")
        yield


def join(cgroups, path):
    for top in cgroups.paths:
        with contextlib.suppress(OSError), open(os.path.join(top, path, "cgroup.procs"), "w", encoding="ascii") as file:
            file.write("0")


@pytest.fixture(name="pod")
def fixture_pod(cgroups, network, tmp_path):
    """A server in the pod's cgroup and namespace, and the state files that containerd would have written."""
    path = f"kubepods/podabc/{HEX}"
    folder = os.path.join(tmp_path, "host", "run", "containerd", "io.containerd.runtime.v2.task", "k8s.io", HEX)
    os.makedirs(folder)
    bundle = test_container.pod_bundle("web-0", "server", "docker.io/library/web:1", f"/{cgroups.name}/{path}")
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump(bundle, file)
    for top in cgroups.paths:
        os.makedirs(os.path.join(top, path), exist_ok=True)
    agent = test_container.start_agent(cgroups, str(tmp_path), f"--path.rootfs={tmp_path}/host")
    server = subprocess.Popen([tool("ip"), "netns", "exec", POD, "/usr/bin/python3", "-c", SERVE],
                              preexec_fn=lambda: join(cgroups, path))
    try:
        wait_until(lambda: f":{PORT}" in ip("netns", "exec", POD, "ss", "-ltn").stdout, 10, "the server")
        yield agent
    finally:
        server.kill()
        server.wait()
        agent.stop()


def counters():
    """Received bytes and packets, sent bytes and packets of the pod's device, by the namespace itself."""
    text = ip("netns", "exec", POD, "cat", "/proc/net/dev").stdout
    fields = next(line for line in text.splitlines() if line.strip().startswith("eth0:")).split(":")[1].split()
    return [int(fields[i]) for i in (0, 1, 8, 9)]


def test_traffic_is_the_namespaces_own(pod):
    names = ("receive_bytes", "receive_packets", "transmit_bytes", "transmit_packets")

    def told():
        samples = pod.samples()
        return [total(samples, f"container_network_{name}_total", interface="eth0", pod="web-0") for name in names]

    first = told()
    inside(OUTSIDE, SEND)
    last = wait_until(lambda: (lambda now: now if now == counters() else None)(told()), 10, "what the namespace says")
    assert DATAGRAMS * (DATAGRAM_BYTES + HEADERS) <= last[0] - first[0] < DATAGRAMS * (DATAGRAM_BYTES + HEADERS) + 4096
    assert DATAGRAMS <= last[1] - first[1] < DATAGRAMS + 40


def test_requests_inside_a_namespace_are_counted(pod):
    inside(OUTSIDE, ASK)
    wait_until(lambda: total(pod.samples(), "http_server_request_duration_seconds_count") == REQUESTS, 10, "requests")
    assert not any(http_lab.losses(pod.samples()).values())


def test_network_queries_of_the_mixin_answer(pod, tmp_path):
    prometheus = test_container.Prometheus(str(tmp_path), pod.port)
    sender = subprocess.Popen([tool("ip"), "netns", "exec", OUTSIDE, "/usr/bin/python3", "-c",
                               "import time\nwhile True:\n " + SEND.replace("\n", "\n ") + "\n time.sleep(0.2)\n"])
    try:
        for what, query in QUERIES.items():
            answer = wait_until(lambda q=query: prometheus.numbers(q), 30, what)
            assert [series["metric"]["pod"] for series in answer] == ["web-0"], (what, answer)
    finally:
        sender.kill()
        sender.wait()
        prometheus.stop()
