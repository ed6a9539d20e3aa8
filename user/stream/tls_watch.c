/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at ciphertext on its way over a connection: the handshake's facts, ends of records for TLS_JOIN_CIPHERTEXT, and
 * which call of which thread moved how much for TLS_JOIN_CALLS.
 */
#include <string.h>

#include "stream/tls_table.h"

/* What a record's ciphertext is longer than its plaintext: content type and tag of TLS 1.3 (17), explicit nonce and tag
 * of TLS 1.2 (24), IV, MAC and padding of the old block ciphers (up to 16 + 48 + 16). RFC 8446 5.2, RFC 5288 3. */
#define OVERHEAD_MIN 16
#define OVERHEAD_MAX 80

/* What one segment holds, while its records are told. */
struct look {
	struct tls_table *table;
	struct tls_conn *conn;
	const struct segment *segment;
	uint64_t match; /* the session whose ciphertext a record is; 0: none yet */
	uint32_t records;
	uint32_t bytes;
	uint32_t last;
};

static void tell_handshake(struct look *look)
{
	struct tls_watch *watch = look->conn->watch;
	struct tls_handshake handshake = {
		.conn_id = look->conn->conn_id,
		.tgid = look->segment->tgid,
		.side = watch->first == DIRECTION_SEND ? SIDE_CLIENT : SIDE_SERVER,
		.version = look->conn->version,
		.cipher = look->conn->cipher,
		.duration_ns = look->segment->time_ns - watch->begun_ns,
	};

	watch->told = true;
	look->table->callbacks.handshake(look->table->callbacks.ctx, &handshake);
}

/* The handshake is over when both sides have sent their first record that is not in clear: the Finished, or in TLS 1.3
 * the server's encrypted extensions, which come before the client's Finished. RFC 8446 section 2, RFC 5246 section 7.3.
 */
static void follow_handshake(struct look *look, const struct tls_record *record)
{
	struct tls_watch *watch = look->conn->watch;
	enum direction direction = look->segment->direction;
	struct tls_hello hello;

	if (record->type == TLS_CHANGE_CIPHER)
		watch->changed[direction] = true;
	else if (record->type == TLS_APPLICATION || (record->type == TLS_HANDSHAKE && watch->changed[direction]))
		watch->protected[direction] = true;
	else if (record->type != TLS_HANDSHAKE)
		return;
	if (record->type == TLS_HANDSHAKE && !watch->begun_ns && !watch->changed[direction] && record->head_length &&
	    record->head[0] == 1) {
		watch->begun_ns = look->segment->time_ns;
		watch->first = direction;
	} else if (record->type == TLS_HANDSHAKE && !watch->greeted && !watch->protected[direction] &&
		   tls_read_server_hello(record->head, record->head_length, &hello)) {
		watch->greeted = true;
		look->conn->version = (uint8_t)hello.version;
		look->conn->cipher = hello.cipher;
		look->conn->http2 = hello.http2;
	}
	if (watch->begun_ns && watch->greeted && watch->protected[0] && watch->protected[1] && !watch->told)
		tell_handshake(look);
}

struct tls_conn *tls_watch_arrival(struct tls_table *table, const uint8_t *tail)
{
	uint64_t conn_id = tls_ends_take(&table->arrived, tail);

	return conn_id ? tls_conn_find(table, conn_id) : NULL;
}

static void on_record(void *ctx, const struct tls_record *record)
{
	struct look *look = ctx;

	if (!look->conn->watch->told)
		follow_handshake(look, record);
	if (record->type != TLS_APPLICATION)
		return;
	look->records++;
	look->bytes += record->length;
	look->last = record->length;
	if (look->segment->direction == DIRECTION_RECEIVE)
		tls_ends_put(&look->table->arrived, record->tail, look->conn->conn_id);
	else if (!look->match)
		look->match = tls_ends_take(&look->table->awaited, record->tail);
}

void tls_watch_end(struct tls_table *table, struct tls_conn *conn)
{
	free(conn->watch);
	conn->watch = NULL;
	if (conn->mute_asked)
		table->callbacks.connections.mute(table->callbacks.connections.ctx, conn->conn_id);
}

void tls_watch_narrow(struct tls_table *table, struct tls_conn *conn, enum direction direction)
{
	const struct capture_control *control = &table->callbacks.connections;

	if (conn->watch && control->ends_only)
		control->ends_only(control->ctx, conn->conn_id, direction, conn->watch->readers[direction ^ 1].next);
}

