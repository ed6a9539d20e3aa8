/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Per-connection byte streams: puts segments in order, sees gaps, detects the protocol, feeds it, and hands exchanges
 * on. Knows nothing of BPF, processes or metrics. Time enters only through the records and stream_tick.
 */
#pragma once

#include "base/cleanup.h"
#include "model/exchange.h"
#include "model/losses.h"
#include "model/segment.h"
#include "model/tls_brand.h"

struct proto_ops;
struct stream_table;

struct stream_config {
	size_t max_connections; /* beyond it new connections are counted UNPARSED_NO_ROOM and muted */
	/* Of parsers and held segments over all connections. When it is used up nothing is held, and a connection whose
	 * parser grows beyond its share (max_bytes / max_connections) is given up: never more than twice this. */
	size_t max_bytes;
	uint64_t hold_ns; /* how long a segment that came early waits for what should come before it */
	uint64_t hash_seed;
	const struct proto_ops *const *protocols; /* as proto_table, for tests; NULL: proto_table */
	const struct keep *keep;                  /* borrowed: see struct proto_sink; NULL: nothing */
};

/* What a connection that yields no exchanges is told as: once when it is recognised (bytes so far, final = false), once
 * when it ends (final = true, bytes since the first call). One that found no room has no state here: its bytes are told
 * at its end with tgid 0. */
struct unparsed_report {
	uint64_t conn_id;
	uint32_t tgid;
	enum unparsed_reason reason;
	uint64_t bytes[2];    /* by direction */
	uint64_t lifetime_ns; /* since it was recognised; 0 unless final */
	tls_brands brands;    /* UNPARSED_TLS: what its process has for TLS, when it was asked */
	bool final;
};

/* A connection to a database, for the length of a callback. */
struct stream_session {
	enum protocol protocol;
	enum side side;
	uint32_t tgid;
	const struct endpoint *local;
	const struct endpoint *remote;
	struct db_session now; /* of stream_each_session only */
};

struct stream_callbacks {
	void *ctx;
	void (*exchange)(void *ctx, const struct exchange *exchange);
	/* A request's head is complete: what its exchange will say, as far as it is known. Its exchange follows, if it
	 * does, with the same conn_id and request_position. Not of all: see struct proto_sink. NULL when nobody asks.
	 */
	void (*begin)(void *ctx, const struct exchange *exchange);
	/* Whether `begin` is to be called for a request that this process reads by HTTP. NULL: always. */
	bool (*begin_wanted)(void *ctx, uint32_t tgid);
	/* The gauge of requests in flight: change is +1 or -1; sums to zero over a connection's life, and for each
	 * tgid. */
	void (*active)(void *ctx, uint64_t conn_id, uint32_t tgid, enum side side, enum http_method method, int change);
	void (*unparsed)(void *ctx, const struct unparsed_report *report);
	/* A database's transaction ended. May be NULL. */
	void (*transaction)(void *ctx, const struct stream_session *session, const struct db_transaction *transaction);
	struct capture_control control;
};

/* -ENOMEM. The callbacks are copied; none of them may call back into the table, but stream_each_open. */
MUST_CHECK int stream_table_new(const struct stream_config *config, const struct stream_callbacks *callbacks,
				struct stream_table **ret_table);
/* Frees everything; open requests are not reported. Takes NULL. */
void stream_table_free(struct stream_table *table);

void stream_on_open(struct stream_table *table, const struct connection_open *open);
void stream_on_segment(struct stream_table *table, const struct segment *segment);
void stream_on_end(struct stream_table *table, const struct connection_end *end);
/* The kernel lost events (its own counters say how many), ends of connections perhaps among them: when the table is
 * full, what has been idle for long may make room. Gaps need no telling: positions show them. */
void stream_on_loss(struct stream_table *table);
/* Gives up waiting where hold_ns has passed since the first tick that saw the wait: a segment that overtook another in
 * the ring is never given up because the ring was read late. Call it every few milliseconds while segments flow, after
 * the ring was drained, and also while stream_table_waiting. */
void stream_tick(struct stream_table *table, uint64_t now_ns);
/* Something is held until time passes. */
bool stream_table_waiting(const struct stream_table *table);

/* What is known of a connection: endpoints, tgid, from_start, when it was opened, and where (of TCP). False: it is not
 * in the table. */
bool stream_describe(struct stream_table *table, uint64_t conn_id, struct connection_open *ret_open);

const struct stream_losses *stream_table_losses(const struct stream_table *table);
size_t stream_table_connections(const struct stream_table *table);
/* Tells every connection that is a database session now: what is not there is not told, so a sum over them never
 * drifts. The visitor may not call back into the table. */
typedef void (*stream_session_visitor)(void *ctx, const struct stream_session *session);
void stream_each_session(struct stream_table *table, stream_session_visitor visitor, void *ctx);
/* Calls `begin` for each request that the process reads by HTTP and that is not answered yet. */
void stream_each_open(struct stream_table *table, uint32_t tgid);
/* Memory of parsers and held segments. */
size_t stream_table_bytes(const struct stream_table *table);
/* What the connections of a protocol share, which stays when they are gone; bounded by the protocol. */
size_t stream_table_shared_bytes(const struct stream_table *table);
