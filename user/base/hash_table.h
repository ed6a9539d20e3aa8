/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An intrusive chained hash table with a maximum. The user embeds a hash_node in its record and owns the record;
 * the table owns only its slots. Grows by doubling; never shrinks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct hash_node {
	struct hash_node *next;
	uint64_t hash;
};

struct hash_table {
	struct hash_node **slots; /* owned */
	size_t slot_count;        /* a power of two, or 0 */
	size_t count;             /* nodes in the table */
	size_t limit;             /* count never exceeds this */
};

/* True when `node` is the record that `key` names; called only for nodes whose hash matches. */
typedef bool (*hash_equal)(const struct hash_node *node, const void *key);

#define hash_entry(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))

/* An empty table of at most `limit` nodes. Allocates nothing yet. */
void hash_table_init(struct hash_table *table, size_t limit);
/* Frees the slots, not the records. Takes NULL. */
void hash_table_done(struct hash_table *table);

/* Inline, as hash_u64 is: what the compiler makes of it with its `equal` is a third of a call's cost. */
static inline struct hash_node *hash_table_find(const struct hash_table *table, uint64_t hash, hash_equal equal,
						const void *key)
{
	struct hash_node *node;

	if (!table->count)
		return NULL;
	for (node = table->slots[hash & (table->slot_count - 1)]; node; node = node->next)
		if (node->hash == hash && equal(node, key))
			return node;
	return NULL;
}

/* Adds a node whose key is not in the table. -ENOSPC at the limit, -ENOMEM when slots cannot grow. */
MUST_CHECK int hash_table_insert(struct hash_table *table, struct hash_node *node, uint64_t hash);
/* Unlinks a node that is in the table. */
void hash_table_remove(struct hash_table *table, struct hash_node *node);

/* Iterates in no particular order: start with node = NULL; NULL ends. The node just returned may be removed
 * only by hash_table_remove_if. */
struct hash_node *hash_table_next(const struct hash_table *table, const struct hash_node *node);
/* Unlinks every node for which `drop` answers true (drop may free the record). Returns how many. */
size_t hash_table_remove_if(struct hash_table *table, bool (*drop)(struct hash_node *node, void *ctx), void *ctx);

/* Odd constants with as many ones as zeros, from wyhash (public domain). */
#define HASH_MIX_1 UINT64_C(0xa0761d6478bd642f)
#define HASH_MIX_2 UINT64_C(0xe7037ed1a0b428db)
#define HASH_MIX_3 UINT64_C(0x8ebc6af09c88c6e3)

static inline uint64_t hash_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* A fast non-cryptographic hash with a seed (the process draws one at start against chosen collisions). */
uint64_t hash_bytes(const void *bytes, size_t length, uint64_t seed);
static inline uint64_t hash_u64(uint64_t value, uint64_t seed)
{
	return hash_fold(hash_fold(value ^ HASH_MIX_1, seed ^ HASH_MIX_2) ^ value ^ HASH_MIX_3, seed ^ HASH_MIX_1);
}
