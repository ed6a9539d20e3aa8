/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of statements, shared by all connections of one stream table: a pool's connections prepare the same
 * statements, so each connection keeps a pointer. Those that nobody holds stay, by age, until their room is needed: the
 * next query is mostly one that was seen before. When all are held a statement has its operation only. Each has a
 * number, so that what is known of a statement fits into part of a word. Shared as well are the states of connections
 * that are not idle (postgres_idle.c).
 */
#include <string.h>

#include "proto/postgres_internal.h"

#define SPARE_STATES 32 /* more connections than have a request under way at one time, mostly */
#define FIRST_NUMBERS 64

struct postgres_shared {
	struct hash_table table;
	struct postgres_facts **numbered; /* owned; by number */
	size_t numbered_size;
	uint16_t number_count;                      /* given out */
	uint16_t freed;                             /* one of them that is free; POSTGRES_FACTS_MAX: none */
	struct postgres_state *spare[SPARE_STATES]; /* owned */
	size_t spare_count;
	struct postgres_scratch *scratch; /* owned; spare, or NULL */
	uint64_t seed;
	size_t bytes;
	struct postgres_facts *newest; /* of those that nobody holds */
	struct postgres_facts *oldest;
};

void *postgres_shared_new(uint64_t seed)
{
	struct postgres_shared *shared = calloc(1, sizeof(*shared));

	if (!shared)
		return NULL;
	shared->seed = seed;
	shared->freed = POSTGRES_FACTS_MAX;
	hash_table_init(&shared->table, POSTGRES_FACTS_MAX);
	return shared;
}

static bool drop(struct hash_node *node, void *ctx)
{
	(void)ctx;
	free(hash_entry(node, struct postgres_facts, node));
	return true;
}

void postgres_shared_free(void *opaque)
{
	struct postgres_shared *shared = opaque;

	if (!shared)
		return;
	while (shared->spare_count > 0)
		free(shared->spare[--shared->spare_count]);
	free(shared->scratch);
	hash_table_remove_if(&shared->table, drop, NULL);
	hash_table_done(&shared->table);
	free(shared->numbered);
	free(shared);
}

size_t postgres_shared_memory(const void *opaque)
{
	const struct postgres_shared *shared = opaque;

	return sizeof(*shared) + shared->bytes + shared->table.slot_count * sizeof(*shared->table.slots) +
	       shared->numbered_size * sizeof(struct postgres_facts *) +
	       shared->spare_count * sizeof(struct postgres_state) + (shared->scratch ? sizeof(*shared->scratch) : 0);
}

struct postgres_state *postgres_spare_take(struct postgres_shared *shared)
{
	if (shared && shared->spare_count > 0)
		return shared->spare[--shared->spare_count];
	return malloc(sizeof(struct postgres_state));
}

void postgres_spare_give(struct postgres_shared *shared, struct postgres_state *state)
{
	if (shared && shared->spare_count < SPARE_STATES)
		shared->spare[shared->spare_count++] = state;
	else
		free(state);
}

struct postgres_scratch *postgres_scratch_take(struct postgres_shared *shared)
{
	struct postgres_scratch *scratch = shared ? shared->scratch : NULL;

	if (!scratch)
		return malloc(sizeof(*scratch));
	shared->scratch = NULL;
	return scratch;
}

void postgres_scratch_give(struct postgres_shared *shared, struct postgres_scratch *scratch)
{
	if (shared && !shared->scratch)
		shared->scratch = scratch;
	else
		free(scratch);
}

/* The texts of a statement, in the order in which they are kept. */
static void texts_of(const struct sql_facts *statement, struct text ret_texts[3])
{
	ret_texts[0] = statement->collection;
	ret_texts[1] = statement->summary;
	ret_texts[2] = statement->text;
}

static bool is_key(const struct hash_node *node, const void *key)
{
	const struct postgres_facts *facts = hash_entry(node, const struct postgres_facts, node);
	const size_t lengths[] = { facts->collection_length, facts->summary_length, facts->text_length };
	const char *at = facts->text;
	struct text texts[3];

	texts_of(key, texts);
	for (int i = 0; i < 3; i++) {
		if (texts[i].length != lengths[i] || (lengths[i] > 0 && memcmp(at, texts[i].data, lengths[i]) != 0))
			return false;
		at += lengths[i];
	}
	return true;
}

static size_t size_of(const struct postgres_facts *facts)
{
	return sizeof(*facts) + facts->collection_length + facts->summary_length + facts->text_length;
}

