# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL's own books are the witness: pg_stat_statements.calls by kind of statement, pg_stat_database, and the log
of pgbench. sonde must say the same at both ends, by TCP and by unix socket, to the last call."""

import collections
import glob
import itertools
import os
import subprocess
import time

import pytest

from http_lab import METRIC_SECONDS, Agent, Cgroup, losses, total, wait_until
from postgres_lab import CLIENT, SERVER, Postgres, told

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
PYTHON = "/usr/bin/python3"
NUMBERS = itertools.count()
SCARCE = "sonde_scarce_calls_total"
GAP = ("sonde_stream_out_of_step_total", "gap")
PIPELINE = r"""\startpipeline
\set aid random(1, 100000)
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
UPDATE pgbench_branches SET bbalance = bbalance + 1 WHERE bid = 1;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, :aid, 1, now());
SELECT 1;
\endpipeline
"""


class Bench:
    """The agent, the server and a database of its own for each load."""

    def __init__(self, folder):
        self.cgroup = Cgroup()
        self.agent = self.server = None
        try:
            self.agent = Agent(self.cgroup, os.path.join(folder, "sonde.log"))
            self.server = Postgres(self.cgroup)
            self.server.psql("CREATE DATABASE base")
            self.server.psql("CREATE EXTENSION pg_stat_statements")
            subprocess.run([f"{self.server.bin}/pgbench", "-iq", "-s", "1", "base"], check=True, capture_output=True,
                           env=self.server.environment("base"))
            self.server.psql("CREATE TABLE items (id int PRIMARY KEY, name text)", "base")
        except BaseException:
            self.stop()
            raise

    def stop(self):
        if self.server:
            self.server.stop()
        if self.agent:
            self.agent.stop()
        self.cgroup.remove()

    def database(self):
        name = f"load{next(NUMBERS)}"
        self.server.psql(f"CREATE DATABASE {name} TEMPLATE base")
        self.server.forget()
        return name

    def run(self, command, database, unix=False, check=True, **environment):
        host = self.server.folder if unix else None
        done = subprocess.run(command, env={**os.environ, **self.server.environment(database, host), **environment},
                              capture_output=True, text=True, check=False, timeout=120, preexec_fn=self.cgroup.enter,
                              cwd="/tmp")
        assert not check or done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def expect(self, database, before, good=None, bad=None, scarce=None):
        """At both ends, what the server's books say, or `good`; and failures by code. Nothing may have been lost.

        `scarce`: the calls that were cut before, when a host that is too busy may cut more: holes in bulk, then."""
        wanted = (good if good is not None else self.server.books(database), collections.Counter(bad or {}))
        deadline = time.monotonic() + METRIC_SECONDS
        while True:
            samples = self.agent.samples()
            got = [told(samples, metric, database) for metric in (CLIENT, SERVER)]
            if got == [wanted, wanted] or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        assert got[0] == wanted, f"client: {got[0]}\nwanted: {wanted}"
        assert got[1] == wanted, f"server: {got[1]}\nwanted: {wanted}"
        after = losses(samples)
        if scarce is not None and total(samples, SCARCE) > scarce:
            after[GAP] = before[GAP]
        assert after == before, {key: after[key] - before[key] for key in after if after[key] != before[key]}
        return samples


@pytest.fixture(name="bench", scope="module")
def fixture_bench(tmp_path_factory):
    bench = Bench(str(tmp_path_factory.mktemp("postgres")))
    yield bench
    bench.stop()


@pytest.fixture(name="before")
def fixture_before(bench):
    return losses(bench.agent.samples())


@pytest.mark.parametrize("clients", [1, 10, 50])
@pytest.mark.parametrize("mode", ["simple", "extended", "prepared", "pipeline"])
def test_pgbench(bench, before, mode, clients, tmp_path):
    """Every other by unix socket."""
    database = bench.database()
    transactions = {1: 100, 10: 30, 50: 10}[clients]
    command = ["pgbench", "-n", "-c", str(clients), "-j", "2", "-t", str(transactions)]
    if mode == "pipeline":
        script = tmp_path / "pipeline.sql"
        script.write_text(PIPELINE)
        os.chmod(tmp_path, 0o755)
        command += ["-M", "extended", "-f", str(script)]
    else:
        command += ["-M", mode]
    bench.run([*command, database], database, unix=(clients == 10) != (mode == "extended"))
    books = bench.server.books(database)
    if mode == "prepared":
        # pg_stat_statements of 15 and before counts a prepared utility statement once: its own count is that of the
        # transactions, which pg_stat_database has.
        commits = int(bench.server.psql(f"SELECT xact_commit FROM pg_stat_database WHERE datname = '{database}'")[0])
        assert books["BEGIN"] in (clients, clients * transactions) and commits >= clients * transactions
        books["BEGIN"] = books["COMMIT"] = clients * transactions
    assert books["UPDATE"] == clients * transactions * (1 if mode == "pipeline" else 3)
    bench.expect(database, before, books)


@pytest.mark.parametrize("mode", ["simple", "prepared"])
def test_tls(bench, before, mode):
    """SSLRequest and its answer in clear, the rest through OpenSSL at both ends."""
    database = bench.database()
    bench.run(["pgbench", "-n", "-S", "-M", mode, "-c", "4", "-t", "50", database], database, PGSSLMODE="require")
    assert bench.server.books(database)["SELECT"] == 200 + 2
    bench.expect(database, before)


def test_errors(bench, before):
    """Failures are calls, by SQLSTATE; the server counts their transactions."""
    database = bench.database()
    script = ("SELECT 1/0;\nSELECT * FROM nowhere;\nSELEC 1;\nDELETE FROM items;\nINSERT INTO items VALUES (1, 'a');\n"
              "INSERT INTO items VALUES (1, 'b');\nBEGIN;\nSELECT 1/0;\nSELECT 1;\nROLLBACK;\n") * 5
    done = subprocess.run(["psql", "-Xq"], input=script, text=True, capture_output=True, check=False, cwd="/tmp",
                          env={**os.environ, **bench.server.environment(database)}, preexec_fn=bench.cgroup.enter)
    assert done.stderr.count("ERROR") == 30, done.stderr
    bench.expect(database, before, bad={"22012": 10, "42P01": 5, "42601": 5, "23505": 5, "25P02": 5})
    rolled_back = bench.server.psql(f"SELECT xact_rollback FROM pg_stat_database WHERE datname = '{database}'")
    assert rolled_back == ["25"]


def test_psql(bench, before):
    """Several statements in one message, COPY both ways, definitions, a cursor, functions with statements inside."""
    database = bench.database()
    bench.run(["psql", "-Xq", "-v", "ON_ERROR_STOP=1",
               "-c", "BEGIN; INSERT INTO items VALUES (1, 'a'), (2, 'b'); SELECT * FROM items; COMMIT; VALUES (1)",
               "-c", "COPY items TO STDOUT", "-c", "CREATE TABLE t (a int)", "-c", "DROP TABLE t",
               "-c", "WITH x AS (SELECT 1) SELECT * FROM x", "-c", "SELECT count(*) FROM generate_series(1, 200000)",
               "-c", "SELECT g, repeat('x', 100) FROM generate_series(1, 3000) g",
               "-c", "SELECT repeat('x', 20000000)",
               "-c", "BEGIN; DECLARE c CURSOR FOR SELECT * FROM items; FETCH 1 FROM c; FETCH 1 FROM c; CLOSE c; END",
               "-c", "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM 1; UPDATE items SET name = "
               "'x'; END $$", "-c", "SELECT f(); SELECT f()", "-c", "-- nothing"], database)
    bench.run(["psql", "-Xq", "-c", r"\copy items FROM PROGRAM 'seq 10 20 | sed s/$/,name/' CSV"], database, unix=True)
    bench.expect(database, before)


PSYCOPG2 = """
import psycopg2, psycopg2.extras
conn = psycopg2.connect("")
cur = conn.cursor()
for i in range(50):
    cur.execute("INSERT INTO items VALUES (%s, %s)", (i, "x'y"))
