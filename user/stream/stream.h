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

struct stream_table;

struct stream_config {
	size_t max_connections; /* beyond it new connections are counted UNPARSED_NO_ROOM and muted */
	size_t max_bytes;       /* of parse buffers and held segments over all connections */
	uint64_t hold_ns;       /* how long a segment that came early waits for what should come before it */
	uint64_t hash_seed;
};

/* What a connection that yields no exchanges is told as; once per connection, when it is recognised (bytes so far and
 * final = false), and when it ends (final = true: bytes are those since the first call). */
struct unparsed_report {
	uint64_t conn_id;
	uint32_t tgid;
	enum unparsed_reason reason;
	uint64_t bytes[2]; /* by direction */
	uint64_t lifetime_ns; /* of the opaque part; 0 unless final */
	bool final;
};

struct stream_callbacks {
	void *ctx;
	void (*exchange)(void *ctx, const struct exchange *exchange);
	/* The gauge of requests in flight: change is +1 or -1; sums to zero over a connection's life. */
	void (*active)(void *ctx, uint64_t conn_id, uint32_t tgid, enum side side, enum http_method method, int change);
	void (*unparsed)(void *ctx, const struct unparsed_report *report);
	struct capture_control control;
};

/* -ENOMEM. The callbacks are copied. */
MUST_CHECK int stream_table_new(const struct stream_config *config, const struct stream_callbacks *callbacks,
				struct stream_table **ret_table);
/* Frees everything; open requests are not reported. Takes NULL. */
void stream_table_free(struct stream_table *table);

void stream_on_open(struct stream_table *table, const struct connection_open *open);
void stream_on_segment(struct stream_table *table, const struct segment *segment);
void stream_on_end(struct stream_table *table, const struct connection_end *end);
/* The kernel lost events (its own counters say how many): a gap may be anywhere. Only informs unix streams and holds. */
void stream_on_loss(struct stream_table *table);
/* Gives up waiting where hold_ns has passed. Call it every few milliseconds while segments flow. */
void stream_tick(struct stream_table *table, uint64_t now_ns);

const struct stream_losses *stream_table_losses(const struct stream_table *table);
size_t stream_table_connections(const struct stream_table *table);
size_t stream_table_bytes(const struct stream_table *table);
