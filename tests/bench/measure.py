# SPDX-License-Identifier: Apache-2.0
"""One run of the load, with or without the agent: rates, latencies, who used how much CPU, whether the counts agree."""

import contextlib
import os
import signal
import subprocess
import time

import host


class Setting:
    """What stays the same over all runs."""

    def __init__(self, options, directory, cgroup, nginx):
        self.options, self.directory, self.cgroup, self.nginx = options, directory, cgroup, nginx
        self.rate = None  # of the runs at a fixed rate, per second


def saturate(setting):
    options = setting.options
    return host.run_wrk(setting.nginx.url + "/", options.seconds, options.connections, options.load_cpu)


def fixed(setting):
    """Bursts of a 5,000th of a second: see load.c."""
    options = setting.options
    burst = max(1, round(setting.rate / 5000))
    command = [os.path.join(host.ROOT, "build/tests/bench/load"), "-p", str(options.port), "-r", str(setting.rate),
               "-b", str(burst), "-d", str(options.seconds), "-c", str(options.connections)]
    return host.run_json(command, options.load_cpu, setting.directory)


def one_run(setting, load, agent=None):
    """`load` once, and what it cost. Count error: sonde's exchanges minus the requests of nginx's own statistics."""
    nginx = setting.nginx
    nginx.alone()
    requests = nginx.requests()
    # Reading the statistics is a request too: of the two readings exactly one lies between the two counts.
    served = agent.settled(-1) if agent else 0
    lost = agent.metric("sonde_events_lost_total") if agent else 0
    pids = {"nginx": nginx.worker, "agent": agent.pid if agent else None}
    before = {name: host.cpu_ns(pid) if pid else 0 for name, pid in pids.items()}
    busy, own, start = host.busy_ns(), time.process_time_ns(), time.monotonic()
    figures, load_ns = load(setting)
    used = {name: host.cpu_ns(pid) - before[name] if pid else 0 for name, pid in pids.items()}
    seconds = time.monotonic() - start
    busy, own = host.busy_ns() - busy, time.process_time_ns() - own
    nginx.alone()
    done = nginx.requests() - requests
    figures["requests"] = done
    figures["foreign"] = max(0.0, (busy - sum(used.values()) - load_ns - own) / 1e9 / seconds)
    figures["nginx_ns"] = used["nginx"] / done
    if agent:
        figures["agent_ns"] = used["agent"] / done
        figures["count_error"] = agent.settled(served + done) - served - done
        figures["lost"] = int(agent.metric("sonde_events_lost_total") - lost)
    return figures


def undisturbed(setting, load, agent=None):
    """Runs in which other processes took too much CPU are repeated, a few times; the quietest counts, but the counts of
    all of them must agree."""
    runs = []
    for _ in range(setting.options.attempts):
        runs.append(one_run(setting, load, agent))
        if runs[-1]["foreign"] <= setting.options.max_foreign:
            break
    best = dict(min(runs, key=lambda run: run["foreign"]))
    best["counted"] = sum(run["requests"] for run in runs)
    if agent:
        best["count_error"] = sum(abs(run["count_error"]) for run in runs)
        best["lost"] = sum(run["lost"] for run in runs)
    return best


@contextlib.contextmanager
def running_agent(setting):
    started = time.monotonic()
    agent = host.Agent(setting.options, setting.directory, setting.cgroup)
    try:
        agent.first_s = agent.first_exchange_s(setting.nginx, started)
        agent.ready()
        yield agent
    finally:
        agent.stop_s = agent.stop()


def off(setting):
    figures = {"saturation": undisturbed(setting, saturate)}
    if setting.rate is None:
        setting.rate = max(1000, round(figures["saturation"]["rate"] / 2, -3))
    figures["half"] = undisturbed(setting, fixed)
    return figures


def on(setting):
    with running_agent(setting) as agent:
        figures = {"saturation": undisturbed(setting, saturate, agent), "half": undisturbed(setting, fixed, agent)}
        rss, pss = host.memory_kib(agent.pid)
        maps, programs = host.bpf_memory_bytes(agent.pid)
        figures.update(rss_kib=rss, pss_kib=pss, bpf_map_bytes=maps, bpf_program_bytes=programs, first_s=agent.first_s)
    figures["stop_s"] = agent.stop_s
    return figures


@contextlib.contextmanager
def bpf_statistics():
    """The kernel times every BPF program meanwhile, which costs: for a run of its own."""
    path = "/proc/sys/kernel/bpf_stats_enabled"
    before = host.read(path)
    with open(path, "w", encoding="ascii") as file:
        file.write("1")
    try:
        yield
    finally:
        with open(path, "w", encoding="ascii") as file:
            file.write(before)


def bpf_cost(setting):
    """Nanoseconds and runs of BPF programs per exchange, at saturation."""
    with bpf_statistics(), running_agent(setting) as agent:
        time_ns, runs = host.bpf_run_ns(agent.pid)
        figures = one_run(setting, saturate, agent)
        time_after, runs_after = host.bpf_run_ns(agent.pid)
    return {"bpf_ns": (time_after - time_ns) / figures["requests"],
            "bpf_runs": (runs_after - runs) / figures["requests"]}


def profile(setting, path):
    """Where agent and nginx spend their time at saturation: two reports by perf, by sampling the CPU clock."""
    data = os.path.join(setting.directory, "perf.data")

    def sampled(setting):
        recorder = subprocess.Popen(["perf", "record", "-q", "-e", "cpu-clock", "-F", "4999", "-g", "-o", data, "-p",
                                     f"{agent.pid},{setting.nginx.worker}"], stderr=subprocess.DEVNULL)
        result = saturate(setting)
        recorder.send_signal(signal.SIGINT)
        recorder.wait(host.DEADLINE)
        return result

    with running_agent(setting) as agent:
        one_run(setting, sampled, agent)
    with open(path, "w", encoding="utf-8") as file:
        for name in ("sonde", "nginx"):
            subprocess.run(["perf", "report", "-i", data, "--stdio", "--no-children", "-g", "none", "--comms", name,
                            "--percentage", "relative", "--sort", "dso,symbol", "--percent-limit", "0.5"],
                           stdout=file, stderr=subprocess.DEVNULL, check=True)
