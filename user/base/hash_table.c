/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The intrusive chained hash table. A chain holds about one node: slots double when there are as many nodes as slots.
 * hash_bytes folds 64 x 64 -> 128 bit products, as wyhash does: eight bytes a step, and the seed enters every step, so
 * that collisions cannot be computed without knowing it. It is not a cryptographic hash.
 */
#include "base/hash_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_FIRST_SLOTS 64

void hash_table_init(struct hash_table *table, size_t limit)
{
	*table = (struct hash_table){ .limit = limit };
}

void hash_table_done(struct hash_table *table)
{
	if (!table)
		return;
	free(table->slots);
	*table = (struct hash_table){ .limit = table->limit };
}

static struct hash_node **slot_of(const struct hash_table *table, uint64_t hash)
{
	return &table->slots[hash & (table->slot_count - 1)];
}

static int hash_table_grow(struct hash_table *table)
{
	size_t old_count = table->slot_count, count = old_count ? old_count * 2 : HASH_FIRST_SLOTS;
	struct hash_node **old = table->slots, **slots = calloc(count, sizeof(*slots));
	size_t i;

	if (!slots)
		return -ENOMEM;
	table->slots = slots;
	table->slot_count = count;
	for (i = 0; i < old_count; i++) {
		struct hash_node *node = old[i];

		while (node) {
			struct hash_node *next = node->next, **slot = slot_of(table, node->hash);

			node->next = *slot;
			*slot = node;
			node = next;
		}
	}
	free(old);
	return 0;
}

int hash_table_insert(struct hash_table *table, struct hash_node *node, uint64_t hash)
{
	struct hash_node **slot;
	int error;

	if (table->count >= table->limit)
		return -ENOSPC;
	if (table->count >= table->slot_count) {
		error = hash_table_grow(table);
		if (error)
			return error;
	}
	slot = slot_of(table, hash);
	node->hash = hash;
	node->next = *slot;
	*slot = node;
	table->count++;
	return 0;
}

void hash_table_remove(struct hash_table *table, struct hash_node *node)
{
	struct hash_node **link = slot_of(table, node->hash);

	while (*link != node)
		link = &(*link)->next;
	*link = node->next;
	node->next = NULL;
	table->count--;
}

struct hash_node *hash_table_next(const struct hash_table *table, const struct hash_node *node)
{
	size_t i = 0;

	if (node) {
		if (node->next)
			return node->next;
		i = (node->hash & (table->slot_count - 1)) + 1;
	}
	for (; i < table->slot_count; i++)
		if (table->slots[i])
			return table->slots[i];
	return NULL;
}

size_t hash_table_remove_if(struct hash_table *table, bool (*drop)(struct hash_node *node, void *ctx), void *ctx)
{
	size_t i, removed = 0;

	for (i = 0; i < table->slot_count; i++) {
		struct hash_node **link = &table->slots[i];

		while (*link) {
			struct hash_node *node = *link, *next = node->next;

			if (drop(node, ctx)) { /* the record may be gone now */
				*link = next;
				removed++;
			} else {
				link = &node->next;
			}
		}
	}
	table->count -= removed;
	return removed;
}

uint64_t hash_bytes(const void *bytes, size_t length, uint64_t seed)
{
	const uint8_t *at = bytes;
	uint64_t state = hash_fold(seed ^ HASH_MIX_1, length ^ HASH_MIX_2), word;

	for (; length >= sizeof(word); length -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		state = hash_fold(state ^ word ^ HASH_MIX_3, seed ^ HASH_MIX_2) ^ word;
	}
	if (length) {
		word = 0;
		memcpy(&word, at, length);
		state = hash_fold(state ^ word ^ HASH_MIX_3, seed ^ HASH_MIX_2) ^ word;
	}
	return hash_fold(state ^ HASH_MIX_1, seed ^ HASH_MIX_3);
}
