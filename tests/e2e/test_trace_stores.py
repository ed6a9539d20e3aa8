# SPDX-License-Identifier: Apache-2.0
"""nginx -> Python -> Go -> PostgreSQL and Redis: each span of a database is below the request that it was asked for.

A database's span says no request's number. The Go server writes down which connection it used for which request; the
server's end of the call has that connection's port, and the calls of one connection come one after the other.
"""

import collections
import json
import subprocess
import sys

import pytest

import chain_servers
import chain_stores
from http_lab import Agent, Cgroup, Lab, free_port, tool, wait_until
from postgres_lab import Postgres

CHAIN = ["nginx", "sync", "go"]
SPANS = 2 * len(CHAIN) + 4  # of a request: one of the client and of each database, two of each service, three of Go
CLOCKS_NS = 500000  # the real time is taken once a second, and may be slewed by 500 ppm between


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    (folder / "main.go").write_text(chain_stores.GO)
    subprocess.run([tool("go"), "build", "-o", "server", "main.go"], cwd=folder, check=True, timeout=300)
    cgroup = Cgroup()
    agent = Agent(cgroup, folder / "agent.log", "--stdout.spans")
    lab = Lab(cgroup, agent, str(folder), "stores")
    postgres = None
    try:
        postgres = Postgres(cgroup)
        ports = {name: free_port() for name in [*CHAIN, "redis"]}
        lab.file("sync.py", chain_servers.SYNC)
        lab.file("client.py", chain_servers.CLIENT)
        lab.file("nginx.conf", chain_servers.NGINX.format(port=ports["nginx"], next=ports["sync"]))
        lab.start([tool("redis-server"), "--port", str(ports["redis"]), "--bind", "127.0.0.1", "--save", ""], "redis",
                  ports["redis"])
        lab.start([str(folder / "server"), str(ports["go"]), "0", str(postgres.port), str(ports["redis"])], "go",
                  ports["go"])
        lab.start(["/usr/bin/python3", "sync.py", str(ports["sync"]), str(ports["go"])], "sync", ports["sync"])
        lab.start([tool("nginx"), "-p", str(folder), "-c", "nginx.conf"], "nginx", ports["nginx"])
        yield lab, folder, ports["nginx"]
    finally:
        lab.stop()
        if postgres:
            postgres.stop()
        agent.stop()
        cgroup.remove()


def spans_of(log):
    with open(log, encoding="utf-8", errors="replace") as file:
        told = [json.loads(line) for line in file if line.startswith('{"service"') and line.endswith("\n")]
    for span in told:
        one = span["span"]
        one["service"] = span["service"].removeprefix("stores-")
        one["says"] = {pair["key"]: next(iter(pair["value"].values())) for pair in one["attributes"]}
    return {span["span"]["spanId"]: span["span"] for span in told}


def number_of(span):
    path = span["says"].get("url.path") or span["says"].get("url.full")
    return int(path.rsplit("/", 1)[1]) if path else None


def number_above(spans, span):
    """Of the request that Go was serving when it made this call; None without a parent."""
    parent = spans.get(span.get("parentSpanId"))
    assert not parent or (parent["service"], parent["kind"]) == ("go", 2), f"{span['name']} below {parent['service']}"
    return number_of(parent) if parent else None


def database_calls(spans, book):
    """(number, store) -> number of the request that it was told to be below; None: no parent. Times are looked at."""
    uses = collections.defaultdict(list)
    for span in spans.values():
        if span["says"].get("db.system.name") and span["kind"] == 2:
            uses[int(span["says"]["network.peer.port"])].append(span)
    for port in uses:
        uses[port].sort(key=lambda span: int(span["startTimeUnixNano"]))
    told = {}
    for line in book.read_text().splitlines():
        number, store, port, used, begin, end = line.split()
        server = uses[int(port)][int(used)]
        client = spans.get(server.get("parentSpanId"))
        assert client, f"{store}'s span is not joined with its client's"
        assert client["kind"] == 3 and client["service"] == "go" and client["traceId"] == server["traceId"]
        assert int(begin) - CLOCKS_NS <= int(client["startTimeUnixNano"]), f"{number}: {store} told too early"
        assert int(client["endTimeUnixNano"]) <= int(end) + CLOCKS_NS, f"{number}: {store} told too late"
        told[int(number), store] = number_above(spans, client)
    return told


@pytest.mark.parametrize("threads, count, first", [(1, 200, 0), (64, 20, 10000)])
def test_calls_of_databases(chain, threads, count, first):
    lab, folder, port = chain
    total = threads * count
    lab.run(["/usr/bin/python3", "client.py", str(port), str(count), str(threads), str(first)], "client", timeout=200)
    numbers = range(first, first + total)
    before = 200 if first else 0

    def all_there():
        spans = spans_of(folder / "agent.log")
        wanted = SPANS * (total + before)
        return spans if len(spans) >= wanted else None
    spans = wait_until(all_there, 20, "all spans")
    told = database_calls(spans, folder / "go.log")
    wrong = {key: above for key, above in told.items() if above is not None and above != key[0]}
    assert not wrong, f"{len(wrong)} of {len(told)} wrong: {list(wrong.items())[:5]}"
    for store in ("postgres", "redis"):
        right = sum(told[number, store] == number for number in numbers)
        print(f"concurrency {threads}: go: calls of {store} {right} of {total}", file=sys.stderr)
        assert right >= 0.99 * total, f"calls of {store} lack their parent"
    whole = collections.Counter(span["traceId"] for span in spans.values() if number_of(span) in numbers)
    print(f"concurrency {threads}: {len(whole)} traces of {total} requests", file=sys.stderr)
    assert len(whole) <= 1.01 * total
