# SPDX-License-Identifier: Apache-2.0
"""Real servers (Redis, and Valkey, which speaks the same) and real clients: what the agent counts equals the server's
own books, on both sides."""

import os
import re
import signal
import threading
import time
import urllib.request

import pytest

from http_lab import METRIC_SECONDS, Agent, Cgroup, Lab, losses, tool, total
from redis_lab import DURATION, Server, counts, expect

PYTHON = "/usr/bin/python3"
HERE = os.path.dirname(os.path.abspath(__file__))
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


@pytest.fixture(name="server", params=["redis-tcp", "redis-unix", "valkey-tcp", "valkey-unix"])
def fixture_server(lab, request):
    program, where = request.param.split("-")
    return Server(lab, unix=where == "unix", program=f"{program}-server")


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


# Strings, errors of all kinds, subcommands, transactions, scripts, waiting, databases.
CLI = """
set s 1
get s
get missing
incr s
lpush l a b c
lpush s x
incr l
get
set s
frobnicate a b
config get maxmemory
client setname me
client list
object encoding s
xgroup create x g $ mkstream
xadd x * f v
xread count 1 block 10 streams x $
xread count 1 streams x 0
blpop none 0.1
blpop l 0
wait 0 10
multi
set m 1
get m
lpush m x
exec
multi
set m 2
discard
multi
get
exec
watch m
multi
ping
exec
select 3
set other 1
get other
select 99
eval "return redis.call('get', 's')" 0
eval "return redis.error_reply('MYERR x')" 0
evalsha ffffffffffffffffffffffffffffffffffffffff 0
debug sleep 0
acl whoami
echo hello
type s
reset
quit
"""


def test_cli(lab, server):
    server.inside("cli", stdin=CLI)
    samples = expect(lab, server, ["cli"], lookups=False, unknown={"_OTHER": 1}, inner={"GET": 1})
    for side, service in (("server", "redis"), ("client", "cli")):
        service = f"{lab.prefix}-{service}"
        assert counts(samples, service, side, db_response_status_code="WRONGTYPE") == {"LPUSH": 2, "INCR": 1}
        assert counts(samples, service, side, db_response_status_code="NOSCRIPT") == {"EVALSHA": 1}
        assert counts(samples, service, side, db_response_status_code="EXECABORT") == {"EXEC": 1}
        assert counts(samples, service, side, db_namespace="3")["SET"] == 1
        assert counts(samples, service, side, db_namespace="0")["SET"] == 3
        waited = sum(s.value for s in samples if s.name == DURATION[side][1] and s.labels["service_name"] == service)
        assert waited == 4, "blpop twice, xread block, wait"


LOOKUPS = """
set a 1
set b 2
hset h f v
get a
get x
mget a b x y
exists a a x
getex a persist
getex x persist
set a 2 get
set x 1 nx get
getset a 3
getset n 3
hget h f
hget nohash f
hmget h f
hgetall h
hgetall nohash
getdel a
getdel a
"""


def test_lookups(lab, server):
    """Hits and misses are the server's own where keys and fields are the same."""
    server.inside("cli", stdin=LOOKUPS)
    expect(lab, server, ["cli"])


@pytest.mark.parametrize("client", ["sync", "asyncio", "resp3"])
def test_python(lab, server, client):
    """redis-py with pipelines, transactions, subscriptions, scripts, threads; RESP3's pushes by hand."""
    where = server.path or str(server.port)
    output = lab.run([PYTHON, os.path.join(HERE, "redis_clients.py"), client, where], "py")
    inner = {"GET": int(re.search(r"^inner (\d+)$", output, re.M)[1])}
    samples = expect(lab, server, ["py"], lookups=False, inner=inner)
    assert counts(samples, f"{lab.prefix}-py", "client").get("SUBSCRIBE", 0) > 0


