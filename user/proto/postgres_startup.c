/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages without a type that a client begins with: SSLRequest and GSSENCRequest, StartupMessage, CancelRequest.
 *   StartupMessage = length version *( name NUL value NUL ) NUL       protocols 3.0 and 3.2; other minor versions, too:
 *                                                                     the server negotiates them
 * (NegotiateProtocolVersion) Of the parameters only the database is kept; it is the user's name when it is not said
 * ("Start-up").
 */
#include <string.h>

#include "proto/postgres_internal.h"

static enum proto_status push(struct postgres_feed *feed, enum postgres_kind kind, uint8_t flags)
{
	struct postgres_state *state = feed->state;
	struct postgres_entry *entry;

	state->begun = true;
	state->group_known = true;
	state->group_begun = false;
	if (postgres_ring_push(feed, kind, &entry) != 0)
		return PROTO_LOST;
	entry->flags |= flags;
	state->group_begun = false;
	state->ready = state->open;
	return PROTO_OK;
}

/* The code decides; the parameters of a StartupMessage follow. */
enum proto_status postgres_startup_begin(struct postgres_feed *feed)
{
	struct postgres_state *state = feed->state;
	struct postgres_flow *flow = feed->flow;
	uint32_t code = postgres_u32(flow->header + 4);

	if (feed->which != FLOW_REQUEST || state->started)
		return PROTO_MALFORMED;
	flow->part = PART_REST;
	if (code == CODE_CANCEL)
		return PROTO_OK;
	if (code == CODE_SSL || code == CODE_GSS)
		return flow->length == 0 ? push(feed, ENTRY_ENCRYPT, 0) : PROTO_MALFORMED;
	if (code < CODE_PROTOCOL_3 || code >= CODE_PROTOCOL_4 || flow->length < 1)
		return PROTO_MALFORMED;
	state->started = true;
	if (postgres_scratch_get(state))
		flow->part = PART_PARAMETERS;
	return PROTO_OK;
}

static void keep(char *to, const struct postgres_scratch *scratch)
{
	memcpy(to, scratch->value, POSTGRES_NAME_MAX + 1);
}

static void end_text(struct postgres_scratch *scratch)
{
	char *text = scratch->in_value ? scratch->value : scratch->key;

	text[scratch->text_length] = '\0';
	scratch->text_length = 0;
	if (scratch->in_value && !strcmp(scratch->key, "user"))
		keep(scratch->user, scratch);
	else if (scratch->in_value && !strcmp(scratch->key, "database"))
		keep(scratch->database, scratch);
	scratch->in_value = !scratch->in_value;
}

void postgres_startup_take(struct postgres_feed *feed, const uint8_t *bytes, size_t length)
{
	struct postgres_scratch *scratch = feed->state->scratch;

	for (size_t i = 0; i < length; i++) {
		size_t size = scratch->in_value ? sizeof(scratch->value) : sizeof(scratch->key);

		if (bytes[i] == '\0')
			end_text(scratch);
		else if (scratch->text_length < size - 1)
			(scratch->in_value ? scratch->value : scratch->key)[scratch->text_length++] = (char)bytes[i];
	}
}

/* A StartupMessage is whole; of the others nothing is left to do. */
enum proto_status postgres_startup_done(struct postgres_feed *feed)
{
	struct postgres_state *state = feed->state;
	struct postgres_scratch *scratch = state->scratch;
	struct sql_facts database = {};

	if (!state->started)
		return PROTO_OK;
	if (scratch) {
		database.collection.data = scratch->database[0] ? scratch->database : scratch->user;
		database.collection.length = strlen(database.collection.data);
		postgres_facts_drop(state->shared, state->name_space);
		state->name_space = postgres_facts_get(state->shared, &database);
	}
	return push(feed, ENTRY_SYNC, ENTRY_STARTUP);
}
