#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# PostgreSQL for scripts/vm/database.sh, which reads this file: pgbench in each of its modes, several statements in one
# message, COPY, errors; by TCP and by unix socket. The books are pg_stat_statements.calls by kind of statement, and for
# what failed, which is not in there, the transactions that pg_stat_database says were rolled back.

postgres_port=5490
postgres_folder=/tmp/postgres
postgres_bin=$(echo /usr/lib/postgresql/*/bin)
# pg_stat_statements of 15 counts a prepared BEGIN once, however often it is executed: none is in a prepared script.
postgres_script='\set aid random(1, 1000)
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
UPDATE pgbench_branches SET bbalance = bbalance + 1 WHERE bid = 1;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, :aid, 1, now());
SELECT 1;'
# Each of the six failures rolls one transaction back; so does the transaction that one of them is in.
postgres_errors='SELECT 1/0;
SELECT * FROM nowhere;
SELEC 1;
CREATE TABLE items (id int PRIMARY KEY, name text);
INSERT INTO items VALUES (1, $$a$$);
INSERT INTO items VALUES (1, $$b$$);
BEGIN; SELECT 1/0; ROLLBACK;
BEGIN;
UPDATE items SET name = $$c$$;
SELECT 1/0;
ROLLBACK;
COPY items TO STDOUT;
COPY items FROM STDIN;
2	b
3	c
\.
SELECT g, repeat($$x$$, 1000) FROM generate_series(1, 500) g;
WITH x AS (SELECT 1) SELECT * FROM x;
DROP TABLE items;'
postgres_rolled_back=6

postgres_there() {
    [ -x "$postgres_bin/postgres" ]
}

# The server refuses to be root.
as_nobody() {
    su -s /bin/sh nobody -c "cd $postgres_folder && exec $*"
}

# Outside of the database that is compared.
postgres_ask() {
    "$postgres_bin/psql" -XAtq -h "$postgres_folder" -p $postgres_port -U postgres -d postgres "$@"
}

# A cluster and what is copied for each backend, once for each VM.
postgres_init() {
    mkdir -p "$postgres_folder"
    chown nobody "$postgres_folder"
    as_nobody "$postgres_bin/initdb -D data -U postgres -A trust --no-sync -E UTF8 --locale=C" \
        >"$folder/initdb.log" 2>&1
}

postgres_start() {
    as_nobody "$postgres_bin/postgres -D data -p $postgres_port -k $postgres_folder -c listen_addresses=127.0.0.1 \
        -c fsync=off -c autovacuum=off -c jit=off -c shared_buffers=16MB -c max_connections=30 \
        -c shared_preload_libraries=pg_stat_statements -c pg_stat_statements.track=all" >"$folder/postgres.log" 2>&1 &
    until_ok 300 postgres_ask -c "SELECT 1"
}

postgres_base() {
    [ "$(postgres_ask -c "SELECT count(*) FROM pg_database WHERE datname = 'base'")" = 0 ] || return 0
    postgres_ask -c "CREATE EXTENSION pg_stat_statements" -c "CREATE DATABASE base" &&
        "$postgres_bin/pgbench" -i -I dt -q -h "$postgres_folder" -p $postgres_port -U postgres base >/dev/null 2>&1 &&
        postgres_ask -d base -c "INSERT INTO pgbench_branches VALUES (1, 0)" \
            -c "INSERT INTO pgbench_tellers SELECT g, 1, 0 FROM generate_series(1, 10) g" \
            -c "INSERT INTO pgbench_accounts SELECT g, 1, 0 FROM generate_series(1, 1000) g"
}

# Statements that were executed to their end, by what they begin with, and failures.
postgres_books() {
    postgres_ask -F "$(printf '\t')" -c "
        SELECT side, operation, calls, CASE operation WHEN 'FAILED' THEN calls ELSE 0 END FROM (
            SELECT CASE word WHEN 'END' THEN 'COMMIT' WHEN 'WITH' THEN 'SELECT' WHEN 'CREATE' THEN 'CREATE_TABLE'
                WHEN 'DROP' THEN 'DROP_TABLE' ELSE word END AS operation, sum(calls) AS calls
            FROM (SELECT upper(substring(query FROM '[a-zA-Z]+')) AS word, calls FROM pg_stat_statements s
                JOIN pg_database d ON d.oid = s.dbid WHERE s.toplevel AND d.datname = '$namespace') AS statements
            GROUP BY 1
            UNION ALL SELECT 'FAILED', xact_rollback FROM pg_stat_database
            WHERE datname = '$namespace' AND xact_rollback > 0) AS books,
            (VALUES ('client'), ('server')) AS sides (side)" | sort >"$folder/books"
}

# FAMILY NAME DESCRIPTION COMMAND...: a load, and its row. The server has told its books when its processes are gone.
postgres_load() {
    family=$1 name=$2 description=$3
    shift 3
    where=127.0.0.1
    [ "$family" = tcp4 ] || where=$postgres_folder
    PGHOST=$where PGPORT=$postgres_port PGUSER=postgres PGDATABASE=$namespace PGSSLMODE=disable "$@" \
        >"$folder/load.log" 2>&1
    until_ok 100 postgres_idle
    postgres_books
    row "postgres-$name" "$family" postgresql "$description" \
        "pg_stat_statements.calls and pg_stat_database of PostgreSQL, both sides"
}

postgres_idle() {
    [ "$(postgres_ask -c "SELECT count(*) FROM pg_stat_activity WHERE datname = '$namespace'")" = 0 ]
}

postgres_failures() {
    echo "$postgres_errors" | "$postgres_bin/psql" -Xq
}

postgres_loads() {
    echo "$postgres_script" >"$folder/prepared.sql"
    { echo '\startpipeline' && echo "$postgres_script" && echo '\endpipeline'; } >"$folder/pipeline.sql"
    pgbench="$postgres_bin/pgbench -n -c 4 -t ${DATABASE_TRANSACTIONS:-15}"
    for family in tcp4 unix; do
        # shellcheck disable=SC2086
        {
            postgres_load $family simple "pgbench -M simple, 4 clients" $pgbench -M simple
            postgres_load $family extended "pgbench -M extended, 4 clients" $pgbench -M extended
            postgres_load $family prepared "pgbench -M prepared, 4 clients" $pgbench -M prepared \
                -f "$folder/prepared.sql"
            postgres_load $family pipeline "pgbench with pipelines of 4 statements" $pgbench -M extended \
                -f "$folder/pipeline.sql"
        }
        postgres_load $family errors "psql: errors, several statements in one message, COPY, large results" \
            postgres_failures
    done
    rolled_back=$(postgres_ask -c "SELECT xact_rollback FROM pg_stat_database WHERE datname = '$namespace'")
    [ "$rolled_back" = $((2 * postgres_rolled_back)) ] || echo "# $rolled_back transactions rolled back"
}

postgres_truth() {
    namespace=load_$backend
    if [ ! -d $postgres_folder ] && ! postgres_init; then
        tail -n 5 "$folder/initdb.log" | sed 's/^/# /'
    fi
    if postgres_start && postgres_base && postgres_ask -c "CREATE DATABASE $namespace TEMPLATE base"; then
        postgres_loads
    else
        rows=$((rows + 1)) failed=$((failed + 1))
        echo "not ok $rows - postgres does not start"
        tail -n 5 "$folder/postgres.log" | sed 's/^/# /'
    fi
    [ ! -s $postgres_folder/data/postmaster.pid ] || kill -INT "$(head -n 1 $postgres_folder/data/postmaster.pid)"
    wait "$!" || true
    namespace=""
}
