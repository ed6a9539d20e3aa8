/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions with databases in: how many connections there are and what they do, counted anew at each look so that
 * nothing can drift, and transactions as they end. One series for each pool as it looks from outside: whose connections
 * they are, to which server, to which of its databases.
 */
#include "aggregate/state.h"

static void session_series_init(struct series *series)
{
	struct session_series *session = (struct session_series *)series;

	histogram_init(&session->transaction);
	histogram_init(&session->transaction_idle);
}

static void session_series_done(struct series *series)
{
	struct session_series *session = (struct session_series *)series;

	histogram_done(&session->transaction);
	histogram_done(&session->transaction_idle);
}

static bool session_series_idle(const struct series *series)
{
	const struct session_series *session = (const struct session_series *)series;

	for (int state = 0; state < DB_SESSION_STATE_COUNT; state++) {
		if (session->count[state] > 0)
			return false;
	}
	return true;
}

const struct series_kind aggregate_session_kind = {
	.record_size = sizeof(struct session_series),
	.init = session_series_init,
	.done = session_series_done,
	.idle = session_series_idle,
};

static void clear(struct series *series)
{
	struct session_series *session = (struct session_series *)series;

	for (int state = 0; state < DB_SESSION_STATE_COUNT; state++)
		session->count[state] = 0;
	session->longest_ns = 0;
}

void aggregate_sessions_begin(struct aggregate *aggregate)
{
	for (int side = 0; side < SIDE_COUNT; side++) {
		struct series_table *table = &aggregate->sessions[side];
		struct hash_node *node = NULL;

		while ((node = hash_table_next(&table->table, node)))
			clear(hash_entry(node, struct series, node));
		clear(table->overflow);
	}
}

static struct session_series *session_series_get(struct aggregate *aggregate, const char *service,
						 const struct session_place *place)
{
	struct series_table *table = &aggregate->sessions[place->side];
	struct series_key key = { .protocol = (uint8_t)place->protocol };
	int error = aggregate_db_place(aggregate, service, place->name_space, place->side, place->remote, &key);

	return (struct session_series *)(error ? series_table_overflow(table) : series_table_get(table, &key));
}

void aggregate_session(struct aggregate *aggregate, const char *service, const struct session_place *place,
		       const struct db_session *session, uint64_t now_ns)
{
	struct session_series *series = session_series_get(aggregate, service, place);

	series->count[session->state]++;
	if (session->state == DB_SESSION_IDLE_IN_TRANSACTION && now_ns > session->since_ns &&
	    now_ns - session->since_ns > series->longest_ns)
		series->longest_ns = now_ns - session->since_ns;
}

void aggregate_transaction(struct aggregate *aggregate, const char *service, const struct session_place *place,
			   const struct db_transaction *transaction)
{
	struct session_series *series = session_series_get(aggregate, service, place);

	series->has_transactions = true;
	histogram_observe(&series->transaction, &histogram_layout_db_duration, aggregate->native,
			  transaction->duration_ns);
	histogram_observe(&series->transaction_idle, &histogram_layout_db_duration, aggregate->native,
			  transaction->idle_ns);
}
