/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server answers, message by message ("Message Formats", those marked B). Read are the command tag (C), the
 * SQLSTATE of errors (E), the status of the transaction (Z) and one parameter (S); everything else by its length only.
 *   1 ParseComplete  2 BindComplete  3 CloseComplete  t T n answers to Describe
 *   T RowDescription  D DataRow  C CommandComplete  I EmptyQueryResponse  s PortalSuspended
 *   G H W begin COPY in, out, both  d c its data  V FunctionCallResponse  E ErrorResponse  Z ReadyForQuery
 *   R K v of the start-up  N A S come any time
 * An exchange ends with the last byte of C, s, V or E.
 */
#include <string.h>

#include "base/number.h"
#include "proto/postgres_internal.h"

#define FUNCTION_OPERATION "FUNCTION" /* FunctionCall has no SQL */

static bool length_is_right(const struct postgres_flow *flow)
{
	switch (flow->type) {
	case '1':
	case '2':
	case '3':
	case 'I':
	case 'n':
	case 's':
	case 'c':
		return flow->length == 0;
	case 'Z':
		return flow->length == 1;
	case 'T':
	case 'D':
	case 't':
	case 'C':
		return flow->length >= 2;
	case 'R':
	case 'V':
		return flow->length >= 4;
	default:
		return true;
	}
}

static bool is_known(uint8_t type)
{
	return type && strchr("RKvZ123tTnDCIsGHWdcVENAS", type);
}

/* The first byte of the entry's response. */
static void note_response(struct postgres_feed *feed)
{
	struct postgres_state *state = feed->state;
	struct postgres_entry *entry = postgres_entry_at(state, 0);

	if (entry->flags & ENTRY_RESPONDING)
		return;
	entry->flags |= ENTRY_RESPONDING;
	entry->response_first_ns = feed->flow->first_ns;
	entry->response_position = (uint32_t)feed->flow->first_offset;
	if (!(entry->flags & ENTRY_GROUP))
		return;
	state->group_ns = entry->request_first_ns;
	if (state->transaction_ns != 0 && state->group_ns > state->ready_ns)
		state->transaction_idle_ns += state->group_ns - state->ready_ns;
}

enum proto_status postgres_response_begin(struct postgres_feed *feed)
{
	struct postgres_state *state = feed->state;
	struct postgres_flow *flow = feed->flow;

	if (!is_known(flow->type) || !length_is_right(flow))
		return PROTO_MALFORMED;
	flow->part = PART_REST;
	state->capture_length = 0;
	if (flow->type == 'C' || flow->type == 'Z' || (flow->type == 'S' && flow->length <= POSTGRES_CAPTURE_MAX))
		flow->part = PART_CAPTURE;
	if (flow->type == 'E') {
		flow->part = PART_FIELDS;
		state->field = state->field_length = 0;
		memset(state->code, 0, sizeof(state->code));
	}
	if (state->has_entry)
		note_response(feed);
	return PROTO_OK;
}

/* ErrorResponse: *( field-type text NUL ) NUL; of field C the five characters. */
static void take_fields(struct postgres_feed *feed, const uint8_t *bytes, size_t length)
{
	struct postgres_state *state = feed->state;

	for (size_t i = 0; i < length; i++) {
		if (state->field == 0) {
			state->field = bytes[i];
			state->field_length = 0;
		} else if (bytes[i] == '\0') {
			if (state->field == 'C')
				feed->flow->part = PART_REST;
			state->field = 0;
		} else if (state->field == 'C' && state->field_length < sizeof(state->code)) {
			state->code[state->field_length++] = (char)bytes[i];
		}
	}
}

void postgres_response_take(struct postgres_feed *feed, const uint8_t *bytes, size_t length)
{
	if (feed->flow->part == PART_FIELDS)
		take_fields(feed, bytes, length);
	else
		postgres_capture(feed->state, bytes, length);
}

/* The first entry was answered. The next statement of its Query begins where it ends; so does what fails behind the
 * last one. */
static void pass_on(struct postgres_state *state, uint64_t end_ns)
{
	bool of_query = postgres_entry_at(state, 0)->kind == ENTRY_STATEMENT;
	struct postgres_entry *next;

	postgres_drop_first(state);
	if (!of_query || state->ready == 0)
		return;
	next = postgres_entry_at(state, 0);
	if (next->flags & ENTRY_NEXT || next->kind == ENTRY_SYNC)
		next->request_first_ns = next->request_last_ns = end_ns;
}

