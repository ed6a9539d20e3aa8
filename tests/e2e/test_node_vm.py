# SPDX-License-Identifier: Apache-2.0
"""sonde against Debian's node_exporter in a VM, whose kernel, processes and mounts are others than this machine's. Both
watch the whole guest; what they said is compared here, by the same rules."""

import os
import subprocess

import pytest

import node_lab
from http_lab import ROOT

ROUNDS = 12
KERNELS = ["5.10", "6.12"]
AWAKE = [("node_processes_state", (("state", state),)) for state in "RS"]


class Replay:
    """Stands in for a server: the answers that the guest's gave, one after the other."""

    def __init__(self, paths):
        self.paths = iter(paths)

    def scrape(self):
        with open(next(self.paths), encoding="utf-8") as file:
            return node_lab.parse(file.read())


def awake_of(path):
    """Processes that run or sleep."""
    samples = node_lab.parse(path.read_text(encoding="utf-8")).samples
    return sum(samples.get(key, 0) for key in AWAKE)


@pytest.mark.parametrize("kernel", KERNELS)
def test_tells_what_node_exporter_tells_in_a_vm(kernel, tmp_path):
    if subprocess.run([os.path.join(ROOT, "scripts/vm/fetch.sh"), kernel], check=False).returncode:
        pytest.skip(f"no kernel {kernel}: scripts/vm/fetch.sh could not fetch it")
    program = node_lab.node_exporter("debian")
    common = node_lab.collectors(program) & node_lab.collectors(node_lab.SONDE)
    # In the guest there is no systemd to be asked, and no module tcp_diag, without which node_exporter fails and sonde
    # reads net/tcp.
    flags = ["--collector.disable-defaults", *node_lab.PATTERNS, "--collector.textfile.directory=/tmp/textfiles",
             *(f"--collector.{name}" for name in sorted(common - {"systemd", "tcpstat"}))]
    node_lab.textfiles(str(tmp_path))
    done = subprocess.run(
        ["scripts/vm/run.sh", "--kernel", kernel, "--results", str(tmp_path), "--timeout", "150",
         "--file", node_lab.SONDE + ":host/build/sonde", "--file", f"{program}:usr/bin/node_exporter",
         "--file", "tests/e2e/node_guest.sh:host/node_guest.sh", "--file", f"{tmp_path}/textfiles:tmp/textfiles", "--",
         "sh", "node_guest.sh", "/usr/bin/node_exporter", str(ROUNDS), *flags],
        cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stdout[-2000:] + done.stderr[-2000:]
    node = Replay(str(tmp_path / f"{when}.{i}") for i in range(ROUNDS) for when in ("before", "after"))
    sonde = Replay(str(tmp_path / f"ours.{i}") for i in range(ROUNDS))
    left = node_lab.compare(node, sonde, node_lab.version(program), ROUNDS)
    # In a guest where nothing else runs, who is found running may differ in every round: who asks is. Its sleep, too.
    left = [item for item in left if (item.name, item.detail) not in AWAKE]
    assert not left, "\n".join(f"{item.kind} {item.name} {item.detail}" for item in left)
    awake = [[awake_of(tmp_path / f"{name}.{i}") for name in ("before", "ours", "after")] for i in range(ROUNDS)]
    assert any(before <= ours <= after for before, ours, after in awake), awake
    assert len(node_lab.parse((tmp_path / "ours.0").read_text(encoding="utf-8")).types) > 150
