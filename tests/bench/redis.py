#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What sonde costs Redis: redis-benchmark without pipelining and with it; the agent off, on for the server, and on for
both ends, in turn. Counts are held against the server's own `commandstats`. Needs root, and a server as `make setup`
unpacks it."""

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))

import host  # noqa: E402
import measure  # noqa: E402
import report  # noqa: E402
from http_lab import Agent, Cgroup, answers, free_port, tool, total, wait_until  # noqa: E402
from redis_lab import DURATION, Books  # noqa: E402

COMMANDS = ("SET", "GET")
REQUESTS = {1: 60_000, 16: 400_000}  # of each command, for each second that a run shall take
SIDES = {"off": [], "server": ["server"], "both ends": ["server", "client"]}
SETTLE_SECONDS = 5


class Redis:
    """A server on a processor of its own, in the cgroup that is observed."""

    def __init__(self, folder, cgroup, cpu):
        self.port = free_port()
        command = ["taskset", "-c", str(cpu), tool("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1",
                   "--save", "", "--dir", folder]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                                        preexec_fn=cgroup.enter)
        wait_until(lambda: answers(self.port), 10, "redis-server to answer")

    def ask(self, *words):
        return subprocess.run([tool("redis-cli"), "-p", str(self.port), *words], check=True, capture_output=True,
                              text=True).stdout

    def calls(self):
        """Since the books were emptied."""
        calls = Books(self.ask("info", "everything")).calls
        return {command: calls.get(command, 0) for command in COMMANDS}

    def stop(self):
        self.process.terminate()
        self.process.wait()


def load(redis, depth, options, cgroup=None):
    """One run of redis-benchmark. Commands in a second, p50 and p99 in us of a SET and a GET together."""
    command = ["taskset", "-c", str(options.load_cpu), tool("redis-benchmark"), "-p", str(redis.port), "--csv",
               "-t", "set,get", "-c", str(options.connections), "-P", str(depth), "-r", "10000",
               "-n", str(REQUESTS[depth] * options.seconds // 2)]
    done = subprocess.run(command, check=True, capture_output=True, text=True,
                          preexec_fn=cgroup.enter if cgroup else None)
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [row["test"] for row in rows] == list(COMMANDS)
    return {"rate": len(rows) / sum(1 / float(row["rps"]) for row in rows),
            "p50": statistics.mean(1000 * float(row["p50_latency_ms"]) for row in rows),
            "p99": statistics.mean(1000 * float(row["p99_latency_ms"]) for row in rows)}


def told(samples, side):
    return {command: sum(total(samples, name, db_operation_name=command) for name in DURATION[side])
            for command in COMMANDS}


def counted(agent, wanted, sides):
    """Commands that were counted wrong, and events lost, once the counts are right or the time is over."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        samples = agent.samples()
        wrong = sum(abs(told(samples, side)[name] - wanted[name]) for side in sides for name in wanted)
        if not wrong or time.monotonic() > deadline:
            return {"count_error": int(wrong), "lost": int(total(samples, "sonde_events_lost_total"))}
        time.sleep(0.05)


def one_run(setting, depth, mode):
    options, folder, cgroup, redis = setting
    agent = Agent(cgroup, os.path.join(folder, "sonde.log")) if SIDES[mode] else None
    try:
        redis.ask("config", "resetstat")
        pids = {"redis": redis.process.pid, **({"agent": agent.process.pid} if agent else {})}
        before = {name: host.cpu_ns(pid) for name, pid in pids.items()}
        bpf = host.bpf_run_ns(agent.process.pid) if agent else (0, 0)
        figures = load(redis, depth, options, cgroup if mode == "both ends" else None)
        used = {name: host.cpu_ns(pid) - before[name] for name, pid in pids.items()}
        after = host.bpf_run_ns(agent.process.pid) if agent else (0, 0)
        wanted = redis.calls()
        done = sum(wanted.values())
        figures.update({f"{name}_ns": ns / done for name, ns in used.items()}, counted=done * len(SIDES[mode]))
        figures.update(bpf_ns=(after[0] - bpf[0]) / done, bpf_runs=(after[1] - bpf[1]) / done)
        if agent:
            figures.update(counted(agent, wanted, SIDES[mode]))
        return figures
    finally:
        if agent:
            agent.stop()


def compared(runs, mode, depth):
    """Rows of one depth: the agent off against one way of observing."""
    off, on = runs[depth, "off"], runs[depth, mode]
    rows = []
    for title, key in (("commands/s", "rate"), ("  p50, us", "p50"), ("  p99, us", "p99"),
                       ("  server's CPU, ns/command", "redis_ns")):
        before, after = report.pick(off, key), report.pick(on, key)
        name = f"-P {depth}, {mode}, {title}" if key == "rate" else title
        rows.append([name, report.spread(before), report.spread(after), report.ratio(before, after)])
    cost = runs[depth, mode, "bpf"]
    rows += [["  agent's CPU, ns/command", "", report.spread(report.pick(on, "agent_ns")), ""],
             ["  BPF time, ns/command", "", f"{cost['bpf_ns']:,.0f} in {cost['bpf_runs']:.2f} runs", ""],
             ["  count error", "", f"{sum(report.pick(on, 'count_error'))} of {sum(report.pick(on, 'counted')):,}", ""],
             ["  events lost", "", f"{sum(report.pick(on, 'lost'))}", ""]]
    return rows


def measured(options, folder):
    """Runs by depth and mode."""
    cgroup = Cgroup()
    redis = None
    runs = {}
    try:
        redis = Redis(folder, cgroup, options.server_cpu)
        setting = options, folder, cgroup, redis
        for depth in REQUESTS:
            one_run(setting, depth, "off")  # fills the keys, warms caches
            for _ in range(options.pairs):
                for mode in SIDES:
                    runs.setdefault((depth, mode), []).append(one_run(setting, depth, mode))
            for mode in [mode for mode in SIDES if SIDES[mode]]:
                with measure.bpf_statistics():
                    runs[depth, mode, "bpf"] = one_run(setting, depth, mode)
        return runs
    finally:
        if redis:
            redis.stop()
        cgroup.remove()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5, help="of runs with the agent off and on")
    parser.add_argument("--seconds", type=int, default=4, help="of each run, about")
    parser.add_argument("--connections", type=int, default=50, help="of redis-benchmark")
    parser.add_argument("--server-cpu", type=int, default=0, help="of redis-server")
    parser.add_argument("--load-cpu", type=int, default=1, help="of redis-benchmark")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sonde-bench-") as folder:
        runs = measured(options, folder)
    rows = [["", "agent off", "agent on", "on/off"]]
    for depth in REQUESTS:
        for mode in [mode for mode in SIDES if SIDES[mode]]:
            rows += compared(runs, mode, depth)
    report.print_table(rows)
    wrong = sum(run["count_error"] + run["lost"] for key, some in runs.items() if len(key) == 2 and key[1] != "off"
                for run in some)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
