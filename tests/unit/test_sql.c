/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL text to operation, collection and summary, and to itself without literals. Every text is fed whole, split at
 * every byte and byte by byte, which must make no difference.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "proto/sql_keyword.h"

#define TOLD_MAX 8192

struct sample {
	const char *sql;
	const char *told; /* OPERATION:COLLECTION:SUMMARY for each statement, with | between */
};

struct told {
	char text[TOLD_MAX];
	size_t length;
	size_t count;
};

static void on_statement(void *ctx, const struct sql_facts *facts)
{
	struct told *told = ctx;
	const char *operation = sql_operation_text(facts->operation);

	told->length += (size_t)snprintf(told->text + told->length, sizeof(told->text) - told->length, "%s%s:%.*s:%.*s",
					 told->count > 0 ? "|" : "", operation ? operation : "",
					 (int)facts->collection.length, facts->collection.data,
					 (int)facts->summary.length, facts->summary.data);
	told->count++;
	assert_true(told->length < sizeof(told->text));
	assert_true(facts->summary.length <= SQL_SUMMARY_MAX);
}

/* Fed in pieces that end at `first`, and then every `step` bytes. */
static void scan(const char *sql, size_t length, size_t first, size_t step, struct told *told)
{
	struct sql_scan scan;

	told->text[0] = '\0';
	told->length = told->count = 0;
	sql_scan_init(&scan, SQL_STRINGS_STANDARD, on_statement, told);
	sql_scan_feed(&scan, sql, first);
	for (size_t at = first; at < length; at += step)
		sql_scan_feed(&scan, sql + at, at + step < length ? step : length - at);
	sql_scan_end(&scan);
}

static void check(const char *sql, const char *expected)
{
	size_t length = strlen(sql);
	struct told told;

	scan(sql, length, length, 1, &told);
	if (strcmp(told.text, expected) != 0)
		fail_msg("%s\n  told     %s\n  expected %s", sql, told.text, expected);
	for (size_t at = 0; at < length; at++) {
		scan(sql, length, at, length, &told);
		assert_string_equal(told.text, expected);
	}
	scan(sql, length, 0, 1, &told);
	assert_string_equal(told.text, expected);
}

static void check_all(const struct sample *samples, size_t count)
{
	for (size_t i = 0; i < count; i++)
		check(samples[i].sql, samples[i].told);
}

#define CHECK_ALL(samples) check_all(samples, sizeof(samples) / sizeof((samples)[0]))

static void test_queries(void **state)
{
	static const struct sample samples[] = {
		{ "SELECT 1", "SELECT::SELECT" },
		{ "select * from wuser_table where username = 'x'", "SELECT:wuser_table:select wuser_table" },
		{ "SELECT * FROM songs, artists", "SELECT:songs:SELECT songs artists" },
		{ "SELECT * FROM songs s, artists AS a WHERE s.x IN (1, 2), b", "SELECT:songs:SELECT songs artists" },
		{ "SELECT * FROM (SELECT * FROM orders) o, customers", "SELECT:orders:SELECT SELECT orders customers" },
		{ "SELECT * FROM \"song list\", \"a\"\"b\"", "SELECT:song list:SELECT \"song list\" \"a\"b\"" },
		{ "SELECT * FROM sales.orders o JOIN ONLY hr.people p ON o.p = p.id LEFT JOIN x USING (id)",
		  "SELECT:sales.orders:SELECT sales.orders hr.people x" },
		{ "SELECT * FROM \"S\".\"T\"", "SELECT:S.T:SELECT \"S\".\"T\"" },
		{ "SELECT * FROM a . b", "SELECT:a.b:SELECT a.b" },
		{ "SELECT extract(day FROM d), substring(x FROM 2), trim(both FROM y) FROM t", "SELECT:t:SELECT t" },
		{ "SELECT a IS NOT DISTINCT FROM b, c IS DISTINCT FROM d FROM t", "SELECT:t:SELECT t" },
		{ "SELECT * FROM generate_series(1, 10) g, unnest($1::int[]) u, t", "SELECT:t:SELECT t" },
		{ "SELECT * FROM (a JOIN b ON true) JOIN c ON true", "SELECT:a:SELECT a b c" },
		{ "SELECT x FROM a UNION ALL SELECT y FROM b ORDER BY 1", "SELECT:a:SELECT a SELECT b" },
		{ "(SELECT 1 FROM a) UNION (SELECT 2 FROM b)", "SELECT:a:SELECT a SELECT b" },
		{ "SELECT * FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.t = t.id) FOR UPDATE OF t SKIP LOCKED",
		  "SELECT:t:SELECT t SELECT u" },
		{ "SELECT * INTO new_t FROM old_t", "SELECT:new_t:SELECT new_t old_t" },
		{ "SELECT count(*) FROM t LATERAL", "SELECT:t:SELECT t" },
		{ "VALUES (1), (2)", "SELECT::VALUES" },
		{ "TABLE t", "SELECT:t:TABLE t" },
		{ "SELECT * FROM comment", "SELECT:comment:SELECT comment" },
	};

	(void)state;
	CHECK_ALL(samples);
}

