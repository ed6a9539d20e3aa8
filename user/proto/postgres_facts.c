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

struct key {
	struct text collection;
	struct text summary;
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

static bool is_key(const struct hash_node *node, const void *opaque)
{
	const struct postgres_facts *facts = hash_entry(node, const struct postgres_facts, node);
	const struct key *key = opaque;

	return facts->collection_length == key->collection.length && facts->summary_length == key->summary.length &&
	       !memcmp(facts->text, key->collection.data, key->collection.length) &&
	       !memcmp(facts->text + facts->collection_length, key->summary.data, key->summary.length);
}

static size_t size_of(const struct postgres_facts *facts)
{
	return sizeof(*facts) + facts->collection_length + facts->summary_length;
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

static struct postgres_facts *add(struct postgres_shared *shared, const struct key *key, uint64_t hash)
{
	struct postgres_facts *facts;

	if (!make_room(shared))
		return NULL;
	facts = calloc(1, sizeof(*facts) + key->collection.length + key->summary.length);
	if (!facts)
		return NULL;
	facts->collection_length = (uint8_t)key->collection.length;
	facts->summary_length = (uint8_t)key->summary.length;
	memcpy(facts->text, key->collection.data, key->collection.length);
	memcpy(facts->text + key->collection.length, key->summary.data, key->summary.length);
	if (hash_table_insert(&shared->table, &facts->node, hash) != 0) {
		free(facts);
		return NULL;
	}
	shared->bytes += size_of(facts);
	facts->holders = 1;
	return facts;
}

struct postgres_facts *postgres_facts_get(struct postgres_shared *shared, struct text collection, struct text summary)
{
	struct key key = { collection, summary };
	struct postgres_facts *facts;
	struct hash_node *node;
	uint64_t hash;

	if (!shared || (collection.length == 0 && summary.length == 0) || collection.length > UINT8_MAX ||
	    summary.length > UINT8_MAX)
		return NULL;
	hash = hash_bytes(summary.data, summary.length, shared->seed) ^
	       hash_bytes(collection.data, collection.length, ~shared->seed);
	node = hash_table_find(&shared->table, hash, is_key, &key);
	if (!node)
		return add(shared, &key, hash);
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
