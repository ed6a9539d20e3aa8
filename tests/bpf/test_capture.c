/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the capture programs remember between calls (shapes of heads, connections) and what they leave out when asked
 * to, call by call: the layers above show only whether the sums are right.
 */
#include "capture_world.h"

#define BODY_BYTES 200
#define HEAD_FORMAT                                                                                            \
	"HTTP/1.1 %s\r\nServer: example/1.0\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: " \
	"keep-alive\r\n\r\n"
#define LOOK_BEHIND 4 /* bpf/small.h */

struct response {
	char bytes[500]; /* the head, and behind it the body */
	size_t head, size;
};

static void response_make(struct response *response, const char *status, int content_length)
{
	int head = snprintf(response->bytes, sizeof(response->bytes), HEAD_FORMAT, status, content_length);

	assert_in_range(head, SEEN_BYTES / 4, sizeof(response->bytes) - BODY_BYTES);
	response->head = (size_t)head;
	response->size = response->head + BODY_BYTES;
	memset(response->bytes + head, 'b', BODY_BYTES);
}

/* As nginx sends it: head and body in one call of two vectors. */
static void response_pass(struct world *world, const struct pair *pair, const struct response *response)
{
	send_split(world, pair->server, response->bytes, response->size, response->head);
	receive_bytes(world, pair->client, response->size);
	capture_drain(world->capture);
}

/* Sends the response and receives it; what is captured of it at the server's end. */
static uint32_t response_captured(struct world *world, struct pair *pair, const struct response *response)
{
	const struct seen *seen;
	uint64_t conn_id;

	response_pass(world, pair, response);
	conn_id = conn_id_of(world, pair->server_port, pair->client_port);
	assert_int_not_equal(conn_id, 0);
	seen = seen_call(world, conn_id, DIRECTION_SEND, 0);
	assert_non_null(seen);
	assert_null(seen_call(world, conn_id, DIRECTION_SEND, 1));
	assert_int_equal(seen->length, response->size);
	assert_int_equal(seen->captured_offset, 0);
	assert_memory_equal(seen->data, response->bytes, response->head);
	world->count = 0;
	return seen->captured_length;
}

/* A connection whose responses' shape is known, from its third response on. */
static void learn(struct world *world, struct pair *pair, const struct response *response)
{
	uint32_t whole = (uint32_t)response->size;

	world_clear(world);
	pair_open(world, pair);
	assert_int_equal(response_captured(world, pair, response), whole);
	assert_int_equal(response_captured(world, pair, response), whole);
	assert_int_equal(response_captured(world, pair, response), response->head);
}

static void test_body_of_a_known_head_is_left_out(void **state)
{
	struct world *world = *state;
	struct response response;
	struct pair pair;

	response_make(&response, "200 OK", BODY_BYTES);
	learn(world, &pair, &response);
	for (int i = 0; i < 100; i++)
		assert_int_equal(response_captured(world, &pair, &response), response.head);
	pair_close(world, &pair);
}

/* What of the response, received in one buffer, is captured at the client's end. */
static uint32_t received_captured(struct world *world, const struct pair *pair, const struct response *response)
{
	const struct seen *seen;

	world->count = 0;
	response_pass(world, pair, response);
	seen = seen_call(world, conn_id_of(world, pair->client_port, pair->server_port), DIRECTION_RECEIVE, 0);
	assert_non_null(seen);
	assert_int_equal(seen->length, response->size);
	return seen->captured_length;
}

/* Besides the head, enough of what follows to see that it is no other message. */
static void test_received_body_of_a_known_head_is_left_out(void **state)
{
	struct world *world = *state;
	struct response response;
	struct pair pair;

	response_make(&response, "200 OK", BODY_BYTES);
	learn(world, &pair, &response);
	for (int i = 0; i < 100; i++)
		assert_int_equal(received_captured(world, &pair, &response), response.head + LOOK_BEHIND);
	pair_close(world, &pair);
}

static void test_head_of_another_shape_is_captured_whole(void **state)
{
	struct world *world = *state;
	struct response usual, missing, lying;
	struct pair pair;

	response_make(&usual, "200 OK", BODY_BYTES);
	response_make(&missing, "404 Not Found", BODY_BYTES);
	response_make(&lying, "200 OK", BODY_BYTES + 1);
	learn(world, &pair, &usual);
	assert_int_equal(response_captured(world, &pair, &missing), missing.size);
	/* And so are those after it, for a while. */
	assert_int_equal(response_captured(world, &pair, &usual), usual.size);
	pair_close(world, &pair);

	learn(world, &pair, &usual);
	assert_int_equal(response_captured(world, &pair, &lying), lying.size);
	pair_close(world, &pair);
}

