/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which request does a response answer? In step: the first entry of the ring, if a response of this type can answer it;
 * a server answers in order, and each type of message belongs to certain requests only. What fits nothing shows that
 * something was missed.
 *
 * After a loss, and on a connection that is older than the agent, responses are alone until a group of requests (all up
 * to a Sync, or one Query) is sure to be answered by what comes next:
 *  - the response begins behind a ReadyForQuery, or where the responses stood when the group was sent (the kernel tells
 *    how far the other direction had come; where it does not, on unix sockets, times must do, behind a ReadyForQuery),
 *  - the group's first message is known to be that: a Query, or what comes behind a Sync that was seen, and
 *  - this client was never seen to send a group before the one before it was answered.
 * It costs an exchange or a pipeline of them, all counted. Not seen is a client whose only groups sent ahead lay in the
 * gap. One that does send groups ahead stays adrift: its statements are counted as alone.
 * Entries from before a gap in the requests stay in step (`settled`): their responses come in order.
 */
#include "proto/postgres_internal.h"

enum fit {
	FIT_YES,
	FIT_NO,
	FIT_LATER, /* perhaps with requests that are still to come */
};

/* Notices, notifications and parameter changes come any time; CloseComplete says nothing. */
static bool needs_entry(uint8_t type)
{
	return type != 'N' && type != 'A' && type != 'S' && type != '3';
}

/* How far the requests had come, or the responses, at a position that the other flow tells. */
static uint64_t unwrap(const struct postgres_flow *flow, uint32_t position)
{
	return flow->offset + (uint64_t)(int64_t)(int32_t)(position - (uint32_t)flow->offset);
}

bool postgres_none_on_the_way(const struct postgres_feed *feed)
{
	const struct postgres_flow *requests = &feed->state->flow[FLOW_REQUEST];

	return feed->chunk->peer_position != 0 && requests->offset != 0 &&
	       unwrap(requests, feed->chunk->peer_position) <= requests->offset;
}

static bool may_wait(const struct postgres_feed *feed)
{
	return !feed->chunk->no_wait && !postgres_none_on_the_way(feed) &&
	       feed->state->flow[FLOW_REQUEST].phase != PHASE_DEAD;
}

static bool is_of_query(uint8_t type)
{
	switch (type) {
	case 'T':
	case 'D':
	case 'C':
	case 'I':
	case 'G':
	case 'H':
	case 'W':
	case 'c':
	case 'd':
	case 'E':
		return true;
	default:
		return false;
	}
}

static uint8_t step_of(uint8_t type)
{
	switch (type) {
	case '1':
		return STEP_PARSE;
	case '2':
		return STEP_BIND;
	case 't':
	case 'T':
	case 'n':
		return STEP_DESCRIBE;
	default:
		return type == 's' || is_of_query(type) ? STEP_EXECUTE : 0;
	}
}

static enum fit fit_unit(const struct postgres_state *state, const struct postgres_entry *unit, uint8_t type)
{
	uint8_t step = step_of(type);

	/* Which of the Syncs are ignored shows when the client says that it has sent all. */
	if (type == 'C' && (unit->flags & (ENTRY_COPIES | ENTRY_COPIED)) == ENTRY_COPIES)
		return FIT_LATER;
	if (type == 'E' || (step & unit->asked & ~unit->answered))
		return FIT_YES;
	return state->unit_open && state->open == 1 ? FIT_LATER : FIT_NO;
}

static enum fit fit_sync(const struct postgres_entry *sync, uint8_t type)
{
	bool fits;

	if (sync->flags & ENTRY_STARTUP)
		fits = type == 'R' || type == 'K' || type == 'v' || type == 'E';
	else if (sync->flags & ENTRY_BY_SYNC)
		fits = type == 'E';
	else
		fits = is_of_query(type);
	return fits ? FIT_YES : FIT_NO;
}

static enum fit fit_ready(struct postgres_state *state)
{
	for (size_t i = 0; i < state->ready; i++) {
		if (postgres_entry_at(state, i)->kind == ENTRY_SYNC)
			return FIT_YES;
	}
	return FIT_LATER;
}

static enum fit fit_first(struct postgres_state *state, uint8_t type)
{
	const struct postgres_entry *first;

	if (state->ready == 0)
		return FIT_LATER;
	if (type == 'Z')
		return fit_ready(state);
	first = postgres_entry_at(state, 0);
	switch (first->kind) {
	case ENTRY_STATEMENT:
		return is_of_query(type) ? FIT_YES : FIT_NO;
	case ENTRY_UNIT:
		return fit_unit(state, first, type);
	case ENTRY_FUNCTION:
		return type == 'V' || type == 'E' ? FIT_YES : FIT_NO;
	case ENTRY_SYNC:
		return fit_sync(first, type);
	default:
		return type == 'E' ? FIT_YES : FIT_NO;
	}
}

static void drift(struct postgres_state *state)
{
	state->adrift = true;
	state->settled = 0;
	state->transaction_ns = 0;
	state->status = 0;
}

