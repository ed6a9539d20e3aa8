/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client asks, message by message ("Message Formats", those marked F):
 *   Q Query            text                                Z is answered
 *   P Parse            name text types                     1
 *   B Bind             portal statement ...                2
 *   D Describe         S or P, name                        t T, or n
 *   E Execute          portal limit                        D... and C, I or s; or a COPY and C
 *   C Close            S or P, name                        3
 *   S Sync                                                 Z
 *   F FunctionCall     ...                                 V and Z
 *   H Flush, X Terminate, d c f COPY, p of authentication: nothing of their own. What p, d and B carry is not looked
 * at. Parse, Bind, Describe and Execute about one statement are one unit, unless Flush or Sync stands between: the
 * exchange begins with the unit's first byte. After an error a server passes over all up to the next Sync ("Extended
 * Query").
 */
#include <string.h>

#include "proto/postgres_internal.h"

#define STATEMENTS_MAX 256 /* of one Query that are told apart; the others are told by their command tags */

static const struct postgres_statement unknown;

static uint64_t unnamed_key(char kind)
{
	return postgres_name_begin(kind);
}

static struct postgres_statement known_as(struct postgres_state *state, char kind, uint64_t key)
{
	struct postgres_statement named;

	if (key == unnamed_key(kind))
		return kind == 'S' ? state->unnamed : state->portal;
	return postgres_name_find(state, key, &named) ? named : unknown;
}

static void set(struct postgres_state *state, char kind, uint64_t key, const struct postgres_statement *statement)
{
	if (key == unnamed_key(kind))
		postgres_statement_set(state, kind == 'S' ? &state->unnamed : &state->portal, statement);
	else
		postgres_name_set(state, key, statement);
}

void postgres_unit_close(struct postgres_state *state)
{
	struct postgres_entry *unit;

	if (!state->unit_open)
		return;
	state->unit_open = false;
	unit = postgres_entry_at(state, state->open - 1u);
	if (state->open == 1 && unit->asked == unit->answered)
		postgres_drop_first(state);
}

/* Adds a message to the open unit, or begins another one. `statement` NULL: the unit's own, whatever it is. */
static enum proto_status add_step(struct postgres_feed *feed, enum postgres_step step, uint64_t key,
				  const struct postgres_statement *statement)
{
	struct postgres_state *state = feed->state;
	struct postgres_entry *unit = NULL;

	if (state->skipping)
		return PROTO_OK;
	if (state->unit_open && (step == STEP_PARSE || (step == STEP_BIND && key != state->unit_statement)))
		postgres_unit_close(state);
	if (state->unit_open && postgres_entry_at(state, state->open - 1u)->asked & step)
		postgres_unit_close(state);
	if (state->unit_open) {
		unit = postgres_entry_at(state, state->open - 1u);
	} else if (postgres_ring_push(feed, ENTRY_UNIT, &unit) != 0) {
		return PROTO_LOST;
	}
	state->unit_open = step != STEP_EXECUTE;
	if (step != STEP_EXECUTE)
		state->unit_statement = key;
	unit->asked |= (uint8_t)step;
	unit->request_last_ns = feed->chunk->time_ns;
	postgres_statement_set(state, &unit->statement, statement);
	state->ready = state->open;
	if (step == STEP_EXECUTE && state->open == 1)
		postgres_tell_begin(state, feed->sink);
	return PROTO_OK;
}

static void keep_statement(void *ctx, const struct sql_facts *facts)
{
	struct postgres_state *state = ctx;
	struct postgres_scratch *scratch = state->scratch;

	if (scratch->statements++ > 0)
		return;
	scratch->statement.operation = facts->operation;
	scratch->statement.facts = postgres_facts_get(state->shared, facts);
}

/* A statement of a Query is over. Not kept beyond the maximum, or without memory: its command tag will tell it. */
static void push_statement(void *ctx, const struct sql_facts *facts)
{
	struct postgres_feed *feed = ctx;
	struct postgres_state *state = feed->state;
	struct postgres_entry *entry;

	if (state->scratch->statements >= STATEMENTS_MAX || postgres_ring_push(feed, ENTRY_STATEMENT, &entry) != 0)
		return;
	entry->flags |= state->scratch->statements > 0 ? ENTRY_NEXT : 0;
	entry->statement.operation = facts->operation;
	entry->statement.facts = postgres_facts_get(state->shared, facts);
	state->scratch->statements++;
}

/* Without memory it is not told. */
static void write_text(struct postgres_scratch *scratch)
{
	if (!scratch->keep)
		scratch->keep = malloc(KEEP_STATEMENT_BYTES);
	if (!scratch->keep)
		return;
	sql_writing_init(&scratch->writing, scratch->keep, KEEP_STATEMENT_BYTES);
	scratch->scan.writing = &scratch->writing;
}