def test_deep_pipeline(lab, server):
    """redis-cli --pipe sends without waiting: calls begin anywhere, with what may look like a chunk's size."""
    commands = "".join(f"*3\r\n$3\r\nSET\r\n$10\r\nkey:{i:06d}\r\n$5\r\n{i:05d}\r\n" for i in range(50000))
    server.inside("pipe", "--pipe", stdin=commands)
    samples = expect(lab, server, ["pipe"], lookups=False)
    assert counts(samples, f"{lab.prefix}-pipe", "client")["SET"] == 50000


SECRET = "s3cr3tW0rd"
# A secret in every place where a client or a script can put one.
SECRETS = """
auth {s}1
auth user{s} {s}2
hello 2 auth {s}3 {s}4
hello 2 setname {s}5
client setname {s}6
set {s}7 {s}8
get {s}7
get {s}9
hset {s}10 {s}11 {s}12
hgetall {s}10
mset {s}13 {s}14
eval "return redis.error_reply('{S}15 {s}')" 0
eval "return redis.status_reply('{s}16')" 0
eval "return {{'{s}17'}}" 0
evalsha {s}18 0
config get {s}19
config set {s}20 {s}21
{s}22 {s}23
config {s}24
publish {s}25 {s}26
subscribe_{s}27
multi
set {s}28 {s}29
exec
lpush {s}7 {s}30
select {s}31
quit
"""


def grep(where, what):
    for secret in (SECRET, SECRET.upper()):
        found = what.find(secret.encode())
        assert found < 0, f"{where}: {what[max(0, found - 200):found + 200]}"


def test_secrets(lab, tmp_path):
    """Nothing that a client puts into a command leaves the agent: in no format, on no page, in no log."""
    server = Server(lab, requirepass=SECRET + "0")
    agent = Agent(lab.cgroup, str(tmp_path / "secrets.log"), "--log.level=debug")
    try:
        server.inside("cli", "-a", SECRET + "0", stdin=SECRETS.format(s=SECRET, S=SECRET.upper()))
        lab.run([PYTHON, os.path.join(HERE, "redis_clients.py"), "secrets", str(server.port), SECRET], "raw")
        url = f"http://127.0.0.1:{agent.port}"
        told = agent.samples()
        assert total(told, DURATION["server"][0], db_operation_name="AUTH") >= 3
        assert total(told, DURATION["client"][0], db_operation_name="_OTHER") >= 2
        for path in ("/metrics", "/", "/health/ready"):
            for accept in ("text/plain;version=0.0.4", "application/openmetrics-text;version=1.0.0",
                           "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
                           "encoding=delimited"):
                request = urllib.request.Request(url + path, headers={"Accept": accept})
                with urllib.request.urlopen(request, timeout=10) as answer:
                    grep(f"{path} {accept}", answer.read())
    finally:
        agent.stop()
    with open(tmp_path / "secrets.log", "rb") as log:
        text = log.read()
    assert b"observing" in text
    grep("the log", text)


def accounted(samples, books):
    """Calls, what is counted as lost, and the most that may be missing beyond, which has its reasons."""
    counted = 0
    for side in ("server", "client"):
        for name, calls in books.calls.items():
            count = sum(total(samples, metric, db_operation_name=name) for metric in DURATION[side])
            assert count <= calls, (side, name, count, calls)
            counted += int(count)
    lost = {reason: int(total(samples, "sonde_stream_out_of_step_total", reason=reason))
            for reason in ("response_alone", "request_lost")}
    unseen = int(total(samples, "sonde_stream_unseen_exchanges_max_total"))
    reasons = [total(samples, "sonde_stream_unseen_bytes_total", direction=direction)
               for direction in ("request", "response")]
    reasons.append(total(samples, "sonde_stream_unseen_connections_total"))
    assert [reason > 0 for reason in reasons] == 3 * [unseen > 0], (unseen, reasons)
    # The shortest command has 11 bytes, the shortest reply 4.
    assert unseen <= min(reasons[0] / 11, reasons[1] / 4), (unseen, reasons)
    full = total(samples, "sonde_events_lost_total", reason="ring_full")
    gone = total(samples, "sonde_lost_bytes_total")
    assert (full > 0) == (gone > 0), (full, gone)
    if unseen:
        assert full + total(samples, "sonde_scarce_calls_total") > 0
    # Room is kept for openings and ends. Without them, or where the rest of one was lost, bytes are all there is.
    if total(samples, "sonde_cut_connections_total") + total(samples, "sonde_unparsed_connections_total"):
        assert gone > 0
        unseen += int(gone / (11 + 4))
    return counted, lost, unseen


