/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The families of sessions with databases out, of both sides. Called by visit.c.
 */
#include "aggregate/visit.h"

#include <stdio.h>

#define POOL_MAX 640 /* a unix path, a port, a database's name */

enum session_figure {
	SESSION_COUNT,
	SESSION_IN_TRANSACTION,
	SESSION_LONGEST,
	SESSION_TRANSACTION,
	SESSION_TRANSACTION_IDLE,
	SESSION_FIGURE_COUNT,
};

#define FAMILY(NAME, HELP, UNIT, TYPE)                                          \
	{                                                                       \
		.name = (NAME), .help = (HELP), .unit = (UNIT), .type = (TYPE), \
	}

static const struct metric_family families[SIDE_COUNT][SESSION_FIGURE_COUNT] = {
	[SIDE_CLIENT][SESSION_COUNT] = FAMILY(
		"db_client_connection_count",
		"Connections to databases, by whether something is asked or a transaction is open.", "", METRIC_GAUGE),
	[SIDE_CLIENT][SESSION_IN_TRANSACTION] =
		FAMILY("db_client_connection_idle_in_transaction",
		       "Connections whose server waits for the client in an open transaction.", "", METRIC_GAUGE),
	[SIDE_CLIENT][SESSION_LONGEST] = FAMILY("db_client_connection_idle_in_transaction_max_seconds",
						"How long the longest of them has been waiting now.", "seconds",
						METRIC_GAUGE),
	[SIDE_CLIENT][SESSION_TRANSACTION] =
		FAMILY("db_client_transaction_duration_seconds",
		       "From the first byte of the request that opened a transaction to its end.", "seconds",
		       METRIC_HISTOGRAM),
	[SIDE_CLIENT][SESSION_TRANSACTION_IDLE] = FAMILY("db_client_transaction_idle_duration_seconds",
							 "Of that, the time in which the server waited for the client.",
							 "seconds", METRIC_HISTOGRAM),
	[SIDE_SERVER][SESSION_COUNT] = FAMILY(
		"db_server_connection_count",
		"Connections of a database, by whether something is asked or a transaction is open.", "", METRIC_GAUGE),
	[SIDE_SERVER][SESSION_IN_TRANSACTION] =
		FAMILY("db_server_connection_idle_in_transaction",
		       "Connections whose server waits for the client in an open transaction.", "", METRIC_GAUGE),
	[SIDE_SERVER][SESSION_LONGEST] = FAMILY("db_server_connection_idle_in_transaction_max_seconds",
						"How long the longest of them has been waiting now.", "seconds",
						METRIC_GAUGE),
	[SIDE_SERVER][SESSION_TRANSACTION] =
		FAMILY("db_server_transaction_duration_seconds",
		       "From the first byte of the request that opened a transaction to its end.", "seconds",
		       METRIC_HISTOGRAM),
	[SIDE_SERVER][SESSION_TRANSACTION_IDLE] = FAMILY("db_server_transaction_idle_duration_seconds",
							 "Of that, the time in which the server waited for the client.",
							 "seconds", METRIC_HISTOGRAM),
};

static const char *const state_labels[SIDE_COUNT] = {
	[SIDE_CLIENT] = "db_client_connection_state",
	[SIDE_SERVER] = "db_server_connection_state",
};

/* OpenTelemetry's db.client.connection.pool.name where the pool has no name that could be seen:
 * server.address:server.port/db.namespace. */
static void name_pool(const struct intern *intern, const struct series_key *key, char pool[POOL_MAX])
{
	const char *name_space = intern_text(intern, key->name_space);
	char port[8] = "";

	if (key->port)
		snprintf(port, sizeof(port), ":%u", key->port);
	snprintf(pool, POOL_MAX, "%s%s%s%s", intern_text(intern, key->address), port, name_space[0] ? "/" : "",
		 name_space);
}

