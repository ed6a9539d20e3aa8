# SPDX-License-Identifier: Apache-2.0
"""OpenSSL 1.1: programs of Debian 11, unpacked below build/tools/bullseye by `make setup`, with their own libraries."""

import os

import pytest

import test_tls
from http_lab import CLIENT, ROOT, SERVER
from test_tls import fixture_agent, fixture_certificate, fixture_lab, start_nginx  # pylint: disable=unused-import
from test_tls_peers import (CLIENT_ASYNCIO, CLIENT_MOVED, CLIENT_THREADS, CONNECTIONS, REQUESTS, SERVERS, assert_peers,
                            start_servers)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
OLD = os.path.join(ROOT, "build", "tools", "bullseye")
LIBRARIES = ":".join(f"{OLD}/{folder}/x86_64-linux-gnu" for folder in ("usr/lib", "lib"))


@pytest.fixture(name="old", autouse=True)
def fixture_old(monkeypatch):
    """Programs of Debian 11 in place of this machine's."""
    if not os.path.exists(f"{OLD}/usr/bin/python3.9"):
        pytest.skip("Debian 11's programs are not here: run `sudo make setup`, on amd64")
    monkeypatch.setenv("LD_LIBRARY_PATH", LIBRARIES)
    monkeypatch.setenv("PYTHONHOME", f"{OLD}/usr")
    monkeypatch.setattr(test_tls, "tool", lambda name: f"{OLD}/usr/{'sbin' if name == 'nginx' else 'bin'}/{name}")
    return f"{OLD}/usr/bin"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_nginx_and_curl(lab, certificate, old, version):
    port = start_nginx(lab, certificate, "nginx", f"TLSv{version}")
    url = f"https://127.0.0.1:{port}"
    for _ in range(10):
        lab.run([f"{old}/curl", "-sk", "--http1.1", "-o", "/dev/null", f"{url}/small.txt"], "curl")
    lab.run([f"{old}/curl", "-sk", "--http1.1", *["-o", "/dev/null"] * 20, *[f"{url}/small.txt"] * 20], "curl")
    lab.run([f"{old}/curl", "-sk", "--http1.1", "-o", "/dev/null", f"{url}/large.bin"], "curl")
    lab.expect({
        lab.key(SERVER, "nginx", url_scheme="https", http_response_status_code="200", tls_protocol_version=version): 31,
        lab.key(SERVER, "nginx"): 31,
        lab.key(CLIENT, "curl", url_scheme="https", http_response_status_code="200", server_port=str(port)): 31,
        lab.key(CLIENT, "curl"): 31,
        lab.key("sonde_unparsed_connections_total", "curl"): 0,
    })


@pytest.mark.parametrize("program", [CLIENT_ASYNCIO, CLIENT_THREADS, CLIENT_MOVED], ids=["asyncio", "threads", "moved"])
def test_peers(lab, certificate, old, program):
    ports = start_servers(lab, certificate, f"{old}/python3.9")
    client = lab.file("client.py", program)
    lab.run([f"{old}/python3.9", client, str(CONNECTIONS), str(REQUESTS), *map(str, ports)], "client")
    assert_peers(lab, ports, "client", CONNECTIONS // SERVERS * REQUESTS)
