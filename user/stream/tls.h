/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The join: which connection a TLS session's plaintext belongs to. docs/TLS.md says how and why. Stands in front of the
 * stream table: plaintext enters it as a connection of its own, with the endpoints of the connection that carried its
 * ciphertext; the latter is not parsed, and not counted as unparsed while it is read above.
 */
#pragma once

#include "base/cleanup.h"
#include "model/plain.h"
#include "stream/stream.h"

struct tls_table;

struct tls_config {
	size_t max_sessions;
	size_t max_held_bytes; /* of plaintext that waits for its connection, over all sessions */
	uint64_t hold_ns;      /* how long it waits: then its peer is left empty */
	uint64_t hash_seed;
};

/* What tells a session's connection. */
enum tls_join {
	TLS_JOIN_DESCRIPTOR, /* the session's own descriptor */
	TLS_JOIN_CIPHERTEXT, /* the ciphertext that the session made crossed there */
	TLS_JOIN_CALLS, /* calls of the session moved records of fitting length there, more than once, and nowhere else
			 */
	TLS_JOIN_NONE,  /* nothing certain: the peer is left empty */
	TLS_JOIN_COUNT,
};

const char *tls_join_text(enum tls_join join);

struct tls_handshake {
	uint64_t conn_id;
	uint32_t tgid;
	enum side side;
	enum tls_version version;
	uint16_t cipher;
	uint64_t duration_ns;
};

struct tls_callbacks {
	void *ctx;
	/* Of connections that are not read above, and of sessions. */
	void (*unparsed)(void *ctx, const struct unparsed_report *report);
	/* A process begins a TLS connection: has it a library that is not hooked yet? Returns what it has for TLS. */
	tls_brands (*sighted)(void *ctx, uint32_t tgid);
	/* Nothing told which connection a session of the process is on. */
	void (*unjoined)(void *ctx, uint32_t tgid);
	void (*handshake)(void *ctx, const struct tls_handshake *handshake);
	/* The ends of the session's ciphertext are not needed any more. */
	void (*joined)(void *ctx, uint64_t tls_id);
	/* The session is over, and its library has not said so. */
	void (*forget)(void *ctx, uint64_t tls_id);
	struct capture_control connections;
	struct capture_control sessions;
};

MUST_CHECK int tls_table_new(const struct tls_config *config, const struct tls_callbacks *callbacks,
			     struct stream_table *streams, struct tls_table **ret_table);
void tls_table_free(struct tls_table *table);

/* Connections that were open before are not seen from their beginning. */
void tls_hooked(struct tls_table *table, uint64_t since_ns);
/* After stream has had the segment. */
void tls_on_segment(struct tls_table *table, const struct segment *segment);
/* After stream has had the end. */
void tls_on_end(struct tls_table *table, const struct connection_end *end);
void tls_on_plain(struct tls_table *table, const struct plain_segment *plain);
void tls_on_plain_end(struct tls_table *table, const struct plain_end *end);
/* The end of the ciphertext that was made of the session's last plaintext. */
void tls_on_plain_tail(struct tls_table *table, uint64_t tls_id, const uint8_t *tail);
/* Before stream's. Time passes: gives up what waits too long, ends what has ended. */
void tls_tick(struct tls_table *table, uint64_t now_ns);
bool tls_table_waiting(const struct tls_table *table);

/* Stream's callbacks, on their way. */
void tls_unparsed(struct tls_table *table, const struct unparsed_report *report);
void tls_mute(struct tls_table *table, uint64_t conn_id);
/* Of a session. */
void tls_skip(struct tls_table *table, uint64_t tls_id, enum direction direction, uint32_t position);

struct tls_counts {
	uint64_t sessions[TLS_JOIN_COUNT]; /* by what told their connection */
	uint64_t no_room;                  /* sessions that were not kept */
	uint64_t contradictions;           /* times that a hint was refuted by the next one */
};

const struct tls_counts *tls_table_counts(const struct tls_table *table);
size_t tls_table_sessions(const struct tls_table *table);
size_t tls_table_held_bytes(const struct tls_table *table);
