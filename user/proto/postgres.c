/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL's protocol: the operations of the contract, for a connection that is not idle (postgres_idle.c has the
 * table), and the cutting of both flows into messages.
 *   message  = type (1 byte) length (4 bytes, itself included) payload       "Message Formats"
 *   startup  = length code (4 bytes) payload                                 the client's first ones, without a type
 *   answer   = 1 byte, to SSLRequest and GSSENCRequest
 * Lengths are known before payloads: what is not needed of a payload is passed over, seen or not.
 */
#include <string.h>

#include "proto/postgres_internal.h"

/* The entries that one message may add: the ring must have room for them before it is begun. */
#define ENTRIES_OF_MESSAGE 300
#define HEADER_BYTES 5 /* of a message with a type */

static void drop_scratch(struct postgres_state *state)
{
	if (!state->scratch)
		return;
	postgres_facts_drop(state->shared, state->scratch->statement.facts);
	free(state->scratch->keep);
	postgres_scratch_give(state->shared, state->scratch);
	state->scratch = NULL;
}

void postgres_done(struct postgres_state *state)
{
	drop_scratch(state);
	postgres_rows_end(state);
	postgres_ring_done(state);
}

struct postgres_scratch *postgres_scratch_get(struct postgres_state *state)
{
	struct postgres_scratch *scratch = state->scratch;

	if (!scratch) {
		scratch = state->scratch = postgres_scratch_take(state->shared);
		if (!scratch)
			return NULL;
		scratch->keep = NULL;
	}
	/* By field: the scan's texts need no clearing. */
	scratch->scanned = scratch->statements = 0;
	scratch->statement = (struct postgres_statement){};
	scratch->key[0] = scratch->value[0] = scratch->user[0] = scratch->database[0] = '\0';
	scratch->text_length = 0;
	scratch->in_value = false;
	return scratch;
}

void postgres_capture(struct postgres_state *state, const uint8_t *bytes, size_t length)
{
	size_t room = sizeof(state->capture) - state->capture_length;

	if (length > room)
		length = room;
	memcpy(state->capture + state->capture_length, bytes, length);
	state->capture_length = (uint8_t)(state->capture_length + length);
}

static void begin_message(struct postgres_feed *feed)
{
	struct postgres_flow *flow = feed->flow;

	flow->phase = PHASE_HEADER;
	flow->part = PART_REST;
	flow->header_length = 0;
	flow->asked = flow->tail_missing = false;
	flow->first_ns = feed->chunk->time_ns;
	flow->first_offset = flow->offset + feed->at;
	flow->first_peer_position = feed->chunk->peer_position;
	flow->tgid = feed->chunk->tgid;
	flow->tid = feed->chunk->tid;
	flow->goroutine = feed->chunk->goroutine;
}

/* The connection is older than the agent, or its begin was lost: which request a response answers must show. */
static void begin_between(struct postgres_state *state)
{
	if (state->begun)
		return;
	state->begun = state->adrift = state->at_group = true;
}

/* COPY: each line is a message, and nothing of it is needed. Those that lie whole in the chunk, behind another one. */
static void pass_copy_data(struct postgres_feed *feed)
{
	const struct proto_chunk *chunk = feed->chunk;

	while (chunk->length - feed->at >= HEADER_BYTES && chunk->data[feed->at] == 'd') {
		uint32_t size = postgres_u32(chunk->data + feed->at + 1);

		if (size < 4 || size >= chunk->length - feed->at)
			return;
		feed->at += size + 1;
	}
}

static enum proto_status start_request(struct postgres_feed *feed)
{
	struct postgres_state *state = feed->state;
	const struct proto_chunk *chunk = feed->chunk;
	const struct postgres_entry *last = state->open > 0 ? postgres_entry_at(state, state->open - 1u) : NULL;
	bool unanswered = last && last->kind == ENTRY_ENCRYPT;

