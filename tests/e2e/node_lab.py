# SPDX-License-Identifier: Apache-2.0
"""Runs sonde and a real node_exporter beside each other and compares what they tell of the same host."""

import collections
import contextlib
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from http_lab import LABEL, ROOT, SONDE, free_port, tool, wait_until

SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$")
REASONS = os.path.join(ROOT, "tests", "e2e", "node-exporter-differences.tsv")
ROUNDS = 40  # a gauge must have been seen equal in one of them
SLACK = 1e-9

# The current defaults, said aloud: Debian's node_exporter has others.
PATTERNS = [
    "--collector.filesystem.mount-points-exclude="
    "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
    r"--collector.diskstats.device-exclude=^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$",
    "--collector.netdev.device-exclude=^$",
]

Exposition = collections.namedtuple("Exposition", "types samples text")
Difference = collections.namedtuple("Difference", "kind name detail")


def unescape(text):
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], text)


def parse(text):
    """Types and samples of node_*; a label without a value is one that is not there."""
    types, samples = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE node_"):
            _, _, name, kind = line.split(" ")
            types[name] = kind
        match = SAMPLE.match(line)
        if match and line.startswith("node_"):
            labels = tuple(sorted((key, unescape(value)) for key, value in LABEL.findall(match[2] or "") if value))
            key = (match[1], labels)
            assert key not in samples, f"{key} is told twice"
            samples[key] = float(match[3])
    return Exposition(types, samples, text)


class Server:
    """A program that serves /metrics on a port of its own."""

    def __init__(self, command, port, log_path):
        self.port = port
        self.log_path = log_path
        with open(log_path, "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            env={**os.environ, "TZ": "UTC"})
        try:
            wait_until(self.answers, 20, f"{command[0]} to answer")
        except AssertionError:
            self.stop()
            with open(log_path, encoding="utf-8", errors="replace") as log:
                print(log.read()[-2000:])
            raise

    def answers(self):
        assert self.process.poll() is None, f"ended with {self.process.returncode}"
        with contextlib.suppress(OSError, urllib.error.URLError):
            return bool(self.text("/"))
        return False

    def text(self, path="/metrics", timeout=30):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=timeout) as answer:
            return answer.read().decode("utf-8")

    def scrape(self):
        return parse(self.text())

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_sonde(folder, *flags):
    """Without capture: the host's own metrics are all that is looked at."""
    port = free_port()
    command = [SONDE, "run", "--backend=none", f"--web.listen-address=127.0.0.1:{port}", *flags]
    return Server(command, port, os.path.join(folder, f"sonde-{port}.log"))


def start_node_exporter(program, folder, *flags):
    port = free_port()
    command = [program, f"--web.listen-address=127.0.0.1:{port}", *flags]
    return Server(command, port, os.path.join(folder, f"node-exporter-{port}.log"))


def version(program):
    """What `go install` builds does not know its version: it is the one that scripts/setup.sh names."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    match = re.search(r"version (\d+\.\d+)", done.stdout + done.stderr)
    return match[1] if match else "current"


def node_exporter(which):
    """Debian's, unpacked by `make setup`, or the current one that it builds where there is Go."""
    if which == "debian":
        return tool("prometheus-node-exporter")
    path = os.path.join(ROOT, "build", "tools", "bin", "node_exporter")
    if not os.path.exists(path) or not shutil.which(path):
        pytest.skip("no current node_exporter: Go was not there, or its modules not to be had, when `make setup` ran")
    return path


def collectors(program):
    """Those that the program has, by its own --help."""
    done = subprocess.run([program, "--help"], capture_output=True, text=True, check=True)
    lines = (done.stdout + done.stderr).splitlines() + [""]
    found = set()
    for line, following in zip(lines, lines[1:]):
        match = re.search(r"--(?:\[no-\])?collector\.(\w+)(?: |$)", line)
        if match and "Not in sonde" not in following:
            found.add(match[1])
    return found


