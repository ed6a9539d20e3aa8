/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named statements and portals of one connection, by a hash of their names: most connections have none, drivers that
 * cache statements have up to some hundreds. Keys lie together, so that a look-up reads one or a few cache lines; what
 * is found moves forward; when there is no more room they go in turn.
 */
#include <string.h>

#include "proto/postgres_internal.h"

#define FIRST_SIZE 4
#define STEP 8 /* to 64 names: most connections have a few, and there are many connections */

/* FNV-1a. */
uint64_t postgres_name_begin(char kind)
{
	return postgres_name_add(UINT64_C(0xcbf29ce484222325), (const uint8_t *)&kind, 1);
}

uint64_t postgres_name_add(uint64_t hash, const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static struct postgres_statement *statements(struct postgres_state *state)
{
	return (struct postgres_statement *)(state->name_keys + state->name_size);
}

static size_t bytes_for(size_t size)
{
	return size * (sizeof(uint64_t) + sizeof(struct postgres_statement));
}

size_t postgres_names_memory(const struct postgres_state *state)
{
	return bytes_for(state->name_size);
}

void postgres_statement_set(struct postgres_state *state, struct postgres_statement *place,
			    const struct postgres_statement *statement)
{
	struct postgres_facts *old = place->facts;

	postgres_facts_hold(statement->facts);
	*place = *statement;
	postgres_facts_drop(state->shared, old);
}

static void swap(struct postgres_state *state, size_t a, size_t b)
{
	struct postgres_statement *all = statements(state);
	struct postgres_statement statement = all[a];
	uint64_t key = state->name_keys[a];

	all[a] = all[b];
	all[b] = statement;
	state->name_keys[a] = state->name_keys[b];
	state->name_keys[b] = key;
}

struct postgres_statement *postgres_name_find(struct postgres_state *state, uint64_t key)
{
	size_t i = 0;

	while (i < state->name_count && state->name_keys[i] != key)
		i++;
	if (i == state->name_count)
		return NULL;
	swap(state, i, i / 2);
	return &statements(state)[i / 2];
}

static bool grow(struct postgres_state *state)
{
	size_t more = state->name_size < 64 ? STEP : state->name_size;
	size_t size = state->name_size ? state->name_size + more : FIRST_SIZE;
	uint64_t *keys;

	if (size > POSTGRES_NAMES_MAX)
		size = POSTGRES_NAMES_MAX;
	keys = malloc(bytes_for(size));
	if (!keys)
		return false;
	if (state->name_count > 0) {
		memcpy(keys, state->name_keys, state->name_count * sizeof(*keys));
		memcpy(keys + size, statements(state), state->name_count * sizeof(struct postgres_statement));
	}
	free(state->name_keys);
	state->name_keys = keys;
	state->name_size = (uint16_t)size;
	return true;
}

static void remove_at(struct postgres_state *state, size_t index)
{
	swap(state, index, state->name_count - 1u);
	state->name_count--;
	postgres_facts_drop(state->shared, statements(state)[state->name_count].facts);
}

void postgres_name_set(struct postgres_state *state, uint64_t key, const struct postgres_statement *statement)
{
	struct postgres_statement *place = postgres_name_find(state, key);

	if (place) {
		postgres_statement_set(state, place, statement);
		return;
	}
	if (state->name_count == POSTGRES_NAMES_MAX) {
		state->name_hand = (uint16_t)((state->name_hand + 1u) % POSTGRES_NAMES_MAX);
		remove_at(state, state->name_hand);
	}
	if (state->name_count == state->name_size && !grow(state))
		return;
	state->name_keys[state->name_count] = key;
	place = &statements(state)[state->name_count++];
	*place = *statement;
	postgres_facts_hold(place->facts);
}

void postgres_name_remove(struct postgres_state *state, uint64_t key)
{
	for (size_t i = 0; i < state->name_count; i++) {
		if (state->name_keys[i] == key) {
			remove_at(state, i);
			return;
		}
	}
}

void postgres_names_done(struct postgres_state *state)
{
	while (state->name_count > 0)
		remove_at(state, state->name_count - 1u);
	free(state->name_keys);
	state->name_keys = NULL;
	state->name_size = 0;
}
