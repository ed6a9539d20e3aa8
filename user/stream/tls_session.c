/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session in stream's eyes: a connection with the endpoints of the one that carries it. Plaintext waits until that
 * one is known; what waited too long is opened without a peer, because an empty peer is true and a guessed one may not
 * be. A session ends with its connection, a moment later: the library may still give what it had buffered.
 */
#include <string.h>

#include "stream/tls_table.h"

#define LINGER_NS 500000000ULL  /* between the connection's end and the session's */
#define ORPHAN_NS 2000000000ULL /* an object that is freed, on a connection that stays */

void tls_session_wait(struct tls_table *table, struct tls_session *session)
{
	if (session->waiting)
		return;
	session->waiting = true;
	session->next_waiting = table->waiting;
	table->waiting = session;
}

void tls_session_unwait(struct tls_table *table, struct tls_session *session)
{
	struct tls_session **at = &table->waiting;

	while (*at && *at != session)
		at = &(*at)->next_waiting;
	if (*at)
		*at = session->next_waiting;
	session->waiting = false;
}

void tls_session_drop_held(struct tls_table *table, struct tls_session *session)
{
	while (session->head) {
		struct held_plain *held = session->head;

		session->head = held->next;
		free(held);
	}
	table->held_bytes -= session->held_bytes;
	session->held_bytes = 0;
	session->tail = NULL;
}

static void pass(struct tls_table *table, const struct tls_session *session, const struct segment *segment)
{
	struct segment placed = *segment;

	if (!session->half || tls_half_place(session, &placed))
		stream_on_segment(table->streams, &placed);
}

void tls_session_hand_on(struct tls_table *table, struct tls_session *session)
{
	for (struct held_plain *held = session->head; held; held = held->next) {
		held->segment.data = held->bytes;
		pass(table, session, &held->segment);
	}
	tls_session_drop_held(table, session);
}

void tls_session_open(struct tls_table *table, struct tls_session *session)
{
	struct connection_open open = { 0 };
	bool first;

	if (session->open)
		return;
	first = session->conn && stream_describe(table->streams, session->conn->conn_id, &open);
	open.tls = session->conn && session->conn->version ? session->conn->version : TLS_UNKNOWN;
	/* The connection's first session, seen from its beginning by hooks that were there before. */
	open.from_start = first && open.from_start && open.time_ns > table->hooked_ns &&
			  session->conn->sessions == session && !session->next_of_conn && !session->dropped;
	/* Plaintext is counted alike on both ends, and the connection's own beginning tells it from all others. */
	open.shared = open.from_start;
	open.origin[0] = open.position[0];
	open.origin[1] = open.position[1];
	open.conn_id = session->tls_id;
	open.time_ns = session->first_ns;
	open.role = ROLE_UNKNOWN;
	if (session->head)
		open.tgid = session->head->segment.tgid;
	open.position[0] = 0;
	open.position[1] = 0;
	session->open = true;
	stream_on_open(table->streams, &open);
	tls_session_hand_on(table, session);
}

static void hold(struct tls_table *table, struct tls_session *session, const struct segment *segment)
{
	struct held_plain *held = malloc(sizeof(*held) + segment->captured_length);

	/* Without the copy the bytes are missing: stream sees the gap by their positions. */
	if (!held)
		return;
	held->next = NULL;
	held->segment = *segment;
	if (segment->captured_length)
		memcpy(held->bytes, segment->data, segment->captured_length);
	if (session->tail)
		session->tail->next = held;
	else
		session->head = held;
	session->tail = held;
	session->held_bytes += segment->captured_length + sizeof(*held);
	table->held_bytes += segment->captured_length + sizeof(*held);
}

void tls_session_unjoined(struct tls_table *table, struct tls_session *session)
{
	if (session->open || session->half || session->help_asked || !session->head)
		return;
	session->help_asked = true;
	table->callbacks.unjoined(table->callbacks.ctx, session->head->segment.tgid);
}

/* Its peer is left empty. */
static void give_up(struct tls_table *table, struct tls_session *session, uint64_t now_ns)
{
	if (session->half) {
		tls_half_drop(table, session, now_ns);
		return;
	}
	table->counts.sessions[TLS_JOIN_NONE]++;
	tls_session_unjoined(table, session);
	tls_session_open(table, session);
}

void tls_session_take(struct tls_table *table, struct tls_session *session, const struct segment *segment)
{
	if (!session->open && session->conn)
		tls_session_open(table, session);
	if (session->open) {
		pass(table, session, segment);
		return;
	}
	hold(table, session, segment);
	tls_session_wait(table, session);
	if (table->held_bytes <= table->config.max_held_bytes)
		return;
	give_up(table, session, segment->time_ns);
}

static void end_in_stream(struct tls_table *table, struct tls_session *session)
{
	struct connection_end end = { .conn_id = session->tls_id,
				      .time_ns = session->end_ns,
				      .kind = END_CLOSED,
				      .reason = (enum connection_end_reason)session->end_reason };

	if (session->open)
		stream_on_end(table->streams, &end);
}

void tls_session_free(struct tls_table *table, struct tls_session *session)
{
	struct tls_session **at;

	tls_half_let_go(table, session);
	tls_session_unwait(table, session);
	if (!session->freed && !session->over)
		table->callbacks.forget(table->callbacks.ctx, session->tls_id);
	if (session->conn)
		for (at = &session->conn->sessions; *at; at = &(*at)->next_of_conn)
			if (*at == session) {
				*at = session->next_of_conn;
				break;
			}
	tls_session_drop_held(table, session);
	hash_table_remove(&table->sessions, &session->node);
	free(session);
}

/* True: the session is over. */
static bool session_passes(struct tls_table *table, struct tls_session *session, uint64_t now_ns)
{
	bool gone = (session->freed && session->ended) || (session->ended && now_ns >= session->end_ns + LINGER_NS) ||
		    (session->freed && now_ns >= session->end_ns + ORPHAN_NS);

	/* Once it has waited in vain, a half that falls silent is forgotten: its object may never be freed. */
	if (session->half && !session->lead && session->told && !session->head &&
	    now_ns >= session->first_ns + table->config.hold_ns)
		gone = true;
	if (!session->open && (gone || now_ns >= session->first_ns + table->config.hold_ns))
		give_up(table, session, now_ns);
	return gone;
}

void tls_tick(struct tls_table *table, uint64_t now_ns)
{
	struct tls_session *session = table->waiting, *next;

	table->waiting = NULL;
	for (; session; session = next) {
		next = session->next_waiting;
		session->waiting = false;
		if (session_passes(table, session, now_ns)) {
			end_in_stream(table, session);
			tls_session_free(table, session);
		} else if (!session->open || session->ended || session->freed) {
			tls_session_wait(table, session);
		}
	}
}