static void begin_text(struct postgres_feed *feed)
{
	struct postgres_state *state = feed->state;
	struct postgres_scratch *scratch = postgres_scratch_get(state);

	feed->flow->part = scratch ? PART_TEXT : PART_REST;
	if (!scratch)
		return;
	if (feed->flow->type == 'Q')
		sql_scan_init(&scratch->scan, (enum sql_strings)state->strings, push_statement, feed);
	else
		sql_scan_init(&scratch->scan, (enum sql_strings)state->strings, keep_statement, state);
	if (feed->sink->keep && feed->sink->keep->query_text)
		write_text(scratch);
}

static bool length_is_right(const struct postgres_flow *flow)
{
	switch (flow->type) {
	case 'S':
	case 'H':
	case 'X':
	case 'c':
		return flow->length == 0;
	case 'Q':
	case 'f':
		return flow->length >= 1;
	case 'D':
	case 'C':
		return flow->length >= 2;
	case 'P':
		return flow->length >= 4;
	case 'E':
		return flow->length >= 5;
	case 'B':
		return flow->length >= 8;
	default:
		return true;
	}
}

enum proto_status postgres_request_begin(struct postgres_feed *feed)
{
	struct postgres_flow *flow = feed->flow;

	if (!length_is_right(flow))
		return PROTO_MALFORMED;
	flow->part = PART_REST;
	switch (flow->type) {
	case 'Q':
	case 'F':
		/* Either is a group of its own, whatever was before it. */
		postgres_unit_close(feed->state);
		feed->state->group_known |= !feed->state->group_begun;
		if (flow->type == 'Q' && !feed->state->skipping)
			begin_text(feed);
		return PROTO_OK;
	case 'P':
		flow->hash = postgres_name_begin('S');
		flow->part = PART_NAME;
		return PROTO_OK;
	case 'B':
	case 'E':
		flow->hash = postgres_name_begin('P');
		flow->part = PART_NAME;
		return PROTO_OK;
	case 'D':
	case 'C':
		flow->part = PART_KIND;
		return PROTO_OK;
	case 'S':
	case 'H':
	case 'X':
	case 'p':
	case 'd':
	case 'c':
	case 'f':
		return PROTO_OK;
	default:
		return PROTO_MALFORMED;
	}
}

/* A name is whole: what comes behind it. */
static void end_name(struct postgres_feed *feed)
{
	struct postgres_flow *flow = feed->flow;

	if (flow->part == PART_STATEMENT) {
		flow->part = PART_REST;
		return;
	}
	feed->state->name_hash = flow->hash;
	flow->part = PART_REST;
	if (flow->type == 'P') {
		begin_text(feed);
	} else if (flow->type == 'B') {
		flow->hash = postgres_name_begin('S');
		flow->part = PART_STATEMENT;
	}
}

static size_t take_name(struct postgres_feed *feed, const uint8_t *bytes, size_t length)
{
	const uint8_t *end = memchr(bytes, '\0', length);
	size_t size = end ? (size_t)(end - bytes) : length;

	feed->flow->hash = postgres_name_add(feed->flow->hash, bytes, size);
	if (!end)
		return length;
	end_name(feed);
	return size + 1;
}

static size_t take_text(struct postgres_feed *feed, const uint8_t *bytes, size_t length)
{
	struct postgres_scratch *scratch = feed->state->scratch;
	const uint8_t *end = memchr(bytes, '\0', length);
	size_t size = end ? (size_t)(end - bytes) : length;
	size_t room = POSTGRES_SCAN_MAX - scratch->scanned;

	if (feed->flow->type == 'Q')
		scratch->scan.ctx = feed;
	sql_scan_feed(&scratch->scan, (const char *)bytes, size < room ? size : room);
	if (end || size >= room)
		feed->flow->part = PART_REST;
	scratch->scanned += (uint32_t)(size < room ? size : room);
	return length;
}

void postgres_request_take(struct postgres_feed *feed, const uint8_t *bytes, size_t length)
{
	struct postgres_flow *flow = feed->flow;
	size_t at = 0;

	while (at < length && flow->part != PART_REST) {
		switch (flow->part) {
		case PART_KIND:
			flow->hash = postgres_name_begin((char)bytes[at++]);
			flow->header_length = bytes[at - 1];
			flow->part = PART_NAME;
			break;
		case PART_TEXT:
			at += take_text(feed, bytes + at, length - at);
			break;
		default:
			at += take_name(feed, bytes + at, length - at);
			break;
		}
	}
}

/* What ends a group: ReadyForQuery answers it. */
static enum proto_status push_sync(struct postgres_feed *feed, uint8_t flags)
{
	struct postgres_state *state = feed->state;
	struct postgres_entry *entry;

	if (postgres_ring_push(feed, ENTRY_SYNC, &entry) != 0)
		return PROTO_LOST;
	entry->flags |= flags;
	state->group_known = true;
	state->ready = state->open;
	return PROTO_OK;
}

static enum proto_status end_query(struct postgres_feed *feed)
{
	struct postgres_state *state = feed->state;
	struct postgres_scratch *scratch = state->scratch;
	struct postgres_entry *entry;