static void give_up(struct tls_table *table, struct tls_conn *conn)
{
	if (conn->has_held)
		table->callbacks.unparsed(table->callbacks.ctx, &conn->held);
	conn->has_held = false;
	tls_watch_end(table, conn);
}

void tls_watch_segment(struct tls_table *table, struct tls_conn *conn, const struct segment *segment)
{
	struct look look = { .table = table, .conn = conn, .segment = segment };
	struct tls_session *session;

	tls_reader_feed(&conn->watch->readers[segment->direction], segment, on_record, &look);
	session = look.match ? tls_session_find(table, look.match) : NULL;
	if (session && !session->open) {
		tls_join(table, session, conn, TLS_JOIN_CIPHERTEXT);
		return;
	}
	if (conn->watch->tunnel && !conn->watch->readers[segment->direction].in_step &&
	    ++conn->watch->strange > STRANGE_MAX)
		give_up(table, conn);
	if (!look.records)
		return;
	table->crossings[table->crossing_next++ & (CROSSINGS - 1)] =
		(struct tls_crossing){ .conn_id = conn->conn_id,
				       .time_ns = segment->time_ns,
				       .tid = segment->tid,
				       .direction = (uint8_t)segment->direction,
				       .records = look.records,
				       .bytes = look.bytes,
				       .last = look.last };
	if (!tls_half_speaks(conn, segment->direction))
		conn->records += look.records;
	if (conn->records > WATCH_RECORDS_MAX)
		give_up(table, conn);
}

void tls_watch_tail(struct tls_table *table, struct tls_session *session, const uint8_t *tail)
{
	tls_ends_put(&table->awaited, tail, session->tls_id);
}

/* What a call's thread moved during the call, on one connection. A read ends with the record whose plaintext it gives;
 * what it took before is not the program's (session tickets). */
struct crossed {
	uint64_t conn_id; /* 0: none, or more than one */
	uint32_t records;
	uint32_t bytes;
};

static struct crossed crossed_during(const struct tls_table *table, const struct plain_segment *plain)
{
	bool receives = plain->segment.direction == DIRECTION_RECEIVE;
	struct crossed crossed = { 0 };

	for (uint32_t i = 1; i <= CROSSINGS && i <= table->crossing_next; i++) {
		const struct tls_crossing *crossing = &table->crossings[(table->crossing_next - i) & (CROSSINGS - 1)];

		if (crossing->tid != plain->segment.tid)
			continue;
		if (crossing->time_ns < plain->entered_ns)
			break;
		if (crossing->direction != plain->segment.direction || crossing->time_ns > plain->segment.time_ns)
			continue;
		if (crossed.conn_id && crossed.conn_id != crossing->conn_id)
			return (struct crossed){ 0 };
		if (crossed.conn_id && receives)
			continue;
		crossed.conn_id = crossing->conn_id;
		crossed.records += receives ? 1 : crossing->records;
		crossed.bytes += receives ? crossing->last : crossing->bytes;
	}
	return crossed;
}

static void vote(struct tls_table *table, struct tls_session *session, uint64_t conn_id)
{
	struct tls_conn *conn;

	if (session->vote_conn_id && session->vote_conn_id != conn_id) {
		table->counts.contradictions++;
		session->contradictions++;
		session->votes = 0;
	}
	session->vote_conn_id = conn_id;
	if (++session->votes < VOTES_NEEDED)
		return;
	conn = tls_conn_find(table, conn_id);
	if (conn)
		tls_join(table, session, conn, TLS_JOIN_CALLS);
}

void tls_watch_call(struct tls_table *table, struct tls_session *session, const struct plain_segment *plain)
{
	struct crossed crossed;
	uint32_t longer;

	/* A call may be told in several events. */
	if (plain->nested || session->contradictions > CONTRADICTIONS_MAX || session->call_ns == plain->entered_ns)
		return;
	session->call_ns = plain->entered_ns;
	crossed = crossed_during(table, plain);
	if (!crossed.conn_id || crossed.bytes < plain->call_length)
		return;
	longer = crossed.bytes - plain->call_length;
	if (longer >= crossed.records * OVERHEAD_MIN && longer <= crossed.records * OVERHEAD_MAX)
		vote(table, session, crossed.conn_id);
}
