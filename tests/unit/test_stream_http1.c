/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream and HTTP/1 together: one conversation, cut at random into calls, told out of order, captured in part, told
 * twice or lost in part. Without loss the exchanges are always the same ones; with loss each that is told is one of
 * them, and what is missing shows in the counters.
 */
#include <string.h>

#include "stream_world.h"

#define CALLS_MAX 2048
#define SEEDS 3000

struct step {
	enum direction direction;
	const char *text;
	size_t body; /* bytes at the end of text that need not be captured */
};

/* Bodies end in what no message begins with: a search for the next message joins calls, and would take "GET" for the
 * end of a longer method else. */
static const struct step conversation[] = {
	{ DIRECTION_RECEIVE, "GET /first HTTP/1.1\r\nHost: a\r\n\r\n", 0 },
	{ DIRECTION_SEND, "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n{0123456789012345678901234567}", 30 },
	{ DIRECTION_RECEIVE, "POST /second HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n{\"k\":[1,2,(3),4,55]}",
	  20 },
	{ DIRECTION_SEND, "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n", 0 },
	{ DIRECTION_SEND, "5;x=y\r\nhello\r\na\r\n0123456789\r\n", 0 },
	{ DIRECTION_SEND, "0\r\nTrailer: t\r\n\r\n", 0 },
	{ DIRECTION_RECEIVE, "HEAD /third HTTP/1.1\r\nHost: a\r\n\r\n", 0 },
	{ DIRECTION_SEND, "HTTP/1.1 404 Not Found\r\nContent-Length: 1000\r\n\r\n", 0 },
	{ DIRECTION_RECEIVE,
	  "GET /4 HTTP/1.1\r\nHost: a\r\n\r\nGET /5 HTTP/1.1\r\nHost: a\r\n\r\nDELETE /6 HTTP/1.1\r\nHost: a\r\n\r\n",
	  0 },
	{ DIRECTION_SEND, "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n", 0 },
	{ DIRECTION_SEND, "HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nn}", 2 },
	{ DIRECTION_RECEIVE, "PUT /7 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 6\r\n\r\n", 0 },
	{ DIRECTION_SEND, "HTTP/1.1 100 Continue\r\n\r\n", 0 },
	{ DIRECTION_RECEIVE, "(ooba}", 6 },
	{ DIRECTION_SEND, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0 },
	{ DIRECTION_RECEIVE, "GET /last HTTP/1.1\r\nHost: a\r\n\r\n", 0 },
	{ DIRECTION_SEND, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end", 13 },
};

#define STEPS (sizeof(conversation) / sizeof(conversation[0]))
#define EXCHANGES 8

static const uint16_t expected_status[EXCHANGES] = { 200, 201, 404, 204, 304, 500, 200, 200 };
static const uint64_t expected_request[EXCHANGES] = { 0, 20, 0, 0, 0, 0, 6, 0 };
static const uint64_t expected_response[EXCHANGES] = { 30, 15, 0, 0, 0, 2, 0, 13 };

/* What is done to the conversation. */
struct torment {
	uint64_t seed;
	uint32_t cut;    /* longest call; 0: a step is one call */
	uint32_t swap;   /* how far calls are moved */
	bool partial;    /* bodies are captured in part */
	uint32_t repeat; /* one call in so many is told twice; 0 none */
	uint32_t lose;   /* one call in so many is lost; 0 none */
	bool client;     /* seen from the other end */
};

struct calls {
	struct segment call[CALLS_MAX];
	size_t count;
};

static uint32_t draw(uint64_t *seed, uint32_t below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return below ? (uint32_t)(*seed >> 33) % below : 0;
}

static void cut_step(struct calls *calls, const struct step *step, struct torment *torment, uint32_t *position,
		     uint64_t *now_ns)
{
	size_t length = strlen(step->text), at = 0, head = length - step->body;
	enum direction direction = torment->client ? !step->direction : step->direction;
	/* Of "GET /" without its first call, "T /" is a request. */
	size_t shortest = torment->lose ? 8 : 1;

	while (at < length) {
		size_t part = torment->cut ? shortest + draw(&torment->seed, torment->cut) : length;
		struct segment *call = &calls->call[calls->count++];

		assert_true(calls->count < CALLS_MAX);
		if (part > length - at)
			part = length - at;
		*call = (struct segment){
			.conn_id = 1,
			.tgid = 77,
			.tid = 78,
			.direction = direction,
			.position = position[direction],
			.peer_position = position[!direction],
			.time_ns = ++*now_ns,
			.length = (uint32_t)part,
			.captured_length = (uint32_t)part,
			.data = (const uint8_t *)step->text + at,
		};
		/* The end of a call is what the kernel leaves out. */
		if (torment->partial && at + part > head)
			call->captured_length = (uint32_t)(head > at ? head - at : 0);
		position[direction] += (uint32_t)part;
		at += part;
	}
}

static void shuffle(struct calls *calls, struct torment *torment)
{
	size_t i;

	for (i = 0; torment->swap && i + 1 < calls->count; i++) {
		size_t other = i + draw(&torment->seed, torment->swap + 1);
		struct segment call = calls->call[i];

		if (other >= calls->count)
			continue;
		calls->call[i] = calls->call[other];
		calls->call[other] = call;
	}
}

/* Plays the conversation; the world keeps what came of it. Returns how many calls were lost. */
static unsigned int play(struct world *world, struct torment torment)
{
	static struct calls calls;
	unsigned int lost = 0;
	size_t i;

	calls.count = 0;
	world_init_with(world,
			(struct stream_config){ .max_connections = 4, .max_bytes = 1 << 20, .hold_ns = WORLD_HOLD_NS });
	world->position[0] = UINT32_MAX - 100;
	world_open(world);
	for (i = 0; i < STEPS; i++)
		cut_step(&calls, &conversation[i], &torment, world->position, &world->now_ns);
	shuffle(&calls, &torment);
	for (i = 0; i < calls.count; i++) {
		if (torment.lose && draw(&torment.seed, torment.lose) == 0) {
			lost++;
			continue;
		}
		stream_on_segment(world->table, &calls.call[i]);
		if (torment.repeat && draw(&torment.seed, torment.repeat) == 0)
			stream_on_segment(world->table, &calls.call[i]);
		if (torment.lose && draw(&torment.seed, 4) == 0)
			world_tick(world, WORLD_HOLD_NS);
	}
	world_end(world, END_CLOSED, END_NORMAL);
	world_outwait(world);
	assert_int_equal(stream_table_connections(world->table), 0);
	assert_int_equal(stream_table_bytes(world->table), 0);
	assert_int_equal(world->active, 0);
	return lost;
}

static void assert_is_expected(const struct seen_exchange *seen, size_t at)
{
	assert_int_equal(seen->error, EXCHANGE_COMPLETE);
	assert_int_equal(seen->status, expected_status[at]);
	assert_int_equal(seen->request_bytes, expected_request[at]);
	assert_int_equal(seen->response_bytes, expected_response[at]);
}

static void assert_all_seen(const struct world *world, enum side side)
{
	size_t i;

	assert_int_equal(world->exchange_count, EXCHANGES);
	for (i = 0; i < EXCHANGES; i++) {
		assert_is_expected(&world->exchanges[i], i);
		assert_int_equal(world->exchanges[i].side, side);
	}
}

static void as_it_was(void **state)
{
	struct world world;

	(void)state;
	play(&world, (struct torment){ .seed = 1 });
	assert_all_seen(&world, SIDE_SERVER);
	world_assert_lossless(&world);
	world_done(&world);
	play(&world, (struct torment){ .seed = 1, .client = true });
	assert_all_seen(&world, SIDE_CLIENT);
	world_assert_lossless(&world);
	world_done(&world);
}

static void cut_and_captured_in_part(void **state)
{
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= SEEDS; seed++) {
		struct world world;

		play(&world,
		     (struct torment){
			     .seed = seed, .cut = 1 + seed % 60, .partial = seed % 2, .client = seed % 3 == 0 });
		assert_all_seen(&world, seed % 3 ? SIDE_SERVER : SIDE_CLIENT);
		world_assert_lossless(&world);
		world_done(&world);
	}
}

