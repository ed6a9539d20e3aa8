# SPDX-License-Identifier: Apache-2.0
"""A real Redis server and real clients: what the agent counts equals the server's own books, on both sides."""

import os

import pytest

from http_lab import Agent, Cgroup, Lab, tool
from redis_lab import Server, expect

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(name="agent", scope="module")
def fixture_agent(tmp_path_factory):
    """One for all tests, with the cgroup that it selects."""
    cgroup = Cgroup()
    agent = None
    try:
        agent = Agent(cgroup, str(tmp_path_factory.mktemp("agent") / "sonde.log"), "--capture.ring-bytes=67108864")
        agent.cgroup = cgroup
        yield agent
    finally:
        if agent:
            agent.stop()
        cgroup.remove()


@pytest.fixture(name="lab")
def fixture_lab(agent, tmp_path, request):
    lab = Lab(agent.cgroup, agent, str(tmp_path), request.node.name)
    try:
        yield lab
    finally:
        lab.stop()


@pytest.fixture(name="server", params=["tcp", "unix"])
def fixture_server(lab, request):
    return Server(lab, unix=request.param == "unix")


def benchmark(server, *arguments):
    server.lab.run([tool("redis-benchmark"), *server.where(), "-q", *arguments], "bench", timeout=120)


@pytest.mark.parametrize("pipeline", ["1", "16", "64"])
def test_benchmark(lab, server, pipeline):
    benchmark(server, "-n", "20000", "-c", "20", "-P", pipeline, "-r", "1000",
              "-t", "ping,set,get,incr,lpush,rpush,lpop,sadd,hset,mset")
    samples = expect(lab, server, ["bench"])
    assert samples


@pytest.mark.parametrize("size", ["3", "4000", "70000", "1048576"])
def test_value_sizes(lab, server, size):
    requests = "200" if int(size) > 100000 else "2000"
    benchmark(server, "-n", requests, "-c", "5", "-d", size, "-t", "set,get")
    expect(lab, server, ["bench"])
