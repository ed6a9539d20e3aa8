/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The join's tables and the way of a record through them. What is known for certain is acted on at once: a session's
 * own descriptor. Everything else waits for what crosses the sockets.
 */
#include "stream/tls.h"

#include <errno.h>

#include "stream/tls_table.h"

const char *tls_join_text(enum tls_join join)
{
	static const char *const texts[TLS_JOIN_COUNT] = {
		[TLS_JOIN_DESCRIPTOR] = "descriptor",
		[TLS_JOIN_CIPHERTEXT] = "ciphertext",
		[TLS_JOIN_CALLS] = "calls",
		[TLS_JOIN_NONE] = "none",
	};

	return (unsigned int)join < TLS_JOIN_COUNT ? texts[join] : "none";
}

int tls_table_new(const struct tls_config *config, const struct tls_callbacks *callbacks, struct stream_table *streams,
		  struct tls_table **ret_table)
{
	struct tls_table *table = calloc(1, sizeof(*table));

	if (!table)
		return -ENOMEM;
	table->config = *config;
	table->callbacks = *callbacks;
	table->streams = streams;
	hash_table_init(&table->conns, config->max_sessions);
	hash_table_init(&table->sessions, config->max_sessions);
	*ret_table = table;
	return 0;
}

static void conn_free(struct tls_table *table, struct tls_conn *conn)
{
	(void)table;
	for (struct tls_session *session = conn->sessions; session; session = session->next_of_conn)
		session->conn = NULL;
	free(conn->watch);
	free(conn);
}

static bool drop_conn(struct hash_node *node, void *ctx)
{
	conn_free(ctx, hash_entry(node, struct tls_conn, node));
	return true;
}

void tls_table_free(struct tls_table *table)
{
	struct hash_node *node;

	if (!table)
		return;
	hash_table_remove_if(&table->conns, drop_conn, table);
	while ((node = hash_table_next(&table->sessions, NULL)))
		tls_session_free(table, hash_entry(node, struct tls_session, node));
	hash_table_done(&table->conns);
	hash_table_done(&table->sessions);
	free(table);
}

static bool conn_is(const struct hash_node *node, const void *key)
{
	return hash_entry(node, const struct tls_conn, node)->conn_id == *(const uint64_t *)key;
}

static bool session_is(const struct hash_node *node, const void *key)
{
	return hash_entry(node, const struct tls_session, node)->tls_id == *(const uint64_t *)key;
}

struct tls_conn *tls_conn_find(struct tls_table *table, uint64_t conn_id)
{
	struct hash_node *node;

	if (!table->conns.count)
		return NULL;
	node = hash_table_find(&table->conns, hash_u64(conn_id, table->config.hash_seed), conn_is, &conn_id);
	return node ? hash_entry(node, struct tls_conn, node) : NULL;
}

struct tls_session *tls_session_find(struct tls_table *table, uint64_t tls_id)
{
	struct hash_node *node =
		hash_table_find(&table->sessions, hash_u64(tls_id, table->config.hash_seed), session_is, &tls_id);

	return node ? hash_entry(node, struct tls_session, node) : NULL;
}

struct tls_conn *tls_conn_make(struct tls_table *table, uint64_t conn_id)
{
	struct tls_conn *conn = tls_conn_find(table, conn_id);

	if (conn)
		return conn;
	conn = calloc(1, sizeof(*conn));
	if (!conn)
		return NULL;
	conn->conn_id = conn_id;
	if (!hash_table_insert(&table->conns, &conn->node, hash_u64(conn_id, table->config.hash_seed)))
		return conn;
	free(conn);
	return NULL;
}

static struct tls_session *session_make(struct tls_table *table, uint64_t tls_id, uint64_t time_ns)
{
	struct tls_session *session = tls_session_find(table, tls_id);

	if (session)
		return session;
	session = calloc(1, sizeof(*session));
	if (session) {
		session->tls_id = tls_id;
		session->first_ns = time_ns;
		if (!hash_table_insert(&table->sessions, &session->node, hash_u64(tls_id, table->config.hash_seed)))
			return session;
	}
	free(session);
	table->counts.no_room++;
	return NULL;
}

void tls_join(struct tls_table *table, struct tls_session *session, struct tls_conn *conn, enum tls_join how)
{
	bool first = !session->half || tls_half_leads(table, session, conn);

	if (first) {
		session->conn = conn;
		session->next_of_conn = conn->sessions;
		conn->sessions = session;
		conn->joined = true;
		conn->has_held = false;
		table->counts.sessions[how]++;
	}
	if (!session->half || tls_half_speaks(conn, (enum direction)(session->direction ^ 1)))
		tls_watch_end(table, conn);
	else
		tls_watch_narrow(table, conn, (enum direction)session->direction);
	if (first)
		tls_session_open(table, session);
}

void tls_hooked(struct tls_table *table, uint64_t since_ns)
{
	table->hooked_ns = since_ns;
}

void tls_on_segment(struct tls_table *table, const struct segment *segment)
{
	struct tls_conn *conn = tls_conn_find(table, segment->conn_id);

	if (conn && conn->watch)
		tls_watch_segment(table, conn, segment);
}

static void tell_held(struct tls_table *table, struct tls_conn *conn)
{
	if (conn->has_held)
		table->callbacks.unparsed(table->callbacks.ctx, &conn->held);
	conn->has_held = false;
}

void tls_on_end(struct tls_table *table, const struct connection_end *end)
{
	struct tls_conn *conn = end->kind == END_CLOSED ? tls_conn_find(table, end->conn_id) : NULL;

	if (!conn)
		return;
	tell_held(table, conn);
	for (struct tls_session *session = conn->sessions; session; session = session->next_of_conn) {
		session->ended = true;
		session->end_ns = end->time_ns;
		session->end_reason = (uint8_t)end->reason;
		tls_session_wait(table, session);
	}
	hash_table_remove(&table->conns, &conn->node);
	conn_free(table, conn);
}

