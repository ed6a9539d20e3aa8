#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What sonde costs nginx over TLS with keep-alive: wrk saturates it; the agent off and on for the server, in turn.
Counts are held against nginx's own statistics; hooks are the runs of the programs on the library's functions. Needs
root."""

import argparse
import os
import re
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))

import host  # noqa: E402
import measure  # noqa: E402
import report  # noqa: E402
from http_lab import SERVER, Agent, Cgroup, answers, free_port, tool, total, wait_until  # noqa: E402
from test_tls import NGINX  # noqa: E402

SETTLE_SECONDS = 5
CONTEXT = ssl._create_unverified_context()  # pylint: disable=protected-access


class Nginx:
    """One worker on a processor of its own, in the cgroup that is observed."""

    def __init__(self, folder, cgroup, cpu):
        self.port = free_port()
        os.makedirs(f"{folder}/www")
        with open(f"{folder}/www/small.txt", "w", encoding="ascii") as file:
            file.write("x" * 200)
        subprocess.run([tool("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{folder}/key",
                        "-out", f"{folder}/certificate", "-days", "2", "-subj", "/CN=127.0.0.1"], check=True,
                       capture_output=True)
        text = NGINX.format(folder=folder, port=self.port, key=f"{folder}/key", certificate=f"{folder}/certificate",
                            protocols="TLSv1.3", listen="", extra="")
        text = text.replace("worker_processes 2", "worker_processes 1")
        with open(f"{folder}/nginx.conf", "w", encoding="ascii") as file:
            file.write(text)
        self.process = subprocess.Popen(["taskset", "-c", str(cpu), tool("nginx"), "-p", folder, "-c",
                                         f"{folder}/nginx.conf"], preexec_fn=cgroup.enter, stderr=subprocess.DEVNULL)
        wait_until(lambda: answers(self.port), 10, "nginx to answer")
        self.worker = int(subprocess.run(["pgrep", "-P", str(self.process.pid)], check=True, capture_output=True,
                                         text=True).stdout.split()[0])

    def requests(self):
        """So far, this question with them."""
        with urllib.request.urlopen(f"https://127.0.0.1:{self.port}/status", timeout=10, context=CONTEXT) as answer:
            return int(re.search(r"requests\s+\d+ \d+ (\d+)", answer.read().decode())[1])

    def stop(self):
        self.process.terminate()
        self.process.wait()


def hook_runs(samples):
    hooks = {s.labels["program"] for s in samples if s.name == "sonde_hook_info" and "probe" in s.labels["hook"]}
    return sum(s.value for s in samples if s.name == "sonde_bpf_program_runs_total" and s.labels["program"] in hooks)


def counted(agent, before, wanted):
    """Requests that were counted wrong, and events lost, once the counts are right or the time is over."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        samples = agent.samples()
        wrong = total(samples, SERVER, url_scheme="https") - before - wanted
        if not wrong or time.monotonic() > deadline:
            return {"count_error": int(wrong), "lost": int(total(samples, "sonde_events_lost_total"))}
        time.sleep(0.05)


def one_run(setting, mode, statistics=False):
    options, folder, cgroup, nginx = setting
    flags = ["--capture.program-stats"] if statistics else []
    agent = Agent(cgroup, os.path.join(folder, "sonde.log"), *flags) if mode == "on" else None
    try:
        first = nginx.requests()
        # The last question is answered before it is asked again, and counts: those between the two are ours.
        samples = agent.samples() if agent else []
        before = wait_until(lambda: total(agent.samples(), SERVER, url_scheme="https"), 5, "a count") if agent else 0
        pids = {"nginx": nginx.worker, **({"agent": agent.process.pid} if agent else {})}
        used = {name: host.cpu_ns(pid) for name, pid in pids.items()}
        bpf = host.bpf_run_ns(agent.process.pid) if agent else (0, 0)
        load, _ = host.run_wrk(f"https://127.0.0.1:{nginx.port}/small.txt", options.seconds, options.connections,
                            options.load_cpu)
        used = {name: host.cpu_ns(pid) - used[name] for name, pid in pids.items()}
        after = host.bpf_run_ns(agent.process.pid) if agent else (0, 0)
        done = nginx.requests() - first - 1
        figures = {"rate": load["rate"], "done": done, **{f"{name}_ns": ns / done for name, ns in used.items()},
                   "bpf_ns": (after[0] - bpf[0]) / done, "bpf_runs": (after[1] - bpf[1]) / done}
        if agent:
            figures.update(counted(agent, before, done + 1))
        if statistics:
            figures["hooks"] = (hook_runs(agent.samples()) - hook_runs(samples)) / done
        return figures
    finally:
        if agent:
            agent.stop()


def measured(options, folder):
    cgroup, nginx = Cgroup(), None
    pairs = []
    try:
        nginx = Nginx(folder, cgroup, options.server_cpu)
        setting = options, folder, cgroup, nginx
        one_run(setting, "off")
        for _ in range(options.pairs):
            pairs.append({mode: one_run(setting, mode) for mode in ("off", "on")})
        with measure.bpf_statistics():
            return pairs, one_run(setting, "on", statistics=True)
    finally:
        if nginx:
            nginx.stop()
        cgroup.remove()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5, help="of runs with the agent off and on")
    parser.add_argument("--seconds", type=int, default=5, help="of each run")
    parser.add_argument("--connections", type=int, default=32, help="of wrk, kept alive")
    parser.add_argument("--server-cpu", type=int, default=0, help="of nginx's worker")
    parser.add_argument("--load-cpu", type=int, default=1, help="of wrk")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sonde-bench-") as folder:
        pairs, cost = measured(options, folder)
    on = [pair["on"] for pair in pairs]
    wrong = sum(map(abs, report.pick(on, "count_error")))
    report.print_table([
        ["", "agent off", "agent on", "on/off"],
        report.compared(pairs, "TLS, requests/s", "rate"),
        report.compared(pairs, "  nginx's CPU, ns/request", "nginx_ns"),
        ["  agent's CPU, ns/request", "", report.spread(report.pick(on, "agent_ns")), ""],
        ["  BPF time, ns/request", "", f"{cost['bpf_ns']:,.0f} in {cost['bpf_runs']:.2f} runs", ""],
        ["  hooks of TLS, per request", "", f"{cost['hooks']:.2f}", ""],
        ["  count error", "", f"{wrong} of {sum(report.pick(on, 'done')):,}", ""],
        ["  events lost", "", f"{sum(report.pick(on, 'lost'))}", ""],
    ])
    return 1 if any(run["count_error"] or run["lost"] for run in on) else 0


if __name__ == "__main__":
    sys.exit(main())
