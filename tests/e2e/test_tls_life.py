# SPDX-License-Identifier: Apache-2.0
"""Hooks come and go: processes that live for milliseconds, libraries that are loaded late, replaced or let go, agents
that are killed. Each test uses a copy of libssl: another agent's hooks on the system's one say nothing here."""

import os
import shutil
import signal
import subprocess
import time

import pytest

from http_lab import CLIENT, SERVER, Agent, Cgroup, Lab, total, tool, wait_until
from test_tls import PYTHON, curl, fixture_certificate, start_nginx  # pylint: disable=unused-import

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
LIBRARIES = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64")


def copy_library(folder):
    """A folder for LD_LIBRARY_PATH with a libssl of its own."""
    source = next((f"{path}/libssl.so.3" for path in LIBRARIES if os.path.exists(f"{path}/libssl.so.3")), None)
    if not source:
        pytest.skip("no libssl.so.3 here")
    os.makedirs(folder, exist_ok=True)
    shutil.copy(source, folder)
    return str(folder)


@pytest.fixture(name="cgroup")
def fixture_cgroup():
    cgroup = Cgroup()
    yield cgroup
    cgroup.remove()


class Silent:
    """In place of an agent, while there is none."""

    def __init__(self):
        self.values = []

    def samples(self):
        return self.values


class Stage:
    """A lab whose agent comes when the test says so."""

    def __init__(self, cgroup, folder, name):
        self.cgroup = cgroup
        self.folder = folder
        self.agent = None
        self.lab = object.__new__(Lab)
        self.lab.__dict__.update(cgroup=cgroup, folder=str(folder), prefix=name, processes=[], agent=None, before={})

    def observe(self):
        self.agent = Agent(self.cgroup, str(self.folder / "sonde.log"))
        fresh = Lab(self.cgroup, self.agent, str(self.folder), self.lab.prefix)
        self.lab.agent, self.lab.before = self.agent, fresh.before

    def stop(self):
        self.lab.stop()
        if self.agent:
            self.agent.stop()


@pytest.fixture(name="stage")
def fixture_stage(cgroup, tmp_path, request):
    stage = Stage(cgroup, tmp_path, request.node.name)
    yield stage
    stage.stop()


PROBE = """
import ctypes, sys, zlib
library = ctypes.CDLL(sys.argv[1])
with open("/proc/self/maps") as maps:
    lines = [line.split() for line in maps if sys.argv[1] in line and " r-xp " in line]
begin, end = (int(word, 16) for word in lines[0][0].split("-"))
for line in sys.stdin:
    print(zlib.crc32(ctypes.string_at(begin, end - begin)), flush=True)
"""


def served():
    """By the one server there is: nginx overwrites its environment, so one that is older than the agent has no name."""
    return SERVER, (("url_scheme", "https"),)


def code_of(probe):
    probe.stdin.write("\n")
    probe.stdin.flush()
    return probe.stdout.readline().strip()


def test_killed_agent_leaves_nothing(stage):
    """A process looks at its library's code: breakpoints are there while the agent is, and gone when it was killed."""
    library = copy_library(stage.folder / "lib") + "/libssl.so.3"
    program = stage.lab.file("probe.py", PROBE)
    with subprocess.Popen([PYTHON, program, library], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          preexec_fn=stage.cgroup.enter) as probe:
        before = code_of(probe)
        stage.observe()
        hooked = code_of(probe)
        programs = [s for s in stage.agent.samples() if s.labels.get("hook") in ("uprobe", "uretprobe")]
        stage.agent.process.send_signal(signal.SIGKILL)
        stage.agent.process.wait()
        wait_until(lambda: code_of(probe) == before, 10, "the breakpoints to be gone")
        probe.stdin.close()
    stage.agent = None
    assert programs
    assert hooked != before


LATE = """
import sys
print("started", flush=True)
sys.stdin.readline()
import socket, ssl
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
for line in sys.stdin:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as raw, context.wrap_socket(raw) as sock:
        sock.sendall(b"GET /small.txt HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
        while sock.recv(4096):
            pass
    print("done", flush=True)
"""