conn.commit()
psycopg2.extras.execute_values(cur, "INSERT INTO items VALUES %s", [(i, "v") for i in range(100, 1100)])
named = conn.cursor("big")
named.itersize = 100
named.execute("SELECT * FROM items")
assert len(list(named)) == 1050
named.close()
conn.rollback()
try:
    cur.execute("SELECT * FROM nowhere")
except psycopg2.Error:
    conn.rollback()
conn.autocommit = True
cur.execute("SELECT 1; SELECT 2")
conn.close()
"""

PSYCOPG3 = """
import psycopg
with psycopg.connect("") as conn:
    for i in range(50):
        conn.execute("INSERT INTO items VALUES (%s, %s)", (i, "x"), prepare=True)
    conn.commit()
    with conn.pipeline():
        for i in range(100, 150):
            conn.execute("INSERT INTO items VALUES (%s, %s)", (i, "p"))
        row = conn.execute("SELECT count(*) FROM items").fetchone()
    assert row == (100,)
    conn.commit()
    cur = conn.cursor()
    cur.executemany("UPDATE items SET name = %s WHERE id = %s", [("q", i) for i in range(300)])
    conn.commit()
    with cur.copy("COPY items FROM STDIN") as copy:
        for i in range(1000, 1300):
            copy.write_row((i, "c"))
    with cur.copy("COPY items TO STDOUT") as copy:
        assert len(list(copy)) == 400
    conn.commit()
    with conn.cursor("server") as named:
        named.itersize = 50
        named.execute("SELECT * FROM items")
        assert len(list(named)) == 400
    conn.commit()
    try:
        with conn.pipeline():
            conn.execute("SELECT 1/0")
            conn.execute("SELECT 2")
    except psycopg.Error:
        conn.rollback()
