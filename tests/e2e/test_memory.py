# SPDX-License-Identifier: Apache-2.0
"""What the agent keeps of memory when all is loaded and attached."""

import os
import re

import pytest

from http_lab import Agent, Cgroup, total

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def anonymous_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"RssAnon:\s+(\d+)", file.read())[1])


def test_what_loading_needed_is_given_back(tmp_path):
    """libbpf's objects hold 1.2 MiB while they are open; what is told of maps and programs needs none of it."""
    cgroup = Cgroup()
    agent = Agent(cgroup, str(tmp_path / "sonde.log"))
    try:
        samples = agent.samples()
        assert anonymous_kib(agent.process.pid) < 2700
        assert total(samples, "sonde_bpf_map_memory_bytes", map="events") > 4 << 20
        assert total(samples, "sonde_bpf_map_memory_bytes", map="tls_sessions") > 0
        for program in ("tcp_state", "ask_request"):
            assert total(samples, "sonde_bpf_program_memory_bytes", program=program) > 0
    finally:
        agent.stop()
        cgroup.remove()