static void test_changes(void **state)
{
	static const struct sample samples[] = {
		{ "INSERT INTO shipping_details (a, b) SELECT x, y FROM orders",
		  "INSERT:shipping_details:INSERT shipping_details SELECT orders" },
		{ "INSERT INTO t VALUES ('a', 1) ON CONFLICT (id) DO UPDATE SET x = 1 RETURNING *",
		  "INSERT:t:INSERT t" },
		{ "INSERT INTO t DEFAULT VALUES", "INSERT:t:INSERT t" },
		{ "UPDATE ONLY a.t AS x SET y = 1 FROM u WHERE u.id = x.id", "UPDATE:a.t:UPDATE a.t u" },
		{ "UPDATE t SET x = (SELECT max(y) FROM u)", "UPDATE:t:UPDATE t SELECT u" },
		{ "DELETE FROM t USING u WHERE t.id = u.id", "DELETE:t:DELETE t u" },
		{ "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET x = 1 WHEN NOT MATCHED THEN INSERT "
		  "VALUES (1) WHEN MATCHED THEN DELETE",
		  "MERGE:t:MERGE t s" },
		{ "COPY t (a, b) FROM STDIN WITH (FORMAT csv)", "COPY:t:COPY t" },
		{ "COPY (SELECT * FROM t) TO STDOUT", "COPY:t:COPY SELECT t" },
		{ "TRUNCATE TABLE ONLY a, b", "TRUNCATE:a:TRUNCATE a" },
		{ "LOCK TABLE t IN ACCESS EXCLUSIVE MODE", "LOCK:t:LOCK t" },
	};

	(void)state;
	CHECK_ALL(samples);
}

static void test_with(void **state)
{
	static const struct sample samples[] = {
		{ "WITH a AS (SELECT * FROM t), b (x) AS MATERIALIZED (SELECT * FROM a) SELECT * FROM b JOIN u ON true",
		  "SELECT:t:SELECT t SELECT SELECT u" },
		{ "with recursive r as (select 1 union all select n + 1 from r) delete from t where id in (select n "
		  "from r)",
		  "DELETE:t:select select delete t select" },
		{ "WITH gone AS (DELETE FROM old RETURNING *) INSERT INTO archive SELECT * FROM gone",
		  "INSERT:old:DELETE old INSERT archive SELECT" },
		{ "WITH a AS (WITH b AS (SELECT 1 FROM t) SELECT * FROM b), c AS (SELECT 2) UPDATE u SET x = 1",
		  "UPDATE:t:SELECT t SELECT SELECT UPDATE u" },
		{ "INSERT INTO t WITH x AS (SELECT 1) SELECT * FROM x", "INSERT:t:INSERT t SELECT SELECT" },
		{ "SELECT '1'::timestamp with time zone FROM t", "SELECT:t:SELECT t" },
	};

	(void)state;
	CHECK_ALL(samples);
}

