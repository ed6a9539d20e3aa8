/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named statements and portals of one connection, by a hash of their names: most connections have none, drivers that
 * cache statements have up to some hundreds, and there are many connections: 8 bytes for each. They lie together, so
 * that a look-up reads one or a few cache lines; what is found moves forward; when there is no more room they go in
 * turn. Of a hash 39 bits are kept: that two of 512 names share them happens to one connection in four millions.
 */
#include <string.h>

#include "proto/postgres_internal.h"

/* With malloc's own 8 bytes, whole units of 16. */
#define FIRST_SIZE 5
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

/* One word of a name, from its lowest bit on: facts' number + 1 or 0, flags, operation, the hash's upper bits. */
#define NUMBER_BITS 14
#define FLAG_BITS 3
#define OPERATION_BITS 8
#define KEY_SHIFT (NUMBER_BITS + FLAG_BITS + OPERATION_BITS)
_Static_assert(POSTGRES_FACTS_MAX < 1 << NUMBER_BITS, "and one for none");
_Static_assert(sizeof(sql_operation) * 8 <= OPERATION_BITS, "see above");

enum name_flag {
	NAME_EMPTY = 1 << NUMBER_BITS,
	NAME_BOUND = 2 << NUMBER_BITS,
	NAME_EXECUTED = 4 << NUMBER_BITS,
};

uint32_t postgres_statement_pack(const struct postgres_statement *statement)
{
	return (uint32_t)statement->operation << (NUMBER_BITS + FLAG_BITS) | (statement->empty ? NAME_EMPTY : 0) |
	       (statement->bound ? NAME_BOUND : 0) | (statement->executed ? NAME_EXECUTED : 0) |
	       (statement->facts ? statement->facts->number + 1u : 0);
}

static struct postgres_facts *facts_of(const struct postgres_shared *shared, uint64_t word)
{
	uint64_t number = word & ((1u << NUMBER_BITS) - 1);

	return number ? postgres_facts_numbered(shared, number - 1) : NULL;
}

struct postgres_statement postgres_statement_unpack(const struct postgres_shared *shared, uint64_t word)
{
	return (struct postgres_statement){
		.facts = facts_of(shared, word),
		.operation = (sql_operation)(word >> (NUMBER_BITS + FLAG_BITS)),
		.empty = word & NAME_EMPTY,
		.bound = word & NAME_BOUND,
		.executed = word & NAME_EXECUTED,
	};
}

static uint64_t pack(uint64_t key, const struct postgres_statement *statement)
{
	return (key >> KEY_SHIFT) << KEY_SHIFT | postgres_statement_pack(statement);
}

size_t postgres_names_memory(const struct postgres_names *names)
{
	return names->size * sizeof(*names->words);
}

void postgres_statement_set(struct postgres_state *state, struct postgres_statement *place,
			    const struct postgres_statement *statement)
{
	struct postgres_facts *old = place->facts;

	postgres_facts_hold(statement->facts);
	*place = *statement;
	postgres_facts_drop(state->shared, old);
}

/* Its index; names->count: not known. */
static size_t find(const struct postgres_names *names, uint64_t key)
{
	size_t i = 0;

	while (i < names->count && (names->words[i] ^ key) >> KEY_SHIFT != 0)
		i++;
	return i;
}

bool postgres_name_find(struct postgres_state *state, uint64_t key, struct postgres_statement *ret_statement)
{
	struct postgres_names *names = &state->names;
	size_t i = find(names, key);
	uint64_t word;

	if (i == names->count)
		return false;
	word = names->words[i];
	names->words[i] = names->words[i / 2];
	names->words[i / 2] = word;
	*ret_statement = postgres_statement_unpack(state->shared, word);
	return true;
}

static bool grow(struct postgres_names *names)
{
	size_t more = names->size < 64 ? STEP : names->size;
	size_t size = names->size ? names->size + more : FIRST_SIZE;
	uint64_t *words;

	if (size > POSTGRES_NAMES_MAX)
		size = POSTGRES_NAMES_MAX;
	words = realloc(names->words, size * sizeof(*words));
	if (!words)
		return false;
	names->words = words;
	names->size = (uint16_t)size;
	return true;
}

static void remove_at(struct postgres_names *names, struct postgres_shared *shared, size_t index)
{
	uint64_t word = names->words[index];

	names->words[index] = names->words[--names->count];
	postgres_facts_drop(shared, facts_of(shared, word));
}

void postgres_name_set(struct postgres_state *state, uint64_t key, const struct postgres_statement *statement)
{
	struct postgres_names *names = &state->names;
	size_t at = find(names, key);

	postgres_facts_hold(statement->facts);
	if (at < names->count) {
		postgres_facts_drop(state->shared, facts_of(state->shared, names->words[at]));
	} else {
		if (at == POSTGRES_NAMES_MAX) {
			names->hand = (uint16_t)((names->hand + 1u) % POSTGRES_NAMES_MAX);
			remove_at(names, state->shared, names->hand);
		}
		if (names->count == names->size && !grow(names)) {
			postgres_facts_drop(state->shared, statement->facts);
			return;
		}
		at = names->count++;
	}
	names->words[at] = pack(key, statement);
}

void postgres_name_remove(struct postgres_state *state, uint64_t key)
{
	size_t at = find(&state->names, key);

	if (at < state->names.count)
		remove_at(&state->names, state->shared, at);
}

void postgres_names_done(struct postgres_names *names, struct postgres_shared *shared)
{
	while (names->count > 0)
		remove_at(names, shared, names->count - 1u);
	free(names->words);
	*names = (struct postgres_names){};
}
