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
	intern_release(table->intern, series->key.service);
	intern_release(table->intern, series->key.route);
	intern_release(table->intern, series->key.address);
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

static inline bool keys_equal(const struct series_key *a, const struct series_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static struct series **recent_slot(struct series_table *table, const struct series_key *key)
{
	uint64_t words[2];
	uint32_t rest;

	memcpy(words, key, sizeof(words));
	memcpy(&rest, (const char *)key + sizeof(words), sizeof(rest));
	/* Fibonacci hashing: the upper bits of the products are the well mixed ones. */
	uint64_t mixed = (words[0] + rest) * UINT64_C(0x9e3779b97f4a7c15);

	mixed = (mixed ^ mixed >> 32 ^ words[1]) * UINT64_C(0x9e3779b97f4a7c15);
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
	intern_retain(table->intern, key->service);
	intern_retain(table->intern, key->route);
	intern_retain(table->intern, key->address);
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
