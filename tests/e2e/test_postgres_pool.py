# SPDX-License-Identifier: Apache-2.0
"""PgBouncer between a client and PostgreSQL: four ends of each statement, and its own (resets of a session) at two."""

import collections
import os
import shutil
import subprocess
import tempfile
import time

import pytest

from http_lab import METRIC_SECONDS, answers, free_port, losses, tool, wait_until
from postgres_lab import CLIENT, NOBODY, SERVER
from test_postgres import PIPELINE, fixture_before, fixture_bench  # pylint: disable=unused-import

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

INI = """[databases]
* = host=127.0.0.1 port={server} user=postgres
[pgbouncer]
listen_addr=127.0.0.1
listen_port={port}
unix_socket_dir=
auth_type=any
auth_file={folder}/users
pool_mode={mode}
default_pool_size=5
client_tls_sslmode={tls}
client_tls_key_file={folder}/server.key
client_tls_cert_file={folder}/server.crt
server_tls_sslmode={tls}
"""
ERRORS = "SELECT 1/0;\nSELECT * FROM nowhere;\nBEGIN;\nSELECT 1/0;\nSELECT 1;\nROLLBACK;\n"


@pytest.fixture(name="pool")
def fixture_pool(bench):
    """Starts it, in the observed cgroup."""
    folder, processes = tempfile.mkdtemp(prefix="sonde-pool-", dir="/tmp"), []

    def start(mode, tls):
        port = free_port()
        for name in ("server.key", "server.crt"):
            shutil.copy(os.path.join(bench.server.data, name), folder)
        for name, text in (("users", '"postgres" ""\n'),
                           ("ini", INI.format(server=bench.server.port, port=port, folder=folder, mode=mode, tls=tls))):
            with open(os.path.join(folder, name), "w", encoding="ascii") as file:
                file.write(text)
        subprocess.run(["chown", "-R", "65534:65534", folder], check=True)
        processes.append(subprocess.Popen(
            [*NOBODY, tool("pgbouncer"), "-q", f"{folder}/ini"], preexec_fn=bench.cgroup.enter,
            stderr=subprocess.DEVNULL, env={**os.environ, "OTEL_SERVICE_NAME": "pool"}))
        wait_until(lambda: answers(port), 10, "the pool to answer")
        return port

    try:
        yield start
    finally:
        for process in processes:
            process.terminate()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def calls(samples, metric, service, database):
    """By operation and error; of all services but `service` when it begins with a minus."""
    found = collections.Counter()
    for sample in samples:
        if sample.name != metric or sample.labels.get("db_namespace") != database:
            continue
        if (sample.labels["service_name"] == service.lstrip("-")) == service.startswith("-"):
            continue
        found[sample.labels.get("db_operation_name"), sample.labels.get("error_type")] += int(sample.value)
    return found


def four_ends(bench, database):
    """Told by the client, by the pool as a server; by the pool as a client, by the server."""
    samples = bench.agent.samples()
    return [calls(samples, metric, service, database)
            for metric, service in ((CLIENT, "-pool"), (SERVER, "pool"), (CLIENT, "pool"), (SERVER, "pg"))]


def fail(bench, database, environment):
    subprocess.run(["psql", "-Xq"], input=ERRORS * 5, text=True, capture_output=True, check=True, cwd="/tmp",
                   env={**os.environ, **bench.server.environment(database), **environment},
                   preexec_fn=bench.cgroup.enter)
    return {("SELECT", "22012"): 10, ("SELECT", "42P01"): 5, ("SELECT", "25P02"): 5, ("BEGIN", None): 5,
            ("ROLLBACK", None): 5}


def load(bench, database, kind, clients, environment):
    """What each of the four ends has to tell."""
    if kind == "errors":
        return fail(bench, database, environment)
    arguments = ["-M", kind]
    with tempfile.NamedTemporaryFile("w", prefix="sonde-pool-", suffix=".sql", dir="/tmp") as script:
        if kind == "pipeline":
            script.write(PIPELINE)
            script.flush()
            arguments = ["-M", "extended", "-f", script.name]
        bench.run(["pgbench", "-n", "-c", str(clients), "-j", "2", "-t", "50", *arguments, database], database,
                  **environment)
    books = bench.server.books(database)
    wanted = {("UPDATE", None): clients * 50 * (1 if kind == "pipeline" else 3), ("INSERT", None): clients * 50}
    assert {key: books[key[0]] for key in wanted} == wanted
    return wanted


@pytest.mark.parametrize("tls", ["disable", "require"])
@pytest.mark.parametrize("mode, kind, clients", [
    ("transaction", "simple", 20), ("transaction", "extended", 20), ("transaction", "pipeline", 20),
    ("session", "prepared", 4), ("session", "errors", 1),
])
def test_pool(bench, before, pool, mode, kind, clients, tls):
    database, port = bench.database(), pool(mode, tls)
    wanted = load(bench, database, kind, clients, {"PGPORT": str(port), "PGSSLMODE": tls})
    deadline = time.monotonic() + METRIC_SECONDS
    while True:
        told = four_ends(bench, database)
        settled = told[0] == told[1] and told[2] == told[3]
        settled = settled and all(end[key] == wanted[key] for end in told for key in wanted)
        if settled or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    assert settled, "\n".join(map(str, [wanted, *told]))
    assert losses(bench.agent.samples()) == before
