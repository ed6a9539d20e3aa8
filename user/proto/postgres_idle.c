/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The row of PostgreSQL in the table of protocols, and what is kept of an idle connection. Pools hold thousands of
 * them: between a ReadyForQuery and the next message nothing is left but how far both flows have come, what is known
 * of the session, and the statements that were prepared. The rest, five times as much, is there while something is
 * under way, or a transaction is open. Each connection takes it with the first byte of a request, from those that are
 * spare, and gives it back with the last byte of the answer.
 */
#include <string.h>

#include "proto/postgres_internal.h"

struct idle_connection {
	struct postgres_state *state; /* owned; NULL: idle. Else the fields below but `shared` mean nothing */
	struct postgres_shared *shared;
	uint64_t offset[2]; /* by enum proto_flow, as are the phases */
	uint64_t ready_ns;
	struct postgres_names names;
	uint32_t behind_ready; /* bytes since the last ReadyForQuery; BEHIND_NOTHING: there was none */
	uint32_t unnamed : 25; /* packed */
	uint32_t strings : 2;
	uint32_t request_phase : 3;
	uint32_t : 0;
	uint32_t name_space : 14; /* its number + 1, or 0 */
	uint32_t response_phase : 3;
	uint32_t begun : 1;
	uint32_t started : 1;
	uint32_t adrift : 1;
	uint32_t pipelined : 1;
	uint32_t at_group : 1;
	uint32_t group_known : 1;
	uint32_t skipping : 1;
	uint32_t opaque : 1;
	uint32_t encrypted : 1;
	uint32_t : 0;
	uint8_t status;
};

#define BEHIND_NOTHING UINT32_MAX

_Static_assert(sizeof(struct idle_connection) <= 72, "one for each of 65,536 connections");
_Static_assert(POSTGRES_FACTS_MAX < 1 << 14, "and one for none");
_Static_assert(PHASE_DEAD < 1 << 3, "both phases");

/* Nothing is under way that is not told by an idle connection's fields. */
static bool is_idle(const struct postgres_state *state)
{
	const struct postgres_flow *requests = &state->flow[FLOW_REQUEST], *responses = &state->flow[FLOW_RESPONSE];

	if (state->open > 0 || state->scratch || state->rows || state->transaction_ns || state->group_ns)
		return false;
	if (state->group_begun || requests->phase == PHASE_HEADER || requests->phase == PHASE_PAYLOAD)
		return false;
	if (responses->phase == PHASE_HEADER || responses->phase == PHASE_PAYLOAD)
		return false;
	if (state->ready_offset && responses->offset - state->ready_offset >= BEHIND_NOTHING)
		return false;
	/* A portal lives as long as its transaction ("Extended Query"). */
	return state->status == 'I' || postgres_statement_pack(&state->portal) == 0;
}

static void fold(struct idle_connection *idle, struct postgres_state *state)
{
	static const struct postgres_statement unknown;

	postgres_statement_set(state, &state->portal, &unknown);
	idle->offset[0] = state->flow[0].offset;
	idle->offset[1] = state->flow[1].offset;
	idle->request_phase = state->flow[FLOW_REQUEST].phase & 7;
	idle->response_phase = state->flow[FLOW_RESPONSE].phase & 7;
	idle->ready_ns = state->ready_ns;
	idle->behind_ready = state->ready_offset ? (uint32_t)(idle->offset[FLOW_RESPONSE] - state->ready_offset) :
						   BEHIND_NOTHING;
	idle->names = state->names;
	idle->unnamed = postgres_statement_pack(&state->unnamed) & 0x1ffffff;
	idle->name_space = state->name_space ? (state->name_space->number + 1u) & 0x3fff : 0;
	idle->strings = state->strings & 3;
	idle->status = state->status;
	idle->begun = state->begun;
	idle->started = state->started;
	idle->adrift = state->adrift;
	idle->pipelined = state->pipelined;
	idle->at_group = state->at_group;
	idle->group_known = state->group_known;
	idle->skipping = state->skipping;
	idle->opaque = state->opaque;
	idle->encrypted = state->encrypted;
}

static struct postgres_facts *name_space_of(const struct idle_connection *idle)
{
	if (idle->state)
		return idle->state->name_space;
	return idle->name_space ? postgres_facts_numbered(idle->shared, idle->name_space - 1) : NULL;
}

static void unfold(const struct idle_connection *idle, struct postgres_state *state)
{
	memset(state, 0, offsetof(struct postgres_state, first));
	postgres_ring_init(state);
	state->shared = idle->shared;
	state->flow[0].offset = idle->offset[0];
	state->flow[1].offset = idle->offset[1];
	state->flow[FLOW_REQUEST].phase = idle->request_phase;
	state->flow[FLOW_RESPONSE].phase = idle->response_phase;
	state->ready_ns = idle->ready_ns;
	if (idle->behind_ready != BEHIND_NOTHING)
		state->ready_offset = idle->offset[FLOW_RESPONSE] - idle->behind_ready;
	state->names = idle->names;
	state->unnamed = postgres_statement_unpack(idle->shared, idle->unnamed);
	state->name_space = name_space_of(idle);
	state->strings = idle->strings;
	state->status = idle->status;
	state->begun = idle->begun;
	state->started = idle->started;
	state->adrift = idle->adrift;
	state->pipelined = idle->pipelined;
	state->at_group = idle->at_group;
	state->group_known = idle->group_known;
	state->skipping = idle->skipping;
	state->opaque = idle->opaque;
	state->encrypted = idle->encrypted;
}