/* Content-Length says what the call holds, and yet the bytes behind the head are another message. */
static void test_message_behind_a_known_head_is_captured(void **state)
{
	struct world *world = *state;
	struct response usual, two;
	struct pair pair;

	response_make(&usual, "200 OK", BODY_BYTES);
	two = usual;
	memcpy(two.bytes + two.head, "HTTP/1.1 204 No Content\r\n\r\n", 27);
	learn(world, &pair, &usual);
	assert_int_equal(received_captured(world, &pair, &two), two.size);
	pair_close(world, &pair);
}

static void test_same_shape_is_learnt_for_each_connection(void **state)
{
	struct world *world = *state;
	struct response response;
	struct pair first, second;

	response_make(&response, "200 OK", BODY_BYTES);
	learn(world, &first, &response);
	learn(world, &second, &response);
	pair_close(world, &first);
	pair_close(world, &second);
}

/* More connections than any cache remembers, each with its own word, open in groups and closed again: the kernel gives
 * the addresses of their sockets to later ones. */
static void test_each_call_is_told_of_its_own_connection(void **state)
{
	struct world *world = *state;
	enum {
		GROUP = 40,
		ROUNDS = 20,
		CALLS = 3
	};
	static struct pair pairs[GROUP];

	for (int round = 0; round < ROUNDS; round++) {
		world_clear(world);
		for (int i = 0; i < GROUP; i++)
			pair_open(world, &pairs[i]);
		for (int call = 0; call < CALLS; call++) {
			for (int i = 0; i < GROUP; i++) {
				send_bytes(world, pairs[i].client, &pairs[i].client_port, sizeof(pairs[i].client_port));
				receive_bytes(world, pairs[i].server, sizeof(pairs[i].client_port));
			}
		}
		capture_drain(world->capture);
		for (int i = 0; i < GROUP; i++) {
			uint64_t sender = conn_id_of(world, pairs[i].client_port, pairs[i].server_port);
			uint64_t receiver = conn_id_of(world, pairs[i].server_port, pairs[i].client_port);

			assert_int_equal(seen_calls(world, sender), CALLS);
			assert_int_equal(seen_calls(world, receiver), CALLS);
			for (size_t call = 0; call < CALLS; call++) {
				const struct seen *sent = seen_call(world, sender, DIRECTION_SEND, call);
				const struct seen *received = seen_call(world, receiver, DIRECTION_RECEIVE, call);

				assert_true(sent && received);
				assert_memory_equal(sent->data, &pairs[i].client_port, sizeof(uint16_t));
				assert_memory_equal(received->data, &pairs[i].client_port, sizeof(uint16_t));
				assert_int_equal(sent->position, received->position);
			}
			pair_close(world, &pairs[i]);
		}
	}
}

/* The two ends of a new connection, each of which has moved its first bytes. */
static void pair_told(struct world *world, struct pair *pair, uint64_t *ret_sender, uint64_t *ret_receiver)
{
	pair_open(world, pair);
	send_bytes(world, pair->client, "hello", 5);
	receive_bytes(world, pair->server, 5);
	capture_drain(world->capture);
	*ret_sender = conn_id_of(world, pair->client_port, pair->server_port);
	*ret_receiver = conn_id_of(world, pair->server_port, pair->client_port);
	assert_true(*ret_sender && *ret_receiver);
}

static uint64_t skipped_bytes(struct world *world, uint64_t conn_id, enum direction direction)
{
	for (size_t i = 0; i < world->end_count; i++)
		if (world->ends[i].conn_id == conn_id && world->ends[i].kind == END_CLOSED)
			return world->ends[i].skipped[direction];
	fail_msg("the connection's end was not told");
	return 0;
}

static void test_muted_connection_tells_its_bytes_at_its_end(void **state)
{
	struct world *world = *state;
	struct capture_control control = capture_control_of(world->capture);
	struct pair muted, other;
	uint64_t sender, receiver, other_sender, other_receiver;

	world_clear(world);
	pair_told(world, &muted, &sender, &receiver);
	pair_told(world, &other, &other_sender, &other_receiver);
	control.mute(control.ctx, sender);
	world->count = 0;
	for (int i = 0; i < 10; i++) {
		send_bytes(world, muted.client, "quiet", 5);
		receive_bytes(world, muted.server, 5);
		send_bytes(world, other.client, "aloud", 5);
		receive_bytes(world, other.server, 5);
	}
	capture_drain(world->capture);
	assert_int_equal(seen_calls(world, sender), 0);
	assert_int_equal(seen_calls(world, receiver), 10);
	assert_int_equal(seen_calls(world, other_sender), 10);
	assert_int_equal(seen_calls(world, other_receiver), 10);
	pair_close(world, &muted);
	pair_close(world, &other);
	capture_drain(world->capture);
	assert_int_equal(skipped_bytes(world, sender, DIRECTION_SEND), 50);
	assert_int_equal(skipped_bytes(world, other_sender, DIRECTION_SEND), 0);
}