PROM_FILE = """# HELP node_lab_gauge A gauge with "quotes", \\\\ and a\\nnewline.
# TYPE node_lab_gauge gauge
node_lab_gauge{path="C:\\\\x",text="a \\"b\\"\\nc"} 1.5e-05
node_lab_gauge{path="other",} -Inf
# TYPE node_lab_total counter
node_lab_total 1.234567e+07
# a comment
node_lab_untyped  42
# HELP node_lab_seconds A histogram.
# TYPE node_lab_seconds histogram
node_lab_seconds_bucket{job="a",le="0.1"} 1
node_lab_seconds_bucket{job="a",le="1"} 3
node_lab_seconds_bucket{job="a",le="+Inf"} 4
node_lab_seconds_sum{job="a"} 7.25
node_lab_seconds_count{job="a"} 4
"""


def textfiles(folder):
    """What the textfile collector reads, and a file that it must pass over."""
    directory = os.path.join(folder, "textfiles")
    os.makedirs(directory, exist_ok=True)
    for name, text in (("good.prom", PROM_FILE), ("ignored.txt", "node_lab_ignored 1\n")):
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write(text)
    return f"--collector.textfile.directory={directory}"


def every_common(program, folder):
    """Flags that switch on all collectors that both have, also those that are off by default, and no others."""
    common = collectors(program) & collectors(SONDE)
    assert {"cpu", "filesystem", "netdev"} <= common
    return ["--collector.disable-defaults", *(f"--collector.{name}" for name in sorted(common)), *PATTERNS,
            textfiles(folder)]


def reasons():
    """kind, expression of the name, versions, reason: what may differ, and why."""
    rows = []
    with open(REASONS, encoding="utf-8") as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                kind, name, versions, reason = line.rstrip("\n").split("\t")
                rows.append((kind, re.compile(name), versions.split(","), reason))
    return rows


def unexplained(differences, its_version):
    rows = [row for row in reasons() if its_version in row[2] or "all" in row[2]]
    return [difference for difference in differences
            if not any(kind == difference.kind and name.fullmatch(difference.name) for kind, name, _, _ in rows)]


def shape(theirs, ours):
    """Names, types and label sets."""
    found = []
    for name, kind in theirs.types.items():
        if name in ours.types and ours.types[name] != kind:
            found.append(Difference("type", name, f"{kind} there, {ours.types[name]} here"))
    for key in theirs.samples.keys() - ours.samples.keys():
        found.append(Difference("missing", key[0], key[1]))
    for key in ours.samples.keys() - theirs.samples.keys():
        found.append(Difference("extra", key[0], key[1]))
    return found


def between(value, one, other):
    if value in (one, other) or (value != value and one != one):
        return True
    room = SLACK * max(abs(one), abs(other))
    return min(one, other) - room <= value <= max(one, other) + room


def values(before, ours, after):
    """What does not lie between its two neighbours: counters, and the others."""
    counters, others = [], set()
    for key in before.samples.keys() & after.samples.keys() & ours.samples.keys():
        if between(ours.samples[key], before.samples[key], after.samples[key]):
            continue
        difference = Difference("value", key[0], key[1])
        if before.types.get(key[0]) == "counter":
            counters.append(difference._replace(detail=(key[1], before.samples[key], ours.samples[key],
                                                        after.samples[key])))
        else:
            others.add(difference)
    return counters, others


def compare(node, sonde, its_version, rounds=ROUNDS):
    """Ours is scraped between two scrapes of theirs. A counter must lie between its two neighbours every time. A gauge
    may move both ways meanwhile, and a device, a mount or a state of processes may come and go: a difference of these
    counts when it is there in every one of the rounds."""
    left = None
    for _ in range(rounds):
        before, ours, after = node.scrape(), sonde.scrape(), node.scrape()
        counters, others = values(before, ours, after)
        wrong = unexplained(counters, its_version)
        if wrong:
            return wrong
        found = set(unexplained(set(shape(before, ours)) | others, its_version))
        left = found if left is None else left & found
        if not left:
            break
    return sorted(left)


def promtool_problems(text):
    """Lines of `promtool check metrics`, without those about names, which are node_exporter's."""
    done = subprocess.run([tool("promtool"), "check", "metrics"], input=text.encode(), capture_output=True,
                          check=False)
    lines = (done.stdout + done.stderr).decode().splitlines()
    if done.returncode not in (0, 3):
        return lines or [f"ended with {done.returncode}"]
    return lines
