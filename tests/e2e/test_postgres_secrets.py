# SPDX-License-Identifier: Apache-2.0
"""What a client tells PostgreSQL stays between them: passwords, literals, parameters, data, messages. A word is planted
everywhere and looked for in every output."""

import os
import re
import subprocess
import urllib.request

import pytest

from http_lab import Agent, Cgroup, wait_until
from postgres_lab import CLIENT, Postgres, told

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
PYTHON = "/usr/bin/python3"
HBA = """local all all trust
host all clear all password
host all hashed all md5
host all scram all scram-sha-256
host all all all trust
"""
PATHS = ("/metrics", "/", "/health", "/health/ready", "/health/live")

CLIENT_PROGRAM = r"""
import psycopg2
for user in ("clear", "hashed", "scram"):
    conn = psycopg2.connect(f"user={user} password=S3CR3T_{user} application_name=S3CR3T_app")
    conn.autocommit = True
    cur = conn.cursor()
    cur.execute("SELECT 1")
conn = psycopg2.connect("user=postgres")
conn.autocommit = True
cur = conn.cursor()
places = [
    "SELECT {}", "SELECT * FROM items WHERE name = {}",
    "INSERT INTO items VALUES (1, {}) ON CONFLICT DO NOTHING", "UPDATE items SET name = {}",
    "DELETE FROM items WHERE name IN ('a', {}, 'b')", "SELECT {}::text AS x FROM items",
    "SELECT * FROM items ORDER BY {}", "SELECT count(*) FROM items GROUP BY name HAVING name > {}",
    "SELECT upper({})", "VALUES ({})", "WITH x AS (SELECT {}) SELECT * FROM x",
    "SELECT CASE WHEN true THEN {} END", "SELECT * FROM (SELECT {} AS y) z",
    "SELECT f FROM unnest(ARRAY[{}]) f", "SELECT {} || 'x' FROM items, items j",
    "COMMENT ON TABLE items IS {}", "SELECT * FROM items LIMIT length({})", "EXPLAIN SELECT {}",
    "SELECT * FROM {}", "INSERT INTO {} VALUES (1)", "DROP TABLE {}", "SELECT 1 {}", "{}",
    "SELECT 1; SELECT {}; SELECT 2",
]
literals = [
    "'S3CR3T_a'", "E'it\\'s S3CR3T_b'", "$$S3CR3T_c$$", "$t$S3CR3T_d $$ $t$", "'x''S3CR3T_e'", "U&'S3CR3T_f'",
    "'a'\n'S3CR3T_g'", "/* S3CR3T_h /* nested */ */ 'x'", "'x' -- S3CR3T_i\n", "N'S3CR3T_j'",
    "'\\' || 'S3CR3T_k'",
]
for place in places:
    for literal in literals:
        try:
            cur.execute(place.replace("{}", literal))
        except psycopg2.Error:
            pass
statements = [
    "SET application_name = 'S3CR3T_l'", "ALTER USER clear PASSWORD 'S3CR3T_m'", "NOTIFY chan, 'S3CR3T_n'",
    "LISTEN chan", "DO $$ BEGIN RAISE NOTICE 'S3CR3T_o'; END $$",
    "DO $$ BEGIN RAISE EXCEPTION 'S3CR3T_p'; END $$", "INSERT INTO items VALUES (2, 'S3CR3T_q')",
    "INSERT INTO items VALUES (2, 'S3CR3T_q')", "SELECT 'S3CR3T_r'::int", "PREPARE p AS SELECT $1::text",
    "EXECUTE p('S3CR3T_s')", "DEALLOCATE p", "BEGIN", "SAVEPOINT \"S3CR3T_t\"", "ROLLBACK TO \"S3CR3T_t\"",
    "DECLARE \"S3CR3T_u\" CURSOR FOR SELECT 'S3CR3T_v'", "FETCH 1 FROM \"S3CR3T_u\"", "CLOSE \"S3CR3T_u\"",
    "COMMIT", "SET standard_conforming_strings = off", "SELECT 'x\\' FROM S3CR3T_w, '",
    "SELECT 'x\\'; DELETE FROM S3CR3T_x; '",
]
for sql in statements:
    try:
        cur.execute(sql)
    except psycopg2.Error:
        pass
import io
cur.copy_from(io.StringIO("7\tS3CR3T_y\n8\tS3CR3T_z\n"), "items")
cur.copy_to(io.StringIO(), "items")
"""

