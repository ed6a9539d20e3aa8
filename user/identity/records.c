/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of processes: a hash table for finding, two linked orders for leaving, one remembered record because
 * exchanges of one process come in runs.
 */
#include "identity/records.h"

#include <string.h>

struct shared_text *shared_text_new(const char *text)
{
	size_t length = strlen(text);
	struct shared_text *shared = length ? malloc(sizeof(*shared) + length + 1) : NULL;

	if (!shared)
		return NULL;
	shared->users = 1;
	memcpy(shared->text, text, length + 1);
	return shared;
}

struct shared_text *shared_text_take(struct shared_text *text)
{
	if (text)
		text->users++;
	return text;
}

void shared_text_drop(struct shared_text *text)
{
	if (text && !--text->users)
		free(text);
}

const char *shared_text_get(const struct shared_text *text)
{
	return text ? text->text : "";
}

static void order_add(struct record_order *order, struct record *record)
{
	record->newer = NULL;
	record->older = order->newest;
	if (order->newest)
		order->newest->newer = record;
	else
		order->oldest = record;
	order->newest = record;
}

static void order_remove(struct record_order *order, struct record *record)
{
	if (record->newer)
		record->newer->older = record->older;
	else
		order->newest = record->older;
	if (record->older)
		record->older->newer = record->newer;
	else
		order->oldest = record->newer;
}

static struct record_order *order_of(struct records *records, const struct record *record)
{
	return record->dead ? &records->departed : &records->living;
}

static void record_drop_texts(struct record *record)
{
	shared_text_drop(record->name);
	shared_text_drop(record->unit);
	shared_text_drop(record->executable);
	shared_text_drop(record->place);
	shared_text_drop(record->declared);
	shared_text_drop(record->resource);
}

void records_init(struct records *records, size_t limit, uint64_t hash_seed)
{
	*records = (struct records){ .hash_seed = hash_seed };
	hash_table_init(&records->table, limit);
}

void records_done(struct records *records)
{
	while (records->living.oldest)
		records_remove(records, records->living.oldest);
	while (records->departed.oldest)
		records_remove(records, records->departed.oldest);
	hash_table_done(&records->table);
}

static bool record_is(const struct hash_node *node, const void *key)
{
	return hash_entry(node, struct record, node)->tgid == *(const uint32_t *)key;
}

struct record *records_find(struct records *records, uint32_t tgid)
{
	struct hash_node *node;

	if (records->last && records->last->tgid == tgid)
		return records->last;
	node = hash_table_find(&records->table, hash_u64(tgid, records->hash_seed), record_is, &tgid);
	if (!node)
		return NULL;
	records->last = hash_entry(node, struct record, node);
	return records->last;
}

void records_remove(struct records *records, struct record *record)
{
	if (records->leave)
		records->leave(records->leave_ctx, record);
	if (records->last == record)
		records->last = NULL;
	hash_table_remove(&records->table, &record->node);
	order_remove(order_of(records, record), record);
	record_drop_texts(record);
	free(record);
}

static struct record *records_add(struct records *records, uint32_t tgid)
{
	struct record *oldest = records->departed.oldest ? records->departed.oldest : records->living.oldest;
	struct record *record;

	if (records->table.count >= records->table.limit && !oldest)
		return NULL;
	if (records->table.count >= records->table.limit)
		records_remove(records, oldest);
	record = calloc(1, sizeof(*record));
	if (!record)
		return NULL;
	record->tgid = tgid;
	if (hash_table_insert(&records->table, &record->node, hash_u64(tgid, records->hash_seed))) {
		free(record);
		return NULL;
	}
	order_add(&records->living, record);
	return record;
}

struct record *records_renew(struct records *records, uint32_t tgid)
{
	struct record *record = records_find(records, tgid);

	/* A new one, rather than an emptied one: then no field of the old can be forgotten. */
	if (record)
		records_remove(records, record);
	return records_add(records, tgid);
}

void records_touch(struct records *records, struct record *record)
{
	struct record_order *order = order_of(records, record);

	if (record->dead || order->newest == record)
		return;
	order_remove(order, record);
	order_add(order, record);
}

void records_bury(struct records *records, struct record *record, uint64_t now_ns)
{
	if (record->dead)
		return;
	order_remove(&records->living, record);
	record->dead = true;
	record->dead_ns = now_ns;
	record->checked_ns = now_ns;
	order_add(&records->departed, record);
}