def test_library_of_its_own_loaded_late(stage, certificate):
    """Not in the usual folders, loaded long after the process began. Hooked when it is mapped, or, where the kernel
    does not tell that, when the process begins its first connection: that one is then read or counted as unread."""
    port = start_nginx(stage.lab, certificate, "nginx")
    stage.observe()
    folder = copy_library(stage.folder / "lib")
    environment = {**os.environ, "OTEL_SERVICE_NAME": f"{stage.lab.prefix}-late", "LD_LIBRARY_PATH": folder}
    files = total(stage.agent.samples(), "sonde_tls_files")
    service = f"{stage.lab.prefix}-late"
    program = stage.lab.file("late.py", LATE)
    with subprocess.Popen([PYTHON, program, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          env=environment, preexec_fn=stage.cgroup.enter) as client:

        def proceed(answer):
            client.stdin.write("\n")
            client.stdin.flush()
            assert client.stdout.readline() == answer

        assert client.stdout.readline() == "started\n"
        time.sleep(3)  # longer than a process is looked at again after its beginning
        client.stdin.write("\n")
        proceed("done\n")
        wait_until(lambda: total(stage.agent.samples(), "sonde_tls_files") == files + 1, 5, "the library to be hooked")
        for _ in range(5):
            proceed("done\n")
        client.stdin.close()
        assert client.wait(timeout=10) == 0

    def seen():
        samples = stage.agent.samples()
        return (total(samples, CLIENT, service_name=service, url_scheme="https", server_port=str(port)) +
                total(samples, "sonde_unparsed_connections_total", service_name=service, reason="tls"))

    wait_until(lambda: seen() == 6, 5, "all six connections, read or counted")
    assert total(stage.agent.samples(), CLIENT, service_name=service, url_scheme="https") >= 5


def test_library_replaced_while_in_use(stage, certificate):
    """The old file has no name any more and the running server still uses it; the next one maps the new one."""
    folder = copy_library(stage.folder / "lib")
    os.environ["LD_LIBRARY_PATH"] = folder
    try:
        old = start_nginx(stage.lab, certificate, "nginx-old")
        shutil.copy(folder + "/libssl.so.3", folder + "/new")
        os.rename(folder + "/new", folder + "/libssl.so.3")
        new = start_nginx(stage.lab, certificate, "nginx-new")
        stage.observe()
    finally:
        del os.environ["LD_LIBRARY_PATH"]
    for port in (old, new):
        curl(stage.lab, "curl", *["-o", "/dev/null", f"https://127.0.0.1:{port}/small.txt"] * 7)
    stage.lab.expect({
        served(): 14,
        stage.lab.key(CLIENT, "curl", url_scheme="https"): 14,
    })


LET_GO = """
import _ctypes, ctypes, sys
for _ in range(200):
    library = ctypes.CDLL(sys.argv[1])
    context = ctypes.cast(library.TLS_method, ctypes.c_void_p).value
    library.SSL_free(None)
    _ctypes.dlclose(library._handle)
print("fine")
"""


def test_library_let_go(stage):
    library = copy_library(stage.folder / "lib") + "/libssl.so.3"
    stage.observe()
    assert stage.lab.run([PYTHON, stage.lab.file("let_go.py", LET_GO), library], "let-go") == "fine\n"


CONNECTED = """
import socket, ssl, sys
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as raw, context.wrap_socket(raw) as sock:
    print("connected", flush=True)
    for line in sys.stdin:
        sock.sendall(b"GET /small.txt HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        answer = b""
        while not answer.endswith(b"x" * 200):
            answer += sock.recv(4096)
        print("answered", flush=True)
"""


def test_connection_older_than_the_agent(stage, certificate):
    port = start_nginx(stage.lab, certificate, "nginx")
    program = stage.lab.file("connected.py", CONNECTED)
    environment = {**os.environ, "OTEL_SERVICE_NAME": f"{stage.lab.prefix}-old"}
    with subprocess.Popen([PYTHON, program, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          env=environment, preexec_fn=stage.cgroup.enter) as client:
        assert client.stdout.readline() == "connected\n"
        client.stdin.write("\n")
        client.stdin.flush()
        assert client.stdout.readline() == "answered\n"
        stage.observe()
        for _ in range(10):
            client.stdin.write("\n")
            client.stdin.flush()
            assert client.stdout.readline() == "answered\n"
        stage.lab.expect({
            served(): 10,
            stage.lab.key(CLIENT, "old", url_scheme="https", server_port=str(port)): 10,
        })
        client.stdin.close()


STORM = """
import os, sys, time
end, started = time.monotonic() + 3, 0
while time.monotonic() < end:
    pids = [os.posix_spawn("/bin/true", ["true"], {}) for _ in range(20)]
    started += len(pids)
    for pid in pids: os.waitpid(pid, 0)
print(started)
"""


def test_processes_that_come_and_go(stage, certificate):
    """As many as the machine can start, beside requests of which none is missed."""
    port = start_nginx(stage.lab, certificate, "nginx")
    stage.observe()
    began = time.monotonic()
    storm = stage.lab.file("storm.py", STORM)
    with subprocess.Popen([PYTHON, storm], stdout=subprocess.PIPE, text=True, preexec_fn=stage.cgroup.enter) as running:
        count = 0
        while time.monotonic() < began + 3:
            curl(stage.lab, "curl", "-o", "/dev/null", f"https://127.0.0.1:{port}/small.txt")
            count += 1
        started = int(running.communicate()[0])
    assert started > 300
    samples = stage.lab.expect({
        stage.lab.key(CLIENT, "curl", url_scheme="https", server_port=str(port)): count,
        served(): count,
    })
    print(f"{started} processes in 3 s, {count} requests, agent's CPU {total(samples, 'process_cpu_seconds_total')} s")
