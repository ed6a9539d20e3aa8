/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exchanges with databases: the label set and the observations of one. Called by aggregate.c. What a parser hands over
 * holds no literal, key or argument; here its texts only become fit for labels. A call that waits on purpose goes to a
 * table, and so to a metric, of its own: in one histogram its waiting would be read as slowness.
 */
#include <sys/socket.h>

#include "aggregate/state.h"
#include "aggregate/text.h"

#define DB_TEXT_MAX 255

static void db_series_init(struct series *series)
{
	struct db_series *db = (struct db_series *)series;

	histogram_init(&db->duration);
	histogram_init(&db->rows);
}

static void db_series_done(struct series *series)
{
	struct db_series *db = (struct db_series *)series;

	histogram_done(&db->duration);
	histogram_done(&db->rows);
}

static void blocking_series_init(struct series *series)
{
	histogram_init(&((struct blocking_series *)series)->duration);
}

static void blocking_series_done(struct series *series)
{
	histogram_done(&((struct blocking_series *)series)->duration);
}

const struct series_kind aggregate_db_kind = {
	.record_size = sizeof(struct db_series),
	.init = db_series_init,
	.done = db_series_done,
};

const struct series_kind aggregate_blocking_kind = {
	.record_size = sizeof(struct blocking_series),
	.init = blocking_series_init,
	.done = blocking_series_done,
};

/* The id is kept in use by its cache until the next exchange: each text of a key has a cache of its own. */
static int text_id(struct aggregate *aggregate, enum db_text which, struct text text, uint32_t *ret_id)
{
	struct text_cache_key key = { .bytes = text.data, .length = text.length };
	struct text_cache *cache = &aggregate->db_texts[which];
	char clean[DB_TEXT_MAX + 1];

	if (text.length == 0)
		return 0;
	const struct text_cache_slot *slot = text_cache_find(cache, &key);
	if (slot) {
		*ret_id = slot->id;
		return 0;
	}
	size_t length = text_sanitise(text.data, text.length, clean, sizeof(clean));
	int error = intern_acquire(&aggregate->intern, clean, length, ret_id);
	if (!error)
		text_cache_put(cache, &key, *ret_id, 0);
	return error;
}

int aggregate_db_place(struct aggregate *aggregate, const char *service, struct text name_space, enum side side,
		       const struct endpoint *remote, struct series_key *key)
{
	int error = aggregate_service_id(aggregate, service, &key->service);

	if (!error)
		error = text_id(aggregate, DB_TEXT_NAME_SPACE, name_space, &key->name_space);
	if (error || side == SIDE_SERVER || !remote)
		return error;
	if (remote->family != AF_UNIX)
		key->port = remote->port;
	return aggregate_endpoint_id(aggregate, remote, &key->address);
}

static int statement_ids(struct aggregate *aggregate, const struct db_facts *db, struct series_key *key)
{
	int error = text_id(aggregate, DB_TEXT_OPERATION, db->operation, &key->operation);

	if (!error)
		error = text_id(aggregate, DB_TEXT_COLLECTION, db->collection, &key->collection);
	if (!error)
		error = text_id(aggregate, DB_TEXT_SUMMARY, db->summary, &key->summary);
	if (!error)
		error = text_id(aggregate, DB_TEXT_CODE, db->status, &key->code);
	return error;
}

static int db_key(struct aggregate *aggregate, const char *service, const struct exchange *exchange,
		  struct series_key *ret_key)
{
	const struct db_facts *db = &exchange->db;
	struct series_key key = {
		.protocol = (uint8_t)exchange->protocol,
		.error = (uint8_t)exchange->error,
		.failed = db->failed,
	};
	int error = aggregate_db_place(aggregate, service, db->name_space, exchange->side, exchange->remote, &key);

	if (!error)
		error = statement_ids(aggregate, db, &key);
	if (!error)
		*ret_key = key;
	return error;
}

static struct series_table *db_table(struct aggregate *aggregate, const struct exchange *exchange)
{
	return &(exchange->db.blocking ? aggregate->db_blocking : aggregate->db)[exchange->side];
}

static struct series *db_series_get(struct aggregate *aggregate, const char *service, const struct exchange *exchange)
{
	struct series_table *table = db_table(aggregate, exchange);
	struct series_key key;
	int error = db_key(aggregate, service, exchange, &key);

	return error ? series_table_overflow(table) : series_table_get(table, &key);
}

struct histogram *aggregate_db_duration(struct aggregate *aggregate, const char *service,
					const struct exchange *exchange)
{
	struct series_key key;
	struct series *series = NULL;

	if (!db_key(aggregate, service, exchange, &key))
		series = series_table_find(db_table(aggregate, exchange), &key);
	if (!series)
		return NULL;
	return exchange->db.blocking ? &((struct blocking_series *)series)->duration :
				       &((struct db_series *)series)->duration;
}

static void observe_lookups(struct db_series *series, const struct db_facts *db)
{
	series->hits += db->hits;
	series->misses += db->misses;
	series->lookups |= db->hits > 0 || db->misses > 0;
}

bool aggregate_db(struct aggregate *aggregate, const char *service, const struct exchange *exchange)
{
	struct series *found = db_series_get(aggregate, service, exchange);
	const struct db_facts *db = &exchange->db;
	uint64_t duration_ns = aggregate_duration_ns(exchange);
	bool native = aggregate->native, outlier;

	if (db->blocking) {
		histogram_observe(&((struct blocking_series *)found)->duration, &histogram_layout_db_duration, native,
				  duration_ns);
		return false;
	}
	struct db_series *series = (struct db_series *)found;

	outlier = aggregate->outliers &&
		  histogram_is_outlier(&series->duration, &histogram_layout_db_duration, native, duration_ns);
	histogram_observe(&series->duration, &histogram_layout_db_duration, native, duration_ns);
	if (db->rows_known)
		histogram_observe(&series->rows, &histogram_layout_rows, native, db->rows);
	series->has_rows |= db->rows_known;
	observe_lookups(series, db);
	return outlier;
}