static void fold_if_idle(struct idle_connection *idle)
{
	struct postgres_state *state = idle->state;

	if (!is_idle(state))
		return;
	fold(idle, state);
	idle->state = NULL;
	postgres_spare_give(idle->shared, state);
}

static void *idle_state_new(void)
{
	struct idle_connection *idle = calloc(1, sizeof(*idle));

	if (idle)
		idle->behind_ready = BEHIND_NOTHING;
	return idle;
}

static void idle_join(void *opaque, void *shared)
{
	((struct idle_connection *)opaque)->shared = shared;
}

static void idle_state_free(void *opaque)
{
	struct idle_connection *idle = opaque;
	struct postgres_state *state, last;

	if (!idle)
		return;
	state = idle->state;
	if (!state)
		unfold(idle, state = &last);
	postgres_done(state);
	postgres_names_done(&state->names, idle->shared);
	postgres_facts_drop(idle->shared, state->unnamed.facts);
	postgres_facts_drop(idle->shared, state->portal.facts);
	postgres_facts_drop(idle->shared, state->name_space);
	if (idle->state)
		postgres_spare_give(idle->shared, idle->state);
	free(idle);
}

static enum proto_status idle_feed(void *opaque, const struct proto_sink *sink, enum proto_flow which,
				   const struct proto_chunk *chunk, size_t *consumed)
{
	struct idle_connection *idle = opaque;
	enum proto_status status;

	*consumed = 0;
	if (!idle->state) {
		struct postgres_state *state = postgres_spare_take(idle->shared);

		/* Nothing is open: a request at most is lost. */
		if (!state) {
			sink->losses->out_of_step[STEP_REQUEST_LOST] += which == FLOW_REQUEST && chunk->data;
			return PROTO_LOST;
		}
		unfold(idle, state);
		idle->state = state;
	}
	status = postgres_feed(idle->state, sink, which, chunk, consumed);
	fold_if_idle(idle);
	return status;
}

/* No message runs until the end of its flow. */
static void idle_end(void *opaque, const struct proto_sink *sink, enum proto_flow which, uint64_t time_ns)
{
	(void)opaque;
	(void)sink;
	(void)which;
	(void)time_ns;
}

static void idle_close(void *opaque, const struct proto_sink *sink, enum connection_end_reason reason, uint64_t time_ns)
{
	struct idle_connection *idle = opaque;

	if (idle->state)
		postgres_close(idle->state, sink, reason, time_ns);
}

/* What is idle stays idle. */
static void idle_lost(void *opaque, const struct proto_sink *sink, enum proto_flow which)
{
	struct idle_connection *idle = opaque;
	struct postgres_state state;

	if (idle->state) {
		postgres_lost(idle->state, sink, which);
		fold_if_idle(idle);
		return;
	}
	unfold(idle, &state);
	postgres_lost(&state, sink, which);
	fold(idle, &state);
}

static size_t idle_memory(const void *opaque)
{
	const struct idle_connection *idle = opaque;
	const struct postgres_state *state = idle->state;

	return sizeof(*idle) + postgres_names_memory(state ? &state->names : &idle->names) +
	       (state ? postgres_memory(state) : 0);
}

static enum db_session_state state_of(uint8_t status)
{
	if (status == 'I')
		return DB_SESSION_IDLE;
	return status == 'T' || status == 'E' ? DB_SESSION_IDLE_IN_TRANSACTION : DB_SESSION_USED;
}

/* Before the first ReadyForQuery, and while the requests are not certain, a connection counts as used. */
static bool idle_session(const void *opaque, struct db_session *ret_session)
{
	const struct idle_connection *idle = opaque;
	const struct postgres_state *state = idle->state;
	const struct postgres_facts *name_space = name_space_of(idle);
	uint8_t status = state ? state->status : idle->status;

	*ret_session = (struct db_session){
		.state = state && state->open > 0 ? DB_SESSION_USED : state_of(status),
		.name_space = { name_space ? name_space->text : "", name_space ? name_space->collection_length : 0 },
		.since_ns = state ? state->ready_ns : idle->ready_ns,
	};
	return status != 0 || (state ? state->started : idle->started);
}

const struct proto_ops postgres_ops = {
	.protocol = PROTOCOL_POSTGRESQL,
	.name = "postgresql",
	.detect = postgres_detect,
	.detect_max = POSTGRES_DETECT_MAX,
	.state_new = idle_state_new,
	.state_free = idle_state_free,
	.feed = idle_feed,
	.end = idle_end,
	.close = idle_close,
	.lost = idle_lost,
	.memory = idle_memory,
	.shared_new = postgres_shared_new,
	.shared_free = postgres_shared_free,
	.shared_memory = postgres_shared_memory,
	.join = idle_join,
	.session = idle_session,
};
