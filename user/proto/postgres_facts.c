/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of statements, shared by all connections of one stream table: a pool's connections prepare the same
 * statements, so each connection keeps a pointer. Those that nobody holds stay, by age, until their room is needed: the
 * next query is mostly one that was seen before. When all are held a statement has its operation only. Shared as well
 * are the rings of requests under way, which an idle connection does not need.
 */
#include <string.h>

#include "proto/postgres_internal.h"

#define SPARE_RINGS 64 /* more connections than have a request under way at one time, mostly */

struct postgres_shared {
	struct hash_table table;
	struct postgres_entry *spare[SPARE_RINGS]; /* owned */
	size_t spare_count;
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
	hash_table_remove_if(&shared->table, drop, NULL);
	hash_table_done(&shared->table);
	free(shared);
}

size_t postgres_shared_memory(const void *opaque)
{
	const struct postgres_shared *shared = opaque;

	return sizeof(*shared) + shared->bytes + shared->table.slot_count * sizeof(*shared->table.slots) +
	       shared->spare_count * POSTGRES_FIRST_ENTRIES * sizeof(struct postgres_entry);
}

struct postgres_entry *postgres_spare_take(struct postgres_shared *shared)
{
	if (shared && shared->spare_count > 0)
		return shared->spare[--shared->spare_count];
	return malloc(POSTGRES_FIRST_ENTRIES * sizeof(struct postgres_entry));
}

void postgres_spare_give(struct postgres_shared *shared, struct postgres_entry *ring)
{
	if (shared && shared->spare_count < SPARE_RINGS)
		shared->spare[shared->spare_count++] = ring;
	else
		free(ring);
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

/* False: all are held. */
static bool make_room(struct postgres_shared *shared)
{
	struct postgres_facts *facts = shared->oldest;

	if (shared->table.count < POSTGRES_FACTS_MAX)
		return true;
	if (!facts)
		return false;
	unlink_free(shared, facts);
	hash_table_remove(&shared->table, &facts->node);
	shared->bytes -= size_of(facts);
	free(facts);
	return true;
}

static struct postgres_facts *add(struct postgres_shared *shared, const struct sql_facts *statement, uint64_t hash)
{
	struct postgres_facts *facts;
	struct text texts[3];
	char *at;

	if (!make_room(shared))
		return NULL;
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
	if (hash_table_insert(&shared->table, &facts->node, hash) != 0) {
		free(facts);
		return NULL;
	}
	shared->bytes += size_of(facts);
	facts->holders = 1;
	return facts;
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
