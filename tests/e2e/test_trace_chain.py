# SPDX-License-Identifier: Apache-2.0
"""A chain of services, every request with its own number in its path: each parent that is told must be the right one.

How many are told (recall) depends on how a service works: docs/TRACING.md has what this test prints.
"""

import collections
import json
import subprocess
import sys

import pytest

import chain_servers
from http_lab import Agent, Cgroup, Lab, free_port, tool, wait_until

CHAIN = ["nginx", "sync", "node", "asyncio", "go", "leaf"]
# Of calls made, by the service that made them. Event loops are told only while they serve one request at a time.
WANTED = {"sync": 0.99}


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chain")
    go = tool("go")
    (folder / "main.go").write_text(chain_servers.GO)
    subprocess.run([go, "build", "-o", "server", "main.go"], cwd=folder, check=True, timeout=300)
    cgroup = Cgroup()
    agent = Agent(cgroup, folder / "agent.log", "--stdout.spans")
    lab = Lab(cgroup, agent, str(folder), "chain")
    ports = {name: free_port() for name in CHAIN}
    following = dict(zip(CHAIN, [ports[name] for name in CHAIN[1:]] + [0]))
    for name, file in (("node.js", chain_servers.NODE), ("event_loop.py", chain_servers.ASYNCIO),
                       ("sync.py", chain_servers.SYNC)):
        lab.file(name, file)
    lab.file("nginx.conf", chain_servers.NGINX.format(port=ports["nginx"], next=ports["sync"]))
    python = "/usr/bin/python3"
    commands = {"sync": [python, "sync.py"], "leaf": [python, "sync.py"], "node": [tool("node"), "node.js"],
                "asyncio": [python, "event_loop.py"], "go": [str(folder / "server")]}
    for name in reversed(CHAIN):
        command = [tool("nginx"), "-p", str(folder), "-c", "nginx.conf"] if name == "nginx" else \
            [*commands[name], str(ports[name]), str(following[name])]
        lab.start(command, name, ports[name])
    yield lab, folder / "agent.log", ports["nginx"]
    lab.stop()
    agent.stop()
    cgroup.remove()


def spans_of(log):
    """By span id: service, kind, number in the path, the span."""
    found = {}
    with open(log, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith('{"service"') and line.endswith("\n"):
                told = json.loads(line)
                says = {pair["key"]: pair["value"] for pair in told["span"]["attributes"]}
                path = (says.get("url.path") or says.get("url.full"))["stringValue"]
                found[told["span"]["spanId"]] = (told["service"].removeprefix("chain-"), told["span"]["kind"],
                                                 int(path.rsplit("/", 1)[1]), told["span"])
    return found


def judge(spans, numbers):
    """(service, kind) -> how many parents are right, and how many are not told; and what is wrong."""
    counts, wrong = collections.defaultdict(collections.Counter), []
    order = ["client", *CHAIN]
    for service, kind, number, span in spans.values():
        if number not in numbers or service == "client":
            continue
        place = order.index(service)
        wanted = (order[place - 1], 3) if kind == 2 else (service, 2)
        parent = spans.get(span.get("parentSpanId"))
        if "parentSpanId" not in span:
            counts[service, kind]["none"] += 1
        elif parent and parent[:3] == (*wanted, number) and parent[3]["traceId"] == span["traceId"]:
            counts[service, kind]["right"] += 1
        else:
            wrong.append((service, kind, number, parent and parent[:3]))
    return counts, wrong


@pytest.mark.parametrize("threads, count, first", [(1, 200, 0), (64, 20, 10000)])
def test_every_parent_is_the_right_one(chain, threads, count, first):
    lab, log, port = chain
    lab.file("client.py", chain_servers.CLIENT)
    lab.run(["/usr/bin/python3", "client.py", str(port), str(count), str(threads), str(first)], "client", timeout=200)
    total = threads * count
    numbers = range(first, first + total)

    def all_there():
        spans = spans_of(log)
        return spans if sum(number in numbers for _, _, number, _ in spans.values()) >= 12 * total else None
    spans = wait_until(all_there, 20, f"{12 * total} spans")
    counts, wrong = judge(spans, numbers)
    for service in CHAIN:
        made, served = counts[service, 3], counts[service, 2]
        print(f"concurrency {threads}: {service}: calls {made['right']} of {made['right'] + made['none']}, "
              f"joined {served['right']} of {served['right'] + served['none']}", file=sys.stderr)
    assert not wrong, f"{len(wrong)} wrong: {wrong[:5]}"
    for service in CHAIN:
        assert counts[service, 2]["right"] >= 0.99 * total, f"{service} is not joined with its client"
    for service, recall in WANTED.items():
        assert counts[service, 3]["right"] >= recall * total, f"calls of {service} lack their parent"
    samples = lab.agent.samples()
    assert not [s for s in samples if s.name == "sonde_stdout_dropped_total" and s.value]


@pytest.mark.parametrize("threads, count", [(1, 100), (32, 10)])
def test_calls_of_redis(tmp_path, threads, count):
    """Each request makes one call, whose client's span is its child, and Redis' own that one's."""
    cgroup = Cgroup("redis")
    agent = Agent(cgroup, tmp_path / "agent.log", "--stdout.spans")
    lab = Lab(cgroup, agent, str(tmp_path), "redis")
    try:
        redis, port = free_port(), free_port()
        lab.start([tool("redis-server"), "--port", str(redis), "--bind", "127.0.0.1", "--save", ""], "store", redis)
        lab.file("serve.py", chain_servers.REDIS)
        lab.file("client.py", chain_servers.CLIENT)
        lab.start(["/usr/bin/python3", "serve.py", str(port), str(redis)], "server", port)
        lab.run(["/usr/bin/python3", "client.py", str(port), str(count), str(threads), "0"], "client")

        def told():
            with open(tmp_path / "agent.log", encoding="utf-8", errors="replace") as file:
                found = [json.loads(line) for line in file if line.startswith('{"service"') and line.endswith("\n")]
            return found if len(found) >= 4 * threads * count else None
        spans = wait_until(told, 20, "four spans of each request")
    finally:
        lab.stop()
        agent.stop()
        cgroup.remove()
    by_id = {span["span"]["spanId"]: (span["service"].removeprefix("redis-"), span["span"]["kind"]) for span in spans}
    trace = {span["span"]["spanId"]: span["span"]["traceId"] for span in spans}
    wanted = {("server", 3): ("server", 2), ("store", 2): ("server", 3), ("server", 2): ("client", 3)}
    children = collections.Counter()
    for span in spans:
        parent, me = span["span"].get("parentSpanId"), by_id[span["span"]["spanId"]]
        assert by_id.get(parent) == wanted.get(me), f"{me} below {by_id.get(parent)}"
        assert parent is None or trace[parent] == span["span"]["traceId"]
        children[parent] += parent is not None
    assert max(children.values()) == 1
