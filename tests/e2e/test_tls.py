# SPDX-License-Identifier: Apache-2.0
"""TLS read at the library: counts equal the load generator's, and every exchange has the peer that it really had."""

import os
import re
import ssl
import subprocess
import urllib.request

import pytest

from http_lab import CLIENT, SERVER, Agent, Cgroup, Lab, free_port, tool

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
PYTHON = "/usr/bin/python3"

NGINX = """
user root;
daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000;
    ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols {protocols};
    server {{
        listen 127.0.0.1:{port} ssl{listen};
        {extra}
        location = /status {{ stub_status; }}
        location = /missing {{ return 404 "no"; }}
        location / {{ root {folder}/www; }}
    }}
}}
"""


@pytest.fixture(name="certificate", scope="module")
def fixture_certificate(tmp_path_factory):
    """A key and a certificate for 127.0.0.1, by the openssl tool."""
    folder = tmp_path_factory.mktemp("certificate")
    key, certificate = str(folder / "key.pem"), str(folder / "certificate.pem")
    subprocess.run([tool("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out",
                    certificate, "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True)
    return key, certificate


@pytest.fixture(name="agent", scope="module")
def fixture_agent(tmp_path_factory):
    cgroup = Cgroup()
    agent = None
    try:
        agent = Agent(cgroup, str(tmp_path_factory.mktemp("agent") / "sonde.log"))
        agent.cgroup = cgroup
        yield agent
    finally:
        if agent:
            agent.stop()
        cgroup.remove()


@pytest.fixture(name="lab")
def fixture_lab(agent, tmp_path, request):
    lab = Lab(agent.cgroup, agent, str(tmp_path), request.node.name)
    try:
        yield lab
    finally:
        lab.stop()


def start_nginx(lab, certificate, service, protocols="TLSv1.2 TLSv1.3", listen="", extra=""):
    """`listen` and `extra` go into the server's block."""
    folder = os.path.join(lab.folder, service)
    port = free_port()
    lab.file(f"{service}/www/small.txt", "x" * 200)
    lab.file(f"{service}/www/large.bin", "y" * 3_000_000)
    text = NGINX.format(folder=folder, port=port, key=certificate[0], certificate=certificate[1], protocols=protocols,
                        listen=listen, extra=extra)
    config = lab.file(f"{service}/nginx.conf", text)
    lab.start([tool("nginx"), "-p", folder, "-c", config], service, port)
    return port


def curl(lab, service, *arguments):
    """Runs curl and returns what it wrote; the certificate is our own."""
    return lab.run([tool("curl"), "-sk", "--http1.1", *arguments], service)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_nginx_and_curl(lab, certificate, version):
    port = start_nginx(lab, certificate, "nginx", f"TLSv{version}")
    url = f"https://127.0.0.1:{port}"
    for _ in range(20):
        curl(lab, "curl", "-o", "/dev/null", f"{url}/small.txt")
    curl(lab, "curl", *["-o", "/dev/null"] * 30, *[f"{url}/small.txt"] * 30)
    curl(lab, "curl", "-o", "/dev/null", f"{url}/missing")
    curl(lab, "curl", "-o", "/dev/null", f"{url}/large.bin")
    lab.expect({
        lab.key(SERVER, "nginx", url_scheme="https", http_response_status_code="200", tls_protocol_version=version): 51,
        lab.key(SERVER, "nginx", url_scheme="https", http_response_status_code="404"): 1,
        lab.key(SERVER, "nginx"): 52,
        lab.key(CLIENT, "curl", url_scheme="https", http_response_status_code="200", server_address="127.0.0.1",
                server_port=str(port), tls_protocol_version=version): 51,
        lab.key(CLIENT, "curl", url_scheme="https", http_response_status_code="404", server_port=str(port)): 1,
        lab.key(CLIENT, "curl"): 52,
        lab.key("sonde_unparsed_connections_total", "curl"): 0,
        lab.key("sonde_unparsed_connections_total", "nginx", reason="tls"): 0,
    })


def test_nginx_and_wrk(lab, certificate):
    """Keep-alive under load: to the last request, what stub_status and wrk count."""
    port = start_nginx(lab, certificate, "nginx")
    output = lab.run([tool("wrk"), "-t2", "-c8", "-d2s", f"https://127.0.0.1:{port}/small.txt"], "wrk")
    done = int(re.search(r"(\d+) requests in", output)[1])
    assert done > 50
    context = ssl._create_unverified_context()
    with urllib.request.urlopen(f"https://127.0.0.1:{port}/status", timeout=10, context=context) as answer:
        begun = int(re.search(r"requests\s+\d+ \d+ (\d+)", answer.read().decode())[1])
    lab.expect({
        lab.key(SERVER, "nginx", url_scheme="https"): begun,
        lab.key(CLIENT, "wrk", url_scheme="https", http_response_status_code="200", error_type=None,
                server_port=str(port)): done,
    })


def test_wget(lab, certificate):
    """GnuTLS, whose sessions do not tell their descriptor."""
    port = start_nginx(lab, certificate, "nginx")
    url = f"https://127.0.0.1:{port}"
    for _ in range(10):
        lab.run([tool("wget"), "-q", "--no-check-certificate", "-O", "/dev/null", f"{url}/small.txt"], "wget")
    lab.run([tool("wget"), "-q", "--no-check-certificate", "-O", "/dev/null", *[f"{url}/small.txt"] * 20], "wget")
    lab.run([tool("wget"), "-q", "--no-check-certificate", "-O", "/dev/null", f"{url}/large.bin"], "wget")
    samples = lab.expect({
        lab.key(SERVER, "nginx", url_scheme="https"): 31,
        lab.key(CLIENT, "wget", url_scheme="https", http_response_status_code="200", server_port=str(port),
                tls_protocol_version="1.3"): 31,
        lab.key("sonde_unparsed_connections_total", "wget"): 0,
    })
    sizes = [s.value for s in samples if s.name == "http_client_response_body_size_bytes_sum"
             and s.labels["service_name"] == f"{lab.prefix}-wget"]
    assert sum(sizes) == 30 * 200 + 3_000_000


def test_redis(lab, certificate):
    """The same parser over TLS: what the server counted, on both sides."""
    key, pem = certificate
    port = free_port()
    lab.start([tool("redis-server"), "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--save", "",
               "--tls-cert-file", pem, "--tls-key-file", key, "--tls-ca-cert-file", pem, "--tls-auth-clients", "no"],
              "redis", port)
    secure = ["-h", "127.0.0.1", "-p", str(port), "--tls", "--insecure"]
    lab.run([tool("redis-benchmark"), *secure, "-t", "set,get", "-n", "2000", "-c", "20", "-q"], "bench")
    lab.run([tool("redis-benchmark"), *secure, "-t", "incr", "-n", "2000", "-c", "5", "-P", "8", "-q"], "bench")
    stats = subprocess.run([tool("redis-cli"), *secure, "info", "commandstats"], check=True, capture_output=True,
                           text=True).stdout
    wanted = {}
    for command in ("SET", "GET", "INCR"):
        calls = int(re.search(rf"cmdstat_{command.lower()}:calls=(\d+)", stats)[1])
        assert calls >= 2000
        for side, service in (("server", "redis"), ("client", "bench")):
            wanted[lab.key(f"db_{side}_operation_duration_seconds_count", service, db_operation_name=command)] = calls
    wanted[lab.key("db_client_operation_duration_seconds_count", "bench", db_operation_name="SET",
                   server_address="127.0.0.1", server_port=str(port))] = wanted[
        lab.key("db_client_operation_duration_seconds_count", "bench", db_operation_name="SET")]
    lab.expect(wanted)
