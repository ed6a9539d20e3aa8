/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls that are followed. One is born with a request's head, ends with its exchange, and lives on while another
 * one's trace hangs on it. Freed ones are kept for reuse: the steady state allocates nothing.
 */
#include <string.h>
#include <sys/socket.h>

#include "model/plain.h"
#include "trace/ids.h"
#include "trace/internal.h"

#define SPARE_MAX 1024

struct call_key {
	uint64_t conn_id;
	uint32_t position;
};

/* By the connection alone, which rarely has more than one open: so all of one connection are found. */
static uint64_t call_hash(const struct trace *trace, uint64_t conn_id)
{
	return hash_u64(conn_id, trace->config.hash_seed);
}

static bool call_is(const struct hash_node *node, const void *key)
{
	const struct call *call = hash_entry(node, const struct call, node);
	const struct call_key *wanted = key;

	return call->conn_id == wanted->conn_id && call->request_position == wanted->position;
}

static bool call_is_of(const struct hash_node *node, const void *conn_id)
{
	return hash_entry(node, const struct call, node)->conn_id == *(const uint64_t *)conn_id;
}

/* Positions inside of TLS count plaintext: only one end has these. */
bool call_has_sequence_numbers(const struct exchange *exchange)
{
	return exchange->positions_shared && exchange->local &&
	       (exchange->local->family == AF_INET || exchange->local->family == AF_INET6);
}

struct call *call_new(struct trace *trace, const struct exchange *exchange)
{
	struct call *call = trace->spare;

	if (call) {
		trace->spare = call->idle_next;
		trace->spare_count--;
	} else {
		call = malloc(sizeof(*call));
		if (!call)
			return NULL;
	}
	*call = (struct call){
		.references = 1,
		.conn_id = exchange->conn_id,
		.request_position = exchange->request_position,
		.response_position = exchange->request_peer_position ? exchange->request_peer_position :
								       exchange->response_position,
		.tgid = exchange->tgid,
		.side = (uint8_t)exchange->side,
		.is_tcp = call_has_sequence_numbers(exchange),
		.shared = exchange->positions_shared,
		.begun_ns = trace->now_ns,
		.first_ns = exchange->request_first_ns,
	};
	/* A client's is known at its end: both ends of the call derive it from where the response began. */
	if (call->side == SIDE_SERVER || !call->is_tcp)
		call->span_id =
			ids_server_span(call->conn_id, call->request_position, trace->config.hash_seed + call->side);
	return call;
}

void call_unref(struct trace *trace, struct call *call)
{
	while (call && --call->references == 0) {
		struct call *up = call->up;

		free(call->trace_state);
		if (trace->spare_count < SPARE_MAX) {
			call->idle_next = trace->spare;
			trace->spare = call;
			trace->spare_count++;
		} else {
			free(call);
		}
		call = up;
	}
}

bool call_open(struct trace *trace, struct call *call)
{
	if (hash_table_insert(&trace->calls, &call->node, call_hash(trace, call->conn_id)))
		return false;
	call->open = true;
	return true;
}

struct call *call_find(const struct trace *trace, uint64_t conn_id, uint32_t request_position)
{
	struct call_key key = { .conn_id = conn_id, .position = request_position };
	struct hash_node *node = hash_table_find(&trace->calls, call_hash(trace, conn_id), call_is, &key);

	return node ? hash_entry(node, struct call, node) : NULL;
}

void call_close(struct trace *trace, struct call *call)
{
	strand_leave(trace, call);
	hash_table_remove(&trace->calls, &call->node);
	call->open = false;
}

static void make_own(struct call *call)
{
	uint64_t random;

	if (call->is_tcp) {
		ids_trace(call->request_position, call->response_position, call->trace_id);
		return;
	}
	/* Nobody else can derive it. */
	random = ids_server_span(call->span_id, call->request_position, call->conn_id);
	ids_write(random, call->trace_id);
	ids_write(ids_server_span(random, 0, call->span_id), call->trace_id + SPAN_ID_BYTES);
}

/* The chain is walked to where a trace stands, and back. */
void call_resolve(struct call *call)
{
	struct call *chain[TRACE_DEPTH_MAX];
	size_t depth = 0;

	for (; call && !call->resolved && depth < TRACE_DEPTH_MAX; call = call->up)
		chain[depth++] = call;
	while (depth > 0) {
		struct call *at = chain[--depth];

		if (at->up && at->up->resolved) {
			memcpy(at->trace_id, at->up->trace_id, TRACE_ID_BYTES);
			at->sampling = at->up->sampling;
			at->threshold = at->up->threshold;
		} else if (!at->has_header) {
			make_own(at);
		}
		at->resolved = true;
	}
}

static void forget(struct trace *trace, struct call *call)
{
	call_close(trace, call);
	join_withdraw(trace, call);
	call_unref(trace, call);
}

void call_forget_connection(struct trace *trace, uint64_t conn_id)
{
	struct hash_node *node;

	while ((node = hash_table_find(&trace->calls, call_hash(trace, conn_id), call_is_of, &conn_id)))
		forget(trace, hash_entry(node, struct call, node));
}

struct expiry {
	struct trace *trace;
	uint64_t before_ns;
};

static bool drop_old(struct hash_node *node, void *ctx)
{
	struct call *call = hash_entry(node, struct call, node);
	const struct expiry *expiry = ctx;

	if (call->begun_ns >= expiry->before_ns)
		return false;
	strand_leave(expiry->trace, call);
	join_withdraw(expiry->trace, call);
	call->open = false;
	call_unref(expiry->trace, call);
	return true;
}

void call_expire(struct trace *trace, uint64_t before_ns)
{
	struct expiry expiry = { .trace = trace, .before_ns = before_ns };

	hash_table_remove_if(&trace->calls, drop_old, &expiry);
}

void call_free_all(struct trace *trace)
{
	struct hash_node *node;

	while ((node = hash_table_next(&trace->calls, NULL)))
		forget(trace, hash_entry(node, struct call, node));
	while (trace->spare) {
		struct call *next = trace->spare->idle_next;

		free(trace->spare);
		trace->spare = next;
	}
}