PARAMETERS = """
import psycopg
with psycopg.connect("user=postgres", autocommit=True) as conn:
    for i in range(10):
        conn.execute("SELECT %s::text, %b::bytea", ("S3CR3T_1", b"S3CR3T_2"), prepare=True).fetchall()
        conn.execute("INSERT INTO items VALUES (%s, %s)", (100 + i, "S3CR3T_3"))
    with conn.pipeline():
        for i in range(10):
            conn.execute("SELECT * FROM items WHERE name = %s", ("S3CR3T_4",))
"""


def outputs(agent, log_path):
    """Everything that leaves sonde."""
    for path in PATHS:
        for accept in ("text/plain", "application/openmetrics-text",
                       "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"):
            request = urllib.request.Request(f"http://127.0.0.1:{agent.port}{path}", headers={"Accept": accept})
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    yield path, answer.read()
            except urllib.error.HTTPError as error:
                yield path, error.read()
    with open(log_path, "rb") as file:
        yield "log", file.read()


@pytest.mark.parametrize("text", [False, True], ids=["names only", "statements"])
def test_no_secret_leaves(tmp_path, text):
    """With statements told: literals, comments, data and parameters are not; names are, so none is a secret there."""
    client = re.sub(r'"S3CR3T_([tu])', r'"name_\1', CLIENT_PROGRAM).replace("FROM S3CR3T_w", "FROM name_w") if text \
        else CLIENT_PROGRAM
    for driver in ("psycopg2", "psycopg"):
        if subprocess.run([PYTHON, "-c", f"import {driver}"], check=False, capture_output=True).returncode:
            pytest.skip(f"{PYTHON} has no {driver}: run `sudo make setup`")
    cgroup = Cgroup()
    log_path = str(tmp_path / "sonde.log")
    server = agent = None
    try:
        server = Postgres(cgroup, HBA)
        server.psql("CREATE TABLE items (id int PRIMARY KEY, name text)")
        server.psql("SET password_encryption = 'md5'; CREATE USER hashed PASSWORD 'S3CR3T_hashed'")
        server.psql("CREATE USER clear PASSWORD 'S3CR3T_clear'; CREATE USER scram PASSWORD 'S3CR3T_scram'")
        agent = Agent(cgroup, log_path, "--log.level=debug", "--stdout.spans",
                      *(["--trace.query-text"] if text else []))
        for program in (client, PARAMETERS):
            done = subprocess.run([PYTHON, "-c", program], capture_output=True, text=True, check=False, cwd="/tmp",
                                  env={**os.environ, **server.environment("postgres")}, preexec_fn=cgroup.enter)
            assert done.returncode == 0, done.stderr[-2000:]
        wait_until(lambda: sum(sum(part.values()) for part in told(agent.samples(), CLIENT, "postgres")) > 300, 5,
                   "the calls to be counted")
        spans = b""
        for what, said in outputs(agent, log_path):
            assert said or what != "/metrics"
            at = said.find(b"S3CR3T")
            assert at < 0, (what, said[max(0, at - 200):at + 50])
            spans += said if what == "log" else b""
        for statement in (b"SELECT * FROM items WHERE name = ?", b"DELETE FROM items WHERE name IN (?)",
                          b"SELECT * FROM items WHERE name = $1", b'SAVEPOINT \\"name_t\\"'):
            assert (b'{"key":"db.query.text","value":{"stringValue":"' + statement in spans) == text, statement
    finally:
        if agent:
            agent.stop()
        if server:
            server.stop()
        cgroup.remove()
