/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exchanges in, spans out: finds each exchange's parent, decides whether it is sampled, says what it was by the
 * conventions, and hands it on. Knows no sockets and no processes; names and time come in. A parent is set only where
 * it is known: what could not be known is counted, by reason. docs/TRACING.md tells the rules.
 */
#pragma once

#include "base/cleanup.h"
#include "model/exchange.h"
#include "model/snapshot.h"
#include "model/span.h"

struct trace;

/* How a process serves: which of its threads may be believed when they make a call. */
enum trace_runtime {
	TRACE_RUNTIME_THREADS, /* nothing is known: a thread serves one request at a time until it shows otherwise */
	TRACE_RUNTIME_GO,      /* goroutines move between threads */
	TRACE_RUNTIME_GO_OLD,  /* ... and cannot be told: before 1.18 */
	TRACE_RUNTIME_PROXY,   /* an event loop that passes the path of a request on */
};

/* A ratio of its own for services or routes whose name matches (fnmatch); the first that matches wins. */
struct trace_override {
	const char *pattern; /* borrowed for the trace's life */
	double ratio;
};

struct trace_config {
	double ratio;      /* of the traces that begin here, 0 to 1 */
	bool parent_based; /* what a traceparent says of sampling decides; else the ratio does */
	uint64_t slow_ns;  /* exchanges that take so long are always kept; 0: none */
	uint64_t rate;     /* spans in a second at most; 0: no cap */
	const struct trace_override *services;
	size_t service_count;
	const struct trace_override *routes; /* of the request's path */
	size_t route_count;
	const char *const *excluded; /* paths whose requests, and the calls made for them, make no spans */
	size_t excluded_count;
	const struct keep *keep; /* borrowed; NULL: nothing */
	bool remote_parents;     /* the client end of a call from a private address is observed by an agent, too */
	size_t calls_max;        /* requests in flight that are followed */
	size_t held_bytes_max;
	uint64_t hold_ns; /* how long a server's span waits for the client's end of its call to show */
	uint64_t hash_seed;
	struct span_sink sink;
	/* Whose span was just handed to the sink. NULL: nobody asks. */
	void (*told)(void *ctx, const char *service, const struct exchange *exchange, const struct span *span);
	void *told_ctx;
	void *runtime_ctx;
	enum trace_runtime (*runtime)(void *ctx, uint32_t tgid); /* asked once for each process; NULL: THREADS */
	void *open_ctx;
	/* Calls trace_begin for each HTTP request that the process serves now. NULL: beginnings are always wanted. */
	void (*open_requests)(void *ctx, uint32_t tgid);
};

/* -ENOMEM. The configuration's arrays are borrowed until trace_free. */
MUST_CHECK int trace_new(const struct trace_config *config, struct trace **ret_trace);
/* Spans that are held are not told: call trace_flush before. Takes NULL. */
void trace_free(struct trace *trace);

/* Whether trace_begin is to be called for what a process serves by HTTP. Of calls it always is. */
bool trace_wants_begin(struct trace *trace, uint32_t tgid);
/* A request's head was seen: what stream's `begin` told. */
void trace_begin(struct trace *trace, const char *service, const struct exchange *exchange);
/* The exchange is over. `route` is its http.route, "" for none. `outlier`: it took long, by what its like take: it is
 * kept whatever the sampler says. */
void trace_end(struct trace *trace, const char *service, const char *route, const struct exchange *exchange,
	       bool outlier);
/* No exchange will come of this connection any more. */
void trace_connection_end(struct trace *trace, uint64_t conn_id);
void trace_process_exit(struct trace *trace, uint32_t tgid);
/* Lets go what was held long enough. `epoch_ns` is what to add to CLOCK_MONOTONIC for the time since the epoch. */
void trace_tick(struct trace *trace, uint64_t now_ns, uint64_t epoch_ns);
/* Tells every span that is held. */
void trace_flush(struct trace *trace);
/* Something is held until time passes. */
bool trace_waiting(const struct trace *trace);

/* sonde_trace_*, sonde_spans_total. */
struct snapshot_source trace_source(struct trace *trace);
