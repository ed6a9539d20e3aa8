# SPDX-License-Identifier: Apache-2.0
"""What else goes over PostgreSQL's protocol, with the real programs: replication, a dump, a cancelled query, large
objects (function calls), notifications."""

import collections
import os
import signal
import subprocess
import tempfile

import pytest

from http_lab import losses, total, wait_until
from postgres_lab import CLIENT, NOBODY, SERVER, told
from test_postgres import PYTHON, fixture_before, fixture_bench, has_module  # pylint: disable=unused-import

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
UNPARSED = "sonde_unparsed_connections_total"
NOTIFIED = """
import psycopg2, time
listening, speaking = psycopg2.connect(""), psycopg2.connect("")
listening.autocommit = speaking.autocommit = True
listening.cursor().execute("LISTEN x")
for i in range(20):
    speaking.cursor().execute("NOTIFY x, 'hello'")
while len(listening.notifies) < 20:
    listening.poll()
    time.sleep(0.01)
"""
LARGE = """
import psycopg2
conn = psycopg2.connect("")
large = conn.lobject(0, "wb")
large.write(b"x" * 300000)
large.close()
conn.commit()
large = conn.lobject(large.oid, "rb")
assert len(large.read()) == 300000
large.close()
conn.commit()
"""


def start(bench, database, command, **more):
    return subprocess.Popen(command, env={**os.environ, **bench.server.environment(database)}, cwd="/tmp",
                            preexec_fn=bench.cgroup.enter, stderr=subprocess.DEVNULL, **more)


def test_replication(bench, before):
    """The walsender's stream is left alone, and counted; the load beside it is exact."""
    with open(os.path.join(bench.server.data, "pg_hba.conf"), "a", encoding="ascii") as file:
        file.write("host replication all all trust\n")
    bench.server.psql("SELECT pg_reload_conf()")
    database = bench.database()
    with tempfile.TemporaryDirectory(prefix="sonde-wal-", dir="/tmp") as folder:
        os.chown(folder, 65534, 65534)
        receiver = start(bench, database, [*NOBODY, f"{bench.server.bin}/pg_receivewal", "-D", folder])
        try:
            wait_until(lambda: bench.server.psql("SELECT count(*) FROM pg_stat_replication") == ["1"], 10,
                       "the stream to begin")
            bench.server.forget()
            bench.run(["pgbench", "-n", "-c", "4", "-t", "100", database], database)
            samples = bench.expect(database, before)
            assert total(samples, CLIENT, service_name="pg_receivewal", db_operation_name="SHOW") > 0
            assert total(samples, SERVER, service_name="pg", db_namespace="replication") == \
                total(samples, CLIENT, service_name="pg_receivewal")
        finally:
            receiver.terminate()
            receiver.wait()
    for service in ("pg", "pg_receivewal"):
        wait_until(lambda it=service: total(bench.agent.samples(), UNPARSED, service_name=it, reason="upgraded") == 1,
                   5, "the stream to be counted")


def test_dump(bench, before):
    """The server's book has an EXECUTE under the text of its PREPARE."""
    database = bench.database()
    bench.run([f"{bench.server.bin}/pg_dump", database], database)
    books = bench.server.books(database)
    if books["PREPARE"]:
        books["EXECUTE"] += books.pop("PREPARE")
    assert books["COPY"] == 5
    bench.expect(database, before, books)


def test_cancel(bench, before):
    """CancelRequest comes on a connection of its own, and what it ends has failed."""
    database = bench.database()
    client = start(bench, database, ["psql", "-Xq", "-c", "SELECT pg_sleep(60)"])
    wait_until(lambda: bench.server.psql("SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND "
                                         "pid <> pg_backend_pid() AND state = 'active'"), 10, "the query to run")
    client.send_signal(signal.SIGINT)
    client.wait()
    bench.expect(database, before, collections.Counter(), {"57014": 1})


def both_told(bench, database, operation, least):
    """One more than both ends tell, once they agree and it is enough."""
    samples = bench.agent.samples()
    client, server = (told(samples, metric, database)[0][operation] for metric in (CLIENT, SERVER))
    return client + 1 if client == server and client >= least else None


@pytest.mark.parametrize("program, least", [(NOTIFIED, 0), (LARGE, 7)], ids=["notifications", "large-objects"])
def test_psycopg2(bench, before, program, least):
    """Function calls are calls of the protocol, and no statements of the server's books: a large object is made, and
    twice opened and closed, written and read; libpq's releases ask for its place, too."""
    if not has_module("psycopg2"):
        pytest.skip(f"{PYTHON} has no psycopg2: run `sudo make setup`")
    database = bench.database()
    bench.run([PYTHON, "-c", program], database)
    books = bench.server.books(database)
    assert books["NOTIFY"] == (0 if least else 20)
    functions = wait_until(lambda: both_told(bench, database, "FUNCTION", least), 5, "the calls of functions")
    bench.expect(database, before, books + collections.Counter({"FUNCTION": functions - 1}))
    assert losses(bench.agent.samples()) == before