static void test_others(void **state)
{
	static const struct sample samples[] = {
		{ "BEGIN", "BEGIN::BEGIN" },
		{ "START TRANSACTION READ ONLY", "BEGIN::START" },
		{ "END", "COMMIT::END" },
		{ "COMMIT; ROLLBACK; ABORT", "COMMIT::COMMIT|ROLLBACK::ROLLBACK|ROLLBACK::ABORT" },
		{ "SAVEPOINT secret", "SAVEPOINT::SAVEPOINT" },
		{ "ROLLBACK TO SAVEPOINT secret", "ROLLBACK::ROLLBACK" },
		{ "SET secret = 'x'", "SET::SET" },
		{ "CALL do_it(1, 'x')", "CALL::CALL do_it" },
		{ "DO $$ BEGIN PERFORM 1; END $$", "DO::DO" },
		{ "PREPARE p AS INSERT INTO t VALUES ($1)", "PREPARE:t:PREPARE INSERT t" },
		{ "EXECUTE secret(1)", "EXECUTE::EXECUTE" },
		{ "EXPLAIN (ANALYZE, BUFFERS) UPDATE t SET x = 1", "EXPLAIN:t:EXPLAIN UPDATE t" },
		{ "EXPLAIN ANALYZE VERBOSE SELECT * FROM t", "EXPLAIN:t:EXPLAIN SELECT t" },
		{ "DECLARE c CURSOR FOR SELECT * FROM t", "DECLARE:t:DECLARE SELECT t" },
		{ "FETCH 10 FROM secret", "FETCH::FETCH" },
		{ "GRANT SELECT ON t TO u", "GRANT::GRANT" },
		{ "VACUUM (VERBOSE, ANALYZE) t", "VACUUM:t:VACUUM t" },
		{ "ANALYZE t", "ANALYZE:t:ANALYZE t" },
		{ "NOTIFY secret, 'secret'", "NOTIFY::NOTIFY" },
		{ "frobnicate the thing", "::" },
	};

	(void)state;
	CHECK_ALL(samples);
}

static void test_definitions(void **state)
{
	static const struct sample samples[] = {
		{ "CREATE TABLE IF NOT EXISTS a.t (id int REFERENCES u (id) ON DELETE CASCADE)",
		  "CREATE TABLE:a.t:CREATE TABLE a.t" },
		{ "create temp table t as select * from u", "CREATE TABLE:t:create table t select u" },
		{ "CREATE UNIQUE INDEX CONCURRENTLY i ON t USING btree (x)", "CREATE INDEX:t:CREATE INDEX t" },
		{ "CREATE OR REPLACE VIEW v AS SELECT * FROM t", "CREATE VIEW:v:CREATE VIEW v SELECT t" },
		{ "CREATE MATERIALIZED VIEW v AS WITH x AS (SELECT 1) SELECT * FROM t",
		  "CREATE VIEW:v:CREATE VIEW v SELECT SELECT t" },
		{ "REFRESH MATERIALIZED VIEW CONCURRENTLY v", "REFRESH:v:REFRESH v" },
		{ "ALTER TABLE ONLY t ADD COLUMN x int", "ALTER TABLE:t:ALTER TABLE t" },
		{ "ALTER USER u PASSWORD 'secret'", "ALTER USER::ALTER USER" },
		{ "DROP TABLE IF EXISTS t CASCADE", "DROP TABLE:t:DROP TABLE t" },
		{ "DROP INDEX i", "DROP INDEX::DROP INDEX" },
		{ "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1; SELECT 2'; SELECT 3",
		  "CREATE FUNCTION::CREATE FUNCTION|SELECT::SELECT" },
		{ "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END; "
		  "SELECT 3",
		  "CREATE FUNCTION::CREATE FUNCTION|SELECT::SELECT" },
		{ "CREATE RULE r AS ON INSERT TO t DO ALSO (INSERT INTO a VALUES (1); DELETE FROM b); SELECT 1",
		  "CREATE RULE:a:CREATE RULE INSERT a b|SELECT::SELECT" },
		{ "CREATE EXTENSION IF NOT EXISTS pg_stat_statements", "CREATE EXTENSION::CREATE EXTENSION" },
		{ "CREATE something", "CREATE::CREATE" },
	};

	(void)state;
	CHECK_ALL(samples);
}

static void test_text(void **state)
{
	static const struct sample samples[] = {
		{ "", "" },
		{ " ;; -- nothing\n/* nor /* here */ */ ;", "" },
		{ "/* c */ SELECT -- FROM x\n 1 FROM/**/t", "SELECT:t:SELECT t" },
		{ "SELECT 'it''s; FROM x' FROM t", "SELECT:t:SELECT t" },
		{ "SELECT E'it\\'s; FROM x' FROM t", "SELECT:t:SELECT t" },
		{ "SELECT E'a\\'' -- c\n '\\' FROM x' FROM t", "SELECT:t:SELECT t" },
		{ "SELECT 'a\\' FROM t", "SELECT:t:SELECT t" },
		{ "SELECT U&'\\0061; FROM x', U&\"c\", B'01', x'1F', N'n' FROM t", "SELECT:t:SELECT t" },
		{ "SELECT $$ ; FROM x $$, $a$ $b$ $$ FROM x $a$ FROM t", "SELECT:t:SELECT t" },
		{ "SELECT $a$ $a FROM x $a$ FROM t", "SELECT:t:SELECT t" },
		{ "SELECT $1, $2::text FROM t WHERE a$b = 1", "SELECT:t:SELECT t" },
		{ "SELECT 1.5e-10, .5, 0x1F, 1_000, 5. FROM t", "SELECT:t:SELECT t" },
		{ "SELECT 'never closed FROM x", "SELECT::SELECT" },
		{ "SELECT \"never closed FROM x", "SELECT::SELECT" },
		{ "SELECT * FROM 'secret' secret2", "SELECT::SELECT" },
		{ "INSERT INTO 'x' secret", "INSERT::INSERT" },
		{ "SELECT * FROM caf\xc3\xa9", "SELECT:caf\xc3\xa9:SELECT caf\xc3\xa9" },
		{ "SELECT 1;SELECT 2 FROM b", "SELECT::SELECT|SELECT:b:SELECT b" },
	};

	(void)state;
	CHECK_ALL(samples);
}