void tls_on_plain(struct tls_table *table, const struct plain_segment *plain)
{
	const struct segment *segment = &plain->segment;
	struct tls_session *session = session_make(table, segment->conn_id, segment->time_ns);
	struct tls_conn *conn;

	if (!session)
		return;
	if (!session->open && plain->conn_id) {
		conn = tls_conn_make(table, plain->conn_id);
		if (conn)
			tls_join(table, session, conn, TLS_JOIN_DESCRIPTOR);
	}
	if (plain->channel == PLAIN_CHANNEL_HALF && !session->half)
		tls_half_begin(session, segment);
	/* What tells the connection comes first: then nothing is held that need not be. */
	if (!session->open && plain->channel == PLAIN_CHANNEL_OTHER)
		tls_watch_call(table, session, plain);
	conn = !session->open && session->half && plain->tail ? tls_watch_arrival(table, plain->tail) : NULL;
	if (conn)
		tls_join(table, session, conn, TLS_JOIN_CIPHERTEXT);
	else if (!session->open && plain->tail)
		tls_watch_tail(table, session, plain->tail);
	tls_session_take(table, session, segment);
}

void tls_on_plain_tail(struct tls_table *table, uint64_t tls_id, const uint8_t *tail)
{
	struct tls_session *session = tls_session_find(table, tls_id);

	if (session && !session->open)
		tls_watch_tail(table, session, tail);
}

void tls_on_plain_end(struct tls_table *table, const struct plain_end *end)
{
	struct tls_session *session = tls_session_find(table, end->tls_id);

	if (session && session->half)
		session = tls_half_end(table, session);
	if (!session)
		return;
	session->freed = true;
	tls_session_unjoined(table, session);
	if (!session->ended)
		session->end_ns = end->time_ns;
	tls_session_wait(table, session);
}

bool tls_table_waiting(const struct tls_table *table)
{
	return table->waiting;
}

/* What was agreed on tells more than bytes from the middle of a stream. */
static void unparsed_session(struct tls_table *table, const struct unparsed_report *report)
{
	const struct tls_session *session = tls_session_find(table, report->conn_id);
	struct unparsed_report told = *report;

	if (session && session->conn && session->conn->http2 && told.reason == UNPARSED_UNKNOWN)
		told.reason = UNPARSED_HTTP2;
	table->callbacks.unparsed(table->callbacks.ctx, &told);
}

/* NULL: no room, or it is known already. */
static struct tls_conn *watch(struct tls_table *table, struct tls_conn *known, uint64_t conn_id, bool tunnel)
{
	struct tls_conn *conn = known ? NULL : tls_conn_make(table, conn_id);

	if (conn && !conn->watch)
		conn->watch = calloc(1, sizeof(*conn->watch));
	if (!conn || !conn->watch)
		return NULL;
	conn->watch->tunnel = tunnel;
	return conn;
}

/* A report of a session, one of a connection that speaks something else, or the first sight of a TLS connection: that
 * one is kept until it is known whether a session reads it. What was upgraded may be a proxy's tunnel with TLS in it.
 */
void tls_unparsed(struct tls_table *table, const struct unparsed_report *report)
{
	struct tls_conn *conn = tls_conn_find(table, report->conn_id);

	if (conn && conn->joined)
		return;
	if (report->conn_id & PLAIN_ID_BIT) {
		unparsed_session(table, report);
		return;
	}
	if (conn && report->final)
		tell_held(table, conn);
	if (!report->final && report->reason == UNPARSED_UPGRADED)
		(void)watch(table, conn, report->conn_id, true);
	if (report->final || report->reason != UNPARSED_TLS || !(conn = watch(table, conn, report->conn_id, false))) {
		table->callbacks.unparsed(table->callbacks.ctx, report);
		return;
	}
	conn->held = *report;
	conn->has_held = true;
	conn->held.brands = table->callbacks.sighted(table->callbacks.ctx, report->tgid);
}

static void mute_session(struct tls_table *table, uint64_t tls_id)
{
	struct tls_session *session = tls_session_find(table, tls_id);

	table->callbacks.sessions.mute(table->callbacks.sessions.ctx, tls_id);
	if (!session)
		return;
	session->muted = true;
	for (struct tls_session *part = session->parts; part; part = part->next_part)
		table->callbacks.sessions.mute(table->callbacks.sessions.ctx, part->tls_id);
}

void tls_skip(struct tls_table *table, uint64_t tls_id, enum direction direction, uint32_t position)
{
	const struct tls_session *session = tls_session_find(table, tls_id);

	if (session && session->half) {
		session = session->speaks[direction];
		position -= session ? session->base : 0;
	}
	if (session)
		table->callbacks.sessions.skip_until(table->callbacks.sessions.ctx, session->tls_id, direction,
						     position);
}

void tls_mute(struct tls_table *table, uint64_t conn_id)
{
	struct tls_conn *conn = tls_conn_find(table, conn_id);

	if (conn_id & PLAIN_ID_BIT)
		mute_session(table, conn_id);
	else if (conn && conn->watch)
		conn->mute_asked = true;
	else
		table->callbacks.connections.mute(table->callbacks.connections.ctx, conn_id);
}

const struct tls_counts *tls_table_counts(const struct tls_table *table)
{
	return &table->counts;
}

size_t tls_table_sessions(const struct tls_table *table)
{
	return table->sessions.count - table->part_count;
}

size_t tls_table_held_bytes(const struct tls_table *table)
{
	return table->held_bytes;
}