"""

ASYNCPG = """
import asyncio, asyncpg
async def main():
    conn = await asyncpg.connect()
    for i in range(50):
        await conn.execute("INSERT INTO items VALUES ($1, $2)", i, "x")
    await conn.executemany("INSERT INTO items VALUES ($1, $2)", [(i, "m") for i in range(100, 600)])
    stmt = await conn.prepare("SELECT * FROM items WHERE id = $1")
    for i in range(30):
        await stmt.fetchrow(i)
    await conn.copy_records_to_table("items", records=[(i, "r") for i in range(1000, 1100)])
    async with conn.transaction():
        n = 0
        async for row in conn.cursor("SELECT * FROM items", prefetch=100):
            n += 1
        assert n == 650, n
    try:
        await conn.fetch("SELECT * FROM nowhere")
    except asyncpg.PostgresError:
        pass
    await conn.close()
    pool = await asyncpg.create_pool(min_size=3, max_size=3)
    await asyncio.gather(*[pool.fetchval("SELECT $1::int", i) for i in range(60)])
    await pool.close()
asyncio.run(main())
"""


def has_module(name):
    return subprocess.run([PYTHON, "-c", f"import {name}"], check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("way", ["tcp", "unix", "tls"])
@pytest.mark.parametrize("driver, program, bad", [
    ("psycopg2", PSYCOPG2, {"42P01": 1}),
    ("psycopg", PSYCOPG3, {"22012": 1}),
    ("asyncpg", ASYNCPG, {"42P01": 1}),
], ids=["psycopg2", "psycopg", "asyncpg"])
def test_driver(bench, before, driver, program, bad, way):
    if not has_module(driver):
        pytest.skip(f"{PYTHON} has no {driver}: run `sudo make setup`")
    database = bench.database()
    bench.run([PYTHON, "-c", program], database, unix=way == "unix",
              PGSSLMODE="require" if way == "tls" else "disable")
    wanted = bench.server.books(database)
    samples = bench.agent.samples()
    # Rows of a portal in portions: the server counts one statement, sonde its first portion, and FETCH for the others.
    portions = told(samples, CLIENT, database)[0]["FETCH"] - wanted["FETCH"]
    assert portions == (6 if driver == "asyncpg" else 0)
    wanted["FETCH"] += portions
    bench.expect(database, before, +wanted, bad)


def test_pgbench_log(bench, before, tmp_path):
    """Latencies by pgbench's own clock and by sonde's histogram: every ninth part of them in the same bucket, or the
    next."""
    database = bench.database()
    os.chmod(tmp_path, 0o777)
    script = tmp_path / "one.sql"
    script.write_text("SELECT count(*) FROM pgbench_accounts WHERE aid < 2000;\n")
    bench.run(["pgbench", "-n", "-c", "4", "-t", "500", "-f", str(script), "--log", "--log-prefix",
               str(tmp_path / "log"), database], database)
    seconds = sorted(int(line.split()[2]) / 1e6 for name in glob.glob(str(tmp_path / "log*"))
                     for line in open(name, encoding="ascii"))
    assert len(seconds) == 2000
    samples = bench.expect(database, before)
    buckets = sorted((float(sample.labels["le"]), sample.value) for sample in samples
                     if sample.name == CLIENT.replace("_count", "_bucket")
                     and sample.labels.get("db_namespace") == database
                     and sample.labels.get("db_collection_name") == "pgbench_accounts")
    bounds = [bound for bound, _ in buckets]
    assert buckets[-1][1] == 2000
    for tenth in range(1, 10):
        rank = 200 * tenth
        theirs = next(i for i, bound in enumerate(bounds) if seconds[rank - 1] <= bound)
        ours = next(i for i, (_, count) in enumerate(buckets) if count >= rank)
        assert abs(theirs - ours) <= 1, (tenth, seconds[rank - 1], bounds[ours])


def calls_of(samples, metric):
    """Of connections that were open before the agent: their database is not known."""
    return sum(int(s.value) for s in samples if s.name == metric and "db_namespace" not in s.labels)


@pytest.mark.parametrize("mode", ["simple", "prepared"])
def test_agent_comes_later(bench, mode, tmp_path):
    """An agent that starts under load: from then on every call is counted, but for the first of each connection, and
    never one too many. Statements prepared before are known by their command tags."""
    database = bench.database()
    load = subprocess.Popen(["pgbench", "-n", "-S", "-M", mode, "-c", "8", "-j", "2", "-T", "60", database],
                            env={**os.environ, **bench.server.environment(database)},
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/tmp",
                            preexec_fn=bench.cgroup.enter)
    late = None
    try:
        time.sleep(0.5)
        earlier = bench.server.books(database)["SELECT"]
        late = Agent(bench.cgroup, str(tmp_path / "late.log"))
        later = bench.server.books(database)["SELECT"]
        time.sleep(1)
        load.terminate()
        load.wait(timeout=30)
        wait_until(lambda: bench.server.psql(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'") ==
                   ["0"], 10, "the server to have finished")
        done = bench.server.books(database)["SELECT"]
        samples = late.samples()
        assert done > later > earlier
        for metric in (CLIENT, SERVER):
            seen = calls_of(samples, metric)
            # The last of each may have been cut off by the client's end.
            assert done - later - 2 * 8 <= seen <= done - earlier + 8, (metric, seen, done - later)
        assert {s.labels.get("db_operation_name") for s in samples
                if s.name == CLIENT and not {"db_namespace", "error_type"} & set(s.labels)} == {"SELECT"}
    finally:
        load.kill()
        load.wait()
        if late:
            late.stop()


HOLD = """
import os, sys, psycopg2
idle = [psycopg2.connect("") for i in range(3)]
waiting = [psycopg2.connect("") for i in range(2)]
for conn in waiting:
    conn.cursor().execute("SELECT 1")
