# SPDX-License-Identifier: Apache-2.0
"""TLS libraries of other languages, built from their registry in the versions that are named beside: BoringSSL and
AWS-LC, linked into Rust programs with symbols, and rustls on AWS-LC have the right peers and exact counts; rustls on
ring, which is not read, is named."""

import os
import re
import shutil
import subprocess

import pytest

from test_postgres_drivers import BUILD, HERE, make  # first: it finds the modules of tests/e2e

from http_lab import CLIENT, SERVER, SONDE, Agent, losses, tool, total, wait_until
from test_tls import fixture_agent, fixture_certificate, fixture_lab  # pylint: disable=unused-import
from test_tls_peers import CONNECTIONS, REQUESTS, SERVERS, start_servers

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
UNREAD = "sonde_tls_unread_connections_total"


def build(name, stripped=False, program=None):
    """The client, or another program; the first time takes minutes."""
    folder = os.path.join(BUILD, f"tls-{name}")
    shutil.copytree(os.path.join(HERE, "tls", name), folder, dirs_exist_ok=True)
    make([tool("cargo"), "build", "--release", "--quiet"], folder, timeout=1200)
    program = os.path.join(folder, "target", "release", program or f"{name}-client")
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


def hyper(lab, certificate, service="servers", servers=SERVERS, stripped=False, **environment):
    """A hyper server on rustls and AWS-LC; its ports."""
    program = build("hyper", stripped, "server")
    log = os.path.join(lab.folder, f"{service}.log")
    lab.start([program, certificate[1], certificate[0], str(servers)], service, **environment)
    return wait_until(lambda: open(log, encoding="ascii").read().split(), 10, "the ports")


def known(lab, certificate, program):
    """Programs new to sonde are hooked when they are first seen, which may be later than their first record."""
    ports = hyper(lab, certificate, "first", 1)
    lab.start([program, "1", "1000000", "0", *ports], "first")
    for metric in (CLIENT, SERVER):
        wait_until(lambda metric=metric: total(lab.agent.samples(), metric, service_name=f"{lab.prefix}-first"), 20,
                   "both to be hooked")
    lab.stop()
    lab.processes.clear()


def asked(lab, ports, version, each):
    """Every request under the right port, none without."""
    return {
        **{lab.key(CLIENT, "client", server_address=f"name-{number}", server_port=port, url_scheme="https",
                   http_response_status_code="200", tls_protocol_version=version): each
           for number, port in enumerate(ports)},
        lab.key(CLIENT, "client"): each * len(ports),
        lab.key(SERVER, "servers", tls_protocol_version=version, http_response_status_code="200"): each * len(ports),
        lab.key(UNREAD, "client"): 0,
        lab.key(UNREAD, "servers"): 0,
    }


@pytest.mark.parametrize("version, cipher", [("1.3", "AES_256"), ("1.3", "CHACHA20"), ("1.2", "AES_128"),
                                             ("1.2", "CHACHA20")])
@pytest.mark.parametrize("client", ["client", "stream"])
def test_rustls_on_aws_lc(lab, certificate, client, version, cipher):
    """hyper, asked by reqwest and by rustls's own stream: 200 connections to 20 servers, and 5 MB each way."""
    program = build("hyper", program=client)
    known(lab, certificate, program)
    ports = hyper(lab, certificate, TLS_VERSION=version, TLS_CIPHER=cipher)
    lab.run([program, str(CONNECTIONS), str(REQUESTS), "0", *ports], "client")
    each = CONNECTIONS // SERVERS * REQUESTS
    lab.expect(asked(lab, ports, version, each))
    lab.run([program, "4", "3", "5000000", *ports[:2]], "large")
    lab.expect({lab.key(CLIENT, "large", http_request_method="POST", http_response_status_code="200"): 12,
                lab.key(CLIENT, "large"): 12,
                lab.key(SERVER, "servers", http_request_method="POST", http_response_status_code="200"): 12,
                lab.key(SERVER, "servers"): each * SERVERS + 12})


def test_rustls_sessions_before_the_agent(lab, certificate, tmp_path_factory):
    """Both ends are older than the agent: from their next record on."""
    program = build("hyper", program="stream")
    known(lab, certificate, program)
    ports = hyper(lab, certificate)
    go = os.path.join(lab.folder, "go")
    client = lab.start([program, str(CONNECTIONS), str(REQUESTS), "0", *ports], "client", GO=go)
    lab.expect({lab.key(CLIENT, "client"): CONNECTIONS})
    first, late = lab.agent, Agent(lab.agent.cgroup, str(tmp_path_factory.mktemp("late") / "sonde.log"))
    try:
        lab.agent, lab.before = late, {key: 0 for key in losses(late.samples())}
        with open(go, "w", encoding="ascii"):
            pass
        assert client.wait(timeout=60) == 0
        wanted = asked(lab, ports, "1.3", CONNECTIONS // SERVERS * (REQUESTS - 1))
        lab.expect({(name, tuple(label for label in labels if label[0] != "tls_protocol_version")): value
                    for (name, labels), value in wanted.items()})
    finally:
        lab.agent = first
        late.process.kill()
        late.process.wait()
        late.log.close()


def test_rustls_without_symbols(lab, certificate):
    """Named, by the agent and by doctor."""
    ports = hyper(lab, certificate, stripped=True)
    server = lab.processes[-1]
    text = subprocess.run([SONDE, "doctor", "--pid", str(server.pid)], stdout=subprocess.PIPE, text=True,
                          check=False).stdout
    assert re.search(r"^no +tls +\S+/server-stripped: rustls, not read: .*symbols", text, re.MULTILINE)
    lab.run([build("hyper", program="client"), "20", "2", "0", *ports], "client")
    lab.expect({lab.key(UNREAD, "servers", tls_library="rustls"): 20, lab.key(SERVER, "servers"): 0})


def hook_runs(samples):
    hooks = {s.labels["program"] for s in samples if s.name == "sonde_hook_info" and "probe" in s.labels["hook"]}
    return total([s for s in samples if s.labels.get("program") in hooks], "sonde_bpf_program_runs_total")


def test_hooks_of_rustls(lab, certificate, tmp_path_factory):
    """A read and a write on each end: entries, and returns where the kernel cannot leave them out."""
    program, requests = build("hyper", program="client"), 2000
    first, counting = lab.agent, Agent(lab.agent.cgroup, str(tmp_path_factory.mktemp("counting") / "sonde.log"),
                                       "--capture.program-stats")
    try:
        lab.agent = counting
        known(lab, certificate, program)
        ports = hyper(lab, certificate, servers=1)
        before = hook_runs(counting.samples())
        lab.run([program, "1", str(requests), "0", *ports], "client")
        wait_until(lambda: total(counting.samples(), CLIENT, service_name=f"{lab.prefix}-client") == requests, 5,
                   "all requests")
        each = (hook_runs(counting.samples()) - before) / requests
        print(f"{each / 2:.2f} hooks for a request on each end")
        assert round(each) in (6, 8) and abs(each - round(each)) < 0.1
    finally:
        lab.agent = first
        counting.stop()