/* Whether the backslash escapes is not known: what follows is not looked at. */
static void test_doubt(void **state)
{
	const char *sql = "INSERT INTO a VALUES ('x\\' FROM secret, '), 1) ; SELECT * FROM secret";
	struct told told = {};
	struct sql_scan scan_unknown;
	char out[256];

	(void)state;
	sql_scan_init(&scan_unknown, SQL_STRINGS_UNKNOWN, on_statement, &told);
	sql_scan_feed(&scan_unknown, sql, strlen(sql));
	sql_scan_end(&scan_unknown);
	assert_string_equal(told.text, "INSERT:a:INSERT a");
	out[sql_sanitise(sql, strlen(sql), SQL_STRINGS_UNKNOWN, out, sizeof(out) - 1)] = '\0';
	assert_string_equal(out, "INSERT INTO a VALUES (?");
}

/* The summary is cut between words; so is a name that is too long. */
static void test_limits(void **state)
{
	static char sql[20000] = "SELECT * FROM ";
	struct told told;
	size_t length = strlen(sql);

	(void)state;
	for (int i = 0; i < 100; i++)
		length += (size_t)snprintf(sql + length, sizeof(sql) - length, "%st%03d", i ? ", " : "", i);
	scan(sql, length, length, 1, &told);
	assert_int_equal(strlen(told.text), strlen("SELECT:t000:") + 6 + 49 * 5);
	length = (size_t)snprintf(sql, sizeof(sql), "SELECT * FROM ");
	memset(sql + length, 'a', 300);
	scan(sql, length + 300, length + 300, 1, &told);
	assert_string_equal(told.text, "SELECT::SELECT");
	memset(sql, '(', sizeof(sql));
	memcpy(sql, "SELECT ", 7);
	scan(sql, sizeof(sql), sizeof(sql), 1, &told);
	assert_string_equal(told.text, "SELECT::SELECT");
	memset(sql, ')', sizeof(sql));
	scan(sql, sizeof(sql), 10, 7, &told);
	assert_string_equal(told.text, "::");
}

static void check_sanitised(const char *sql, const char *expected)
{
	char out[512];
	size_t length = sql_sanitise(sql, strlen(sql), SQL_STRINGS_STANDARD, out, sizeof(out) - 1);

	out[length] = '\0';
	assert_string_equal(out, expected);
	for (size_t size = 0; size <= length; size++)
		assert_true(sql_sanitise(sql, strlen(sql), SQL_STRINGS_STANDARD, out, size) <= size);
}

static void test_sanitise(void **state)
{
	(void)state;
	check_sanitised("SELECT  *\n FROM t\tWHERE a = 'x' AND b=-5 AND c > 1.5e3",
			"SELECT * FROM t WHERE a = ? AND b=-? AND c > ?");
	check_sanitised("SELECT 1 -- secret\n, 2 /* secret /* x */ */", "SELECT ? , ?");
	check_sanitised("WHERE id IN (1, 2, 'x', -3) AND b in ($1,$2)", "WHERE id IN (?) AND b in ($1)");
	check_sanitised("WHERE id IN (1, f(2), 3)", "WHERE id IN (?, f(?), ?)");
	check_sanitised("WHERE id IN (SELECT x FROM t WHERE y = 'a')", "WHERE id IN (SELECT x FROM t WHERE y = ?)");
	check_sanitised("SELECT E'a\\'b', $$x$$, $t$x$t$, B'1', X'F', U&'x', N'n'", "SELECT ?, ?, ?, ?, ?, ?, ?");
	check_sanitised("SELECT true, FALSE, NULL, DATE '2020-01-01', INTERVAL '1' DAY",
			"SELECT ?, ?, NULL, DATE ?, INTERVAL ? DAY");
	check_sanitised("SELECT \"Na\"\"me\", \"x y\" FROM \"t\"", "SELECT \"Na\"\"me\", \"x y\" FROM \"t\"");
	check_sanitised("INSERT INTO t VALUES (1, 'secret'), (2, 'secret')", "INSERT INTO t VALUES (?, ?), (?, ?)");
	check_sanitised("SELECT $1, $2", "SELECT $1, $2");
	check_sanitised("SELECT 'never closed", "SELECT ?");
	check_sanitised("SELECT 'a' 'b'\n'c'", "SELECT ? ? ?");
	check_sanitised("", "");
}

