# SPDX-License-Identifier: Apache-2.0
"""Results of many rows: millions of small messages, faster than anyone could read them. Calls and rows are counted to
the last at both ends, and the statements around them, too. The server's books and the clients' own counts say how many.
"""

import concurrent.futures
import os

import pytest

from http_lab import losses, total
from postgres_lab import CLIENT, SERVER
from test_postgres import SCARCE, Bench

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
ROWS = 400000
SIZED = "SELECT repeat('x', {}) -- not small, not long"


@pytest.fixture(name="bench", scope="module")
def fixture_bench(tmp_path_factory):
    bench = Bench(str(tmp_path_factory.mktemp("rows")))
    yield bench
    bench.stop()


def rows_told(samples, side, database):
    name = f"db_{side}_response_returned_rows_sum"
    return sum(sample.value for sample in samples if sample.name == name and sample.labels["db_namespace"] == database)


def psql(bench, database, unix, *statements):
    """Lines of output."""
    arguments = [word for statement in statements for word in ("-c", statement)]
    return len(bench.run(["psql", "-XAtq", *arguments], database, unix=unix).splitlines())


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
@pytest.mark.parametrize("clients", [1, 4])
def test_many_rows(bench, clients, unix):
    """Between them results of a few KiB, for which the ends of calls would not do."""
    database = bench.database()
    before = losses(bench.agent.samples())
    statements = []
    for size in (100, 2000, 9000, 60000):
        statements += [SIZED.format(size), f"SELECT i FROM generate_series(1, {ROWS}) i", SIZED.format(size)]
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        lines = sum(pool.map(lambda _: psql(bench, database, unix, *statements), range(clients)))
    assert lines == clients * (4 * ROWS + 8)
    samples = bench.expect(database, before)
    assert [rows_told(samples, side, database) for side in ("client", "server")] == [lines, lines]


def test_fails_after_many_rows(bench):
    """The server says so behind the rows that it has sent."""
    database = bench.database()
    before = losses(bench.agent.samples())
    for _ in range(3):
        bench.run(["psql", "-Xq", "-c", f"SELECT 1 / ({ROWS} - i) FROM generate_series(1, {ROWS}) i", "-c", "SELECT 1"],
                  database, check=False)
    good = bench.server.books(database)
    assert good["SELECT"] == 3
    bench.expect(database, before, good, {"22012": 3})


def test_copy_out(bench):
    database = bench.database()
    before = losses(bench.agent.samples())
    bench.run(["psql", "-Xq", "-c", f"COPY (SELECT i FROM generate_series(1, {ROWS}) i) TO STDOUT", "-c", "SELECT 1"],
              database)
    samples = bench.expect(database, before)
    assert [rows_told(samples, side, database) for side in ("client", "server")] == [ROWS + 1, ROWS + 1]
    assert {sample.labels["db_operation_name"] for sample in samples if sample.name in (CLIENT, SERVER)
            and sample.labels["db_namespace"] == database} == {"COPY", "SELECT"}


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
@pytest.mark.parametrize("clients", [1, 4])
def test_copy_in(bench, clients, unix, tmp_path):
    """psql and libpq make a message of every line."""
    database = bench.database()
    samples = bench.agent.samples()
    before, scarce = losses(samples), total(samples, SCARCE)
    script = tmp_path / "copy.sql"
    script.write_text("SELECT 1;\nCREATE TEMP TABLE lines (i int);\n" + 3 * (
        "COPY lines FROM STDIN;\n" + "".join(f"{i}\n" for i in range(ROWS)) + "\\.\nSELECT 2;\n"))
    os.chmod(tmp_path, 0o755)
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        list(pool.map(lambda _: bench.run(["psql", "-Xq", "-f", str(script)], database, unix=unix), range(clients)))
    good = bench.server.books(database)
    assert good["COPY"] == 3 * clients
    bench.expect(database, before, good, scarce=scarce)
