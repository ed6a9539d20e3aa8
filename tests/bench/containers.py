#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a scrape of many containers costs: 1,000 cgroups with 5,000 sleeping processes, CPU time of the agent for each
scrape, its memory, its open files. Needs root and `make all build-tests`. Selects the cgroups that it makes."""

import argparse
import contextlib
import gzip
import os
import statistics
import subprocess
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SYSFS = "/sys/fs/cgroup"
TREES = ("cpu", "cpuacct", "memory", "pids", "blkio")


def directories(name):
    unified = os.path.exists(os.path.join(SYSFS, "cgroup.controllers"))
    paths = [os.path.join(SYSFS, tree, name) for tree in ([""] if unified else TREES)]
    for path in paths:
        os.mkdir(path)
    for path in ([SYSFS, paths[0]] if unified else []):
        with open(os.path.join(path, "cgroup.subtree_control"), "w", encoding="ascii") as file:
            file.write("+cpu +memory +pids +io")
    return paths


def cpu_ms(pid):
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0]) / 1e6


def status_kib(pid, key):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key + ":"))


def scrape(port, encoding):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Accept-Encoding": encoding})
    with urllib.request.urlopen(request, timeout=60) as answer:
        body = answer.read()
        return gzip.decompress(body) if answer.headers.get("Content-Encoding") == "gzip" else body


def measure(pid, port, encoding, scrapes):
    """Median CPU milliseconds of the agent for a scrape, less what it uses meanwhile anyway."""
    costs = []
    for _ in range(scrapes):
        before, began = cpu_ms(pid), time.monotonic()
        body = scrape(port, encoding)
        used, took = cpu_ms(pid) - before, time.monotonic() - began
        before, began = cpu_ms(pid), time.monotonic()
        time.sleep(1)
        idle = (cpu_ms(pid) - before) / (time.monotonic() - began)
        costs.append(used - idle * took)
    return statistics.median(costs), min(costs), len(body)


def wait_ready(port):
    for _ in range(600):
        with contextlib.suppress(OSError):
            if b"sonde_build_info" in scrape(port, "identity"):
                return
        time.sleep(0.1)
    raise SystemExit("the agent does not serve")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--sonde", default=os.path.join(ROOT, "build/sonde"))
    parser.add_argument("--groups", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=5, help="in each")
    parser.add_argument("--scrapes", type=int, default=7)
    parser.add_argument("--port", type=int, default=18079)
    options, flags = parser.parse_known_args()
    paths = directories(f"sonde-bench-{os.getpid()}")
    crowd = subprocess.Popen([os.path.join(ROOT, "build/tests/bench/cgroup_crowd"), str(options.groups),
                              str(options.processes), *paths], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    agent = None
    try:
        crowd.stdout.readline()
        agent = subprocess.Popen([options.sonde, "run", f"--web.listen-address=127.0.0.1:{options.port}",
                                  f"--select.cgroup={paths[0]}", *flags], stderr=subprocess.DEVNULL)
        wait_ready(options.port)
        for encoding in ("identity", "gzip"):
            median, least, size = measure(agent.pid, options.port, encoding, options.scrapes)
            print(f"{encoding}: {median:.1f} ms of CPU for a scrape (least {least:.1f}), {size / 1e6:.1f} MB of text")
        files = len(os.listdir(f"/proc/{agent.pid}/fd"))
        print(f"resident {status_kib(agent.pid, 'VmRSS') / 1024:.1f} MiB, most "
              f"{status_kib(agent.pid, 'VmHWM') / 1024:.1f} MiB, {files} open files")
    finally:
        if agent:
            agent.terminate()
            agent.wait()
        crowd.stdin.close()
        crowd.wait()
        for path in paths:
            with contextlib.suppress(OSError):
                os.rmdir(path)


if __name__ == "__main__":
    main()