static void test_skip_ends_at_its_position(void **state)
{
	struct world *world = *state;
	struct capture_control control = capture_control_of(world->capture);
	const struct seen *seen;
	struct pair pair;
	uint64_t sender, receiver;
	uint32_t next;

	world_clear(world);
	pair_told(world, &pair, &sender, &receiver);
	seen = seen_call(world, receiver, DIRECTION_RECEIVE, 0);
	next = seen->position + 5;
	control.skip_until(control.ctx, receiver, DIRECTION_RECEIVE, next + 12);
	world->count = 0;
	send_bytes(world, pair.client, "0123456789", 10);
	receive_bytes(world, pair.server, 10);
	send_bytes(world, pair.client, "abcdef", 6);
	receive_bytes(world, pair.server, 6);
	send_bytes(world, pair.client, "next", 4);
	receive_bytes(world, pair.server, 4);
	capture_drain(world->capture);
	seen = seen_call(world, receiver, DIRECTION_RECEIVE, 0);
	assert_non_null(seen);
	assert_int_equal(seen->position, next + 10);
	assert_int_equal(seen->length, 6);
	assert_int_equal(seen->captured_offset, 2);
	assert_memory_equal(seen->data, "cdef", 4);
	seen = seen_call(world, receiver, DIRECTION_RECEIVE, 1);
	assert_non_null(seen);
	assert_int_equal(seen->position, next + 16);
	assert_int_equal(seen->captured_length, 4);
	pair_close(world, &pair);
}

static void test_ends_only_until_the_other_direction_moves(void **state)
{
	struct world *world = *state;
	enum {
		LONG = 16384
	};
	struct capture_control control = capture_control_of(world->capture);
	static char bytes[LONG];
	const struct seen *seen;
	struct pair pair;
	uint64_t sender, receiver;

	world_clear(world);
	pair_told(world, &pair, &sender, &receiver);
	seen = seen_call(world, sender, DIRECTION_SEND, 0);
	memset(bytes, 'x', sizeof(bytes));
	memcpy(bytes + LONG - 3, "end", 3);
	/* The server sends, the client has not moved since its 5 bytes. */
	control.ends_only(control.ctx, receiver, DIRECTION_SEND, seen->position + 5);
	world->count = 0;
	send_bytes(world, pair.server, bytes, LONG);
	receive_bytes(world, pair.client, LONG);
	capture_drain(world->capture);
	seen = seen_call(world, receiver, DIRECTION_SEND, 0);
	assert_non_null(seen);
	assert_int_equal(seen->length, LONG);
	assert_int_equal(seen->captured_offset + seen->captured_length, LONG);
	assert_in_range(seen->captured_length, 3, 1024);
	assert_memory_equal(seen->data + (seen->captured_length < SEEN_BYTES ? seen->captured_length - 3 : 0),
			    seen->captured_length < SEEN_BYTES ? "end" : "xxx", 3);
	send_bytes(world, pair.client, "more", 4);
	receive_bytes(world, pair.server, 4);
	capture_drain(world->capture);
	world->count = 0;
	send_bytes(world, pair.server, bytes, LONG);
	receive_bytes(world, pair.client, LONG);
	capture_drain(world->capture);
	seen = seen_call(world, receiver, DIRECTION_SEND, 0);
	assert_non_null(seen);
	assert_int_equal(seen->captured_offset, 0);
	assert_in_range(seen->captured_length, 1025, LONG);
	pair_close(world, &pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_body_of_a_known_head_is_left_out),
		cmocka_unit_test(test_received_body_of_a_known_head_is_left_out),
		cmocka_unit_test(test_head_of_another_shape_is_captured_whole),
		cmocka_unit_test(test_message_behind_a_known_head_is_captured),
		cmocka_unit_test(test_same_shape_is_learnt_for_each_connection),
		cmocka_unit_test(test_each_call_is_told_of_its_own_connection),
		cmocka_unit_test(test_muted_connection_tells_its_bytes_at_its_end),
		cmocka_unit_test(test_skip_ends_at_its_position),
		cmocka_unit_test(test_ends_only_until_the_other_direction_moves),
	};

	return cmocka_run_group_tests_name("capture", tests, world_open, world_close);
}