	if (!chunk->data)
		return PROTO_LOST;
	if (feed->flow->type == 'd' && !state->rows)
		pass_copy_data(feed);
	if (feed->at == chunk->length)
		return PROTO_OK;
	if (postgres_rows_block(state, chunk->no_wait))
		return PROTO_WAIT;
	/* "Start-up": but for passwords nothing is sent before ReadyForQuery, and what comes before it matters here. */
	if (last && last->flags & ENTRY_STARTUP && chunk->data[feed->at] != 'p' && !chunk->no_wait)
		return PROTO_WAIT;
	/* "SSL Session Encryption": the client waits for the one byte; then these are its own, or TLS's. */
	if (unanswered && !chunk->no_wait)
		return PROTO_WAIT;
	if (unanswered && chunk->data[feed->at] != 0) {
		state->encrypted = true;
		return PROTO_ENCRYPTED;
	}
	if (state->open > POSTGRES_PIPELINE_MAX - ENTRIES_OF_MESSAGE) {
		if (!chunk->no_wait)
			return PROTO_WAIT;
		feed->sink->losses->out_of_step[STEP_PIPELINE_FULL]++;
		return PROTO_LOST;
	}
	if (chunk->data[feed->at] != 0)
		begin_between(state);
	begin_message(feed);
	return PROTO_OK;
}

/* The answer to SSLRequest or GSSENCRequest: S or G, from then on all is encrypted; N, the client goes on in clear. */
static enum proto_status take_encryption_answer(struct postgres_feed *feed)
{
	struct postgres_state *state = feed->state;
	uint8_t answer = feed->chunk->data[feed->at];

	if (answer == 'E') { /* a server that knows no such request */
		state->has_entry = true;
		begin_message(feed);
		return PROTO_OK;
	}
	if (answer != 'S' && answer != 'G' && answer != 'N')
		return PROTO_MALFORMED;
	feed->at++;
	if (answer == 'N') {
		postgres_drop_first(state);
		return PROTO_OK;
	}
	postgres_ring_done(state);
	state->encrypted = true;
	return PROTO_ENCRYPTED;
}

static enum proto_status start_response(struct postgres_feed *feed)
{
	struct postgres_state *state = feed->state;
	const struct proto_chunk *chunk = feed->chunk;

	/* All sound requests are answered, and what comes next answers one that was not. */
	if (state->flow[FLOW_REQUEST].phase == PHASE_DEAD && state->open == 0) {
		feed->flow->phase = PHASE_DEAD;
		return PROTO_MALFORMED;
	}
	if (!chunk->data)
		return PROTO_LOST;
	/* Before the StartupMessage each answer has its request: an S or N may be one byte, or a message. */
	if ((!state->begun || (!state->started && !state->adrift && state->ready == 0)) && !chunk->no_wait)
		return PROTO_WAIT;
	begin_between(state);
	if (state->ready > 0 && postgres_entry_at(state, 0)->kind == ENTRY_ENCRYPT)
		return take_encryption_answer(feed);
	if (!postgres_pair(feed, chunk->data[feed->at]))
		return PROTO_WAIT;
	begin_message(feed);
	return PROTO_OK;
}

static enum proto_status end_message(struct postgres_feed *feed)
{
	enum proto_status status;

	feed->flow->phase = PHASE_START;
	if (!feed->flow->type)
		status = postgres_startup_done(feed);
	else
		status = feed->which == FLOW_REQUEST ? postgres_request_done(feed) : postgres_response_done(feed);
	if (feed->which == FLOW_REQUEST)
		drop_scratch(feed->state);
	return status;
}

static enum proto_status begin_payload(struct postgres_feed *feed)
{
	struct postgres_flow *flow = feed->flow;
	uint32_t size = postgres_u32(flow->header + (flow->type ? 1 : 0));
	uint32_t least = flow->type ? 4 : 8;
	enum proto_status status;

	if (size < least || size > (flow->type ? POSTGRES_LENGTH_MAX : POSTGRES_STARTUP_MAX))
		return PROTO_MALFORMED;
	flow->left = flow->length = size - least;
	flow->phase = PHASE_PAYLOAD;
	if (!flow->type)
		status = postgres_startup_begin(feed);
	else
		status = feed->which == FLOW_REQUEST ? postgres_request_begin(feed) : postgres_response_begin(feed);
	return status == PROTO_OK && flow->left == 0 ? end_message(feed) : status;
}

/* As nearly always: type and length lie whole in the chunk. */
static bool header_at_once(struct postgres_feed *feed)
{
	const uint8_t *bytes = feed->chunk->data + feed->at;
	struct postgres_flow *flow = feed->flow;

	if (flow->header_length > 0 || feed->chunk->length - feed->at < HEADER_BYTES || bytes[0] == 0)
		return false;
	memcpy(flow->header, bytes, HEADER_BYTES);
	flow->type = bytes[0];
	flow->header_length = HEADER_BYTES;
	feed->at += HEADER_BYTES;
	return true;
}

static enum proto_status take_header(struct postgres_feed *feed)
{
	struct postgres_flow *flow = feed->flow;

