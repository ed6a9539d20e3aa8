# SPDX-License-Identifier: Apache-2.0
"""Replies of hundreds of thousands of small values, to several clients at once: more than anyone reads in time. Values
are never taken for replies: with the ring as it is by default every call is told at both ends, as the server's own
books have them; with one that is far too small, what is told and what is counted as lost make what was sent, but for
what left no trace, which has a bound."""

import concurrent.futures
import os
import time

import pytest

from http_lab import METRIC_SECONDS, Agent, Cgroup, Lab, losses, total
from redis_lab import DURATION, Server, expect

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
VALUES = 300000
CLIENTS = 4
ROUNDS = 6


@pytest.fixture(name="cgroup", scope="module")
def fixture_cgroup():
    cgroup = Cgroup()
    yield cgroup
    cgroup.remove()


@pytest.fixture(name="make_lab")
def fixture_make_lab(cgroup, tmp_path, request):
    """With an agent that has these options."""
    made = []

    def make(*options):
        agent = Agent(cgroup, str(tmp_path / "sonde.log"), *options)
        made.append(agent)
        made.append(Lab(cgroup, agent, str(tmp_path), request.node.name))
        return made[-1]

    yield make
    for thing in reversed(made):
        thing.stop()


def fill(server):
    """By a script, whose commands cross no socket."""
    server.inside("cli", "eval", f"for i = 1, {VALUES} do redis.call('rpush', 'list', i) end", "0")
    return {"RPUSH": VALUES}


COMMANDS = r"""
import socket, sys, threading
def command(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
whole, get = command(b"LRANGE", b"list", b"0", b"-1"), command(b"GET", b"x")
array = b"*%d\r\n" % values + b"".join(b"$%d\r\n%d\r\n" % (len(str(i)), i) for i in range(1, values + 1))
null = b"$-1\r\n"
def connect():
    if isinstance(where, int):
        return socket.create_connection(("127.0.0.1", where))
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(where)
    return sock
def ask(sock, sent, due):
    sock.sendall(sent)
    got = bytearray()
    while len(got) < len(due):
        got += sock.recv(1 << 20)
    assert got == due
"""
# All clients at once, when each has shown that it waits for its replies.
AT_ONCE = r"""
ready = threading.Barrier(clients)
def client():
    sock = connect()
    ask(sock, get, null)
    ask(sock, get, null)
    ready.wait()
    for _ in range(rounds):
        ask(sock, whole, array)
        ask(sock, get, null)
    sock.close()
    done.append(1)
done, threads = [], [threading.Thread(target=client) for _ in range(clients)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(done) == clients
"""


@pytest.mark.parametrize("program", ["redis", "valkey"])
@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
def test_every_call_is_told(make_lab, unix, program):
    lab = make_lab()
    server = Server(lab, unix=unix, program=f"{program}-server")
    inner = fill(server)
    where = server.path if unix else server.port
    script = f"values, rounds, clients, where = {VALUES}, {ROUNDS}, {CLIENTS}, {where!r}\n{COMMANDS}{AT_ONCE}"
    lab.run(["/usr/bin/python3", "-c", script], "py")
    assert server.books().calls["LRANGE"] == CLIENTS * ROUNDS
    expect(lab, server, ["cli", "py"], lookups=False, inner=inner)


# Array by array: the first command of a connection is one; sent with another behind it; and alone.
ONE_BY_ONE = r"""
for _ in range(rounds):
    sock = connect()
    for sent, due in ((whole, array), (get, null), (whole + get, array + null), (get, null), (whole, array),
                      (get, null), (get, null)):
        ask(sock, sent, due)
    sock.close()
"""


def test_lost_values_are_no_replies(make_lab):
    lab = make_lab("--capture.ring-bytes=262144")
    server = Server(lab)
    fill(server)
    script = f"values, rounds, where = {VALUES}, 3, {server.port}\n{COMMANDS}{ONE_BY_ONE}"
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(lambda _: lab.run(["/usr/bin/python3", "-c", script], "py"), range(CLIENTS)))
    calls = {name: count for name, count in server.books().calls.items() if name in ("LRANGE", "GET")}
    assert calls == {"LRANGE": 9 * CLIENTS, "GET": 15 * CLIENTS}
    deadline = time.monotonic() + METRIC_SECONDS
    while True:
        samples = lab.agent.samples()
        told = {name: sum(int(total(samples, DURATION[side][0], db_operation_name=name)) for side in DURATION)
                for name in calls}
        lost = {reason: int(total(samples, "sonde_stream_out_of_step_total", reason=reason))
                for reason in ("request_lost", "response_alone", "malformed")}
        unseen = int(total(samples, "sonde_stream_unseen_exchanges_max_total"))
        missing = 2 * sum(calls.values()) - sum(told.values()) - lost["request_lost"]
        if missing <= unseen or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    print(f"sent {calls} at each end, told {told}, lost {lost}, at most {unseen} more, {losses(samples)}")
    assert lost["request_lost"] > 0, "the ring was large enough"
    assert lost["response_alone"] == lost["malformed"] == 0
    assert all(told[name] <= 2 * calls[name] for name in calls)
    assert missing >= 0, "counted twice"
    assert missing <= unseen, "missing, and not counted"
