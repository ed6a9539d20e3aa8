# SPDX-License-Identifier: Apache-2.0
"""What the benchmark starts and looks at: a cgroup, nginx in it, the agent, and the figures of /proc. Observes only
what it started itself."""

import glob
import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEADLINE = 10.0

NGINX_CONF = """
worker_processes 1;
worker_cpu_affinity {mask};
daemon off;
user root;
pid {dir}/nginx.pid;
error_log {dir}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ return 200 "{body}"; }}
        location = /status {{ stub_status; }}
    }}
}}
"""


class Failure(Exception):
    """Ends the benchmark with one line."""


def get(url, timeout=DEADLINE):
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        return answer.read().decode()


def wait_for(what, condition, deadline=DEADLINE, step=0.01):
    """Polls until `condition` answers something true, which it returns."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(step)
    raise Failure(f"{what}: not within {deadline:.0f} s")


def answers(url):
    """None when nobody listens or it is not ready."""
    try:
        return get(url, 1)
    except (urllib.error.URLError, OSError):
        return None


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class Cgroup:
    """A fresh group in the cgroup2 tree, wherever that is mounted."""

    def __init__(self):
        mounts = [line.split() for line in read("/proc/mounts").splitlines()]
        roots = [fields[1] for fields in mounts if fields[2] == "cgroup2"]
        if not roots:
            raise Failure("no cgroup2 tree is mounted: mount -t cgroup2 none /mnt")
        self.path = os.path.join(roots[0], f"sonde-bench-{os.getpid()}")
        os.mkdir(self.path)

    def join(self):
        """For the child, between fork and exec."""
        with open(os.path.join(self.path, "cgroup.procs"), "w", encoding="ascii") as file:
            file.write(str(os.getpid()))

    def close(self):
        wait_for("the benchmark's cgroup to empty", lambda: not read(os.path.join(self.path, "cgroup.procs")))
        os.rmdir(self.path)


def cpu_ns(pid):
    """CPU time of all threads that are there, user and kernel, in ns."""
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        try:
            total += int(read(path).split()[0])
        except OSError:
            pass
    return total


def busy_ns():
    """CPU time that all processors spent on anything, in steps of a tick."""
    ticks = [int(n) for n in read("/proc/stat").split("\n", 1)[0].split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = ticks
    return (user + nice + system + irq + softirq + steal) * (1_000_000_000 // os.sysconf("SC_CLK_TCK"))


def memory_kib(pid):
    """Resident and proportional size."""
    status = dict(re.findall(r"^(\w+):\s+(\d+) kB", read(f"/proc/{pid}/status"), re.M))
    rollup = dict(re.findall(r"^(\w+):\s+(\d+) kB", read(f"/proc/{pid}/smaps_rollup"), re.M))
    return int(status["VmRSS"]), int(rollup["Pss"])


def bpf_objects(pid):
    """Programs and maps that a process holds, by their file descriptors: no one else's are looked at."""
    programs, maps = {}, {}
    for path in glob.glob(f"/proc/{pid}/fdinfo/*"):
        try:
            fields = dict(re.findall(r"^(\w+):\s+(\S+)$", read(path), re.M))
        except OSError:
            continue
        if "map_id" in fields:
            maps[fields["map_id"]] = fields
        elif "prog_id" in fields and "prog_tag" in fields and "memlock" in fields:
            programs[fields["prog_id"]] = fields
    return programs, maps


def bpf_memory_bytes(pid):
    programs, maps = bpf_objects(pid)
    return tuple(sum(int(fields["memlock"]) for fields in objects.values()) for objects in (maps, programs))


def bpf_run_ns(pid):
    """Time and runs of all programs; zero unless kernel.bpf_stats_enabled is 1."""
    programs, _ = bpf_objects(pid)
    return (sum(int(fields.get("run_time_ns", 0)) for fields in programs.values()),
            sum(int(fields.get("run_cnt", 0)) for fields in programs.values()))


class Process:
    """A child that is ended by its pid."""

    def __init__(self, command, log, preexec=None, cpu=None):
        def prepare():
            if preexec:
                preexec()
            if cpu is not None:
                os.sched_setaffinity(0, {cpu})

        with open(log, "ab") as output:
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                          preexec_fn=prepare)
        self.log = log
        self.pid = self.child.pid

    def check(self):
        if self.child.poll() is not None:
            lines = read(self.log).strip().splitlines()
            last = lines[-1] if lines else "no output"
            raise Failure(f"{self.child.args[0]} ended with {self.child.returncode}: {last}")

    def stop(self):
        """Seconds until it was gone."""
        start = time.monotonic()
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        return time.monotonic() - start