	if (!feed->chunk->data)
		return PROTO_LOST;
	if (header_at_once(feed))
		return begin_payload(feed);
	while (feed->at < feed->chunk->length) {
		flow->header[flow->header_length++] = feed->chunk->data[feed->at++];
		flow->type = flow->header[0];
		if (flow->header_length == (flow->type ? HEADER_BYTES : 8))
			return begin_payload(feed);
	}
	return PROTO_OK;
}

/* What is left of a payload that is not needed: the kernel may be silent about it. */
static void ask_to_skip(struct postgres_feed *feed)
{
	struct postgres_flow *flow = feed->flow;

	if (flow->part != PART_REST || flow->left == 0 || flow->asked)
		return;
	flow->asked = true;
	feed->sink->skip_until(feed->sink->ctx, feed->which, (uint32_t)(flow->offset + feed->at) + flow->left);
}

/* Takes bytes of a payload. Whatever part they are of, they are within it. */
static void take_part(struct postgres_feed *feed, const uint8_t *bytes, size_t length)
{
	if (!feed->flow->type)
		postgres_startup_take(feed, bytes, length);
	else if (feed->which == FLOW_REQUEST)
		postgres_request_take(feed, bytes, length);
	else
		postgres_response_take(feed, bytes, length);
}

static enum proto_status take_payload(struct postgres_feed *feed)
{
	struct postgres_flow *flow = feed->flow;
	size_t length = feed->chunk->length - feed->at;

	if (length > flow->left)
		length = flow->left;
	if (length > 0 && flow->part != PART_REST) {
		if (!feed->chunk->data)
			return PROTO_LOST;
		take_part(feed, feed->chunk->data + feed->at, length);
	}
	if (length > 0)
		flow->tail_missing = feed->chunk->missing;
	feed->at += length;
	flow->left -= (uint32_t)length;
	if (flow->left == 0)
		return end_message(feed);
	ask_to_skip(feed);
	return PROTO_OK;
}

static enum proto_status take(struct postgres_feed *feed);

/* The messages that end a long result are taken like any others. */
static enum proto_status take_rows(struct postgres_feed *feed)
{
	struct postgres_flow *flow = feed->flow;
	uint64_t offset = flow->offset;
	struct proto_chunk end;
	struct postgres_feed last = { feed->state, feed->sink, &end, flow, feed->which, 0 };
	enum proto_status status = postgres_rows_take(feed, &end);

	if (status != PROTO_OK || end.length == 0)
		return status;
	flow->phase = PHASE_START;
	flow->offset += feed->at - end.length;
	while (status == PROTO_OK && last.at < end.length)
		status = take(&last);
	flow->offset = offset;
	postgres_rows_end(feed->state);
	return status;
}

static enum proto_status take(struct postgres_feed *feed)
{
	switch (feed->flow->phase) {
	case PHASE_ROWS:
		return take_rows(feed);
	case PHASE_START:
		return feed->which == FLOW_REQUEST ? start_request(feed) : start_response(feed);
	case PHASE_HEADER:
		return take_header(feed);
	case PHASE_PAYLOAD:
		return take_payload(feed);
	default:
		return PROTO_LOST;
	}
}

/* Also after bytes that were not fed. The first offset is not 0, which is none. */
static void find_offset(struct postgres_flow *flow, uint32_t position)
{
	if (flow->offset == 0)
		flow->offset = 1ull << 32 | position;
	else
		flow->offset += (uint64_t)(int64_t)(int32_t)(position - (uint32_t)flow->offset);
}

/* Nothing can be told of what is open when the responses cannot be read; of a request that is not whole, neither. */
static void malformed(struct postgres_feed *feed)
{
	struct postgres_state *state = feed->state;

	feed->sink->losses->out_of_step[STEP_MALFORMED]++;
	feed->flow->phase = PHASE_DEAD;
	drop_scratch(state);
	if (feed->which == FLOW_RESPONSE) {
		while (state->open > 0)
			postgres_give_up_first(state, feed->sink);
		return;
	}
	while (state->open > state->ready)
		postgres_drop_last(state);
	postgres_unit_close(state);
}

