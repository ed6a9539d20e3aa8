#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What sonde costs: nginx under load with the agent off and on, interleaved, and one table of medians. See
docs/PERFORMANCE.md for what the rows mean. Needs root, nginx, wrk, and `make all build-tests`."""

import argparse
import json
import os
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True

import host  # noqa: E402
import measure  # noqa: E402
import report  # noqa: E402
import vm  # noqa: E402

KERNELS = ["5.10", "6.1", "6.12", "newest"]


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--sonde", default=os.path.join(host.ROOT, "build/sonde"), help="the agent")
    parser.add_argument("--no-agent", action="store_true", help="the load alone")
    parser.add_argument("--backend", default="auto", help="of the agent")
    parser.add_argument("--flag", action="append", default=[], help="a further flag for the agent (repeatable)")
    parser.add_argument("--pairs", type=int, default=5, help="of runs with the agent off and on")
    parser.add_argument("--seconds", type=int, default=6, help="of each run")
    parser.add_argument("--connections", type=int, default=32, help="keep-alive")
    parser.add_argument("--server-cpu", type=int, default=0, help="of nginx's worker")
    parser.add_argument("--load-cpu", type=int, default=1, help="of the load generator")
    parser.add_argument("--agent-cpu", type=int, help="of the agent (default: where the scheduler puts it)")
    parser.add_argument("--port", type=int, default=18080, help="of nginx; the agent takes the next")
    parser.add_argument("--max-foreign", type=float, default=0.05, help="CPUs that others may use in a run")
    parser.add_argument("--attempts", type=int, default=4, help="at a run that others disturb")
    parser.add_argument("--kernels", nargs="*", default=KERNELS, help="to count instructions under, in a VM")
    parser.add_argument("--rounds", type=int, default=1000, help="of 16 requests in the VM")
    parser.add_argument("--quick", action="store_true", help="one pair of 2 s, no VM: while developing")
    parser.add_argument("--profile", action="store_true", help="write build/bench/profile.txt by perf, nothing else")
    parser.add_argument("--vm-only", action="store_true", help="count instructions, nothing else")
    options = parser.parse_args()
    if options.quick:
        options.pairs, options.seconds, options.kernels, options.attempts = 1, 2, [], 1
    return options


def check_needs(options):
    if os.geteuid() and not options.vm_only:
        raise host.Failure("needs root: sudo make bench")
    if not options.no_agent and not os.access(options.sonde, os.X_OK):
        raise host.Failure(f"no agent at {options.sonde}: run `make`, or say --no-agent")
    for program in [] if options.vm_only else ["nginx", "wrk", "taskset"]:
        if not shutil.which(program):
            raise host.Failure(f"{program} is missing: run `sudo make setup`")


def host_figures(options, directory, cgroup):
    nginx = host.Nginx(directory, options.port, cgroup, options.server_cpu)
    try:
        setting = measure.Setting(options, directory, cgroup, nginx)
        measure.saturate(setting)  # warms nginx and caches
        if options.profile:
            measure.profile(setting, os.path.join(host.ROOT, "build/bench/profile.txt"))
            return None
        pairs = []
        for number in range(options.pairs):
            progress(f"pair {number + 1} of {options.pairs}")
            pair = {"off": measure.off(setting)}
            if not options.no_agent:
                pair["on"] = measure.on(setting)
            pairs.append(pair)
        progress("time in BPF programs")
        cost = None if options.no_agent else measure.bpf_cost(setting)
        return {"rate": setting.rate, "pairs": pairs, "bpf": cost}
    finally:
        nginx.stop()


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def wrong_counts(figures):
    return sum(pair["on"][load]["count_error"] != 0 or pair["on"][load]["lost"] != 0
               for pair in figures["pairs"] if "on" in pair for load in ("saturation", "half"))


def run(options):
    rows, wrong = [], 0
    os.makedirs(os.path.join(host.ROOT, "build/bench"), exist_ok=True)
    if not options.vm_only:
        cgroup = host.Cgroup()
        try:
            with tempfile.TemporaryDirectory(prefix="sonde-bench-") as directory:
                figures = host_figures(options, directory, cgroup)
        finally:
            cgroup.close()
        if figures is None:
            return 0
        rows, wrong = report.table(figures["pairs"], figures["rate"], figures["bpf"]), wrong_counts(figures)
        with open(os.path.join(host.ROOT, "build/bench/host.json"), "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=1)
    else:
        rows = [["", "agent off", "agent on", "on/off"]]
    for kernel in options.kernels:
        progress(f"VM with kernel {kernel}")
        more, bad = vm.kernel_rows(kernel, options.rounds, None if options.no_agent else options.sonde)
        rows, wrong = rows + more, wrong + bad
    progress("")
    report.print_table(rows)
    return 1 if wrong else 0


def main():
    options = parse_options()
    try:
        check_needs(options)
        return run(options)
    except (host.Failure, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
