/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Series by key. Idleness is told by a flag that use sets and expiry clears, so that the hot path needs no clock and a
 * series' age is right whatever the time of its exchanges was.
 */
#include "aggregate/series.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct series *series_new(const struct series_table *table)
{
	struct series *series = calloc(1, table->kind->record_size);

	if (series && table->kind->init)
		table->kind->init(series);
	return series;
}

/* Gives back the uses that the key holds: none before the series is in the table, none in the overflow record. */
static void series_free(const struct series_table *table, struct series *series)
{
	if (!series)
		return;
	for (size_t i = 0; i < SERIES_KEY_IDS; i++)
		intern_release(table->intern, series->key.ids[i]);
	if (table->kind->done)
		table->kind->done(series);
	free(series);
}

int series_table_init(struct series_table *table, const struct series_kind *kind, size_t limit, struct intern *intern,
		      uint64_t seed)
{
	*table = (struct series_table){ .kind = kind, .intern = intern, .seed = seed };
	hash_table_init(&table->table, limit);
	table->overflow = series_new(table);
	return table->overflow ? 0 : -ENOMEM;
}

static bool series_drop(struct hash_node *node, void *ctx)
{
	series_free(ctx, hash_entry(node, struct series, node));
	return true;
}

void series_table_done(struct series_table *table)
{
	hash_table_remove_if(&table->table, series_drop, table);
	hash_table_done(&table->table);
	series_free(table, table->overflow);
	table->overflow = NULL;
}

static bool key_equal(const struct hash_node *node, const void *key)
{
	return memcmp(&hash_entry(node, struct series, node)->key, key, sizeof(struct series_key)) == 0;
}

static uint64_t key_hash(const struct series_table *table, const struct series_key *key)
{
	return hash_bytes(key, sizeof(*key), table->seed);
}

struct series *series_table_find(struct series_table *table, const struct series_key *key)
{
	struct hash_node *node = hash_table_find(&table->table, key_hash(table, key), key_equal, key);

	return node ? hash_entry(node, struct series, node) : NULL;
}

struct series *series_table_overflow(struct series_table *table)
{
	table->overflowed++;
	return table->overflow;
}

struct key_words {
	uint64_t word[sizeof(struct series_key) / sizeof(uint64_t)];
};

static inline struct key_words key_words(const struct series_key *key)
{
	struct key_words words;

	memcpy(&words, key, sizeof(words));
	return words;
}

/* As memcmp() == 0, without the call. */
static inline bool keys_equal(const struct series_key *left, const struct series_key *right)
{
	struct key_words a = key_words(left), b = key_words(right);

	return ((a.word[0] ^ b.word[0]) | (a.word[1] ^ b.word[1]) | (a.word[2] ^ b.word[2]) | (a.word[3] ^ b.word[3]) |
		(a.word[4] ^ b.word[4])) == 0;
}

static struct series **recent_slot(struct series_table *table, const struct series_key *key)
{
	struct key_words words = key_words(key);
	/* Fibonacci hashing: the upper bits of the products are the well mixed ones. Ids are small numbers, so that the
	 * halves of the words are where they differ: shifted, none covers another. */
	uint64_t mixed = (words.word[0] + (words.word[3] << 11)) * UINT64_C(0x9e3779b97f4a7c15);

	mixed = (mixed ^ mixed >> 32 ^ words.word[1] ^ words.word[2] << 21) * UINT64_C(0x9e3779b97f4a7c15);
	mixed = (mixed ^ mixed >> 32 ^ words.word[4]) * UINT64_C(0x9e3779b97f4a7c15);
	return &table->recent[mixed >> 40 & (SERIES_RECENT - 1)];
}

static struct series *series_table_lookup(struct series_table *table, const struct series_key *key)
{
	uint64_t hash = key_hash(table, key);
	struct hash_node *node = hash_table_find(&table->table, hash, key_equal, key);
	struct series *series;

	if (node) {
		series = hash_entry(node, struct series, node);
		series->touched = true;
		return series;
	}
	if (table->table.count >= table->table.limit)
		return series_table_overflow(table);
	series = series_new(table);
	if (!series)
		return series_table_overflow(table);
	if (hash_table_insert(&table->table, &series->node, hash)) {
		series_free(table, series);
		return series_table_overflow(table);
	}
	series->key = *key;
	series->touched = true;
	for (size_t i = 0; i < SERIES_KEY_IDS; i++)
		intern_retain(table->intern, key->ids[i]);
	return series;
}

struct series *series_table_get(struct series_table *table, const struct series_key *key)
{
	struct series **recent = recent_slot(table, key);

	if (*recent && keys_equal(&(*recent)->key, key)) {
		(*recent)->touched = true;
		return *recent;
	}
	struct series *series = series_table_lookup(table, key);

	if (series != table->overflow)
		*recent = series;
	return series;
}

struct expiry {
	struct series_table *table;
	uint64_t now_ns;
	uint64_t idle_ns;
};

static bool series_expire(struct hash_node *node, void *ctx)
{
	struct expiry *expiry = ctx;
	struct series *series = hash_entry(node, struct series, node);
	const struct series_kind *kind = expiry->table->kind;

	if (series->touched || (kind->idle && !kind->idle(series))) {
		series->touched = false;
		series->idle_since_ns = expiry->now_ns;
		return false;
	}
	if (expiry->now_ns - series->idle_since_ns < expiry->idle_ns)
		return false;
	series_free(expiry->table, series);
	return true;
}

void series_table_expire(struct series_table *table, uint64_t now_ns, uint64_t idle_ns)
{
	struct expiry expiry = { .table = table, .now_ns = now_ns, .idle_ns = idle_ns };

	memset(table->recent, 0, sizeof(table->recent));
	table->expired += hash_table_remove_if(&table->table, series_expire, &expiry);
}

const struct series *series_table_next(const struct series_table *table, const struct series *series)
{
	const struct hash_node *node = hash_table_next(&table->table, series ? &series->node : NULL);

	return node ? hash_entry(node, const struct series, node) : NULL;
}
