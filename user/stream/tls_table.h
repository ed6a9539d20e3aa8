/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the join: its tables, and what its files ask of each other. Included by user/stream/tls*.c only.
 * tls.c is the way of a record; tls_watch.c looks at ciphertext; tls_session.c opens, holds and ends sessions;
 * tls_half.c makes one of two.
 */
#pragma once

#include "base/hash_table.h"
#include "stream/tls.h"
#include "stream/tls_ends.h"
#include "stream/tls_record.h"

#define CROSSINGS 256         /* calls that moved records, remembered for TLS_JOIN_CALLS; a power of two */
#define VOTES_NEEDED 2        /* calls that must agree */
#define CONTRADICTIONS_MAX 3  /* then nothing is believed of this session's calls */
#define STRANGE_MAX 8         /* segments of a tunnel that are no records, before it is muted */
#define WATCH_RECORDS_MAX 256 /* application records of a connection that nothing joins, before it is muted */

/* Ciphertext is looked at until the connection is joined. */
struct tls_watch {
	struct tls_reader readers[2];
	bool changed[2];   /* ciphers have changed in this direction */
	bool protected[2]; /* the first record that is not in clear has crossed */
	bool greeted;      /* ServerHello was read */
	bool told;         /* the handshake's time */
	bool tunnel;       /* it spoke another protocol before: a proxy's CONNECT */
	uint8_t strange;   /* segments of a tunnel that are no records */
	uint64_t begun_ns;
	enum direction first; /* who said the first byte: the client */
};

/* A connection whose bytes are TLS records, or on which a session was found. */
struct tls_conn {
	struct hash_node node;
	uint64_t conn_id;
	struct tls_watch *watch; /* NULL: joined, or given up; owned */
	struct tls_session *sessions;
	struct unparsed_report held; /* not told yet */
	bool has_held;
	bool mute_asked;
	bool joined;
	bool http2;      /* agreed on, where it is told in clear */
	uint8_t version; /* enum tls_version */
	uint16_t cipher;
	uint32_t records;
};

struct held_plain {
	struct held_plain *next;
	struct segment segment;
	uint8_t bytes[];
};

struct tls_session {
	struct hash_node node;
	uint64_t tls_id;
	struct tls_conn *conn;            /* joined to; NULL: not, or it is gone */
	struct tls_session *next_of_conn; /* others on it */
	struct tls_session *next_waiting; /* in the table's list of those that time concerns */
	struct held_plain *head;
	struct held_plain *tail;
	size_t held_bytes;
	uint64_t first_ns;     /* its first plaintext */
	uint64_t call_ns;      /* entered_ns of the call that was judged last */
	uint64_t vote_conn_id; /* where its calls moved records */
	uint8_t votes;
	uint8_t contradictions;
	bool waiting;
	bool open;  /* stream has it */
	bool freed; /* the library's object is gone */
	bool ended; /* its connection is gone */
	bool help_asked;
	uint64_t end_ns;
	uint8_t end_reason;
	bool half; /* one direction of a session: tls_half.c */
	bool over; /* and its object is gone: `freed` is of the stream */
	bool told; /* as one without a connection */
	uint8_t direction;
	uint32_t dropped;          /* of a half: how much of its plaintext was not kept, at its beginning */
	uint32_t base;             /* of a half: where its plaintext begins in the stream */
	struct tls_session *lead;  /* of a half: whose stream it is part of, perhaps its own; NULL: it is not joined */
	struct tls_session *parts; /* of a lead: the other halves of its stream */
	struct tls_session *next_part;
	struct tls_session *speaks[2]; /* of a lead: the half that each direction comes from now */
	uint32_t reach[2];             /* of a lead: how far each direction has come */
	bool muted;                    /* of a lead */
	bool broken;                   /* of a lead: one direction is missing from now on */
};

