# SPDX-License-Identifier: Apache-2.0
"""TLS whose own functions cannot be hooked, read where it encrypts its records: a stand-in for rustls on AWS-LC, whose
functions have the names and arguments of AWS-LC's, over real sockets, with a cipher that hides nothing. The real ones
are in tests/drivers."""

import os
import subprocess

import pytest

from http_lab import CLIENT, SERVER, SONDE, Agent, Cgroup, Lab, losses, tool, total, wait_until
from test_tls_peers import CONNECTIONS, REQUESTS, SERVERS, assert_peers, free_ports
from tls_records_program import PROGRAM

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def build(lab, form=0, opening=0, padding=0, over=0, away=0):
    program = os.path.join(lab.folder, "records")
    subprocess.run([tool("gcc"), "-O1", f"-DFORM={form}", f"-DOPEN={opening}", f"-DPAD={padding}", f"-DOVER={over}",
                    f"-DAWAY={away}", "-o", program, lab.file("records.c", PROGRAM), "-pthread"], check=True)
    return program


@pytest.fixture(name="agent", scope="module")
def fixture_agent(tmp_path_factory):
    cgroup = Cgroup()
    agent = Agent(cgroup, str(tmp_path_factory.mktemp("agent") / "sonde.log"))
    agent.cgroup = cgroup
    try:
        yield agent
    finally:
        agent.stop()
        cgroup.remove()


@pytest.fixture(name="lab")
def fixture_lab(agent, tmp_path, request):
    lab = Lab(agent.cgroup, agent, str(tmp_path), request.node.name)
    try:
        yield lab
    finally:
        lab.stop()


def serve(lab, program, version, count=SERVERS):
    ports = free_ports(count)
    lab.start([program, "serve", version, *map(str, ports)], "servers", ports[-1])
    return ports


def hooked(lab, program, version):
    """A program that is new to sonde: the first connection of its life may be faster than the hooks."""
    files = total(lab.agent.samples(), "sonde_tls_files")
    process = lab.start([program, "serve", version, str(free_ports(1)[0])])
    wait_until(lambda: total(lab.agent.samples(), "sonde_tls_files") == files + 1, 5, "the program to be hooked")
    process.kill()


@pytest.mark.parametrize("version, form, opening, padding", [
    ("1.3", 0, 0, 0), ("1.3", 0, 1, 0), ("1.3", 1, 2, 0), ("1.3", 2, 1, 0), ("1.3", 0, 0, 300), ("1.2", 0, 1, 0),
    ("1.2", 1, 0, 0),
])
def test_peers(lab, version, form, opening, padding):
    """Each record once, in whatever form and however `open` does its work; nothing of handshakes and tickets; and
    nothing of what is encrypted by the same functions and is no TLS."""
    program = build(lab, form, opening, padding)
    hooked(lab, program, version)
    ports = serve(lab, program, version)
    lab.run([program, "ask", version, str(CONNECTIONS), str(REQUESTS), "0", "/", *map(str, ports)], "client")
    assert_peers(lab, ports, "client", CONNECTIONS // SERVERS * REQUESTS)
    lab.expect({
        lab.key(CLIENT, "client", tls_protocol_version=version): CONNECTIONS * REQUESTS,
        lab.key(SERVER, "servers", http_response_status_code="200"): CONNECTIONS * REQUESTS,
        lab.key("sonde_tls_unread_connections_total", "client"): 0,
    })


def test_pages_away(lab):
    """What tells that a call is a record lies where nobody has looked yet."""
    program = build(lab, away=1)
    hooked(lab, program, "1.3")
    ports = serve(lab, program, "1.3")
    lab.run([program, "ask", "1.3", str(CONNECTIONS), str(REQUESTS), "0", "/", *map(str, ports)], "client")
    assert_peers(lab, ports, "client", CONNECTIONS // SERVERS * REQUESTS)


def test_libssl_beside(lab):
    """A program that has a libssl on the same functions: what that one tells is told once."""
    program = build(lab, over=1)
    hooked(lab, program, "1.3")
    ports = serve(lab, program, "1.3")
    before = total(lab.agent.samples(), "sonde_tls_sessions_total", join="ciphertext")
    lab.run([program, "ask", "1.3", str(CONNECTIONS), str(REQUESTS), "0", "/", *map(str, ports)], "client")
    assert_peers(lab, ports, "client", CONNECTIONS // SERVERS * REQUESTS)
    assert total(lab.agent.samples(), "sonde_tls_sessions_total", join="ciphertext") == before


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_large_requests(lab, version):
    """Two megabytes each way before the other direction says a word."""
    program = build(lab)
    hooked(lab, program, version)
    ports = serve(lab, program, version, 2)
    lab.run([program, "ask", version, "4", "3", "2000000", "/", *map(str, ports)], "client")
    assert_peers(lab, ports, "client", 2 * 3)


def test_older_sessions(lab, tmp_path_factory):
    """Sessions that were there before the agent: from their next record on. And what it leaves when it is killed."""
    program = build(lab)
    hooked(lab, program, "1.3")
    ports = serve(lab, program, "1.3")
    go = os.path.join(lab.folder, "go")
    client = lab.start([program, "ask", "1.3", str(CONNECTIONS), str(REQUESTS), "0", go, *map(str, ports)], "client")
    first = lab.agent
    lab.expect({lab.key(CLIENT, "client"): CONNECTIONS})
    late = Agent(lab.cgroup, str(tmp_path_factory.mktemp("late") / "sonde.log"))
    try:
        lab.agent, lab.before = late, None
        with open(go, "w", encoding="ascii"):
            pass
        assert client.wait(timeout=60) == 0
        lab.before = {key: 0 for key in losses(late.samples())}
        assert_peers(lab, ports, "client", CONNECTIONS // SERVERS * (REQUESTS - 1))
    finally:
        lab.agent = first
        late.process.kill()
        late.process.wait()
        late.log.close()


def test_doctor(lab):
    program = build(lab)
    stripped = os.path.join(lab.folder, "stripped")
    subprocess.run([tool("strip"), "-o", stripped, program], check=True)
    for path, wanted in ((program, f"ok    tls           {program}: rustls, read\n"),
                         (stripped, f"no    tls           {stripped}: rustls, not read: ")):
        process = lab.start([path, "serve", "1.3", str(free_ports(1)[0])])
        text = subprocess.run([SONDE, "doctor", "--pid", str(process.pid)], stdout=subprocess.PIPE, text=True,
                              check=False).stdout
        assert wanted in text
