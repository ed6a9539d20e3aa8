/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL's parser at its bounds: memory, long texts, many statements, deep pipelines, sessions, and every
 * allocation failing in turn. What comes out of sound bytes is in the golden cases.
 */
/* LINK: -Wl,--wrap=malloc,--wrap=calloc */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "proto/postgres_internal.h"

#define READY "Z\0\0\0\5I"
#define STARTUP "\0\0\0\x20\0\3\0\0user\0app\0database\0shop\0\0"
#define SIZED(text) (text), sizeof(text) - 1

struct world {
	void *state;
	void *shared;
	struct proto_sink sink;
	struct stream_losses losses;
	size_t exchanges;
	size_t transactions;
	size_t begun;
	struct exchange begin; /* the last one */
	uint64_t last_end_ns;
	char operation[64];
	char collection[128];
	uint64_t rows;
	uint32_t asked;
	size_t asks;
	uint64_t now_ns;
	uint32_t position[2];
	size_t consumed;
	bool no_wait;
};

struct failure {
	long after; /* allocations that succeed */
	bool lasts;
};

static struct failure failure = { .after = LONG_MAX };

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

static bool fails(void)
{
	if (failure.after > 0) {
		failure.after--;
		return false;
	}
	if (!failure.lasts)
		failure.after = LONG_MAX;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

static void on_exchange(void *ctx, struct exchange *exchange)
{
	struct world *world = ctx;

	world->exchanges++;
	world->last_end_ns = exchange->response_last_ns;
	world->rows = exchange->db.rows;
	snprintf(world->operation, sizeof(world->operation), "%.*s", (int)exchange->db.operation.length,
		 exchange->db.operation.data);
	snprintf(world->collection, sizeof(world->collection), "%.*s", (int)exchange->db.collection.length,
		 exchange->db.collection.data);
}

static void on_skip_until(void *ctx, enum proto_flow flow, uint32_t position)
{
	struct world *world = ctx;

	(void)flow;
	world->asked = position;
	world->asks++;
}

static void on_transaction(void *ctx, const struct db_transaction *transaction)
{
	(void)transaction;
	((struct world *)ctx)->transactions++;
}

static void on_begin(void *ctx, struct exchange *exchange)
{
	struct world *world = ctx;

	world->begun++;
	world->begin = *exchange;
}

static bool world_init(struct world *world)
{
	*world = (struct world){ .now_ns = 1000, .position = { 100, 200 } };
	world->sink = (struct proto_sink){
		.ctx = world,
		.exchange = on_exchange,
		.begin = on_begin,
		.skip_until = on_skip_until,
		.losses = &world->losses,
		.transaction = on_transaction,
	};
	world->state = postgres_ops.state_new();
	world->shared = postgres_ops.shared_new(1);
	if (!world->state)
		return false;
	postgres_ops.join(world->state, world->shared);
	return true;
}

static void world_done(struct world *world)
{
	postgres_ops.state_free(world->state);
	postgres_ops.shared_free(world->shared);
}

static enum proto_status feed(struct world *world, enum proto_flow flow, const char *bytes, size_t length)
{
	struct proto_chunk chunk = {
		.data = (const uint8_t *)bytes,
		.length = length,
		.time_ns = world->now_ns,
		.position = world->position[flow],
		.peer_position = world->position[!flow],
		.goroutine = 7,
		.no_wait = world->no_wait,
	};
	enum proto_status status;

	world->now_ns += 10;
	status = postgres_ops.feed(world->state, &world->sink, flow, &chunk, &world->consumed);
	world->position[flow] += (uint32_t)world->consumed;
	return status;
}

static size_t put(char *out, char type, const char *payload, size_t length)
{
	uint32_t size = (uint32_t)length + 4;

	out[0] = type;
	out[1] = (char)(size >> 24);
	out[2] = (char)(size >> 16);
	out[3] = (char)(size >> 8);
	out[4] = (char)size;
	memcpy(out + 5, payload, length);
	return length + 5;
}

#define send(world, bytes) assert_int_equal(feed(world, FLOW_REQUEST, SIZED(bytes)), PROTO_OK)
#define receive(world, bytes) assert_int_equal(feed(world, FLOW_RESPONSE, SIZED(bytes)), PROTO_OK)

static void connect_world(struct world *world)
{
	assert_true(world_init(world));
	send(world, STARTUP);
	receive(world, "R\0\0\0\x08\0\0\0\0" READY);
}

static void query(struct world *world, const char *sql)
{
	char *message = malloc(strlen(sql) + 6);

	assert_non_null(message);
	assert_int_equal(feed(world, FLOW_REQUEST, message, put(message, 'Q', sql, strlen(sql) + 1)), PROTO_OK);
	free(message);
}

/* What an idle connection holds, whatever it did before. */
static void test_idle_memory(void **state)
{
	struct world world;

	(void)state;
	connect_world(&world);
	assert_true(postgres_ops.memory(world.state) <= 72);
	for (int i = 0; i < 100; i++)
		query(&world, "SELECT * FROM t; SELECT * FROM u");
	assert_true(postgres_ops.memory(world.state) > 512);
	for (int i = 0; i < 100; i++)
		receive(&world, "C\0\0\0\x0dSELECT 0\0"
				"C\0\0\0\x0dSELECT 0\0" READY);
	assert_int_equal(world.exchanges, 200);
	assert_true(postgres_ops.memory(world.state) <= 72);
	world_done(&world);
}

/* Thousands of prepared statements: the connection keeps a bounded number, all connections share a bounded number. */
static void test_many_statements(void **state)
{
	struct world world;
	char payload[128];
	char message[160];

	(void)state;
	connect_world(&world);
	for (int i = 0; i < 20000; i++) {
		int length = snprintf(payload, sizeof(payload), "s%d%cSELECT * FROM t%d%c%c%c", i, 0, i, 0, 0, 0);

		assert_int_equal(feed(&world, FLOW_REQUEST, message, put(message, 'P', payload, (size_t)length)),
				 PROTO_OK);
		send(&world, "S\0\0\0\4");
		receive(&world, "1\0\0\0\4" READY);
	}
	assert_true(postgres_ops.memory(world.state) <= 72 + POSTGRES_NAMES_MAX * 8);
	assert_true(postgres_ops.shared_memory(world.shared) < 2 << 20);
	/* The last ones are known, the first ones are not: counted all the same. */
	send(&world, "B\0\0\0\x12\0s19999\0\0\0\0\0\0\0"
		     "E\0\0\0\x09\0\0\0\0\0"
		     "S\0\0\0\4");
	receive(&world, "2\0\0\0\4"
			"C\0\0\0\x0dSELECT 3\0" READY);
	assert_string_equal(world.collection, "t19999");
	send(&world, "B\0\0\0\x0f\0s19\0\0\0\0\0\0\0"
		     "E\0\0\0\x09\0\0\0\0\0"
		     "S\0\0\0\4");
	receive(&world, "2\0\0\0\4"
			"C\0\0\0\x0dSELECT 4\0" READY);
	assert_string_equal(world.collection, "");
	assert_string_equal(world.operation, "SELECT");
	assert_int_equal(world.rows, 4);
	assert_int_equal(world.exchanges, 2);
	world_done(&world);
}

/* More statements in one Query than are kept apart: each is an exchange, the late ones by their tags. */
static void test_many_in_one_query(void **state)
{
	static char sql[20000];
	struct world world;

	(void)state;
	for (int i = 0; i < 1000; i++)
		memcpy(sql + 14 * i, "DELETE FROM t;", 14);
	connect_world(&world);
	query(&world, sql);
	for (int i = 0; i < 1000; i++) {
		receive(&world, "C\0\0\0\x0d"
				"DELETE 1\0");
		assert_int_equal(world.exchanges, i + 1);
		assert_string_equal(world.operation, "DELETE");
		assert_string_equal(world.collection, i < 256 ? "t" : "");
	}
	receive(&world, READY);
	query(&world, "SELECT 1");
	receive(&world, "C\0\0\0\x0dSELECT 1\0" READY);
	assert_int_equal(world.exchanges, 1001);
	world_done(&world);
}

/* Of a long text the first part is looked at; the rest is not needed, and may be missing. */
static void test_long_text(void **state)
{
	static char sql[POSTGRES_SCAN_MAX + 50000];
	struct proto_chunk gap = { .length = 300000 - sizeof(sql) };
	struct world world;
	char header[5];

	(void)state;
	memset(sql, ' ', sizeof(sql));
	memcpy(sql, "INSERT INTO t VALUES", 20);
	connect_world(&world);
	put(header, 'Q', "", 0);
	header[2] = (char)((300000 + 4) >> 16);
	header[3] = (char)((300000 + 4) >> 8);
	header[4] = (char)(300000 + 4);
	assert_int_equal(feed(&world, FLOW_REQUEST, header, sizeof(header)), PROTO_OK);
	assert_int_equal(world.asks, 0);
	assert_int_equal(feed(&world, FLOW_REQUEST, sql, sizeof(sql)), PROTO_OK);
	assert_int_equal(world.asks, 1);
	assert_int_equal(world.asked, world.position[FLOW_REQUEST] + gap.length);
	gap.position = world.position[FLOW_REQUEST];
	gap.time_ns = world.now_ns;
	assert_int_equal(postgres_ops.feed(world.state, &world.sink, FLOW_REQUEST, &gap, &world.consumed), PROTO_OK);
	world.position[FLOW_REQUEST] += (uint32_t)gap.length;
	receive(&world, "C\0\0\0\x0fINSERT 0 7\0" READY);
	assert_int_equal(world.exchanges, 1);
	assert_string_equal(world.collection, "t");
	assert_int_equal(world.rows, 7);
	world_done(&world);
}

static void test_pipeline_full(void **state)
{
	static const char unit[] = "B\0\0\0\x0c\0\0\0\0\0\0\0\0"
				   "E\0\0\0\x09\0\0\0\0\0";
	enum proto_status status = PROTO_OK;
	struct world world;
	size_t consumed = 0;
	size_t sent = 0;

	(void)state;
	connect_world(&world);
	while (status == PROTO_OK && sent < POSTGRES_PIPELINE_MAX) {
		status = feed(&world, FLOW_REQUEST, SIZED(unit));
		sent += status == PROTO_OK;
	}
	assert_int_equal(status, PROTO_WAIT);
	consumed = world.consumed;
	assert_true(sent > 4096);
	for (size_t i = 0; i < sent; i++)
		receive(&world, "2\0\0\0\4"
				"C\0\0\0\x0dSELECT 0\0");
	assert_int_equal(world.exchanges, sent);
	/* The Bind of the last unit was taken, and the Execute was not. */
	assert_int_equal(consumed, 13);
	assert_int_equal(feed(&world, FLOW_REQUEST, unit + 13, sizeof(unit) - 14), PROTO_OK);
	receive(&world, "2\0\0\0\4"
			"C\0\0\0\x0dSELECT 0\0");
	assert_true(postgres_ops.memory(world.state) <= 640);
	send(&world, "S\0\0\0\4");
	receive(&world, READY);
	assert_true(postgres_ops.memory(world.state) <= 72);
	while (feed(&world, FLOW_REQUEST, SIZED(unit)) == PROTO_OK)
		;
	world.no_wait = true;
	assert_int_equal(feed(&world, FLOW_REQUEST, SIZED(unit)), PROTO_LOST);
	assert_int_equal(world.losses.out_of_step[STEP_PIPELINE_FULL], 1);
	postgres_ops.lost(world.state, &world.sink, FLOW_REQUEST);
	postgres_ops.close(world.state, &world.sink, END_NORMAL, world.now_ns);
	world_done(&world);
}

static enum db_session_state session_of(const struct world *world)
{
	struct db_session session;

	assert_true(postgres_ops.session(world->state, &session));
	assert_int_equal(session.name_space.length, 4);
	assert_memory_equal(session.name_space.data, "shop", 4);
	return session.state;
}

static void test_session(void **state)
{
	struct db_session session;
	struct world world;

	(void)state;
	assert_true(world_init(&world));
	assert_false(postgres_ops.session(world.state, &session));
	send(&world, STARTUP);
	assert_int_equal(session_of(&world), DB_SESSION_USED);
	receive(&world, "R\0\0\0\x08\0\0\0\0" READY);
	assert_int_equal(session_of(&world), DB_SESSION_IDLE);
	query(&world, "BEGIN");
	assert_int_equal(session_of(&world), DB_SESSION_USED);
	receive(&world, "C\0\0\0\x0a"
			"BEGIN\0"
			"Z\0\0\0\5T");
	assert_int_equal(session_of(&world), DB_SESSION_IDLE_IN_TRANSACTION);
	query(&world, "SELECT 1");
	assert_int_equal(session_of(&world), DB_SESSION_USED);
	receive(&world, "E\0\0\0\x0f"
			"C22012\0Mx\0\0");
	assert_int_equal(session_of(&world), DB_SESSION_USED);
	receive(&world, "Z\0\0\0\5E");
	assert_int_equal(session_of(&world), DB_SESSION_IDLE_IN_TRANSACTION);
	assert_int_equal(world.transactions, 0);
	query(&world, "ROLLBACK");
	receive(&world, "C\0\0\0\x0dROLLBACK\0" READY);
	assert_int_equal(session_of(&world), DB_SESSION_IDLE);
	assert_int_equal(world.transactions, 1);
	assert_int_equal(world.exchanges, 3);
	world_done(&world);
}

/* A flow that has ended for the protocol takes nothing more. */
static void test_encrypted(void **state)
{
	struct world world;

	(void)state;
	assert_true(world_init(&world));
	send(&world, "\0\0\0\x08\x04\xd2\x16\x2f");
	assert_int_equal(feed(&world, FLOW_REQUEST, SIZED("\x16\3\1")), PROTO_WAIT);
	assert_int_equal(feed(&world, FLOW_RESPONSE, SIZED("S\x16")), PROTO_ENCRYPTED);
	assert_int_equal(world.consumed, 1);
	assert_int_equal(feed(&world, FLOW_REQUEST, SIZED("\x16\3\1")), PROTO_ENCRYPTED);
	assert_int_equal(feed(&world, FLOW_RESPONSE, SIZED("x")), PROTO_ENCRYPTED);
	assert_int_equal(world.consumed, 0);
	postgres_ops.close(world.state, &world.sink, END_NORMAL, world.now_ns);
	assert_int_equal(world.exchanges, 0);
	world_done(&world);
}

/* As stream: what is lost is told, and the rest of the segment passed over. */
static void offer(struct world *world, enum proto_flow flow, const char *bytes, size_t length)
{
	enum proto_status status = feed(world, flow, bytes, length);

	if (status == PROTO_WAIT) {
		world->no_wait = true;
		status = feed(world, flow, bytes + world->consumed, length - world->consumed);
		world->no_wait = false;
	}
	if (status == PROTO_LOST)
		postgres_ops.lost(world->state, &world->sink, flow);
}

/* A start-up in pieces, a split query, prepared statements, a pipeline that grows. */
static void live(struct world *world)
{
	offer(world, FLOW_REQUEST, SIZED("\0\0\0\x20\0\3\0\0user\0a"));
	offer(world, FLOW_REQUEST, SIZED("pp\0database\0shop\0\0"));
	offer(world, FLOW_RESPONSE, SIZED("R\0\0\0\x08\0\0\0\0" READY));
	offer(world, FLOW_REQUEST,
	      SIZED("Q\0\0\0\x0d"
		    "SELE"));
	offer(world, FLOW_REQUEST, SIZED("CT 1\0"));
	offer(world, FLOW_RESPONSE, SIZED("C\0\0\0\x0dSELECT 1\0" READY));
	offer(world, FLOW_REQUEST,
	      SIZED("P\0\0\0\x18s\0SELECT * FROM t\0\0\0"
		    "P\0\0\0\x18t\0SELECT * FROM u\0\0\0"
		    "S\0\0\0\4"));
	offer(world, FLOW_RESPONSE,
	      SIZED("1\0\0\0\4"
		    "1\0\0\0\4" READY));
	for (int i = 0; i < 20; i++)
		offer(world, FLOW_REQUEST,
		      SIZED("B\0\0\0\x0d\0s\0\0\0\0\0\0\0"
			    "E\0\0\0\x09\0\0\0\0\0"));
	offer(world, FLOW_REQUEST, SIZED("S\0\0\0\4"));
	for (int i = 0; i < 20; i++)
		offer(world, FLOW_RESPONSE,
		      SIZED("2\0\0\0\4"
			    "C\0\0\0\x0dSELECT 1\0"));
	offer(world, FLOW_RESPONSE, SIZED(READY));
}

static void test_allocations_fail(void **state)
{
	(void)state;
	for (int lasts = 0; lasts < 2; lasts++) {
		for (long after = 0; after < 60; after++) {
			struct world world;
			uint64_t counted = 0;

			failure = (struct failure){ .after = after, .lasts = lasts };
			if (world_init(&world)) {
				live(&world);
				postgres_ops.close(world.state, &world.sink, END_NORMAL, world.now_ns);
				for (int i = 0; i < STEP_REASON_COUNT; i++)
					counted += world.losses.out_of_step[i];
				assert_true(world.exchanges <= 21);
				assert_true(world.exchanges == 21 || counted > 0);
			}
			failure = (struct failure){ .after = LONG_MAX };
			world_done(&world);
		}
	}
}

/* A request alone on its connection, when it is whole; of several at once the first. */
static void test_beginnings(void **state)
{
	struct world world;

	(void)state;
	connect_world(&world);
	assert_int_equal(world.begun, 0);
	query(&world, "SELECT 1");
	assert_int_equal(world.begun, 1);
	assert_int_equal(world.begin.goroutine, 7);
	assert_int_equal(world.begin.request_peer_position, world.position[FLOW_RESPONSE]);
	receive(&world, "C\0\0\0\x0dSELECT 1\0" READY);
	query(&world, "SELECT 1; SELECT 2");
	query(&world, "SELECT 3");
	assert_int_equal(world.begun, 2);
	receive(&world, "C\0\0\0\x0dSELECT 1\0"
			"C\0\0\0\x0dSELECT 1\0" READY "C\0\0\0\x0dSELECT 1\0" READY);
	send(&world, "P\0\0\0\x10\0SELECT 4\0\0\0"
		     "B\0\0\0\x0c\0\0\0\0\0\0\0\0");
	assert_int_equal(world.begun, 2);
	send(&world, "E\0\0\0\x09\0\0\0\0\0S\0\0\0\4");
	assert_int_equal(world.begun, 3);
	assert_int_equal(world.exchanges, 4);
	postgres_ops.close(world.state, &world.sink, END_NORMAL, world.now_ns);
	world_done(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idle_memory),       cmocka_unit_test(test_many_statements),
		cmocka_unit_test(test_many_in_one_query), cmocka_unit_test(test_long_text),
		cmocka_unit_test(test_pipeline_full),     cmocka_unit_test(test_session),
		cmocka_unit_test(test_encrypted),         cmocka_unit_test(test_allocations_fail),
		cmocka_unit_test(test_beginnings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
