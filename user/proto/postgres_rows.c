/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results of many rows. Nothing of a row is needed but its length, yet each is a message of its own, often of a few
 * bytes: to read them all costs the agent as much as it costs the server to send them, and what does not fit the ring
 * is lost. So of a long result only the ends of calls are asked for, and what lies between is passed over unread. A
 * server flushes what it has when it is ready for a query (PostgreSQL's source, ReadyForQuery in dest.c: "Flush output
 * at end of cycle in any case"), so the end of a result is the end of a call: CommandComplete (or ErrorResponse, or
 * PortalSuspended), and ReadyForQuery as its last message. What lies before that in the call's end is messages that
 * follow each other without a rest, which no other place of the flow is likely to look like.
 *
 * This is done only where nothing else is under way: one statement, the last of its group, and no request behind it.
 * A request that comes all the same waits for the result's end, as long as stream's patience lasts; then both are
 * given up, and counted as lost.
 */
#include <string.h>

#include "proto/postgres_internal.h"

#define BULK_BYTES 65536 /* of a result, from which on the ends of calls are asked for */
#define END_BYTES 1024   /* kept of the flow's last bytes: two ends of calls (ENDS_BYTES) */
#define READY_BYTES 6    /* of ReadyForQuery */

struct postgres_rows {
	bool abandoned; /* a request was taken meanwhile: where its response begins is not known */
	uint32_t length;
	uint64_t next; /* offset behind the last byte */
	uint8_t bytes[END_BYTES];
};

static bool is_row(uint8_t type)
{
	return type == 'D' || type == 'd';
}

/* The statement whose rows are coming is the only thing under way. */
static bool is_alone(struct postgres_state *state)
{
	const struct postgres_entry *first;

	if (state->adrift || state->open != 2 || state->ready != 2 || state->unit_open)
		return false;
	first = postgres_entry_at(state, 0);
	return (first->kind == ENTRY_STATEMENT || first->kind == ENTRY_UNIT) && first->flags & ENTRY_RESPONDING &&
	       postgres_entry_at(state, 1)->kind == ENTRY_SYNC;
}

static void ask(struct postgres_feed *feed, struct postgres_entry *entry)
{
	if (entry->flags & ENTRY_BULK)
		return;
	entry->flags |= ENTRY_BULK;
	if (feed->sink->ends_only)
		feed->sink->ends_only(feed->sink->ctx, FLOW_RESPONSE);
}

void postgres_rows_watch(struct postgres_feed *feed)
{
	struct postgres_state *state = feed->state;
	struct postgres_entry *entry;

	if (!is_row(feed->flow->type) || !is_alone(state))
		return;
	entry = postgres_entry_at(state, 0);
	if ((uint32_t)feed->flow->offset - entry->response_position >= BULK_BYTES)
		ask(feed, entry);
}

bool postgres_rows_begin(struct postgres_feed *feed)
{
	struct postgres_state *state = feed->state;

	if (state->rows || feed->chunk->missing || !is_row(feed->flow->type) || !is_alone(state))
		return false;
	state->rows = malloc(sizeof(*state->rows));
	if (!state->rows)
		return false;
	state->rows->abandoned = false;
	state->rows->length = 0;
	postgres_entry_at(state, 0)->rows = POSTGRES_ROWS_UNKNOWN;
	ask(feed, postgres_entry_at(state, 0));
	feed->flow->phase = PHASE_ROWS;
	return true;
}

void postgres_rows_end(struct postgres_state *state)
{
	free(state->rows);
	state->rows = NULL;
}

bool postgres_rows_block(struct postgres_state *state, bool no_wait)
{
	if (!state->rows || state->rows->abandoned)
		return false;
	state->rows->abandoned = no_wait;
	return !no_wait;
}

size_t postgres_rows_memory(const struct postgres_state *state)
{
	return state->rows ? sizeof(*state->rows) : 0;
}

/* Keeps the last bytes of the flow, as far as they follow each other. */
static void keep(struct postgres_rows *rows, uint64_t offset, const uint8_t *bytes, size_t length)
{
	size_t stay;

	if (length > END_BYTES) {
		offset += length - END_BYTES;
		bytes += length - END_BYTES;
		length = END_BYTES;
		rows->length = 0;
	}
	if (rows->next != offset)
		rows->length = 0;
	stay = rows->length + length > END_BYTES ? END_BYTES - length : rows->length;
	memmove(rows->bytes, rows->bytes + rows->length - stay, stay);
	memcpy(rows->bytes + stay, bytes, length);
	rows->length = (uint32_t)(stay + length);
	rows->next = offset + length;
}

/* Does a statement end with this message? Its text ends with a NUL, as every text does. */
static bool completes(uint8_t type, const uint8_t *payload, uint32_t length)
{
	if (type == 'C' || type == 'E')
		return length >= 2 && payload[length - 1] == '\0';
	return type == 's' && length == 0;
}

static bool may_follow_rows(uint8_t type)
{
	return type && strchr("DdcCEsNASZ", type);
}

/* Whole messages, the last of them ReadyForQuery, and a statement's end among them. */
static bool is_end_of_result(const uint8_t *bytes, size_t length)
{
	bool complete = false;

	while (length >= READY_BYTES - 1) {
		uint32_t size = postgres_u32(bytes + 1);

		if (!may_follow_rows(bytes[0]) || size < 4 || size >= length)
			return false;
		if (bytes[0] == 'Z')
			return complete && size == READY_BYTES - 1 && length == READY_BYTES &&
			       memchr("ITE", bytes[5], 3);
		complete = complete || completes(bytes[0], bytes + 5, size - 4);
		bytes += size + 1;
		length -= size + 1;
	}
	return false;
}

/* How many of the last bytes are the messages that end the result; 0: they do not end it. */
static size_t end_of_result(const struct postgres_rows *rows)
{
	static const uint8_t ready[] = { 'Z', 0, 0, 0, READY_BYTES - 1 };
	const uint8_t *end = rows->bytes + rows->length;

	if (rows->length < READY_BYTES || memcmp(end - READY_BYTES, ready, sizeof(ready)) != 0)
		return 0;
	for (size_t length = rows->length; length > READY_BYTES; length--)
		if (is_end_of_result(end - length, length))
			return length;
	return 0;
}

enum proto_status postgres_rows_take(struct postgres_feed *feed, struct proto_chunk *ret_end)
{
	struct postgres_rows *rows = feed->state->rows;
	const struct proto_chunk *chunk = feed->chunk;
	uint64_t offset = feed->flow->offset + feed->at;
	size_t length;

	ret_end->length = 0;
	if (rows->abandoned || (!chunk->data && chunk->missing))
		return PROTO_LOST;
	if (chunk->data)
		keep(rows, offset, chunk->data + feed->at, chunk->length - feed->at);
	else
		rows->length = 0;
	feed->at = chunk->length;
	length = end_of_result(rows);
	if (length == 0)
		return PROTO_OK;
	*ret_end = *chunk;
	ret_end->data = rows->bytes + rows->length - length;
	ret_end->length = length;
	ret_end->position = (uint32_t)(rows->next - length);
	ret_end->no_wait = true;
	return PROTO_OK;
}