static bool pair_in_step(struct postgres_feed *feed, uint8_t type)
{
	struct postgres_state *state = feed->state;
	enum fit fit = fit_first(state, type);

	if (fit == FIT_YES) {
		state->has_entry = true;
		return true;
	}
	if (fit == FIT_LATER && may_wait(feed))
		return false;
	/* A server gives up an idle connection unasked: it is told to leave, or was idle for too long. */
	if (type == 'E' && state->open == 0)
		return true;
	drift(state);
	return true;
}

/* The group was sent behind the last ReadyForQuery, and before the response at hand. */
static bool is_answered_here(const struct postgres_feed *feed, const struct postgres_entry *group)
{
	const struct postgres_state *state = feed->state;
	uint64_t here = feed->flow->offset + feed->at;
	uint64_t sent;

	if (group->peer_position == 0)
		return state->ready_ns != 0 && group->request_first_ns > state->ready_ns &&
		       group->request_first_ns <= feed->chunk->time_ns;
	sent = unwrap(feed->flow, group->peer_position);
	return sent <= here && sent >= (state->ready_offset ? state->ready_offset : here);
}

/* The index of the group's first entry; `open` when none is certain. */
static size_t certain_group(struct postgres_feed *feed)
{
	struct postgres_state *state = feed->state;
	size_t found = state->open;

	if (state->pipelined || !state->at_group)
		return found;
	for (size_t i = 0; i < state->ready; i++) {
		const struct postgres_entry *entry = postgres_entry_at(state, i);
		bool is_group = entry->flags & ENTRY_GROUP;

		if ((!is_group && found != state->open) || !is_answered_here(feed, entry))
			continue;
		/* What stands before it, or behind it, may be what is answered as well. */
		if (!is_group || found != state->open)
			return state->open;
		found = i;
	}
	return found;
}

static bool pair_adrift(struct postgres_feed *feed, uint8_t type)
{
	struct postgres_state *state = feed->state;
	size_t index = certain_group(feed);

	if (index == state->open)
		return !state->at_group || state->pipelined || !may_wait(feed);
	for (; index > 0; index--)
		postgres_give_up_first(state, feed->sink);
	state->adrift = false;
	return pair_in_step(feed, type);
}

bool postgres_pair(struct postgres_feed *feed, uint8_t type)
{
	struct postgres_state *state = feed->state;

	state->has_entry = false;
	if (!needs_entry(type))
		return true;
	if (state->adrift && state->settled == 0 ? !pair_adrift(feed, type) : !pair_in_step(feed, type))
		return false;
	state->at_group = false;
	return true;
}

/* The group was sent before the ReadyForQuery before it came. */
static bool is_ahead(const struct postgres_state *state, const struct postgres_entry *group)
{
	if (group->peer_position == 0)
		return group->request_first_ns < state->ready_ns;
	return unwrap(&state->flow[FLOW_RESPONSE], group->peer_position) < state->ready_offset;
}

void postgres_pair_group(struct postgres_state *state, const struct postgres_entry *entry)
{
	if (!state->adrift && state->open == 1 && state->ready_offset != 0 && is_ahead(state, entry))
		state->pipelined = true;
}

void postgres_pair_ready(struct postgres_feed *feed)
{
	struct postgres_state *state = feed->state;
	const struct postgres_entry *next = state->open > 0 ? postgres_entry_at(state, 0) : NULL;

	state->ready_ns = feed->chunk->time_ns;
	state->ready_offset = feed->flow->offset + feed->at;
	state->at_group = true;
	if (!state->adrift && next && next->flags & ENTRY_GROUP && is_ahead(state, next))
		state->pipelined = true;
}

static void requests_lost(struct postgres_state *state, const struct proto_sink *sink)
{
	const struct postgres_flow *flow = &state->flow[FLOW_REQUEST];
	const struct postgres_statement unknown = {};
	uint16_t settled = state->settled;
	bool was_adrift = state->adrift;

	/* A message that was begun; what it would have asked for is lost with it. */
	if (flow->phase == PHASE_HEADER || (flow->phase == PHASE_PAYLOAD && flow->type != 'd'))
		sink->losses->out_of_step[STEP_REQUEST_LOST]++;
	while (state->open > state->ready)
		postgres_drop_last(state);
	postgres_unit_close(state);
	/* Named ones are seldom named anew; these are all the time. */
	postgres_statement_set(state, &state->unnamed, &unknown);
	postgres_statement_set(state, &state->portal, &unknown);
	state->skipping = state->group_begun = state->group_known = false;
	state->adrift = true;
	state->settled = was_adrift && settled < state->open ? settled : state->open;
	if (was_adrift && settled == 0)
		state->settled = 0;
}

static void responses_lost(struct postgres_state *state)
{
	drift(state);
	state->has_entry = false;
	state->at_group = true;
	state->ready_ns = state->ready_offset = 0;
}

void postgres_pair_lost(struct postgres_state *state, const struct proto_sink *sink, enum proto_flow which)
{
	if (which == FLOW_REQUEST)
		requests_lost(state, sink);
	else
		responses_lost(state);
}
