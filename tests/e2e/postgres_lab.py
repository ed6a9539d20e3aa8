# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server for the end-to-end tests, and what its own books say.

The server runs as nobody inside the selected cgroup; what asks for the books connects to a database of its own, so that
it does not count itself.
"""

import collections
import glob
import os
import re
import shutil
import signal
import subprocess
import tempfile

import pytest

from http_lab import ROOT, free_port, tool, wait_until

CLIENT = "db_client_operation_duration_seconds_count"
SERVER = "db_server_operation_duration_seconds_count"
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
SAME = {"END": "COMMIT", "START": "BEGIN", "ABORT": "ROLLBACK", "VALUES": "SELECT", "TABLE": "SELECT"}
SETTINGS = {
    "fsync": "off", "autovacuum": "off", "jit": "off", "max_connections": "150", "listen_addresses": "127.0.0.1",
    "shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track": "all", "ssl": "on",
    "pg_stat_statements.max": "10000", "password_encryption": "scram-sha-256", "stats_fetch_consistency": "none",
}
BOOKS = """SELECT s.calls || ' ' || regexp_replace(s.query, '\\s+', ' ', 'g') FROM pg_stat_statements s
    JOIN pg_database d ON d.oid = s.dbid WHERE s.toplevel AND d.datname = '{database}'"""


def programs():
    """The folder of the newest server: installed, or unpacked by `make setup`; or the one that POSTGRES_BIN names."""
    if os.environ.get("POSTGRES_BIN"):
        return os.environ["POSTGRES_BIN"]
    found = [folder for place in ("", os.path.join(ROOT, "build", "tools", "files"))
             for folder in glob.glob(f"{place}/usr/lib/postgresql/*/bin")
             if os.path.exists(f"{folder}/postgres") and os.path.exists(f"{folder}/psql")]
    if not found:
        pytest.skip("PostgreSQL is not installed: run `sudo make setup`")
    return max(found, key=lambda folder: int(folder.split("/")[-2]))


def operation_of(query):
    """What sonde should call a statement, by its text in the server's books."""
    words = re.sub(r"/\*.*?\*/|--[^\n]*", " ", query).upper().replace("(", " ").split()
    if words[0] in ("CREATE", "DROP", "ALTER"):
        return " ".join([words[0], next(word for word in words[1:] if word not in ("TEMP", "UNIQUE", "OR", "REPLACE"))])
    if words[0] == "WITH":
        return next(word for word in reversed(words) if word in ("SELECT", "INSERT", "UPDATE", "DELETE"))
    return SAME.get(words[0], words[0])


class Postgres:
    """One server. `cgroup` may be None: then it runs where the test does."""

    def __init__(self, cgroup, hba="local all all trust\nhost all all all trust\n"):
        self.bin = programs()
        self.folder = tempfile.mkdtemp(prefix="sonde-pg-", dir="/tmp")
        self.port = free_port()
        self.process = None
        os.chown(self.folder, 65534, 65534)
        self.data = os.path.join(self.folder, "data")
        subprocess.run([*NOBODY, f"{self.bin}/initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "--no-sync",
                        "-E", "UTF8", "--locale=C"], check=True, capture_output=True, cwd=self.folder)
        with open(os.path.join(self.data, "pg_hba.conf"), "w", encoding="ascii") as file:
            file.write(hba)
        subprocess.run([*NOBODY, tool("openssl"), "req", "-new", "-x509", "-days", "2", "-nodes", "-subj",
                        "/CN=localhost", "-out", "server.crt", "-keyout", "server.key"], check=True,
                       capture_output=True, cwd=self.data)
        os.chmod(os.path.join(self.data, "server.key"), 0o600)
        self.start(cgroup)

    def start(self, cgroup):
        command = [*NOBODY, f"{self.bin}/postgres", "-D", self.data, "-p", str(self.port), "-k", self.folder]
        for name, value in SETTINGS.items():
            command += ["-c", f"{name}={value}"]
        log = open(os.path.join(self.folder, "log"), "ab")
        self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder,
                                        preexec_fn=cgroup.enter if cgroup else None,
                                        env={**os.environ, "OTEL_SERVICE_NAME": "pg"})
        log.close()
        wait_until(lambda: subprocess.run([f"{self.bin}/pg_isready", "-q", "-h", self.folder, "-p", str(self.port)],
                                          check=False).returncode == 0, 30, "the server to accept connections")

    def psql(self, sql, database="postgres", check=True):
        """Outside of the cgroup. Rows as lines."""
        done = subprocess.run([f"{self.bin}/psql", "-XAtq", "-h", self.folder, "-p", str(self.port), "-U", "postgres",
                               "-d", database, "-c", sql], capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def environment(self, database, host=None):
        return {"PGHOST": host or "127.0.0.1", "PGPORT": str(self.port), "PGUSER": "postgres", "PGDATABASE": database,
                "PATH": f"{self.bin}:{os.environ.get('PATH', '')}", "PGSSLMODE": "disable"}

    def books(self, database):
        """Calls that did not fail, by operation."""
        calls = collections.Counter()
        for line in self.psql(BOOKS.format(database=database)):
            count, query = line.split(" ", 1)
            calls[operation_of(query)] += int(count)
        # Since 17 they are in the books; see NOT_IN_THE_BOOKS.
        calls.pop("DEALLOCATE", None)
        return calls

    def version(self):
        return int(self.psql("SHOW server_version_num")[0]) // 10000

    def forget(self):
        self.psql("SELECT pg_stat_statements_reset()")

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


# pg_stat_statements of 16 and before leaves these out (PGSS_HANDLED_UTILITY of pgss_ProcessUtility).
NOT_IN_THE_BOOKS = ("PREPARE", "DEALLOCATE")


def told(samples, metric, database):
    """What sonde counted: operations that did not fail, and failures by their code."""
    good, bad = collections.Counter(), collections.Counter()
    for sample in samples:
        if sample.name != metric or sample.labels.get("db_namespace") != database:
            continue
        assert sample.labels["db_system_name"] == "postgresql"
        if sample.labels.get("db_operation_name") in NOT_IN_THE_BOOKS:
            continue
        if "error_type" in sample.labels:
            bad[sample.labels["error_type"]] += int(sample.value)
        else:
            good[sample.labels.get("db_operation_name", "?")] += int(sample.value)
    return good, bad