print("ready", flush=True)
sys.stdin.readline()
for conn in waiting:
    conn.commit()
print("done", flush=True)
sys.stdin.readline()
"""


def sessions(bench, database, side):
    def total(name, **labels):
        return sum(s.value for s in samples if s.name == f"db_{side}_connection_{name}"
                   and s.labels.get("db_namespace") == database
                   and all(s.labels.get(label) == value for label, value in labels.items()))

    samples = bench.agent.samples()
    state = f"db_{side}_connection_state"
    return (total("count", **{state: "idle"}), total("count", **{state: "used"}), total("idle_in_transaction"))


def expect_sessions(bench, database, wanted):
    """At both ends, soon: the end of a unix socket is seen a tenth of a second late where hooks do not tell it."""
    deadline = time.monotonic() + METRIC_SECONDS
    while True:
        got = [sessions(bench, database, side) for side in ("client", "server")]
        if got == [wanted, wanted] or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    assert got == [wanted, wanted]


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
def test_sessions(bench, unix):
    """Connections by state as pg_stat_activity knows them; none is left when the client is gone."""
    if not has_module("psycopg2"):
        pytest.skip(f"{PYTHON} has no psycopg2: run `sudo make setup`")
    database = bench.database()
    host = bench.server.folder if unix else None
    client = subprocess.Popen([PYTHON, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              env={**os.environ, **bench.server.environment(database, host)}, cwd="/tmp",
                              preexec_fn=bench.cgroup.enter)
    try:
        assert client.stdout.readline() == "ready\n"
        begun = time.monotonic()
        states = bench.server.psql("SELECT state, count(*) FROM pg_stat_activity WHERE datname = "
                                   f"'{database}' GROUP BY 1 ORDER BY 1")
        assert states == ["idle|3", "idle in transaction|2"]
        expect_sessions(bench, database, (3, 2, 2))
        time.sleep(0.3)
        waited = time.monotonic() - begun
        client.stdin.write("\n")
        client.stdin.flush()
        assert client.stdout.readline() == "done\n"
        expect_sessions(bench, database, (5, 0, 0))
        samples = bench.agent.samples()
        for side in ("client", "server"):
            idle = [s.value for s in samples if s.labels.get("db_namespace") == database
                    and s.name == f"db_{side}_transaction_idle_duration_seconds_sum"]
            count = [s.value for s in samples if s.labels.get("db_namespace") == database
                     and s.name == f"db_{side}_transaction_duration_seconds_count"]
            assert count == [2]
            assert 2 * waited <= idle[0] <= 2 * waited + 2
    finally:
        client.communicate("\n\n")
    expect_sessions(bench, database, (0, 0, 0))