/* A statement of which no entry is known has ended behind those that are: a Query had more than are kept. */
static void tell_beyond(struct postgres_state *state, const struct proto_sink *sink,
			const struct postgres_outcome *outcome)
{
	struct postgres_entry *sync = postgres_entry_at(state, 0);

	postgres_tell(state, sink, sync, outcome);
	sync->request_first_ns = sync->request_last_ns = outcome->end_ns;
	sync->flags &= (uint8_t)~ENTRY_RESPONDING;
}

/* The first entry's exchange is over. */
static void complete(struct postgres_feed *feed, const struct postgres_outcome *outcome)
{
	struct postgres_state *state = feed->state;
	struct postgres_entry *first;

	if (!state->has_entry) {
		feed->sink->losses->out_of_step[STEP_RESPONSE_ALONE]++;
		return;
	}
	first = postgres_entry_at(state, 0);
	if (first->kind == ENTRY_SYNC) {
		tell_beyond(state, feed->sink, outcome);
		return;
	}
	if (!first->statement.empty || outcome->code)
		postgres_tell(state, feed->sink, first, outcome);
	pass_on(state, outcome->end_ns);
}

/* Tags that end with a count of rows: "SELECT 5", "INSERT 0 1", "UPDATE 2", ... ("CommandComplete"). */
static bool rows_of_tag(const char *tag, size_t length, uint64_t *ret_rows)
{
	const char *blank = memrchr(tag, ' ', length);

	return blank && number_u64_span(blank + 1, length - (size_t)(blank + 1 - tag), ret_rows) == 0;
}

static enum proto_status command_complete(struct postgres_feed *feed)
{
	struct postgres_state *state = feed->state;
	const char *tag = (const char *)state->capture;
	size_t length = strnlen(tag, state->capture_length);
	struct postgres_outcome outcome = { .end_ns = feed->chunk->time_ns };

	outcome.rows_known = rows_of_tag(tag, length, &outcome.rows);
	if (state->has_entry && !postgres_entry_at(state, 0)->statement.operation)
		outcome.operation = sql_operation_of(tag, length);
	complete(feed, &outcome);
	return PROTO_OK;
}

static enum proto_status portal_suspended(struct postgres_feed *feed)
{
	struct postgres_outcome outcome = { .end_ns = feed->chunk->time_ns };

	if (feed->state->has_entry) {
		outcome.rows = postgres_entry_at(feed->state, 0)->rows;
		outcome.rows_known = outcome.rows != POSTGRES_ROWS_UNKNOWN;
	}
	complete(feed, &outcome);
	return PROTO_OK;
}

static enum proto_status empty_query(struct postgres_feed *feed)
{
	if (feed->state->has_entry && postgres_entry_at(feed->state, 0)->kind != ENTRY_SYNC)
		pass_on(feed->state, feed->chunk->time_ns);
	return PROTO_OK;
}

static enum proto_status function_result(struct postgres_feed *feed)
{
	struct postgres_outcome outcome = { .end_ns = feed->chunk->time_ns, .operation_text = FUNCTION_OPERATION };

	complete(feed, &outcome);
	return PROTO_OK;
}

/* What the server does not look at any more. */
static void drop_to_sync(struct postgres_state *state)
{
	while (state->ready > 0 && postgres_entry_at(state, 0)->kind != ENTRY_SYNC)
		postgres_drop_first(state);
	/* The Sync is still to come, and whatever comes before it is for nothing. */
	if (state->ready == 0) {
		state->skipping = true;
		state->unit_open = false;
	}
}

static void fail(struct postgres_feed *feed)
{
	struct postgres_state *state = feed->state;
	const struct postgres_entry *first = postgres_entry_at(state, 0);
	struct postgres_outcome outcome = { .end_ns = feed->chunk->time_ns };
	char code[sizeof(state->code) + 1] = "";

	memcpy(code, state->code, sizeof(state->code));
	outcome.code = code;
	if (first->kind == ENTRY_FUNCTION)
		outcome.operation_text = FUNCTION_OPERATION;
	if (feed->flow->tail_missing) {
		feed->sink->losses->out_of_step[STEP_REQUEST_LOST]++;
		postgres_drop_first(state);
	} else {
		complete(feed, &outcome);
	}
	drop_to_sync(state);
}

static enum proto_status error_response(struct postgres_feed *feed)
{
	struct postgres_state *state = feed->state;
	const struct postgres_entry *first;