static void told_out_of_order(void **state)
{
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= SEEDS; seed++) {
		struct world world;

		play(&world, (struct torment){ .seed = seed,
					       .cut = 1 + seed % 60,
					       .partial = seed % 2,
					       .swap = 1 + seed % 5,
					       .client = seed % 3 == 0 });
		assert_all_seen(&world, seed % 3 ? SIDE_SERVER : SIDE_CLIENT);
		world_assert_lossless(&world);
		world_done(&world);
	}
}

static void told_twice(void **state)
{
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= SEEDS; seed++) {
		struct world world;

		play(&world, (struct torment){ .seed = seed, .cut = 1 + seed % 60, .repeat = 5 });
		assert_all_seen(&world, SIDE_SERVER);
		world_done(&world);
	}
}

/* Which of the conversation's exchanges this is, by where its request begins; EXCHANGES if it is none. */
static size_t which(const struct world *world, const struct seen_exchange *seen)
{
	size_t i;

	for (i = 0; i < EXCHANGES; i++)
		if (world->exchanges[i].request_position == seen->request_position)
			return i;
	return EXCHANGES;
}

static uint64_t told_losses(const struct world *world)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < STEP_REASON_COUNT; i++)
		sum += world_steps(world, i);
	return sum;
}

static void lost_in_part(void **state)
{
	struct world whole;
	uint64_t seed;

	(void)state;
	play(&whole, (struct torment){ .seed = 1 });
	for (seed = 1; seed <= SEEDS; seed++) {
		struct world world;
		unsigned int lost;
		size_t i;

		lost = play(&world, (struct torment){ .seed = seed,
						      .cut = seed % 4 ? 1 + seed % 90 : 0,
						      .swap = seed % 3,
						      .lose = 4 + seed % 40 });
		assert_true(world.exchange_count <= EXCHANGES);
		for (i = 0; i < world.exchange_count; i++) {
			size_t at = which(&whole, &world.exchanges[i]);

			assert_true(at < EXCHANGES);
			assert_is_expected(&world.exchanges[i], at);
		}
		if (!lost && seed % 3 == 0) /* what comes too late is lost too */
			assert_all_seen(&world, SIDE_SERVER);
		if (world.exchange_count < EXCHANGES)
			assert_true(told_losses(&world) > 0 || world.report_count > 0);
		world_done(&world);
	}
	world_done(&whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_it_was),         cmocka_unit_test(cut_and_captured_in_part),
		cmocka_unit_test(told_out_of_order), cmocka_unit_test(told_twice),
		cmocka_unit_test(lost_in_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