class Nginx(Process):
    def __init__(self, directory, port, cgroup, cpu):
        self.url = f"http://127.0.0.1:{port}"
        conf = os.path.join(directory, "nginx.conf")
        with open(conf, "w", encoding="ascii") as file:
            file.write(NGINX_CONF.format(dir=directory, port=port, body="x" * 200, mask=bin(1 << cpu)[2:]))
        super().__init__(["nginx", "-c", conf], os.path.join(directory, "nginx.log"), cgroup.join)
        wait_for("nginx", lambda: self.check() or answers(self.url))
        self.worker = int(read(f"/proc/{self.pid}/task/{self.pid}/children").split()[0])

    def requests(self):
        """By its own statistics: requests whose first byte was read, this one included."""
        return int(get(self.url + "/status").splitlines()[2].split()[2])

    def alone(self):
        """Waits until the one that asks is the only connection left."""
        wait_for("connections to close", lambda: " 1 " in get(self.url + "/status").splitlines()[0] + " ")


class Agent(Process):
    def __init__(self, options, directory, cgroup):
        self.url = f"http://127.0.0.1:{options.port + 1}"
        command = [options.sonde, f"--web.listen-address=127.0.0.1:{options.port + 1}", f"--backend={options.backend}",
                   f"--select.cgroup={cgroup.path}", "--log.level=warn", *options.flag]
        super().__init__(command, os.path.join(directory, "sonde.log"), cpu=options.agent_cpu)

    def metric(self, name):
        """The sum of all series of a name; 0 when there are none."""
        pattern = re.compile(rf"^{name}(?:\{{.*\}})? (\S+)", re.M)
        return sum(float(value) for value in pattern.findall(get(self.url + "/metrics")))

    def served(self):
        return int(self.metric("http_server_request_duration_seconds_count"))

    def ready(self):
        wait_for("sonde", lambda: self.check() or answers(self.url + "/-/ready") is not None, step=0.002)

    def first_exchange_s(self, nginx, started):
        """From the start of the process until a scrape tells an exchange; nginx is asked all the while."""
        def seen():
            self.check()
            get(nginx.url)
            return answers(self.url + "/metrics") is not None and self.served()

        wait_for("the first exchange", seen, step=0)
        return time.monotonic() - started

    def settled(self, expected):
        """The count, when it has reached what is expected or has stopped growing."""
        end, last = time.monotonic() + 5, -1
        while time.monotonic() < end:
            now = self.served()
            if now == expected:
                break
            if now != last:
                last, end = now, max(end, time.monotonic() + 2)
            time.sleep(0.05)
        return self.served()


def run_json(command, cpu, directory):
    """A program's JSON answer and the CPU time it took."""
    before = os.times()
    result = subprocess.run(["taskset", "-c", str(cpu), *command], capture_output=True, text=True, check=False,
                            cwd=directory)
    after = os.times()
    if result.returncode:
        raise Failure(f"{command[0]} failed: {result.stderr.strip()}")
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return json.loads(result.stdout), int(used * 1e9)


def run_wrk(url, seconds, connections, cpu):
    """Requests per second, quantiles in us, and the CPU time it took."""
    before = os.times()
    command = ["taskset", "-c", str(cpu), "wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--timeout", "20s",
               "--latency", url]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    after = os.times()
    rate = re.search(r"^Requests/sec:\s+([\d.]+)", result.stdout, re.M)
    if result.returncode or not rate or "Socket errors" in result.stdout or "Non-2xx" in result.stdout:
        raise Failure(f"wrk failed: {(result.stderr + result.stdout).strip()}")
    unit = {"us": 1.0, "ms": 1e3, "s": 1e6}
    quantiles = {quantile: float(value) * unit[name]
                 for quantile, value, name in re.findall(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s)\s*$", result.stdout, re.M)}
    if sorted(quantiles) != ["50", "99"]:
        raise Failure(f"wrk's quantiles are not understood: {result.stdout.strip()}")
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return {"rate": float(rate.group(1)), "latency_p50_us": quantiles["50"],
            "latency_p99_us": quantiles["99"]}, int(used * 1e9)