	if (!state->has_entry) {
		/* Unasked, on an idle connection, it is no answer: see postgres_pair.c. */
		if (state->adrift)
			feed->sink->losses->out_of_step[STEP_RESPONSE_ALONE]++;
		return PROTO_OK;
	}
	first = postgres_entry_at(state, 0);
	if (first->kind == ENTRY_ENCRYPT)
		postgres_drop_first(state);
	else if (!(first->kind == ENTRY_SYNC && first->flags & ENTRY_STARTUP))
		fail(feed);
	return PROTO_OK;
}

/* ParseComplete and its like: a unit that only prepares is over when all of it is answered. */
static enum proto_status step_done(struct postgres_feed *feed, enum postgres_step step)
{
	struct postgres_state *state = feed->state;
	struct postgres_entry *first;

	if (!state->has_entry)
		return PROTO_OK;
	first = postgres_entry_at(state, 0);
	if (first->kind != ENTRY_UNIT)
		return PROTO_OK;
	first->answered |= (uint8_t)(step & first->asked);
	if (first->answered == first->asked && !(state->unit_open && state->open == 1))
		postgres_drop_first(state);
	return PROTO_OK;
}

static void end_transaction(struct postgres_feed *feed)
{
	struct postgres_state *state = feed->state;
	struct db_transaction transaction = {
		.name_space = { state->name_space ? state->name_space->text : "",
				state->name_space ? state->name_space->collection_length : 0 },
		.duration_ns =
			feed->chunk->time_ns > state->transaction_ns ? feed->chunk->time_ns - state->transaction_ns : 0,
		.idle_ns = state->transaction_idle_ns,
		.tgid = feed->chunk->tgid,
	};

	state->transaction_ns = 0;
	if (feed->sink->transaction)
		feed->sink->transaction(feed->sink->ctx, &transaction);
}

/* The status byte tells transactions: one is open after T or E. It began with the group that opened it. */
static void follow_transaction(struct postgres_feed *feed, uint8_t status)
{
	struct postgres_state *state = feed->state;

	if (state->transaction_ns != 0 && status == 'I') {
		end_transaction(feed);
	} else if (state->transaction_ns == 0 && status != 'I' && state->status == 'I' && state->has_entry) {
		state->transaction_ns = state->group_ns;
		state->transaction_idle_ns = 0;
	}
	state->status = status;
}

static enum proto_status ready_for_query(struct postgres_feed *feed)
{
	struct postgres_state *state = feed->state;
	uint8_t status = state->capture[0];

	if (status != 'I' && status != 'T' && status != 'E')
		return PROTO_MALFORMED;
	follow_transaction(feed, status);
	state->group_ns = 0;
	if (state->has_entry) {
		while (postgres_entry_at(state, 0)->kind != ENTRY_SYNC)
			postgres_drop_first(state);
		postgres_drop_first(state);
	}
	postgres_pair_ready(feed);
	return PROTO_OK;
}

/* How strings are quoted depends on one parameter ("String Constants With C-Style Escapes"). */
static enum proto_status parameter_status(struct postgres_state *state)
{
	static const char name[] = "standard_conforming_strings";

	if (state->capture_length >= sizeof(name) + 2 && !memcmp(state->capture, name, sizeof(name)))
		state->strings = !memcmp(state->capture + sizeof(name), "of", 2) ? SQL_STRINGS_ESCAPE :
										   SQL_STRINGS_STANDARD;
	return PROTO_OK;
}

/* CopyBothResponse: a replication stream from here on ("Streaming Replication Protocol"). */
static enum proto_status copy_both(struct postgres_state *state)
{
	postgres_ring_done(state);
	state->opaque = true;
	return PROTO_OPAQUE;
}

enum proto_status postgres_response_done(struct postgres_feed *feed)
{
	struct postgres_state *state = feed->state;

	switch (feed->flow->type) {
	case 'C':
		return command_complete(feed);
	case 'D':
		if (state->has_entry && postgres_entry_at(state, 0)->rows != POSTGRES_ROWS_UNKNOWN)
			postgres_entry_at(state, 0)->rows++;
		return PROTO_OK;
	case 'E':
		return error_response(feed);
	case 'G':
		if (state->has_entry)
			postgres_entry_at(state, 0)->flags |= ENTRY_COPIES;
		return PROTO_OK;
	case 'I':
		return empty_query(feed);
	case 'S':
		return parameter_status(state);
	case 'T':
	case 'n':
		return step_done(feed, STEP_DESCRIBE);
	case 'V':
		return function_result(feed);
	case 'W':
		return copy_both(state);
	case 'Z':
		return ready_for_query(feed);
	case 's':
		return portal_suspended(feed);
	case '1':
		return step_done(feed, STEP_PARSE);
	case '2':
		return step_done(feed, STEP_BIND);
	default:
		return PROTO_OK;
	}
}
