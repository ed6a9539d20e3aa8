# SPDX-License-Identifier: Apache-2.0
"""TLS libraries of other languages, built from their registry in the versions that are named beside: BoringSSL and
AWS-LC, linked into Rust programs with symbols, have the right peers and exact counts; rustls, which is not read, is
named."""

import os
import re
import shutil
import subprocess

import pytest

from test_postgres_drivers import BUILD, HERE, make  # first: it finds the modules of tests/e2e

from http_lab import CLIENT, SONDE, tool, total, wait_until
from test_tls import fixture_agent, fixture_certificate, fixture_lab  # pylint: disable=unused-import
from test_tls_peers import CONNECTIONS, REQUESTS, SERVERS, start_servers

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
UNREAD = "sonde_tls_unread_connections_total"


def build(name, stripped=False):
    """The client; the first time takes minutes."""
    folder = os.path.join(BUILD, f"tls-{name}")
    shutil.copytree(os.path.join(HERE, "tls", name), folder, dirs_exist_ok=True)
    make([tool("cargo"), "build", "--release", "--quiet"], folder, timeout=1200)
    program = os.path.join(folder, "target", "release", f"{name}-client")
    if stripped:
        subprocess.run([tool("strip"), "-o", f"{program}-stripped", program], check=True)
    return f"{program}-stripped" if stripped else program


def doctor_of(lab, program, ports):
    """While it has a connection to a server that does not answer yet."""
    client = lab.start([program, "1", "1000000", str(ports[-1])], "looked-at")
    text = subprocess.run([SONDE, "doctor", "--pid", str(client.pid)], stdout=subprocess.PIPE, text=True,
                          check=False).stdout
    client.kill()
    client.wait()
    return text


@pytest.mark.parametrize("name, library", [("boring", "BoringSSL"), ("awslc", "AWS-LC")])
def test_linked_library(lab, certificate, name, library):
    program = build(name)
    ports = start_servers(lab, certificate)
    files = total(lab.agent.samples(), "sonde_tls_files")
    assert re.search(rf"^ok +tls +{program}: {library}, read", doctor_of(lab, program, ports), re.MULTILINE)
    wait_until(lambda: total(lab.agent.samples(), "sonde_tls_files") == files + 1, 5, "the program to be hooked")
    lab.stop()
    lab.processes.clear()
    ports = start_servers(lab, certificate)
    lab.run([program, str(CONNECTIONS), str(REQUESTS), *map(str, ports)], "client")
    each = CONNECTIONS // SERVERS * REQUESTS
    lab.expect({
        **{lab.key(CLIENT, "client", server_address=f"name-{number}", server_port=str(port), url_scheme="https"): each
           for number, port in enumerate(ports)},
        lab.key(CLIENT, "client"): each * SERVERS,
        lab.key(UNREAD, "client"): 0,
    })


@pytest.mark.parametrize("stripped", [False, True], ids=["symbols", "stripped"])
def test_rustls_is_named(lab, certificate, stripped):
    program = build("rustls", stripped)
    ports = start_servers(lab, certificate)
    assert re.search(rf"^no +tls +{program}: rustls, not read: \w+", doctor_of(lab, program, ports), re.MULTILINE)
    lab.run([program, str(CONNECTIONS), str(REQUESTS), *map(str, ports)], "client")
    lab.expect({
        lab.key(UNREAD, "client", tls_library="rustls"): CONNECTIONS,
        lab.key(UNREAD, "client"): CONNECTIONS,
        lab.key("sonde_unparsed_connections_total", "client", reason="tls"): CONNECTIONS,
        lab.key(CLIENT, "client"): 0,
    })