def stop_for_a_while(process, ended):
    """As on a host that has no processor for it."""
    while not ended.wait(0.3):
        process.send_signal(signal.SIGSTOP)
        ended.wait(0.3)
        process.send_signal(signal.SIGCONT)


def overload(lab, folder, size, starve=False):
    """An agent with the ring as it is by default: what was sent at both ends, what it told, counted as lost, and says
    that it may be missing beyond."""
    server = Server(lab)
    agent = Agent(lab.cgroup, str(folder / "default.log"))
    ended = threading.Event()
    starver = threading.Thread(target=stop_for_a_while, args=(agent.process, ended))
    if starve:
        starver.start()
    try:
        requests = "40000" if size == 10000 else "400000"
        benchmark(server, "-n", requests, "-c", "50", "-P", "64", "-d", str(size), "-t", "set,get")
        ended.set()
        if starve:
            starver.join()
        books = server.books()
        sent = 2 * sum(books.calls.values()) - server.infos
        deadline = time.monotonic() + METRIC_SECONDS
        while True:
            counted, lost, unseen = accounted(agent.samples(), books)
            if sent <= counted + sum(lost.values()) + unseen or time.monotonic() > deadline:
                print(f"-d {size}: sent {sent} counted {counted} lost {lost} and at most {unseen} more")
                return sent, counted, sum(lost.values()), unseen
            time.sleep(0.05)
    finally:
        ended.set()
        if starver.is_alive():
            starver.join()
        agent.stop()


@pytest.mark.parametrize("size", [3, 100, 1000, 10000])
def test_what_is_lost_is_counted(lab, tmp_path, size):
    """When the ring fills up, bulk is cut and what is short is not, so that of each pipeline one direction is whole:
    what is told and what is counted as lost are what was sent, to the last command. Where the agent got no processor
    until both directions lost bytes it says so: in how many bytes of how many connections, and how many commands
    these have room for. It says nothing of that kind otherwise."""
    sent, counted, lost, unseen = overload(lab, tmp_path, size)
    assert counted + lost <= sent <= counted + lost + unseen


@pytest.mark.parametrize("size", [3, 1000])
def test_an_agent_that_is_kept_from_running_says_so(lab, tmp_path, size):
    """The ring is full for a while, again and again: whole calls are lost in both directions, and all that is missing
    lies within what it says."""
    sent, counted, lost, unseen = overload(lab, tmp_path, size, starve=True)
    assert counted + lost <= sent <= counted + lost + unseen
    assert counted < sent and unseen > 0, "it got its share"


@pytest.mark.parametrize("size", [3, 1000])
def test_saturation(lab, tmp_path, size):
    """A ring that is far too small, so that both flows lose what was said: no command is counted twice or as another,
    and what is missing is counted, up to what left no trace, which has a bound."""
    server = Server(lab)
    agent = Agent(lab.cgroup, str(tmp_path / "small.log"), "--capture.ring-bytes=262144")
    try:
        benchmark(server, "-n", "200000", "-c", "50", "-P", "64", "-d", str(size), "-t", "set,get")
        books = server.books()
        sent = 2 * sum(books.calls.values()) - server.infos
        deadline = time.monotonic() + METRIC_SECONDS
        while True:
            counted, lost, unseen = accounted(agent.samples(), books)
            missing = sum(lost.values())
            if sent <= counted + missing + unseen or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        print(f"-d {size}: sent {sent} counted {counted} lost {lost} and at most {unseen} more")
        assert counted < sent and min(lost.values()) > 0, "the ring was large enough"
        assert counted + missing <= sent, "counted twice"
        assert sent <= counted + missing + unseen, "missing, and not counted"
    finally:
        agent.stop()