/* No literal is in what is left, wherever it stands. */
static void test_sanitise_secrets(void **state)
{
	static const char *const literals[] = {
		"'S3CR3T'",  "E'\\'S3CR3T'",  "$$S3CR3T$$",     "$q$S3CR3T$q$", "'x''S3CR3T'",        "U&'S3CR3T'",
		"N'S3CR3T'", "'a'\n'S3CR3T'", "/* S3CR3T */ 1", "-- S3CR3T\n1", "E'a'\n'\\' S3CR3T'",
	};
	static const char *const places[] = {
		"SELECT %s FROM t",
		"SELECT * FROM t WHERE a = %s",
		"INSERT INTO t VALUES (1, %s)",
		"UPDATE t SET a = %s",
		"SELECT * FROM t LIMIT %s",
		"SET a = %s",
		"CALL f(%s)",
		"SELECT * FROM f(%s)",
		"SELECT * FROM t WHERE a IN (1, %s, 3)",
		"SELECT a AS b, %s",
		"ALTER USER u PASSWORD %s",
		"SELECT * FROM %s",
		"INSERT INTO %s",
		"%s",
	};
	struct told told;
	char sql[256];
	char out[256];

	(void)state;
	for (size_t i = 0; i < sizeof(literals) / sizeof(literals[0]); i++) {
		for (size_t j = 0; j < sizeof(places) / sizeof(places[0]); j++) {
			const char *hole = strstr(places[j], "%s");

			snprintf(sql, sizeof(sql), "%.*s%s%s", (int)(hole - places[j]), places[j], literals[i],
				 hole + 2);
			out[sql_sanitise(sql, strlen(sql), SQL_STRINGS_STANDARD, out, sizeof(out) - 1)] = '\0';
			assert_null(strstr(out, "S3CR3T"));
			scan(sql, strlen(sql), 0, 1, &told);
			assert_null(strstr(told.text, "S3CR3T"));
		}
	}
}

/* Every keyword is found, in any case, and nothing else is one. */
static void test_keywords(void **state)
{
	static const char *const words[] = {
#define X(WORD) #WORD,
		SQL_STATEMENTS(X) SQL_OBJECTS(X) SQL_OTHERS(X)
#undef X
	};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		char lower[32];
		size_t length = strlen(words[i]);

		for (size_t j = 0; j <= length; j++)
			lower[j] = (char)(words[i][j] | (words[i][j] ? 0x20 : 0));
		assert_int_not_equal(sql_keyword_of((struct text){ words[i], length }), KEY_NONE);
		assert_int_equal(sql_keyword_of((struct text){ lower, length }),
				 sql_keyword_of((struct text){ words[i], length }));
		assert_int_equal(sql_keyword_of((struct text){ words[i], 1 }), KEY_NONE);
	}
	assert_int_equal(sql_keyword_of((struct text){ "nosuchword", 10 }), KEY_NONE);
	assert_int_equal(sql_keyword_of((struct text){ "\xc3\xa9t", 3 }), KEY_NONE);
	assert_null(sql_operation_text(0));
	assert_null(sql_operation_text(255));
	assert_string_equal(sql_operation_text(sql_operation_of("SELECT 5", 8)), "SELECT");
	assert_string_equal(sql_operation_text(sql_operation_of("CREATE TABLE", 12)), "CREATE TABLE");
	assert_int_equal(sql_operation_of("IDENTIFY_SYSTEM", 15), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_queries),     cmocka_unit_test(test_changes),
		cmocka_unit_test(test_with),        cmocka_unit_test(test_others),
		cmocka_unit_test(test_definitions), cmocka_unit_test(test_text),
		cmocka_unit_test(test_doubt),       cmocka_unit_test(test_limits),
		cmocka_unit_test(test_sanitise),    cmocka_unit_test(test_sanitise_secrets),
		cmocka_unit_test(test_keywords),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
