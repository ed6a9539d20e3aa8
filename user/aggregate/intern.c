/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings to dense ids. An array by id beside a hash table by text; ids that are free form a chain through the array's
 * entries, which stay allocated as husks of no text, so that giving an id back never needs memory.
 */
#include "aggregate/intern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 64

struct intern_entry {
	struct hash_node node;
	uint32_t id;
	uint32_t users;
	uint32_t next_free; /* while users is 0 */
	uint32_t length;
	char *text; /* owned */
};

struct intern_key {
	const char *bytes;
	size_t length;
};

void intern_init(struct intern *intern, uint32_t limit, uint64_t seed)
{
	*intern = (struct intern){ .seed = seed };
	hash_table_init(&intern->table, limit);
}

void intern_done(struct intern *intern)
{
	for (uint32_t i = 0; i < intern->entry_count; i++) {
		free(intern->entries[i]->text);
		free(intern->entries[i]);
	}
	free(intern->entries);
	hash_table_done(&intern->table);
	*intern = (struct intern){ .seed = intern->seed };
}

static bool entry_equal(const struct hash_node *node, const void *key)
{
	const struct intern_entry *entry = hash_entry(node, struct intern_entry, node);
	const struct intern_key *wanted = key;

	return entry->length == wanted->length && memcmp(entry->text, wanted->bytes, wanted->length) == 0;
}

/* An entry with no user: the first of the free chain, else a new one. It stays in the chain until it is used. */
static int entry_unused(struct intern *intern, struct intern_entry **ret_entry)
{
	if (intern->free_id) {
		*ret_entry = intern->entries[intern->free_id - 1];
		return 0;
	}
	if (intern->entry_count == intern->capacity) {
		uint32_t capacity = intern->capacity ? intern->capacity * 2 : FIRST_CAPACITY;
		struct intern_entry **grown = reallocarray(intern->entries, capacity, sizeof(struct intern_entry *));

		if (!grown)
			return -ENOMEM;
		intern->entries = grown;
		intern->capacity = capacity;
	}
	struct intern_entry *entry = calloc(1, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	intern->entries[intern->entry_count++] = entry;
	entry->id = intern->entry_count;
	intern->free_id = entry->id;
	*ret_entry = entry;
	return 0;
}

static int entry_add(struct intern *intern, const struct intern_key *key, uint64_t hash, uint32_t *ret_id)
{
	struct intern_entry *entry;
	CLEANUP_FREE char *text = malloc(key->length + 1);

	if (!text)
		return -ENOMEM;
	memcpy(text, key->bytes, key->length);
	text[key->length] = '\0';
	int error = entry_unused(intern, &entry);
	if (error)
		return error;
	error = hash_table_insert(&intern->table, &entry->node, hash);
	if (error)
		return error;
	intern->free_id = entry->next_free;
	entry->next_free = 0;
	entry->text = STEAL_POINTER(text);
	entry->length = (uint32_t)key->length;
	entry->users = 1;
	*ret_id = entry->id;
	return 0;
}

int intern_acquire(struct intern *intern, const char *bytes, size_t length, uint32_t *ret_id)
{
	struct intern_key key = { .bytes = bytes, .length = length };

	if (length == 0) {
		*ret_id = INTERN_EMPTY;
		return 0;
	}
	uint64_t hash = hash_bytes(bytes, length, intern->seed);
	struct hash_node *node = hash_table_find(&intern->table, hash, entry_equal, &key);
	if (!node)
		return entry_add(intern, &key, hash, ret_id);
	struct intern_entry *entry = hash_entry(node, struct intern_entry, node);
	entry->users++;
	*ret_id = entry->id;
	return 0;
}

void intern_retain(struct intern *intern, uint32_t id)
{
	if (id != INTERN_EMPTY)
		intern->entries[id - 1]->users++;
}

void intern_release(struct intern *intern, uint32_t id)
{
	if (id == INTERN_EMPTY)
		return;
	struct intern_entry *entry = intern->entries[id - 1];
	if (--entry->users > 0)
		return;
	hash_table_remove(&intern->table, &entry->node);
	free(entry->text);
	entry->text = NULL;
	entry->next_free = intern->free_id;
	intern->free_id = id;
}

const char *intern_text(const struct intern *intern, uint32_t id)
{
	return id == INTERN_EMPTY ? "" : intern->entries[id - 1]->text;
}