	if (state->skipping)
		return PROTO_OK;
	if (scratch) {
		scratch->scan.ctx = feed;
		sql_scan_end(&scratch->scan);
	}
	if (!scratch || scratch->statements == 0) {
		if (postgres_ring_push(feed, ENTRY_STATEMENT, &entry) != 0)
			return PROTO_LOST;
		entry->statement.empty = scratch && scratch->scanned < POSTGRES_SCAN_MAX;
	}
	for (size_t i = state->ready; i < state->open; i++)
		postgres_entry_at(state, i)->request_last_ns = feed->chunk->time_ns;
	if (state->ready == 0)
		postgres_tell_begin(state, feed->sink);
	return push_sync(feed, 0);
}

static enum proto_status end_parse(struct postgres_feed *feed)
{
	struct postgres_state *state = feed->state;
	const struct postgres_statement *statement = &unknown;

	if (state->scratch) {
		sql_scan_end(&state->scratch->scan);
		state->scratch->statement.empty = state->scratch->statements == 0 &&
						  state->scratch->scanned < POSTGRES_SCAN_MAX;
		statement = &state->scratch->statement;
	}
	if (!state->skipping)
		set(state, 'S', state->name_hash, statement);
	return add_step(feed, STEP_PARSE, state->name_hash, statement);
}

static enum proto_status end_bind(struct postgres_feed *feed)
{
	struct postgres_state *state = feed->state;
	struct postgres_statement statement = known_as(state, 'S', feed->flow->hash);
	enum proto_status status;

	statement.bound = true;
	statement.executed = false;
	postgres_facts_hold(statement.facts);
	if (!state->skipping)
		set(state, 'P', state->name_hash, &statement);
	status = add_step(feed, STEP_BIND, feed->flow->hash, &statement);
	postgres_facts_drop(state->shared, statement.facts);
	return status;
}

/* Rows of a portal that were not asked for at first are another call, as FETCH is; so are those of one whose Bind was
 * before our time. */
static enum proto_status end_execute(struct postgres_feed *feed)
{
	struct postgres_state *state = feed->state;
	struct postgres_statement statement = known_as(state, 'P', state->name_hash);
	bool first = statement.bound && !statement.executed;

	if (first && !state->skipping) {
		statement.executed = true;
		set(state, 'P', state->name_hash, &statement);
	}
	if (!first)
		statement.operation = sql_operation_of("FETCH", 5);
	return add_step(feed, STEP_EXECUTE, 0, &statement);
}

static enum proto_status end_describe(struct postgres_feed *feed)
{
	struct postgres_state *state = feed->state;
	struct postgres_statement statement;
	uint64_t key = state->name_hash;
	char kind = (char)feed->flow->header_length;

	if (kind != 'S' && kind != 'P')
		return PROTO_MALFORMED;
	if (feed->flow->type == 'C') {
		if (key != unnamed_key(kind) && !state->skipping)
			postgres_name_remove(state, key);
		return PROTO_OK;
	}
	statement = known_as(state, kind, key);
	if (state->unit_open) {
		statement = postgres_entry_at(state, state->open - 1u)->statement;
		key = state->unit_statement;
	}
	return add_step(feed, STEP_DESCRIBE, key, &statement);
}

static enum proto_status end_sync(struct postgres_feed *feed)
{
	postgres_unit_close(feed->state);
	feed->state->skipping = false;
	return push_sync(feed, ENTRY_BY_SYNC);
}

static enum proto_status end_function(struct postgres_feed *feed)
{
	struct postgres_state *state = feed->state;
	struct postgres_entry *entry;

	if (state->skipping)
		return PROTO_OK;
	if (postgres_ring_push(feed, ENTRY_FUNCTION, &entry) != 0)
		return PROTO_LOST;
	if (state->open == 1)
		postgres_tell_begin(state, feed->sink);
	return push_sync(feed, 0);
}

/* A server that is in copy-in mode ignores Sync until the data ends ("COPY Operations"): drivers send one with the
 * Execute, before they know that it copies. The group goes on. */
static void end_copy(struct postgres_state *state)
{
	struct postgres_entry *last;

	while (state->open > 0) {
		last = postgres_entry_at(state, state->open - 1u);
		if (last->kind != ENTRY_SYNC || !(last->flags & ENTRY_BY_SYNC)) {
			last->flags |= ENTRY_COPIED;
			return;
		}
		postgres_drop_last(state);
		state->group_begun = true;
	}
}

enum proto_status postgres_request_done(struct postgres_feed *feed)
{
	if (feed->flow->part != PART_REST)
		return PROTO_MALFORMED;
	switch (feed->flow->type) {
	case 'Q':
		return end_query(feed);
	case 'P':
		return end_parse(feed);
	case 'B':
		return end_bind(feed);
	case 'E':
		return end_execute(feed);
	case 'D':
	case 'C':
		return end_describe(feed);
	case 'S':
		return end_sync(feed);
	case 'H':
		postgres_unit_close(feed->state);
		return PROTO_OK;
	case 'F':
		return end_function(feed);
	case 'c':
	case 'f':
		end_copy(feed->state);
		return PROTO_OK;
	default:
		return PROTO_OK;
	}
}
