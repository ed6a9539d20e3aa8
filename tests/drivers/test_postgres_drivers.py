# SPDX-License-Identifier: Apache-2.0
"""node-postgres, pgx and JDBC against PostgreSQL's own books, as tests/e2e/test_postgres.py does with other clients.
The drivers come from their registries, or Debian's package of JDBC, into build/drivers."""

import glob
import os
import shutil
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))

from http_lab import losses, tool  # noqa: E402
from postgres_lab import CLIENT, told  # noqa: E402
from test_postgres import Bench  # noqa: E402

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
HERE = os.path.join(ROOT, "tests", "drivers")
BUILD = os.path.join(ROOT, "build", "drivers")


def make(command, folder, timeout=300, **environment):
    """A step that needs a network, perhaps."""
    os.makedirs(folder, exist_ok=True)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=timeout,
                          env={**os.environ, **environment})
    if done.returncode:
        pytest.skip(f"{' '.join(command[:3])}: {done.stderr.strip().splitlines()[-1:]}")


def node_postgres():
    folder = os.path.join(BUILD, "node")
    if not os.path.exists(os.path.join(folder, "node_modules", "pg")):
        make([tool("npm"), "install", "--silent", "--no-audit", "--no-fund", "pg"], folder)
    return [tool("node"), os.path.join(HERE, "client.js")], {"NODE_PATH": os.path.join(folder, "node_modules")}


def pgx():
    folder = os.path.join(BUILD, "go")
    os.makedirs(folder, exist_ok=True)
    for name in ("go.mod", "client.go"):
        shutil.copy(os.path.join(HERE, name), folder)
    make([tool("go"), "build", "-mod=mod", "-o", "client", "."], folder)
    return [os.path.join(folder, "client")], {}


def jdbc():
    folder = os.path.join(BUILD, "java")
    if not glob.glob("/usr/share/java/postgresql.jar") and not glob.glob(f"{folder}/usr/share/java/postgresql.jar"):
        make(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", "libpostgresql-jdbc-java"], folder)
        make(["dpkg-deb", "-x", os.path.basename(glob.glob(f"{folder}/libpostgresql-jdbc-java*.deb")[0]), "."], folder)
    jar = (glob.glob("/usr/share/java/postgresql.jar") + glob.glob(f"{folder}/usr/share/java/postgresql.jar"))[0]
    make([tool("javac"), "-cp", jar, "-d", ".", os.path.join(HERE, "Client.java")], folder)
    return [tool("java"), "-ea", "-cp", f"{jar}:{folder}", "Client"], {}


@pytest.fixture(name="bench", scope="module")
def fixture_bench(tmp_path_factory):
    bench = Bench(str(tmp_path_factory.mktemp("drivers")))
    yield bench
    bench.stop()


@pytest.mark.parametrize("driver, bad, portions", [
    (node_postgres, {"42P01": 2}, 0),
    (pgx, {"42P01": 1, "22012": 1}, 0),
    (jdbc, {"42P01": 1}, 7),
], ids=["node-postgres", "pgx", "jdbc"])
def test_driver(bench, driver, bad, portions):
    """`portions`: rows that were asked for later, of which the server's books know nothing."""
    command, environment = driver()
    database = bench.database()
    before = losses(bench.agent.samples())
    if driver is jdbc:
        command.append(f"jdbc:postgresql://127.0.0.1:{bench.server.port}/{database}?user=postgres&sslmode=disable")
    bench.run(command, database, **environment)
    wanted = bench.server.books(database)
    fetched = told(bench.agent.samples(), CLIENT, database)[0]["FETCH"]
    assert fetched - wanted["FETCH"] == portions
    wanted["FETCH"] += portions
    bench.expect(database, before, +wanted, bad)
