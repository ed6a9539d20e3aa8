# SPDX-License-Identifier: Apache-2.0
"""Several real servers of Redis: a cluster with its redirections and its bus, a replica and its stream, a client that
monitors. What the agent counts is what each server's own books say."""

import os
import time

import pytest

from http_lab import METRIC_SECONDS, free_port, losses, tool, wait_until
from redis_lab import Server, counts, failures
from test_redis import fixture_agent, fixture_lab  # pylint: disable=unused-import

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
SLOTS = 16384


def told(lab, server, side="server"):
    return counts(lab.agent.samples(), f"{lab.prefix}-{server.service}", side)


def agree(lab, servers, ignored=()):
    """The servers' own sides. `ignored`: commands that cross no call of a client."""
    wanted = {server.service: {name: count for name, count in server.books().calls.items() if name not in ignored}
              for server in servers}
    deadline = time.monotonic() + METRIC_SECONDS
    while True:
        got = {server.service: {name: count for name, count in told(lab, server).items() if name not in ignored}
               for server in servers}
        if got == wanted or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    assert got == wanted
    return wanted


@pytest.fixture(name="cluster")
def fixture_cluster(lab):
    buses = [free_port() for _ in range(3)]
    servers = [Server(lab, f"node{i}", cluster_enabled="yes", cluster_config_file=f"nodes{i}.conf",
                      cluster_port=str(bus)) for i, bus in enumerate(buses)]
    share = SLOTS // 3 + 1
    for i, server in enumerate(servers):
        server.outside("cluster", "addslotsrange", str(i * share), str(min((i + 1) * share, SLOTS) - 1))
        server.outside("config", "set", "cluster-require-full-coverage", "no")
    for server in servers[1:]:
        server.outside("cluster", "meet", "127.0.0.1", str(servers[0].port), str(buses[0]))
    for server in servers:
        wait_until(lambda it=server: "cluster_known_nodes:3" in it.outside("cluster", "info")
                   and "cluster_state:ok" in it.outside("cluster", "info")
                   and "cluster_slots_assigned:16384" in it.outside("cluster", "info"), 30, "the cluster")
    return servers


def test_cluster(lab, cluster):
    before = losses(lab.agent.samples())
    keys = [f"key:{i}" for i in range(60)]
    # Told where to go, and going there; and told where to go alone.
    cluster[0].inside("follows", "-c", stdin="".join(f"set {key} 1\nget {key}\n" for key in keys))
    cluster[0].inside("stays", stdin="".join(f"get {key}\n" for key in keys))
    lab.run([tool("redis-benchmark"), "--cluster", *cluster[0].where(), "-q", "-n", "6000", "-c", "6", "-P", "4", "-r",
             "1000", "-t", "set,get"], "bench", timeout=120)
    wanted = agree(lab, cluster)
    samples = lab.agent.samples()
    moved = sum(failures(samples, f"{lab.prefix}-stays", "client").values())
    served = counts(samples, f"{lab.prefix}-stays", "client")["GET"] - moved
    assert served + moved == len(keys) and 0 < moved < len(keys)
    assert counts(samples, f"{lab.prefix}-stays", "client", db_response_status_code="MOVED") == {"GET": moved}
    followed = counts(samples, f"{lab.prefix}-follows", "client")
    redirected = counts(samples, f"{lab.prefix}-follows", "client", db_response_status_code="MOVED")
    assert followed["SET"] - redirected.get("SET", 0) == followed["GET"] - redirected.get("GET", 0) == len(keys)
    sets = counts(samples, f"{lab.prefix}-bench", "client")["SET"]
    assert sets + followed["SET"] == sum(calls["SET"] for calls in wanted.values())
    # The bus speaks a protocol of its own.
    for server in cluster:
        assert not told(lab, server, "client")
    assert losses(lab.agent.samples()) == before


def test_replica(lab):
    before = losses(lab.agent.samples())
    master = Server(lab, "master", repl_diskless_sync_delay="0")
    for i in range(100):
        master.outside("set", f"old:{i}", "x" * 2000)
    replica = Server(lab, "replica", replicaof=f"127.0.0.1 {master.port}")
    wait_until(lambda: "master_link_status:up" in replica.outside("info", "replication"), 30, "the replica")
    lab.run([tool("redis-benchmark"), *master.where(), "-q", "-n", "20000", "-c", "10", "-P", "16", "-r", "1000", "-t",
             "set,lpush,incr"], "bench", timeout=120)
    wait_until(lambda: replica.outside("dbsize") == master.outside("dbsize"), 10, "the replica to follow")
    replica.inside("reader", stdin="get old:1\nget old:2\nset refused 1\n")
    # Acknowledgements go on in the stream, and both servers count them; what the replica is told it executes.
    calls = agree(lab, [master], ignored=("REPLCONF", "INFO", "DBSIZE"))["master"]
    assert calls["SET"] == 20000 + 100
    link = told(lab, replica, "client")
    # Redis 8 has two connections for it.
    assert link["PSYNC"] == calls["PSYNC"] > 0 and link["PING"] == 1 and set(link) == {"PSYNC", "PING", "REPLCONF"}
    assert told(lab, master)["REPLCONF"] == link["REPLCONF"]
    served = told(lab, replica)
    assert served["GET"] == 2 and served["SET"] == 1 and "LPUSH" not in served
    samples = lab.agent.samples()
    assert failures(samples, f"{lab.prefix}-replica", "server") == {"SET": 1}
    assert losses(samples) == before


def test_monitor(lab):
    """It is told each command of others in the form of a reply, none of which is one."""
    before = losses(lab.agent.samples())
    server = Server(lab)
    monitor = lab.start([tool("redis-cli"), *server.where(), "monitor"], "watcher")
    wait_until(lambda: "cmd=monitor" in server.outside("client", "list"), 10, "the monitor")
    lab.run([tool("redis-benchmark"), *server.where(), "-q", "-n", "5000", "-c", "5", "-r", "100", "-t", "set,get"],
            "bench", timeout=120)
    calls = agree(lab, [server])["redis"]
    assert calls["SET"] == calls["GET"] == 5000 and calls["MONITOR"] == 1
    assert told(lab, server, "client") == {}
    monitor.kill()
    monitor.wait()
    assert counts(lab.agent.samples(), f"{lab.prefix}-watcher", "client")["MONITOR"] == 1
    assert losses(lab.agent.samples()) == before
