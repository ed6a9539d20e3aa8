/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions of which the hooks see each direction by itself: a key of a cipher is one direction of one connection
 * (bpf/tls_aead.h). What makes one stream of them is that both are joined with the same connection, each by its own
 * ciphertext. The first one's id is the stream's: it leads, the others are its parts. TLS 1.3 may change a direction's
 * key: its next half goes on where the last one ended, as long as the ciphertext is looked at. Each half is told in the
 * order in which it spoke, and what a direction says is told before the ciphertext leaves and after it has come: so how
 * far the other one has come is known by what was told before.
 *
 * Considered and rejected: to open a stream for a half alone when no connection is found. Requests without responses
 * would be counted as such, and responses alone as nothing.
 */
#include "stream/tls_table.h"

void tls_half_begin(struct tls_session *half, const struct segment *segment)
{
	half->half = true;
	half->direction = (uint8_t)segment->direction;
	half->dropped = segment->position;
}

static struct tls_session *lead_of(const struct tls_conn *conn)
{
	struct tls_session *session = conn->sessions;

	while (session && !session->half)
		session = session->next_of_conn;
	return session;
}

bool tls_half_speaks(const struct tls_conn *conn, enum direction direction)
{
	const struct tls_session *lead = lead_of(conn);

	return lead && lead->speaks[direction];
}

bool tls_half_leads(struct tls_table *table, struct tls_session *half, struct tls_conn *conn)
{
	struct tls_session *lead = lead_of(conn);
	bool first = !lead;

	if (first)
		lead = half;
	half->lead = lead;
	half->base = lead->reach[half->direction] - half->dropped;
	lead->speaks[half->direction] = half;
	table->callbacks.joined(table->callbacks.ctx, half->tls_id);
	if (first)
		return true;
	half->next_part = lead->parts;
	lead->parts = half;
	half->open = true;
	tls_session_unwait(table, half);
	table->part_count++;
	if (lead->muted)
		table->callbacks.sessions.mute(table->callbacks.sessions.ctx, half->tls_id);
	tls_session_hand_on(table, half);
	return false;
}

bool tls_half_place(const struct tls_session *half, struct segment *segment)
{
	struct tls_session *lead = half->lead;

	if (lead->broken)
		return false;
	segment->conn_id = lead->tls_id;
	segment->position += half->base;
	segment->peer_position = lead->reach[half->direction ^ 1];
	lead->reach[half->direction] = segment->position + segment->length;
	return true;
}

static void unlink_part(struct tls_table *table, struct tls_session *part)
{
	struct tls_session **at = &part->lead->parts;

	while (*at != part)
		at = &(*at)->next_part;
	*at = part->next_part;
	table->part_count--;
}

struct tls_session *tls_half_end(struct tls_table *table, struct tls_session *half)
{
	struct tls_session *lead = half->lead;

	half->over = true;
	if (!lead)
		return half;
	/* Should the other direction speak again, this one's key was changed, and the ciphertext is not looked at any
	 * more: requests would be left without their responses. */
	if (lead->speaks[0] && lead->speaks[1])
		lead->broken = true;
	if (lead->speaks[half->direction] == half)
		lead->speaks[half->direction] = NULL;
	if (half != lead)
		tls_session_free(table, half);
	return lead->over && !lead->parts ? lead : NULL;
}

void tls_half_drop(struct tls_table *table, struct tls_session *half, uint64_t now_ns)
{
	if (half->tail)
		half->dropped = half->tail->segment.position + half->tail->segment.length;
	tls_session_drop_held(table, half);
	half->first_ns = now_ns;
	if (!half->told)
		table->counts.sessions[TLS_JOIN_NONE]++;
	half->told = true;
}

void tls_half_let_go(struct tls_table *table, struct tls_session *half)
{
	if (half->lead && half->lead != half)
		unlink_part(table, half);
	while (half->parts)
		tls_session_free(table, half->parts);
}
