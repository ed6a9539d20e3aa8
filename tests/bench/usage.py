#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the kernel's counting for containers costs those who are counted: hackbench and a saturated nginx with all
usage programs on and off, in turns, and the time of one switch. Needs root, hackbench, nginx, wrk and `make all
build-tests`. Observes the cgroup that it makes."""

import argparse
import contextlib
import os
import re
import statistics
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

import containers  # noqa: E402
import host  # noqa: E402

GOAL = 0.98
COST = os.path.join(host.ROOT, "build/tests/bench/usage_cost")


class Group:
    """One cgroup, in the v2 tree or in every v1 tree."""

    def __init__(self):
        self.paths = containers.directories(f"sonde-bench-usage-{os.getpid()}")

    def join(self):
        for path in self.paths:
            with open(os.path.join(path, "cgroup.procs"), "w", encoding="ascii") as file:
                file.write(str(os.getpid()))

    def close(self):
        for path in self.paths:
            with contextlib.suppress(OSError):
                os.rmdir(path)


@contextlib.contextmanager
def programs(group, counting):
    """The usage programs alone, without an agent that reads them: nobody does between two scrapes."""
    if not counting:
        yield
        return
    holder = subprocess.Popen([COST, group.paths[0], "hold"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL)
    try:
        if holder.stdout.readline() != b"ready\n":
            raise host.Failure("the usage programs cannot be loaded")
        if not host.bpf_objects(holder.pid)[0]:
            raise host.Failure("no program is loaded")
        yield
    finally:
        holder.stdin.close()
        holder.wait()


def hackbench_rate(group, loops):
    """Rounds of messages in a second."""
    done = subprocess.run(["hackbench", "-g", "4", "-l", str(loops)], capture_output=True, text=True, check=False,
                          preexec_fn=group.join)
    match = re.search(r"^Time: ([\d.]+)", done.stdout, re.M)
    if not match:
        raise host.Failure(f"hackbench: {(done.stdout + done.stderr).strip()}")
    return loops / float(match[1])


def pairs(options, group, measure):
    """Which comes first changes from pair to pair."""
    ratios, rates = [], {False: [], True: []}
    for number in range(options.pairs):
        pair = {}
        for counting in ((False, True) if number % 2 else (True, False)):
            with programs(group, counting):
                pair[counting] = measure()
            rates[counting].append(pair[counting])
        ratios.append(pair[True] / pair[False])
    return statistics.median(rates[False]), statistics.median(rates[True]), statistics.median(ratios), ratios


def tell(name, unit, figures):
    off, on, ratio, ratios = figures
    print(f"{name:<22} {off:>12,.0f} {on:>12,.0f} {unit:<11} {ratio:.3f} ({min(ratios):.3f} .. {max(ratios):.3f})")
    return ratio


def tell_missing(group):
    """What this host cannot count, and so costs nothing here."""
    done = subprocess.run([COST, group.paths[0], "hold"], input="", capture_output=True, text=True, check=False)
    for line in done.stderr.splitlines():
        print(line.replace("usage_cost", "not counted here"))


def run(options, group, directory):
    tell_missing(group)
    print(f"{'':<22} {'off':>12} {'on':>12} {'':<11} on/off, goal {GOAL}")
    found = [tell("hackbench -g 4", "loops/s", pairs(options, group, lambda: hackbench_rate(group, options.loops)))]
    nginx = host.Nginx(directory, options.port + 1, group, 0)
    try:
        found.append(tell("nginx, saturated", "requests/s", pairs(
            options, group, lambda: host.run_wrk(nginx.url, options.seconds, 32, 1)[0]["rate"])))
    finally:
        nginx.stop()
    done = subprocess.run([COST, os.path.join(group.paths[0], "switch"), "20", "2000"],
                          capture_output=True, text=True, check=False)
    print(f"one switch, ns: {done.stdout.strip() or done.stderr.strip()}")
    with contextlib.suppress(OSError):
        os.rmdir(os.path.join(group.paths[0], "switch"))
    return 0 if min(found) >= GOAL else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--loops", type=int, default=2000, help="of hackbench")
    parser.add_argument("--seconds", type=int, default=3, help="of nginx under load")
    parser.add_argument("--port", type=int, default=18090)
    options = parser.parse_args()
    os.environ["PATH"] = os.path.join(host.ROOT, "build", "tools", "bin") + ":" + os.environ["PATH"]
    group = Group()
    try:
        with tempfile.TemporaryDirectory(prefix="sonde-bench-") as directory:
            return run(options, group, directory)
    except (host.Failure, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    finally:
        group.close()


if __name__ == "__main__":
    sys.exit(main())
