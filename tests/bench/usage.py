#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the kernel's counting for containers costs those who are counted: hackbench and a saturated nginx with all
usage programs on and off, in turns, and the time of one switch. Needs root, hackbench, nginx, wrk and `make all
build-tests`. Observes the cgroup that it makes. With --vm KERNEL the same in a VM whose clock counts instructions, on
cgroup v2, the whole guest counted: what any machine says again, however busy it is."""

import argparse
import contextlib
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

import containers  # noqa: E402
import host  # noqa: E402

GOAL = 0.98
SWITCH_NS = 100  # the goal for the work at one switch
DISK_MODULES = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk")
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


def hackbench_cost(group, loops):
    """CPU time and switches of a round of messages. Others on the machine move CPU time less than they move time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(["hackbench", "-g", "4", "-l", str(loops)], capture_output=True, text=True, check=False,
                          preexec_fn=group.join)
    if not re.search(r"^Time: ([\d.]+)", done.stdout, re.M):
        raise host.Failure(f"hackbench: {(done.stdout + done.stderr).strip()}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    switches = after.ru_nvcsw + after.ru_nivcsw - before.ru_nvcsw - before.ru_nivcsw
    return used * 1e9 / loops, switches / loops


def switches_of(pid):
    return sum(int(number) for number in re.findall(r"ctxt_switches:\s+(\d+)", host.read(f"/proc/{pid}/status")))


def nginx_cost(nginx, seconds):
    """CPU time of the worker and its switches for a request."""
    before = host.cpu_ns(nginx.worker), switches_of(nginx.worker), nginx.requests()
    host.run_wrk(nginx.url, seconds, 32, 1)
    after = host.cpu_ns(nginx.worker), switches_of(nginx.worker), nginx.requests()
    used, switches, requests = (one - other for one, other in zip(after, before))
    return used / requests, switches / requests


def pairs(options, group, measure):
    """Which comes first changes from pair to pair."""
    ratios, costs, switches = [], {False: [], True: []}, []
    for number in range(options.pairs):
        pair = {}
        for counting in ((False, True) if number % 2 else (True, False)):
            with programs(group, counting):
                pair[counting], switched = measure()
            costs[counting].append(pair[counting])
            switches.append(switched)
        ratios.append(pair[False] / pair[True])
    return (statistics.median(costs[False]), statistics.median(costs[True]), statistics.median(switches),
            statistics.median(ratios), ratios)


def tell(name, figures):
    off, on, switches, ratio, ratios = figures
    print(f"{name:<24} {off:>12,.0f} {on:>12,.0f} {ratio:.3f} ({min(ratios):.3f} .. {max(ratios):.3f}); "
          f"{switches:,.3f} switches, {switches * SWITCH_NS / off:.4f} of it for {SWITCH_NS} ns each")
    return ratio


def tell_missing(group):
    """What this host cannot count, and so costs nothing here."""
    done = subprocess.run([COST, group.paths[0], "hold"], input="", capture_output=True, text=True, check=False)
    for line in done.stderr.splitlines():
        print(line.replace("usage_cost", "not counted here"))


def run(options, group, directory):
    tell_missing(group)
    print(f"{'CPU time, ns':<24} {'off':>12} {'on':>12} off/on, goal {GOAL}")
    found = [tell("hackbench -g 4, a loop", pairs(options, group, lambda: hackbench_cost(group, options.loops)))]
    nginx = host.Nginx(directory, options.port + 1, group, 0)
    try:
        found.append(tell("nginx, a request", pairs(options, group, lambda: nginx_cost(nginx, options.seconds))))
    finally:
        nginx.stop()
    done = subprocess.run([COST, os.path.join(group.paths[0], "switch"), "20", "2000"],
                          capture_output=True, text=True, check=False)
    print(f"one switch, ns: {done.stdout.strip() or done.stderr.strip()}")
    with contextlib.suppress(OSError):
        os.rmdir(os.path.join(group.paths[0], "switch"))
    return 0 if min(found) >= GOAL else 1


def vm_lines(options, directory):
    """What tests/bench/usage_guest.sh says."""
    conf = os.path.join(directory, "nginx.conf")
    with open(conf, "w", encoding="ascii") as file:
        file.write(host.NGINX_CONF.format(dir="/tmp", port=8080, body="x" * 200, mask="1"))
    subprocess.run(["scripts/vm/fetch.sh", options.vm], cwd=host.ROOT, check=True, stdout=subprocess.DEVNULL)
    command = ["scripts/vm/run.sh", "--kernel", options.vm, "--icount", "--timeout", "1500", "--memory", "2G",
               "--disk", "64", *(word for name in DISK_MODULES for word in ("--module", name)),
               "--file", "build/tests/bench/usage_cost", "--file", "tests/bench/usage_guest.sh",
               "--file", f"{conf}:host/build/vm/nginx.conf"]
    for name in ("hackbench", "nginx", "wrk"):
        path = shutil.which(name)
        if not path:
            raise host.Failure(f"{name} is missing: run `sudo make setup`")
        command += ["--file", f"{os.path.realpath(path)}:usr/bin/{name}"]
    result = subprocess.run([*command, "--", "env", f"PAIRS={options.pairs}", "sh", "tests/bench/usage_guest.sh"],
                            cwd=host.ROOT, capture_output=True, text=True, check=False)
    if result.returncode:
        raise host.Failure(f"VM with kernel {options.vm}: {(result.stderr + result.stdout).strip().splitlines()[-3:]}")
    return result.stdout.splitlines()


def run_vm(options, directory):
    """Throughput on/off is instructions off/on: the one processor is busy all the time."""
    rows = {}
    for line in vm_lines(options, directory):
        fields = line.split()
        if line.startswith(("#", "switch ")):
            print(line)
        elif line.startswith("program "):
            print(f"{fields[1]:<22} {int(fields[2]):>10,} runs of {int(fields[3]):>6,} instructions")
        else:
            rows.setdefault((fields[0], fields[3]), {}).setdefault(fields[1], []).append(
                (float(fields[2]), float(fields[4])))
    print(f"{'instructions of':<22} {'off':>15} {'on':>15} off/on, goal {GOAL}")
    ratios = []
    for (load, unit), found in rows.items():
        off, on = (statistics.median(row[0] for row in found[state]) for state in ("off", "on"))
        switches = statistics.median(row[1] for row in found["off"])
        spread = max(max(row[0] for row in found[state]) / min(row[0] for row in found[state]) for state in found) - 1
        ratios.append(off / on)
        print(f"{f'{load}, each {unit}':<22} {off:>15,.0f} {on:>15,.0f} {off / on:.4f}; spread of each {spread:.4f}; "
              f"{switches:,.3f} switches, {(on - off) / switches:,.0f} more for each")
    if len(ratios) != 2:
        raise host.Failure("not both loads ran")
    return 0 if min(ratios) >= GOAL else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--loops", type=int, default=500, help="of hackbench")
    parser.add_argument("--seconds", type=int, default=1, help="of nginx under load")
    parser.add_argument("--port", type=int, default=18090)
    parser.add_argument("--vm", metavar="KERNEL", help="5.10, 6.1, 6.12 or newest")
    options = parser.parse_args()
    os.environ["PATH"] = os.path.join(host.ROOT, "build", "tools", "bin") + ":" + os.environ["PATH"]
    group = None if options.vm else Group()
    try:
        with tempfile.TemporaryDirectory(prefix="sonde-bench-") as directory:
            return run_vm(options, directory) if options.vm else run(options, group, directory)
    except (host.Failure, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    finally:
        if group:
            group.close()


if __name__ == "__main__":
    sys.exit(main())
