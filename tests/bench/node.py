#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a scrape of the host's metrics costs, beside node_exporter with the same collectors on the same machine:
`tests/bench/node.py [--rounds N] [--scrapes N]`. Rounds of the two alternate; CPU time is all threads', in nanoseconds,
gzip as Prometheus asks for it. Then a host of 512 processors, 1,000 network devices and 100,000 mounts, of files."""

import argparse
import http.client
import os
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))
import node_fixture  # noqa: E402
import node_lab  # noqa: E402  (the end-to-end tests know how to run the two)

WARM = 20


def cpu_seconds(pid):
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) * 1024


def scrape(connection):
    begin = time.perf_counter()
    connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
    connection.getresponse().read()
    return time.perf_counter() - begin


def one_round(server, scrapes, warm=WARM):
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    for _ in range(warm):
        scrape(connection)
    before = cpu_seconds(server.process.pid)
    times = sorted(scrape(connection) for _ in range(scrapes))
    used = cpu_seconds(server.process.pid) - before
    connection.close()
    return used / scrapes, times[len(times) // 2], times[int(len(times) * 0.99)]


def program(name):
    path = os.path.join(node_lab.ROOT, "build", "tools", "bin", name)
    return path if os.path.exists(path) else None


def start(folder, path):
    common = sorted(node_lab.collectors(path) & node_lab.collectors(node_lab.SONDE)
                    - {"interrupts", "processes", "systemd", "tcpstat"})  # off by default
    flags = ["--collector.disable-defaults", "--web.disable-exporter-metrics",
             *(f"--collector.{name}" for name in common), *node_lab.PATTERNS]
    node = node_lab.start_node_exporter(path, folder, *flags)
    return node, node_lab.start_sonde(folder, "--no-container.enabled", *flags), len(common)


def measure(path, rounds, scrapes):
    with tempfile.TemporaryDirectory(prefix="sonde-bench-") as folder:
        node, sonde, count = start(folder, path)
        try:
            figures = {server: [one_round(server, scrapes) for _ in range(1)] for server in (node, sonde)}
            for _ in range(rounds - 1):
                for server in (node, sonde):
                    figures[server].append(one_round(server, scrapes))
            memory = {server: resident(server.process.pid) for server in (node, sonde)}
        finally:
            sonde.stop()
            node.stop()
    return figures[node], figures[sonde], memory[node], memory[sonde], count


def report(path, rounds, scrapes):
    theirs, ours, their_memory, our_memory, count = measure(path, rounds, scrapes)
    version = node_lab.version(path)
    print(f"scrape of {count} collectors, {rounds} rounds of {scrapes}: medians (node_exporter {version})")
    print(f"{'':<28} {'node_exporter':>14} {'sonde':>10} {'ratio':>7}")
    for index, (title, factor, unit) in enumerate((("CPU per scrape", 1e3, "ms"), ("latency p50", 1e3, "ms"),
                                                    ("latency p99", 1e3, "ms"))):
        one, other = (statistics.median(row[index] for row in rows) * factor for rows in (theirs, ours))
        print(f"{title + ', ' + unit:<28} {one:>14.3f} {other:>10.3f} {other / one:>7.3f}")
    print(f"{'resident memory, MiB':<28} {their_memory / 2**20:>14.1f} {our_memory / 2**20:>10.1f} "
          f"{our_memory / their_memory:>7.3f}")


def report_large(scrapes):
    """In memory, where that is mounted: these are tens of thousands of files."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        sonde = node_lab.start_sonde(folder, "--no-container.enabled", *node_fixture.make_large(folder))
        try:
            rows = [one_round(sonde, 1, warm=2) for _ in range(scrapes)]
        finally:
            sonde.stop()
    used = sorted(row[0] * 1e3 for row in rows)
    print(f"512 processors, 1,000 network devices, 100,000 mounts: CPU per scrape {statistics.median(used):.1f} ms "
          f"({used[0]:.1f} .. {used[-1]:.1f}), goal 100")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--scrapes", type=int, default=200)
    options = parser.parse_args()
    path = program("node_exporter") or program("prometheus-node-exporter")
    if not path:
        print("bench: no node_exporter to compare with: run `sudo make setup`", file=sys.stderr)
        return 2
    report(path, options.rounds, options.scrapes)
    report_large(5)
    return 0


if __name__ == "__main__":
    sys.exit(main())
