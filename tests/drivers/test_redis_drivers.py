# SPDX-License-Identifier: Apache-2.0
"""ioredis, go-redis and Jedis against Redis's own books, on both sides, as tests/e2e/test_redis.py does with other
clients. The drivers come from their registries into build/drivers, in the versions that are named here and beside."""

import os
import re
import shutil

import pytest

from test_postgres_drivers import BUILD, HERE, make

from http_lab import Agent, Cgroup, Lab, tool
from redis_lab import Server, expect

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
SOURCES = os.path.join(HERE, "redis")
IOREDIS = "ioredis@5.11.1"
SCRIPT_CALLS = 10  # of INCR inside of scripts, by each client


def ioredis():
    folder = os.path.join(BUILD, "redis-node")
    make([tool("npm"), "install", "--silent", "--no-audit", "--no-fund", IOREDIS], folder)
    return ["env", f"NODE_PATH={folder}/node_modules", tool("node"), os.path.join(SOURCES, "client.js")]


def go_redis():
    folder = os.path.join(BUILD, "redis-go")
    os.makedirs(folder, exist_ok=True)
    for name in ("go.mod", "client.go"):
        shutil.copy(os.path.join(SOURCES, name), folder)
    make([tool("go"), "build", "-mod=mod", "-o", "client", "."], folder)
    return [os.path.join(folder, "client")]


def jedis():
    folder = os.path.join(BUILD, "redis-java")
    make([tool("mvn"), "-q", "-f", os.path.join(SOURCES, "pom.xml"), "dependency:copy-dependencies",
          f"-DoutputDirectory={folder}"], folder)
    make([tool("javac"), "-cp", f"{folder}/*", "-d", ".", os.path.join(SOURCES, "Client.java")], folder)
    return [tool("java"), "-ea", "-cp", f"{folder}/*:{folder}", "Client"]


@pytest.fixture(name="lab")
def fixture_lab(tmp_path, request):
    cgroup = Cgroup()
    agent = lab = None
    try:
        agent = Agent(cgroup, str(tmp_path / "sonde.log"), "--capture.ring-bytes=67108864")
        lab = Lab(cgroup, agent, str(tmp_path), request.node.name)
        yield lab
    finally:
        if lab:
            lab.stop()
        if agent:
            agent.stop()
        cgroup.remove()


def in_no_book(server):
    """Subcommands that are newer than the server, of which it counts the errors alone: drivers introduce themselves."""
    errors = int(re.search(r"^total_error_replies:(\d+)", server.outside("info", "stats"), re.M)[1])
    server.infos += 1
    return errors - sum(server.books().failed.values())


@pytest.mark.parametrize("driver, unnamed", [(ioredis, 0), (go_redis, 1), (jedis, 0)],
                         ids=["ioredis", "go-redis", "jedis"])
def test_driver(lab, driver, unnamed):
    """`unnamed`: subcommands that sonde does not know either (CLIENT MAINT_NOTIFICATIONS)."""
    command = driver()
    server = Server(lab)
    lab.run([*command, str(server.port)], "driver", timeout=60)
    newer = {"CLIENT SETINFO": in_no_book(server) - unnamed, "CLIENT": unnamed}
    unknown = {name: count for name, count in newer.items() if count}
    samples = expect(lab, server, ["driver"], unknown=unknown, inner={"INCR": SCRIPT_CALLS})
    assert samples