static void session_labels(const struct intern *intern, const struct series_key *key, enum side side,
			   char pool[POOL_MAX], struct labels *labels)
{
	labels->count = 0;
	pool[0] = '\0';
	if (side == SIDE_CLIENT)
		name_pool(intern, key, pool);
	visit_label(labels, "service_name", intern_text(intern, key->service));
	visit_label(labels, "db_system_name", protocol_text((enum protocol)key->protocol));
	visit_label(labels, "db_namespace", intern_text(intern, key->name_space));
	visit_label(labels, "db_client_connection_pool_name", pool);
	visit_label(labels, "server_address", intern_text(intern, key->address));
	visit_port(labels, key->port);
}

/* Idle in a transaction is used, as the conventions know it. */
static void tell_counts(const struct metric_visitor *visitor, enum side side, const struct session_series *session,
			const struct labels *labels)
{
	const struct {
		const char *state;
		uint64_t count;
	} told[] = {
		{ "idle", session->count[DB_SESSION_IDLE] },
		{ "used", session->count[DB_SESSION_USED] + session->count[DB_SESSION_IDLE_IN_TRANSACTION] },
	};

	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
		struct labels with = *labels;

		visit_label(&with, state_labels[side], told[i].state);
		visitor->sample(visitor->ctx, with.items, with.count, (double)told[i].count);
	}
}

static void tell(const struct aggregate *aggregate, const struct metric_visitor *visitor, enum side side,
		 enum session_figure figure, const struct series *series, const struct labels *labels)
{
	const struct session_series *session = (const struct session_series *)series;

	switch (figure) {
	case SESSION_COUNT:
		tell_counts(visitor, side, session, labels);
		return;
	case SESSION_IN_TRANSACTION:
		visitor->sample(visitor->ctx, labels->items, labels->count,
				(double)session->count[DB_SESSION_IDLE_IN_TRANSACTION]);
		return;
	case SESSION_LONGEST:
		visitor->sample(visitor->ctx, labels->items, labels->count, (double)session->longest_ns / 1e9);
		return;
	default:
		visit_histogram(aggregate, visitor,
				figure == SESSION_TRANSACTION ? &session->transaction : &session->transaction_idle,
				&histogram_layout_db_duration, labels->items, labels->count);
		return;
	}
}

static bool has_figure(const struct series *series, enum session_figure figure)
{
	return figure < SESSION_TRANSACTION || ((const struct session_series *)series)->has_transactions;
}

static void visit_figure(const struct aggregate *aggregate, const struct metric_visitor *visitor, enum side side,
			 enum session_figure figure)
{
	const struct series_table *table = &aggregate->sessions[side];
	const struct series *series = NULL;
	struct labels overflow = { .items = { visit_overflow_label }, .count = 1 };
	bool begun = false;

	while ((series = series_table_next(table, series)) || (!series && table->overflowed > 0)) {
		bool last = !series;
		struct labels labels;
		char pool[POOL_MAX];

		if (last)
			series = table->overflow;
		if (has_figure(series, figure)) {
			if (!begun)
				visitor->family_begin(visitor->ctx, &families[side][figure]);
			begun = true;
			if (!last)
				session_labels(&aggregate->intern, &series->key, side, pool, &labels);
			tell(aggregate, visitor, side, figure, series, last ? &overflow : &labels);
		}
		if (last)
			break;
	}
	if (begun)
		visitor->family_end(visitor->ctx);
}

void visit_sessions(const struct aggregate *aggregate, const struct metric_visitor *visitor)
{
	for (int side = 0; side < SIDE_COUNT; side++) {
		for (int figure = 0; figure < SESSION_FIGURE_COUNT; figure++)
			visit_figure(aggregate, visitor, (enum side)side, (enum session_figure)figure);
	}
}

void visit_session_budget(const struct aggregate *aggregate, const struct metric_visitor *visitor,
			  enum budget_figure figure)
{
	for (int side = 0; side < SIDE_COUNT; side++) {
		for (int i = 0; i < SESSION_FIGURE_COUNT; i++)
			visit_budget_of(visitor, families[side][i].name, &aggregate->sessions[side], figure);
	}
}