static void unlink_free(struct postgres_shared *shared, struct postgres_facts *facts)
{
	if (facts->newer)
		facts->newer->older = facts->older;
	else
		shared->newest = facts->older;
	if (facts->older)
		facts->older->newer = facts->newer;
	else
		shared->oldest = facts->newer;
	facts->newer = facts->older = NULL;
}

/* Room for one more number. False: there is no memory. */
static bool grow_numbers(struct postgres_shared *shared)
{
	size_t size = shared->numbered_size ? 2 * shared->numbered_size : FIRST_NUMBERS;
	struct postgres_facts **numbered;

	if (shared->number_count < shared->numbered_size)
		return true;
	numbered = realloc(shared->numbered, size * sizeof(struct postgres_facts *));
	if (!numbered)
		return false;
	shared->numbered = numbered;
	shared->numbered_size = size;
	return true;
}

/* A number that nothing has: the freed one, or the next. False: all are held, or there is no memory. */
static bool make_room(struct postgres_shared *shared, uint16_t *ret_number)
{
	struct postgres_facts *facts = shared->oldest;

	if (shared->freed < shared->number_count) {
		*ret_number = shared->freed;
		return true;
	}
	if (shared->number_count < POSTGRES_FACTS_MAX && grow_numbers(shared)) {
		*ret_number = shared->number_count;
		return true;
	}
	if (!facts)
		return false;
	unlink_free(shared, facts);
	hash_table_remove(&shared->table, &facts->node);
	shared->bytes -= size_of(facts);
	*ret_number = shared->freed = facts->number;
	free(facts);
	return true;
}

static struct postgres_facts *make(const struct sql_facts *statement)
{
	struct postgres_facts *facts;
	struct text texts[3];
	char *at;

	texts_of(statement, texts);
	facts = calloc(1, sizeof(*facts) + texts[0].length + texts[1].length + texts[2].length);
	if (!facts)
		return NULL;
	facts->collection_length = (uint8_t)texts[0].length;
	facts->summary_length = (uint8_t)texts[1].length;
	facts->text_length = (uint16_t)texts[2].length;
	at = facts->text;
	for (int i = 0; i < 3; i++) {
		if (texts[i].length > 0)
			memcpy(at, texts[i].data, texts[i].length);
		at += texts[i].length;
	}
	return facts;
}

static struct postgres_facts *add(struct postgres_shared *shared, const struct sql_facts *statement, uint64_t hash)
{
	struct postgres_facts *facts;
	uint16_t number;

	if (!make_room(shared, &number))
		return NULL;
	facts = make(statement);
	if (!facts || hash_table_insert(&shared->table, &facts->node, hash) != 0) {
		free(facts);
		return NULL;
	}
	if (number == shared->number_count)
		shared->number_count++;
	shared->freed = POSTGRES_FACTS_MAX;
	shared->numbered[number] = facts;
	shared->bytes += size_of(facts);
	facts->number = number;
	facts->holders = 1;
	return facts;
}

struct postgres_facts *postgres_facts_numbered(const struct postgres_shared *shared, size_t number)
{
	return shared->numbered[number];
}

static uint64_t hash_of(const struct postgres_shared *shared, const struct sql_facts *statement)
{
	uint64_t hash = hash_bytes(statement->summary.data, statement->summary.length, shared->seed) ^
			hash_bytes(statement->collection.data, statement->collection.length, ~shared->seed);

	if (statement->text.length > 0)
		hash ^= hash_bytes(statement->text.data, statement->text.length, shared->seed + 1);
	return hash;
}

struct postgres_facts *postgres_facts_get(struct postgres_shared *shared, const struct sql_facts *statement)
{
	struct postgres_facts *facts;
	struct hash_node *node;
	uint64_t hash;

	if (!shared || statement->collection.length + statement->summary.length + statement->text.length == 0 ||
	    statement->collection.length > UINT8_MAX || statement->summary.length > UINT8_MAX ||
	    statement->text.length > UINT16_MAX)
		return NULL;
	hash = hash_of(shared, statement);
	node = hash_table_find(&shared->table, hash, is_key, statement);
	if (!node)
		return add(shared, statement, hash);
	facts = hash_entry(node, struct postgres_facts, node);
	if (facts->holders++ == 0)
		unlink_free(shared, facts);
	return facts;
}

void postgres_facts_drop(struct postgres_shared *shared, struct postgres_facts *facts)
{
	if (!facts || --facts->holders > 0)
		return;
	facts->older = shared->newest;
	if (shared->newest)
		shared->newest->newer = facts;
	else
		shared->oldest = facts;
	shared->newest = facts;
}