enum proto_status postgres_feed(struct postgres_state *state, const struct proto_sink *sink, enum proto_flow which,
				const struct proto_chunk *chunk, size_t *consumed)
{
	struct postgres_feed feed = { state, sink, chunk, &state->flow[which], which, 0 };
	enum proto_status status = PROTO_OK;

	*consumed = 0;
	find_offset(feed.flow, chunk->position);
	if (state->encrypted)
		return PROTO_ENCRYPTED;
	if (state->opaque)
		return PROTO_OPAQUE;
	if (feed.flow->phase == PHASE_DEAD || state->flow[FLOW_RESPONSE].phase == PHASE_DEAD)
		return PROTO_MALFORMED;
	while (status == PROTO_OK && feed.at < chunk->length)
		status = take(&feed);
	if (status == PROTO_LOST && !chunk->data && which == FLOW_RESPONSE && postgres_rows_begin(&feed)) {
		feed.at = chunk->length;
		status = PROTO_OK;
	}
	*consumed = feed.at;
	/* A gap is behind us, whether it could be taken or not. */
	feed.flow->offset += status == PROTO_LOST && !chunk->data ? chunk->length : feed.at;
	if (status == PROTO_MALFORMED && feed.flow->phase != PHASE_DEAD)
		malformed(&feed);
	if (status == PROTO_LOST)
		feed.flow->phase = PHASE_LOST;
	else if (which == FLOW_RESPONSE)
		postgres_rows_watch(&feed);
	return status;
}

static enum exchange_error error_of(const struct postgres_entry *entry, bool ready, enum connection_end_reason reason)
{
	if (reason == END_RESET)
		return EXCHANGE_CONNECTION_RESET;
	if (reason == END_TIMEOUT)
		return EXCHANGE_TIMEOUT;
	if (entry->flags & ENTRY_RESPONDING)
		return EXCHANGE_RESPONSE_ABORTED;
	return ready ? EXCHANGE_NO_RESPONSE : EXCHANGE_REQUEST_ABORTED;
}

/* Of several statements of one Query the one at hand is told: the others were not begun. */
static void close_first(struct postgres_state *state, const struct proto_sink *sink, enum connection_end_reason reason,
			uint64_t time_ns)
{
	struct postgres_entry *entry = postgres_entry_at(state, 0);
	struct postgres_outcome outcome = { .error = error_of(entry, state->ready > 0, reason), .end_ns = time_ns };

	if (state->adrift && state->settled == 0) {
		postgres_give_up_first(state, sink);
		return;
	}
	if (postgres_entry_counts(entry)) {
		if (state->ready == 0)
			entry->request_last_ns = 0;
		postgres_tell(state, sink, entry, &outcome);
	}
	do {
		postgres_drop_first(state);
	} while (state->open > 0 && postgres_entry_at(state, 0)->flags & ENTRY_NEXT);
}

/* A Query that was begun and is not whole. */
static void open_partial(struct postgres_state *state, const struct proto_sink *sink)
{
	struct postgres_flow *flow = &state->flow[FLOW_REQUEST];
	struct proto_chunk chunk = { .time_ns = flow->first_ns };
	struct postgres_feed feed = { state, sink, &chunk, flow, FLOW_REQUEST, 0 };
	struct postgres_entry *entry;

	if (flow->phase != PHASE_PAYLOAD || flow->type != 'Q' || state->skipping || state->open > state->ready)
		return;
	if (postgres_ring_push(&feed, ENTRY_STATEMENT, &entry) != 0)
		sink->losses->out_of_step[STEP_REQUEST_LOST]++;
	else if (state->scratch)
		entry->statement.operation = state->scratch->scan.operation;
}

void postgres_close(struct postgres_state *state, const struct proto_sink *sink, enum connection_end_reason reason,
		    uint64_t time_ns)
{
	open_partial(state, sink);
	while (state->open > 0)
		close_first(state, sink, reason, time_ns);
	drop_scratch(state);
	postgres_rows_end(state);
	state->flow[FLOW_REQUEST].phase = state->flow[FLOW_RESPONSE].phase = PHASE_START;
}

void postgres_lost(struct postgres_state *state, const struct proto_sink *sink, enum proto_flow which)
{
	struct postgres_flow *flow = &state->flow[which];

	if (state->opaque || state->encrypted || flow->phase == PHASE_DEAD ||
	    state->flow[FLOW_RESPONSE].phase == PHASE_DEAD)
		return;
	state->begun = true;
	postgres_pair_lost(state, sink, which);
	if (which == FLOW_REQUEST)
		drop_scratch(state);
	else
		postgres_rows_end(state);
	flow->phase = PHASE_START;
}

size_t postgres_memory(const struct postgres_state *state)
{
	return sizeof(*state) + postgres_ring_memory(state) + postgres_rows_memory(state) +
	       (state->scratch ? sizeof(*state->scratch) + (state->scratch->keep ? KEEP_STATEMENT_BYTES : 0) : 0);
}
