# SPDX-License-Identifier: Apache-2.0
"""Half an hour (SOAK_SECONDS) of everything at once: HTTP on kept and on short connections, Redis, PostgreSQL,
processes and cgroups that live for milliseconds, three ways of scraping, a collector that is there for half of the
time, SIGHUP. At the end every count must be that of the servers' own books, and what the agent holds must not have
grown: whatever leaks, or goes wrong once in a million times, shows here.

The rates leave the machine room: this is no load test, and nothing may be lost. `make soak`.
"""

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

import pytest

E2E = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e")
sys.path.insert(0, E2E)

from http_lab import ROOT, SERVER, Agent, Cgroup, Lab, losses, total, tool, wait_until  # noqa: E402
from otlp_receiver import Receiver  # noqa: E402
from postgres_lab import CLIENT as PG_CLIENT, SERVER as PG_SERVER, Postgres, told  # noqa: E402
from redis_lab import Server as Redis, expect as expect_redis  # noqa: E402
from test_http_servers import start_nginx, stub_requests  # noqa: E402

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
SECONDS = float(os.environ.get("SOAK_SECONDS", "1800"))
SAMPLE_SECONDS = 5
GROWTH_KIB = 1024  # of resident memory, between the second quarter and the last
ACCEPT = ("text/plain", "application/openmetrics-text;version=1.0.0",
          "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
SHORT = """import http.client
for number in range(200):
    connection = http.client.HTTPConnection("127.0.0.1", {port}, timeout=20)
    connection.request("GET", "/small.txt" if number % 10 else "/none")
    connection.getresponse().read()
    connection.close()
"""


class Loads:
    """Threads that repeat something until the time is over; the first failure is kept, and ends all."""

    def __init__(self, seconds):
        self.deadline = time.monotonic() + seconds
        self.failure = None
        self.threads = []

    def over(self):
        return self.failure is not None or time.monotonic() >= self.deadline

    def wait(self, seconds):
        end = time.monotonic() + seconds
        while not self.over() and time.monotonic() < end:
            time.sleep(min(0.2, seconds))

    def repeat(self, work, pause=0.0):
        def run():
            while not self.over():
                try:
                    work()
                except BaseException as failure:  # pylint: disable=broad-except
                    self.failure = self.failure or failure
                self.wait(pause)

        self.threads.append(threading.Thread(target=run, name=work.__name__))
        self.threads[-1].start()

    def join(self):
        for thread in self.threads:
            thread.join()
        if self.failure:
            raise self.failure


class World:
    """What the loads share."""

    def __init__(self, folder):
        self.folder = folder
        self.cgroup = Cgroup("-soak")
        self.parts = []
        self.figures = []
        self.spans = 0
        self.scrapes = 0
        try:
            self.receiver = self.add(Receiver())
            self.agent = self.add(Agent(self.cgroup, os.path.join(folder, "sonde.log"),
                                        f"--otlp.endpoint={self.receiver.url}", "--trace.sampler-arg=0.05",
                                        "--trace.sampler=parentbased_traceidratio"))
            self.lab = self.add(Lab(self.cgroup, self.agent, folder, "soak"))
            self.nginx = start_nginx(self.lab, "nginx")
            self.redis = Redis(self.lab)
            self.postgres = self.add(Postgres(self.cgroup))
            self.postgres.psql("CREATE DATABASE base")
            self.postgres.psql("CREATE EXTENSION pg_stat_statements")
            subprocess.run([f"{self.postgres.bin}/pgbench", "-iq", "-s", "1", "base"], check=True, capture_output=True,
                           env=self.postgres.environment("base"))
            self.postgres.psql("CREATE DATABASE soak TEMPLATE base")
            self.postgres.forget()
        except BaseException:
            self.stop()
            raise

    def add(self, part):
        self.parts.append(part)
        return part

    def stop(self):
        for part in reversed(self.parts):
            part.stop()
        self.cgroup.remove()

    # --- loads

    def kept_connections(self):
        self.lab.run([os.path.join(ROOT, "build", "tests", "bench", "load"), "-p", str(self.nginx), "-r", "2000",
                      "-d", "10", "-c", "16", "-u", "/small.txt"], "load")

    def short_connections(self):
        self.lab.run([sys.executable, "-c", SHORT.format(port=self.nginx)], "short")

    def redis_calls(self):
        self.lab.run([tool("redis-benchmark"), *self.redis.where(), "-q", "-n", "3000", "-c", "20", "-P", "8",
                      "-r", "500", "-t", "set,get,incr,lpush,lpop,mset"], "bench")

    def postgres_calls(self):
        for mode in ("simple", "extended", "prepared"):
            self.pgbench("-M", mode, "-R", "300", "-c", "8", "-T", "10", "-S")

    def pgbench(self, *arguments):
        subprocess.run([f"{self.postgres.bin}/pgbench", "-n", *arguments, "soak"], check=True, capture_output=True,
                       env={**os.environ, **self.postgres.environment("soak")}, preexec_fn=self.cgroup.enter,
                       cwd="/tmp")

    def processes(self):
        for _ in range(10):
            subprocess.run(["true"], check=True, preexec_fn=self.cgroup.enter)

    def cgroups(self):
        for number in range(5):
            path = os.path.join(self.cgroup.path, f"short-{number}")
            os.mkdir(path)
            subprocess.run(["sh", "-c", f"echo 0 > {path}/cgroup.procs"], check=True)
            wait_until(lambda at=path: self.removed(at), 10, f"{path} to be empty")

    @staticmethod
    def removed(path):
        with contextlib.suppress(OSError):
            os.rmdir(path)
            return True
        return False

    # --- what the agent goes through meanwhile

    def scrape(self):
        request = urllib.request.Request(f"http://127.0.0.1:{self.agent.port}/metrics", headers={
            "Accept": ACCEPT[self.scrapes % len(ACCEPT)],
            "Accept-Encoding": "gzip" if self.scrapes % 2 else "identity"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200 and answer.read()
        self.scrapes += 1

    def collector(self, mode):
        self.receiver.mode = mode
        with self.receiver.lock:
            requests, self.receiver.requests[:] = list(self.receiver.requests), []
        self.spans += sum(len(scope.spans) for path, _, message in requests if path.endswith("traces")
                          for resource in message.resource_spans for scope in resource.scope_spans)
        self.receiver.attempts.clear()

    def reload(self):
        self.agent.process.send_signal(signal.SIGHUP)

    def sample(self):
        pid = self.agent.process.pid
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            resident = next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))
        samples = self.agent.samples()
        self.figures.append({
            "resident, KiB": resident,
            "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
            "threads": len(os.listdir(f"/proc/{pid}/task")),
            "samples": len(samples),
            "BPF maps, bytes": total(samples, "sonde_bpf_map_memory_bytes"),
        })


def quarters(figures, name):
    """The medians of the second quarter and of the last: in the first the series come into being."""
    values = [figure[name] for figure in figures]
    quarter = len(values) // 4
    return statistics.median(values[quarter:2 * quarter]), statistics.median(values[-quarter:])


@pytest.fixture(name="world")
def fixture_world(tmp_path):
    world = World(str(tmp_path))
    try:
        yield world
    finally:
        world.stop()


def run_loads(world):
    loads = Loads(SECONDS)
    for work, pause in ((world.kept_connections, 0), (world.short_connections, 2), (world.redis_calls, 3),
                        (world.postgres_calls, 1), (world.processes, 1), (world.cgroups, 5), (world.scrape, 2),
                        (world.sample, SAMPLE_SECONDS), (world.reload, 60)):
        loads.repeat(work, pause)
    modes = ("ok", "503", "ok", "hang", "ok", "close", "ok", "429 5")
    for number in range(10 ** 9):
        if loads.over():
            break
        world.collector(modes[number % len(modes)])
        loads.wait(15)
    world.receiver.release.set()
    world.collector("ok")
    loads.join()


def http_is_exact(world):
    """nginx's own count has the question for it."""
    wanted = {world.lab.key(SERVER, "nginx"): float(stub_requests(world.nginx))}
    samples = world.lab.expect(wanted)
    return int(total(samples, SERVER, service_name="soak-nginx"))


def postgres_is_exact(world):
    wanted = (world.postgres.books("soak"), {})

    def both():
        samples = world.agent.samples()
        return [told(samples, metric, "soak") for metric in (PG_CLIENT, PG_SERVER)]

    got = both()
    for _ in range(100):
        if got == [wanted, wanted]:
            break
        time.sleep(0.05)
        got = both()
    assert got == [wanted, wanted]
    return sum(wanted[0].values())


def test_soak(world):
    before = losses(world.agent.samples())
    run_loads(world)
    requests = http_is_exact(world)
    samples = expect_redis(world.lab, world.redis, ["bench"])
    statements = postgres_is_exact(world)
    assert losses(world.agent.samples()) == before
    wait_until(lambda: total(world.agent.samples(), "sonde_otlp_queue_bytes") == 0, 30, "an empty queue")
    world.collector("ok")
    sent = total(world.agent.samples(), "sonde_otlp_sent_total", signal="traces")
    assert world.spans == sent
    calls = sum(world.redis.books().calls.values())
    print(f"\n{SECONDS:.0f} s: {requests} requests, {calls} Redis calls, {statements} statements exact; {world.spans} "
          f"spans taken, {sent:.0f} sent; {world.scrapes} scrapes; {len(samples)} samples at the end")
    grown = {}
    for name in world.figures[0]:
        grown[name] = quarters(world.figures, name)
        if os.environ.get("SOAK_ALL"):
            print([figure[name] for figure in world.figures])
        print(f"{name}: second quarter {grown[name][0]:.0f}, last quarter {grown[name][1]:.0f}, "
              f"largest {max(figure[name] for figure in world.figures):.0f}")
    for name, (early, late) in grown.items():
        slack = GROWTH_KIB if name == "resident, KiB" else 4 if name in ("descriptors", "threads") else early * 0.02
        assert late <= early + slack, f"{name} has grown"
