/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named statements and portals of one connection, by a hash of their names: most connections have none, drivers that
 * cache statements have up to some hundreds, and there are many connections: 16 bytes for each. Hashes lie together, so
 * that a look-up reads one or a few cache lines; what is found moves forward; when there is no more room they go in
 * turn.
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

/* One word of a name: its hash without the last two bytes, the operation, and flags. */
enum name_flag {
	NAME_EMPTY = 1,
	NAME_BOUND = 2,
	NAME_EXECUTED = 4,
};

static uint64_t pack(uint64_t key, const struct postgres_statement *statement)
{
	return (key & ~UINT64_C(0xffff)) | (uint64_t)statement->operation << 8 | (statement->empty ? NAME_EMPTY : 0) |
	       (statement->bound ? NAME_BOUND : 0) | (statement->executed ? NAME_EXECUTED : 0);
}

/* Behind the words of all names. */
static struct postgres_facts **facts_of(const struct postgres_state *state)
{
	return (struct postgres_facts **)(state->name_words + state->name_size);
}

static size_t bytes_for(size_t size)
{
	return size * (sizeof(uint64_t) + sizeof(struct postgres_facts *));
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
	struct postgres_facts **all = facts_of(state), *facts = all[a];
	uint64_t word = state->name_words[a];

	all[a] = all[b];
	all[b] = facts;
	state->name_words[a] = state->name_words[b];
	state->name_words[b] = word;
}

/* Its index; name_count: not known. */
static size_t find(const struct postgres_state *state, uint64_t key)
{
	size_t i = 0;

	while (i < state->name_count && (state->name_words[i] ^ key) >> 16 != 0)
		i++;
	return i;
}

bool postgres_name_find(struct postgres_state *state, uint64_t key, struct postgres_statement *ret_statement)
{
	size_t i = find(state, key);
	uint64_t word;

	if (i == state->name_count)
		return false;
	swap(state, i, i / 2);
	word = state->name_words[i / 2];
	*ret_statement = (struct postgres_statement){
		.facts = facts_of(state)[i / 2],
		.operation = (sql_operation)(word >> 8),
		.empty = word & NAME_EMPTY,
		.bound = word & NAME_BOUND,
		.executed = word & NAME_EXECUTED,
	};
	return true;
}

static bool grow(struct postgres_state *state)
{
	size_t more = state->name_size < 64 ? STEP : state->name_size;
	size_t size = state->name_size ? state->name_size + more : FIRST_SIZE;
	struct postgres_facts **facts;
	uint64_t *words;

	if (size > POSTGRES_NAMES_MAX)
		size = POSTGRES_NAMES_MAX;
	words = malloc(bytes_for(size));
	if (!words)
		return false;
	facts = (struct postgres_facts **)(words + size);
	for (size_t i = 0; i < state->name_count; i++) {
		words[i] = state->name_words[i];
		facts[i] = facts_of(state)[i];
	}
	free(state->name_words);
	state->name_words = words;
	state->name_size = (uint16_t)size;
	return true;
}

static void remove_at(struct postgres_state *state, size_t index)
{
	swap(state, index, state->name_count - 1u);
	state->name_count--;
	postgres_facts_drop(state->shared, facts_of(state)[state->name_count]);
}

void postgres_name_set(struct postgres_state *state, uint64_t key, const struct postgres_statement *statement)
{
	size_t at = find(state, key);

	postgres_facts_hold(statement->facts);
	if (at < state->name_count) {
		postgres_facts_drop(state->shared, facts_of(state)[at]);
	} else {
		if (at == POSTGRES_NAMES_MAX) {
			state->name_hand = (uint16_t)((state->name_hand + 1u) % POSTGRES_NAMES_MAX);
			remove_at(state, state->name_hand);
		}
		if (state->name_count == state->name_size && !grow(state)) {
			postgres_facts_drop(state->shared, statement->facts);
			return;
		}
		at = state->name_count++;
	}
	state->name_words[at] = pack(key, statement);
	facts_of(state)[at] = statement->facts;
}

void postgres_name_remove(struct postgres_state *state, uint64_t key)
{
	size_t at = find(state, key);

	if (at < state->name_count)
		remove_at(state, at);
}

void postgres_names_done(struct postgres_state *state)
{
	while (state->name_count > 0)
		remove_at(state, state->name_count - 1u);
	free(state->name_words);
	state->name_words = NULL;
	state->name_size = 0;
}
