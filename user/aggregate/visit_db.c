/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The families of databases out: durations, waits, rows, cache lookups, of both sides. Called by visit.c. A series is
 * told in the families that it has something for: a command that looks nothing up has no hits.
 */
#include "aggregate/visit.h"

enum db_figure {
	DB_DURATION,
	DB_BLOCKING,
	DB_ROWS,
	DB_HITS,
	DB_MISSES,
};

struct db_family {
	struct metric_family family;
	enum side side;
	enum db_figure figure;
};

#define DB_FAMILY(NAME, HELP, UNIT, TYPE, SIDE, FIGURE)                                                       \
	{                                                                                                     \
		.family = { .name = (NAME), .help = (HELP), .unit = (UNIT), .type = (TYPE) }, .side = (SIDE), \
		.figure = (FIGURE),                                                                           \
	}

static const struct db_family db_families[] = {
	DB_FAMILY("db_client_operation_duration_seconds",
		  "From the write of a database call's first byte to the read of its answer's last.", "seconds",
		  METRIC_HISTOGRAM, SIDE_CLIENT, DB_DURATION),
	DB_FAMILY("db_client_blocking_operation_duration_seconds",
		  "The same of calls that may wait on purpose; they are not in the other.", "seconds", METRIC_HISTOGRAM,
		  SIDE_CLIENT, DB_BLOCKING),
	DB_FAMILY("db_client_response_returned_rows", "Rows that a database call returned or changed.", "",
		  METRIC_HISTOGRAM, SIDE_CLIENT, DB_ROWS),
	DB_FAMILY("db_client_cache_hits_total", "Keys or fields that database calls looked up and found.", "",
		  METRIC_COUNTER, SIDE_CLIENT, DB_HITS),
	DB_FAMILY("db_client_cache_misses_total", "Keys or fields that database calls looked up and did not find.", "",
		  METRIC_COUNTER, SIDE_CLIENT, DB_MISSES),
	DB_FAMILY("db_server_operation_duration_seconds",
		  "From the read of a database call's first byte to the write of its answer's last.", "seconds",
		  METRIC_HISTOGRAM, SIDE_SERVER, DB_DURATION),
	DB_FAMILY("db_server_blocking_operation_duration_seconds",
		  "The same of calls that may wait on purpose; they are not in the other.", "seconds", METRIC_HISTOGRAM,
		  SIDE_SERVER, DB_BLOCKING),
	DB_FAMILY("db_server_response_returned_rows", "Rows that a served database call returned or changed.", "",
		  METRIC_HISTOGRAM, SIDE_SERVER, DB_ROWS),
	DB_FAMILY("db_server_cache_hits_total", "Keys or fields that served database calls looked up and found.", "",
		  METRIC_COUNTER, SIDE_SERVER, DB_HITS),
	DB_FAMILY("db_server_cache_misses_total",
		  "Keys or fields that served database calls looked up and did not find.", "", METRIC_COUNTER,
		  SIDE_SERVER, DB_MISSES),
};
#define DB_FAMILY_COUNT (sizeof(db_families) / sizeof(db_families[0]))

static const struct series_table *table_of(const struct aggregate *aggregate, const struct db_family *family)
{
	return &(family->figure == DB_BLOCKING ? aggregate->db_blocking : aggregate->db)[family->side];
}

/* OpenTelemetry's db.system.name: the words that protocols have too. */
static const char *system_name(const struct series_key *key)
{
	return protocol_text((enum protocol)key->protocol);
}

/* Why there is no whole answer; else the database's own status; else that it failed is all that is known. */
static const char *error_type(const struct series_key *key, const char *code)
{
	if (key->error != EXCHANGE_COMPLETE)
		return exchange_error_text((enum exchange_error)key->error);
	if (!key->failed)
		return "";
	return code[0] ? code : "_OTHER";
}

static void db_labels(const struct intern *intern, const struct series_key *key, struct labels *ret_labels)
{
	const char *code = intern_text(intern, key->code);
	struct labels *labels = ret_labels;

	labels->count = 0;
	visit_label(labels, "service_name", intern_text(intern, key->service));
	visit_label(labels, "db_system_name", system_name(key));
	visit_label(labels, "db_namespace", intern_text(intern, key->name_space));
	visit_label(labels, "db_operation_name", intern_text(intern, key->operation));
	visit_label(labels, "db_collection_name", intern_text(intern, key->collection));
	visit_label(labels, "db_query_summary", intern_text(intern, key->summary));
	visit_label(labels, "db_response_status_code", code);
	visit_label(labels, "error_type", error_type(key, code));
	visit_label(labels, "server_address", intern_text(intern, key->address));
	visit_port(labels, key->port);
}

static bool has_figure(const struct series *series, enum db_figure figure)
{
	const struct db_series *db = (const struct db_series *)series;

	if (figure == DB_ROWS)
		return db->has_rows;
	return figure == DB_HITS || figure == DB_MISSES ? db->lookups : true;
}

static void tell_figure(const struct aggregate *aggregate, const struct metric_visitor *visitor, enum db_figure figure,
			const struct series *series, const struct metric_label *labels, size_t label_count)
{
	const struct db_series *db = (const struct db_series *)series;

	switch (figure) {
	case DB_DURATION:
		visit_histogram(aggregate, visitor, &db->duration, &histogram_layout_db_duration, labels, label_count);
		return;
	case DB_BLOCKING:
		visit_histogram(aggregate, visitor, &((const struct blocking_series *)series)->duration,
				&histogram_layout_db_duration, labels, label_count);
		return;
	case DB_ROWS:
		visit_histogram(aggregate, visitor, &db->rows, &histogram_layout_rows, labels, label_count);
		return;
	case DB_HITS:
		visitor->sample(visitor->ctx, labels, label_count, (double)db->hits);
		return;
	case DB_MISSES:
		visitor->sample(visitor->ctx, labels, label_count, (double)db->misses);
		return;
	}
}

static void begin_once(const struct metric_visitor *visitor, const struct db_family *family, bool *begun)
{
	if (!*begun)
		visitor->family_begin(visitor->ctx, &family->family);
	*begun = true;
}

static void visit_family(const struct aggregate *aggregate, const struct metric_visitor *visitor,
			 const struct db_family *family)
{
	const struct series_table *table = table_of(aggregate, family);
	const struct series *series = NULL;
	bool begun = false;

	while ((series = series_table_next(table, series))) {
		struct labels labels;

		if (!has_figure(series, family->figure))
			continue;
		begin_once(visitor, family, &begun);
		db_labels(&aggregate->intern, &series->key, &labels);
		tell_figure(aggregate, visitor, family->figure, series, labels.items, labels.count);
	}
	if (table->overflowed > 0 && has_figure(table->overflow, family->figure)) {
		begin_once(visitor, family, &begun);
		tell_figure(aggregate, visitor, family->figure, table->overflow, &visit_overflow_label, 1);
	}
	if (begun)
		visitor->family_end(visitor->ctx);
}

void visit_db(const struct aggregate *aggregate, const struct metric_visitor *visitor)
{
	for (size_t i = 0; i < DB_FAMILY_COUNT; i++)
		visit_family(aggregate, visitor, &db_families[i]);
}

void visit_db_budget(const struct aggregate *aggregate, const struct metric_visitor *visitor, enum budget_figure figure)
{
	for (size_t i = 0; i < DB_FAMILY_COUNT; i++)
		visit_budget_of(visitor, db_families[i].family.name, table_of(aggregate, &db_families[i]), figure);
}