struct tls_crossing {
	uint64_t conn_id;
	uint64_t time_ns;
	uint32_t tid;
	uint8_t direction;
	uint32_t records;
	uint32_t bytes; /* of ciphertext without headers */
	uint32_t last;  /* of the last record alone */
};

struct tls_table {
	struct tls_config config;
	struct tls_callbacks callbacks;
	struct stream_table *streams;
	struct hash_table conns;
	struct hash_table sessions;
	struct tls_session *waiting;
	size_t held_bytes;
	uint64_t hooked_ns;
	struct tls_crossing crossings[CROSSINGS];
	uint32_t crossing_next;
	struct tls_ends awaited; /* of ciphertext that sessions have made: whose id */
	struct tls_ends arrived; /* of ciphertext that was received: on which connection */
	size_t part_count;       /* halves that are part of another's stream */
	struct tls_counts counts;
};

/* tls.c */
struct tls_conn *tls_conn_find(struct tls_table *table, uint64_t conn_id);
/* NULL: no room. */
struct tls_conn *tls_conn_make(struct tls_table *table, uint64_t conn_id);
struct tls_session *tls_session_find(struct tls_table *table, uint64_t tls_id);
void tls_join(struct tls_table *table, struct tls_session *session, struct tls_conn *conn, enum tls_join how);

/* tls_watch.c */
void tls_watch_segment(struct tls_table *table, struct tls_conn *conn, const struct segment *segment);
/* Judges a call of a session whose connection is not known. */
void tls_watch_call(struct tls_table *table, struct tls_session *session, const struct plain_segment *plain);
void tls_watch_tail(struct tls_table *table, struct tls_session *session, const uint8_t *tail);
/* On which connection a record with this end was received; NULL: it is not remembered. */
struct tls_conn *tls_watch_arrival(struct tls_table *table, const uint8_t *tail);
/* Of this direction hardly anything is needed, as long as the other one says nothing. */
void tls_watch_narrow(struct tls_table *table, struct tls_conn *conn, enum direction direction);
/* Nothing more of its ciphertext is needed. */
void tls_watch_end(struct tls_table *table, struct tls_conn *conn);

/* tls_session.c */
void tls_session_take(struct tls_table *table, struct tls_session *session, const struct segment *segment);
/* Opens it in stream, with its connection's endpoints or with none, and hands on what was held. */
void tls_session_open(struct tls_table *table, struct tls_session *session);
/* Nothing has told its connection, and nothing will: for those that come after it. */
void tls_session_unjoined(struct tls_table *table, struct tls_session *session);
void tls_session_wait(struct tls_table *table, struct tls_session *session);
void tls_session_unwait(struct tls_table *table, struct tls_session *session);
void tls_session_free(struct tls_table *table, struct tls_session *session);
void tls_session_hand_on(struct tls_table *table, struct tls_session *session);
void tls_session_drop_held(struct tls_table *table, struct tls_session *session);

/* tls_half.c */
void tls_half_begin(struct tls_session *half, const struct segment *segment);
/* The stream of the connection's halves, of which this is the first or another one. True: it is the first, to be joined
 * and opened as any session. */
bool tls_half_leads(struct tls_table *table, struct tls_session *half, struct tls_conn *conn);
/* Is the half known that speaks in this direction of the connection? */
bool tls_half_speaks(const struct tls_conn *conn, enum direction direction);
/* Its plaintext takes its place in the stream. False: it has none, the stream is broken. */
bool tls_half_place(const struct tls_session *half, struct segment *segment);
/* Its object is gone. The session that is over with it; NULL: none. */
struct tls_session *tls_half_end(struct tls_table *table, struct tls_session *half);
/* What it holds is let go: one direction alone says nothing. */
void tls_half_drop(struct tls_table *table, struct tls_session *half, uint64_t now_ns);
/* Before it is freed: the parts go with their lead. */
void tls_half_let_go(struct tls_table *table, struct tls_session *half);
