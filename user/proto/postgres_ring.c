/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client has asked for and a server has not answered, oldest first. The first entries are part of the state,
 * which is not there when nothing is asked (postgres_idle.c): so a client that waits for its answers costs no
 * allocation. Only pipelines make the ring grow, up to POSTGRES_PIPELINE_MAX.
 */
#include <errno.h>
#include <string.h>

#include "proto/postgres_internal.h"

#define GROWN_SIZE 8

void postgres_ring_init(struct postgres_state *state)
{
	state->ring = state->first;
	state->ring_size = POSTGRES_FIRST_ENTRIES;
	state->ring_head = 0;
}

static void shrink(struct postgres_state *state)
{
	if (state->ring != state->first)
		free(state->ring);
	postgres_ring_init(state);
}

static int grow(struct postgres_state *state)
{
	size_t size = state->ring == state->first ? GROWN_SIZE : 2u * state->ring_size;
	struct postgres_entry *ring;

	if (size > POSTGRES_PIPELINE_MAX)
		return -ENOBUFS;
	ring = malloc(size * sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	for (size_t i = 0; i < state->open; i++)
		ring[i] = *postgres_entry_at(state, i);
	shrink(state);
	state->ring = ring;
	state->ring_size = (uint16_t)size;
	return 0;
}

void postgres_ring_done(struct postgres_state *state)
{
	while (state->open > 0)
		postgres_drop_last(state);
}

size_t postgres_ring_memory(const struct postgres_state *state)
{
	return state->ring == state->first ? 0 : state->ring_size * sizeof(*state->ring);
}

/* The first entry of a group is marked only if it is known that the message before it ended one. */
static void mark_group(struct postgres_feed *feed, struct postgres_entry *entry)
{
	struct postgres_state *state = feed->state;
	bool begun = state->group_begun;

	state->group_begun = entry->kind != ENTRY_SYNC;
	if (begun || !state->group_known)
		return;
	entry->flags |= ENTRY_GROUP;
	postgres_pair_group(state, entry);
}

int postgres_ring_push(struct postgres_feed *feed, enum postgres_kind kind, struct postgres_entry **ret_entry)
{
	struct postgres_state *state = feed->state;
	struct postgres_entry *entry;

	if (state->open == state->ring_size) {
		int error = grow(state);

		if (error)
			return error;
	}
	entry = postgres_entry_at(state, state->open++);
	*entry = (struct postgres_entry){
		.kind = (uint8_t)kind,
		.request_first_ns = feed->flow->first_ns,
		.request_last_ns = feed->chunk->time_ns,
		.offset = feed->flow->first_offset,
		.peer_position = feed->flow->first_peer_position,
		.tgid = feed->flow->tgid,
		.tid = feed->flow->tid,
		.goroutine = feed->flow->goroutine,
	};
	mark_group(feed, entry);
	*ret_entry = entry;
	return 0;
}

static void after_drop(struct postgres_state *state)
{
	if (state->ready > state->open)
		state->ready = state->open;
	if (state->settled > state->open)
		state->settled = state->open;
	if (state->open == 0) {
		state->unit_open = false;
		state->has_entry = false;
		shrink(state);
	}
}

void postgres_drop_first(struct postgres_state *state)
{
	postgres_facts_drop(state->shared, postgres_entry_at(state, 0)->statement.facts);
	state->ring_head = (uint16_t)((state->ring_head + 1u) & (state->ring_size - 1u));
	state->open--;
	if (state->ready > 0)
		state->ready--;
	if (state->settled > 0)
		state->settled--;
	after_drop(state);
}

void postgres_drop_last(struct postgres_state *state)
{
	postgres_facts_drop(state->shared, postgres_entry_at(state, state->open - 1u)->statement.facts);
	state->open--;
	state->unit_open = false;
	after_drop(state);
}

bool postgres_entry_counts(const struct postgres_entry *entry)
{
	if (entry->statement.empty)
		return false;
	return entry->kind == ENTRY_STATEMENT || entry->kind == ENTRY_FUNCTION ||
	       (entry->kind == ENTRY_UNIT && entry->asked & STEP_EXECUTE);
}

void postgres_give_up_first(struct postgres_state *state, const struct proto_sink *sink)
{
	if (postgres_entry_counts(postgres_entry_at(state, 0)))
		sink->losses->out_of_step[STEP_REQUEST_LOST]++;
	postgres_drop_first(state);
}

/* Threads that send and receive at once may tell a response before its request: times are those of returning calls. */
static void order_times(struct exchange *exchange)
{
	uint64_t *first = &exchange->response_first_ns;

	if (*first != 0 && *first < exchange->request_first_ns)
		*first = exchange->request_first_ns;
	if (exchange->response_last_ns < *first)
		exchange->response_last_ns = *first;
	if (exchange->response_last_ns < exchange->request_first_ns)
		exchange->response_last_ns = exchange->request_first_ns;
}

static struct text text_of(const char *text)
{
	return (struct text){ text ? text : "", text ? strlen(text) : 0 };
}

/* SQLSTATE classes 00 and 01 are success and warning (documentation, appendix A). */
static bool is_failure(const char *code)
{
	return code && code[0] && !(code[0] == '0' && (code[1] == '0' || code[1] == '1'));
}

void postgres_tell(struct postgres_state *state, const struct proto_sink *sink, const struct postgres_entry *entry,
		   const struct postgres_outcome *outcome)
{
	const struct postgres_facts *facts = entry->statement.facts;
	sql_operation operation = entry->statement.operation ? entry->statement.operation : outcome->operation;
	const char *text = outcome->operation_text ? outcome->operation_text : sql_operation_text(operation);
	struct exchange exchange = {
		.protocol = PROTOCOL_POSTGRESQL,
		.error = outcome->error,
		.tgid = entry->tgid,
		.tid = entry->tid,
		.goroutine = entry->goroutine,
		.request_first_ns = entry->request_first_ns,
		.request_last_ns = entry->request_last_ns,
		.response_first_ns = entry->response_first_ns,
		.response_last_ns = outcome->end_ns,
		.request_position = (uint32_t)entry->offset,
		.response_position = entry->response_position,
		.db.operation = text_of(text),
		.db.collection = { facts ? facts->text : "", facts ? facts->collection_length : 0 },
		.db.summary = { facts ? facts->text + facts->collection_length : "",
				facts ? facts->summary_length : 0 },
		.db.query_text = { facts ? facts->text + facts->collection_length + facts->summary_length : "",
				   facts ? facts->text_length : 0 },
		.db.name_space = { state->name_space ? state->name_space->text : "",
				   state->name_space ? state->name_space->collection_length : 0 },
		.db.status = text_of(outcome->code),
		.db.rows = outcome->rows,
		.db.rows_known = outcome->rows_known,
		.db.failed = is_failure(outcome->code),
	};

	order_times(&exchange);
	sink->exchange(sink->ctx, &exchange);
}

void postgres_tell_begin(struct postgres_state *state, const struct proto_sink *sink)
{
	const struct postgres_entry *entry = postgres_entry_at(state, 0);
	struct exchange exchange = {
		.protocol = PROTOCOL_POSTGRESQL,
		.tgid = entry->tgid,
		.tid = entry->tid,
		.goroutine = entry->goroutine,
		.request_first_ns = entry->request_first_ns,
		.request_last_ns = entry->request_last_ns,
		.request_position = (uint32_t)entry->offset,
		.request_peer_position = entry->peer_position,
	};

	if (sink->begin && postgres_entry_counts(entry))
		sink->begin(sink->ctx, &exchange);
}
