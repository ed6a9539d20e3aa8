/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table by a 128-bit hash of family, service and labels: two series with one hash would be taken for one, which no
 * one will see in this universe's time.
 */
#include "exporters/otlp/history.h"

#define SERIES_MAX 200000

struct metric_history {
	struct hash_table table;
	uint64_t walk;
};

struct metric_history *metric_history_new(void)
{
	struct metric_history *history = calloc(1, sizeof(*history));

	if (history)
		hash_table_init(&history->table, SERIES_MAX);
	return history;
}

static bool past_is(const struct hash_node *node, const void *key)
{
	const struct past *past = hash_entry(node, const struct past, node);
	const uint64_t *wanted = key;

	return past->key[0] == wanted[0] && past->key[1] == wanted[1];
}

struct past *metric_history_get(struct metric_history *history, uint64_t key_high, uint64_t key_low)
{
	const uint64_t key[2] = { key_high, key_low };
	struct hash_node *node = hash_table_find(&history->table, key_low, past_is, key);
	struct past *past;

	if (node) {
		past = hash_entry(node, struct past, node);
		past->seen = history->walk;
		return past;
	}
	past = calloc(1, sizeof(*past));
	if (!past)
		return NULL;
	past->key[0] = key_high;
	past->key[1] = key_low;
	past->seen = history->walk;
	if (hash_table_insert(&history->table, &past->node, key_low)) {
		free(past);
		return NULL;
	}
	return past;
}

void metric_history_begin(struct metric_history *history)
{
	history->walk++;
}

static bool drop_unseen(struct hash_node *node, void *ctx)
{
	struct past *past = hash_entry(node, struct past, node);
	const struct metric_history *history = ctx;

	if (history->walk && past->seen == history->walk)
		return false;
	free(past->counts);
	free(past);
	return true;
}

void metric_history_end(struct metric_history *history)
{
	hash_table_remove_if(&history->table, drop_unseen, history);
}

void metric_history_free(struct metric_history *history)
{
	if (!history)
		return;
	history->walk = 0;
	hash_table_remove_if(&history->table, drop_unseen, history);
	hash_table_done(&history->table);
	free(history);
}
