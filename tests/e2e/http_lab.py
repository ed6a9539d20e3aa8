# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests of HTTP share: a cgroup for what they start, the agent, and its metrics.

Servers and load run inside the cgroup and only it is selected; pytest and the agent stay outside, so nothing else on
the machine is observed.
"""

import collections
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SONDE = os.path.join(ROOT, "build", "sonde")
READY_SECONDS = 40
METRIC_SECONDS = 5
SERVER = "http_server_request_duration_seconds_count"
CLIENT = "http_client_request_duration_seconds_count"
SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Sample = collections.namedtuple("Sample", "name labels value")


def tool(name):
    """Its path: installed, or unpacked by `make setup`. Skips the test when it is neither."""
    places = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/go/bin:" + os.path.join(ROOT, "build", "tools", "bin")
    path = shutil.which(name, path=places)
    if not path:
        pytest.skip(f"{name} is not installed: run `sudo make setup`")
    return path


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def wait_until(condition, seconds, what):
    """The condition's first true value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


class Cgroup:
    """A child of the v2 tree's root, removed with what is left in it."""

    def __init__(self, name=""):
        mounts = [line.split() for line in open("/proc/mounts", encoding="utf-8")]
        root = next((fields[1] for fields in mounts if fields[2] == "cgroup2"), None)
        if root is None:
            pytest.skip("no cgroup v2 tree is mounted")
        self.path = os.path.join(root, f"sonde-e2e-{os.getpid()}{name}")
        os.mkdir(self.path)

    def enter(self):
        """Runs in the child, before its exec."""
        with open(os.path.join(self.path, "cgroup.procs"), "w", encoding="ascii") as file:
            file.write("0")

    def members(self):
        with open(os.path.join(self.path, "cgroup.procs"), encoding="ascii") as file:
            return [int(line) for line in file]

    def remove(self):
        for pid in self.members():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not self.members(), 10, "the cgroup to be empty")
        os.rmdir(self.path)


def parse(text):
    samples = []
    for line in text.splitlines():
        match = SAMPLE.match(line)
        if match and not line.startswith("#"):
            samples.append(Sample(match[1], dict(LABEL.findall(match[2] or "")), float(match[3])))
    return samples


class Agent:
    """The agent under test, selecting one cgroup."""

    def __init__(self, cgroup, log_path, *arguments):
        self.port = free_port()
        self.log = open(log_path, "wb")
        command = [SONDE, "run", f"--web.listen-address=127.0.0.1:{self.port}", f"--select.cgroup={cgroup.path}"]
        self.process = subprocess.Popen([*command, *arguments], stdout=self.log, stderr=self.log)
        try:
            wait_until(self.ready, READY_SECONDS, "the agent to be ready")
        except AssertionError:
            self.process.kill()
            with open(log_path, encoding="utf-8", errors="replace") as file:
                print(file.read()[-2000:])
            raise

    def ready(self):
        assert self.process.poll() is None, "the agent ended"
        with contextlib.suppress(OSError, urllib.error.URLError):
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/ready", timeout=2) as answer:
                return answer.status == 200
        return False

    def samples(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            return parse(answer.read().decode())

    def stop(self):
        self.process.terminate()
        try:
            assert self.process.wait(timeout=10) == 0
        finally:
            self.process.kill()
            self.process.wait()
            self.log.close()


def total(samples, name, **labels):
    """Sum over the samples of this name that have all of these labels."""
    return sum(s.value for s in samples
               if s.name == name and all(s.labels.get(label) == value for label, value in labels.items()))


def losses(samples):
    """The counters that are asserted beside the data, by name and reason."""
    names = ("sonde_events_lost_total", "sonde_stream_out_of_step_total")
    for name in names:
        assert any(sample.name == name for sample in samples), f"{name} is not exported"
    return {(s.name, s.labels["reason"]): s.value for s in samples if s.name in names}


def told_losses(samples):
    """What may be the reason for a difference."""
    return {key: value for key, value in losses(samples).items() if value}


def differences(got, wanted):
    return "\n".join(f"{key}: expected {wanted[key]} got {got[key]}" for key in wanted if got[key] != wanted[key])


class Lab:
    """Starts processes in the cgroup and ends them. Their services have names that no other test uses."""

    def __init__(self, cgroup, agent, folder, prefix):
        self.cgroup = cgroup
        self.agent = agent
        self.folder = folder
        self.prefix = prefix
        self.processes = []
        self.before = losses(agent.samples())

    def key(self, metric, service, **labels):
        """A sum to be expected. A label that is None must be absent."""
        return metric, tuple(sorted({"service_name": f"{self.prefix}-{service}", **labels}.items()))

    def expect(self, wanted):
        """Every sum must reach its number and stay there, and nothing may have been lost meanwhile."""

        def told(samples):
            return {key: total(samples, key[0], **dict(key[1])) for key in wanted}

        return self.expect_told(told, wanted)

    def expect_told(self, told, wanted, lost=False):
        """Likewise, of what `told` makes of all samples. `lost`: the losses are the caller's to look at."""

        def seen():
            samples = self.agent.samples()
            return samples, told(samples)

        deadline = time.monotonic() + METRIC_SECONDS
        samples, got = seen()
        while got != wanted and time.monotonic() < deadline:
            time.sleep(0.02)
            samples, got = seen()
        assert got == wanted, differences(got, wanted) + str(told_losses(samples))
        time.sleep(0.05)
        samples, got = seen()
        assert got == wanted, "went on growing: " + differences(got, wanted)
        after = losses(samples)
        assert lost or after == self.before, {key: after[key] - self.before[key] for key in after
                                              if after[key] != self.before[key]}
        return samples

    def start(self, command, service=None, port=None, **environment):
        """A server: returns when its port answers. The probe's connection says nothing, so it counts nothing."""
        env = {**os.environ, **environment}
        env.pop("OTEL_SERVICE_NAME", None)
        if service:
            env["OTEL_SERVICE_NAME"] = f"{self.prefix}-{service}"
        log = open(os.path.join(self.folder, f"{service}.log"), "ab")
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                   cwd=self.folder, preexec_fn=self.cgroup.enter)
        log.close()
        self.processes.append(process)
        if port:
            def up():
                assert process.poll() is None, f"{command[0]} ended with {process.returncode}"
                return answers(port)
            wait_until(up, READY_SECONDS, f"{command[0]} on port {port}")
        return process

    def run(self, command, service, timeout=120, stdin=None):
        """A client: returns its standard output."""
        env = {**os.environ, "OTEL_SERVICE_NAME": f"{self.prefix}-{service}"}
        done = subprocess.run(command, env=env, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False, timeout=timeout, cwd=self.folder, preexec_fn=self.cgroup.enter)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
