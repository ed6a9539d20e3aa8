/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of trace: the calls that are followed and what its files ask of each other. Included by user/trace only.
 * The way of an exchange: trace.c makes a call of its beginning (call.c keeps them), strand.c and join.c look for its
 * parent, sample.c decides, build.c says what it was; hold.c keeps a server's span until its client's end has shown.
 */
#pragma once

#include "base/hash_table.h"
#include "model/keep.h"
#include "trace/trace.h"

#define RECENT_PROCESSES 16
#define RECENT_STRANDS 64
#define THREAD_ENDS 4096
#define TRACE_DEPTH_MAX 64 /* calls from a leaf to its root */

/* Where a parent was found; also label values. */
enum parent_source {
	PARENT_NONE,        /* the span is the root of what is known */
	PARENT_TRACEPARENT, /* the request said so */
	PARENT_THREAD,      /* the request that the calling thread was serving */
	PARENT_GOROUTINE,
	PARENT_PROXY,      /* the one open request with the path that the proxy passed on */
	PARENT_CONNECTION, /* the client's end of the call, seen here */
	PARENT_REMOTE,     /* the client's end of the call, which another agent sees */
	PARENT_SOURCE_COUNT,
};

/* Why the parent of a client's call was left out although its process had requests open. */
enum unresolved_reason {
	UNRESOLVED_INTERLEAVED, /* one thread serves several requests at once */
	UNRESOLVED_HANDED_OVER, /* another thread answers than the one that read the request */
	UNRESOLVED_NOT_SERVING, /* the calling thread, or goroutine, has no request open; others of its process have */
	UNRESOLVED_GOROUTINE,   /* a Go process whose goroutine was not told */
	UNRESOLVED_PATH,        /* a proxy with no open request of this path, or several */
	UNRESOLVED_LATE,        /* the client's end showed after its server's trace was told */
	UNRESOLVED_REASON_COUNT,
};

/* What became of an exchange. */
enum span_fate {
	FATE_TOLD,
	FATE_TOLD_ERROR, /* kept although not sampled */
	FATE_TOLD_SLOW,
	FATE_NOT_SAMPLED,
	FATE_EXCLUDED,
	FATE_RATE, /* above the cap */
	FATE_COUNT,
};

enum sampling {
	SAMPLE_RATIO, /* by the trace id and the call's threshold */
	SAMPLE_YES,   /* the traceparent's flag */
	SAMPLE_NO,
	SAMPLE_EXCLUDED,
};

struct strand;

/* One end of one request and its response, from its head on. */
struct call {
	struct hash_node node;     /* by conn_id and request_position, while it is open */
	struct hash_node key_node; /* by the positions, while its other end is looked for */
	struct call *strand_next;  /* open requests that one strand serves */
	struct call *strand_previous;
	struct strand *strand;
	struct call *up;        /* the call whose trace this one is part of; owned */
	struct call *idle_next; /* hold.c: ended clients in their order */
	char *trace_state;      /* owned; NULL when empty */
	uint64_t conn_id;
	uint64_t span_id;
	uint64_t parent_id; /* with a source but PARENT_CONNECTION and PARENT_REMOTE, which are known at the end */
	uint64_t header_id; /* what the request's traceparent said */
	uint64_t path_hash; /* of method and path: of proxies' alone */
	uint64_t threshold; /* SAMPLE_RATIO: traces whose random part is below are not sampled */
	uint64_t begun_ns;  /* when it was told, for expiry */
	uint64_t first_ns;  /* of its request's first byte */
	uint64_t ended_ns;
	uint32_t references;
	uint32_t request_position;
	uint32_t response_position; /* until it is known, where the response's direction stood */
	uint32_t tgid;
	uint8_t side;
	uint8_t source;   /* enum parent_source */
	uint8_t sampling; /* enum sampling */
	bool open;        /* in the table */
	bool keyed;       /* in the table of keys */
	bool joined;      /* its other end was found */
	bool resolved;    /* trace_id and sampling stand */
	bool has_header;
	bool outlier; /* took longer than its like */
	bool is_tcp;  /* its positions come from sequence numbers: agents on both ends derive ids from them */
	bool shared;  /* its positions are those of its other end */
	uint8_t trace_id[TRACE_ID_BYTES];
};

/* What serves one request at a time: a thread, or a goroutine. Stays for a while when it has none open: it will. */
struct strand {
	struct hash_node node;
	uint64_t id;
	struct call *calls;
	uint32_t count;
	bool used; /* since the last look */
};

struct process {
	struct hash_node node;
	uint32_t tgid;
	uint32_t open; /* requests that it serves */
	enum trace_runtime runtime;
	uint64_t interleaved_ns; /* when last seen; 0 never */
	uint64_t handed_over_ns;
	uint64_t forgotten_ns; /* up to when ends of requests are forgotten: trace->ends had no room */
	uint32_t quiet;        /* requests served before the first call */
	bool calls;            /* it has made one */
	bool leaf;             /* leaf.c */
};

/* When a thread's last request ended. */
struct thread_end {
	uint32_t tid;
	uint32_t tgid;
	uint64_t conn_id;
	uint64_t end_ns;
};

/* A server's exchange that waits for its client's end. */
struct held {
	struct held *next;
	uint64_t until_ns;
	size_t size;
	struct call *call; /* owned */
	struct exchange exchange;
	struct endpoint local;
	struct endpoint remote;
	const char *service;
	const char *route;
	char bytes[];
};

struct rate_bucket {
	uint64_t tokens_ns; /* of time, not yet spent */
	uint64_t last_ns;
};

struct trace {
	struct trace_config config;
	uint64_t threshold;
	uint64_t now_ns;
	uint64_t epoch_ns;
	uint64_t expired_ns; /* when calls were last looked through */
	struct hash_table calls;
	struct hash_table keys;
	struct hash_table strands;
	struct hash_table processes;
	struct process *recent[RECENT_PROCESSES]; /* by the last bits of the tgid; NULL */
	struct strand *recent_strands[RECENT_STRANDS];
	struct thread_end ends[THREAD_ENDS]; /* by the last bits of the tid */
	size_t idle_strands;
	size_t keyed_clients; /* in keys */
	struct call *spare;   /* freed ones, for reuse, by idle_next */
	size_t spare_count;
	struct call *idle_first; /* ended clients whose server's end may still show */
	struct call *idle_last;
	size_t idle_count;
	struct held *held_first;
	struct held *held_last;
	size_t held_bytes;
	struct rate_bucket bucket;
	uint64_t fates[FATE_COUNT];
	uint64_t sources[PARENT_SOURCE_COUNT];
	uint64_t unresolved[UNRESOLVED_REASON_COUNT];
	uint64_t calls_full;    /* exchanges that were not followed: no room, or no memory */
	uint64_t released_soon; /* held spans told before their time: no room */
	uint64_t invalid_headers;
};

/* call.c */
/* NULL without room. Not in any table yet; one reference, the caller's. */
struct call *call_new(struct trace *trace, const struct exchange *exchange);
void call_unref(struct trace *trace, struct call *call);
/* False without room. */
bool call_open(struct trace *trace, struct call *call);
struct call *call_find(const struct trace *trace, uint64_t conn_id, uint32_t request_position);
/* Takes it out of the table, which gives its reference to the caller. */
void call_close(struct trace *trace, struct call *call);
/* Its trace and sampling, from the call it belongs to, else its own. For good. */
void call_resolve(struct call *call);
/* Forgets what began before: requests whose end went unheard. An exchange that comes after all is told all the same.
 */
void call_expire(struct trace *trace, uint64_t before_ns);
void call_forget_connection(struct trace *trace, uint64_t conn_id);
void call_free_all(struct trace *trace);

/* Its positions come from sequence numbers. */
bool call_has_sequence_numbers(const struct exchange *exchange);

/* leaf.c: servers that call nobody. */
/* The exchange of a leaf has ended, and makes no span: it is counted. False: it is to be followed as any. */
bool leaf_end(struct trace *trace, const char *service, const struct exchange *exchange, bool outlier);
void leaf_called(struct trace *trace, struct process *process);
void leaf_served(const struct trace *trace, struct process *process);

/* strand.c: requests that are served, and the calls that are made meanwhile. */
struct process *process_find(struct trace *trace, uint32_t tgid);
/* A request that was not followed has ended: whether it says that the process' threads cannot be believed. */
void strand_witness(struct trace *trace, struct process *process, const struct exchange *exchange);
void strand_serve(struct trace *trace, struct call *call, const struct exchange *exchange);
void strand_leave(struct trace *trace, struct call *call);
/* Who answered is known now. */
void strand_answered(struct trace *trace, const struct call *call, const struct exchange *exchange);
/* Sets the call's parent to the request that its strand serves, or counts why not. */
void strand_parent(struct trace *trace, struct call *call, const struct exchange *exchange);
/* Forgets strands that served nothing since the last time. */
void strand_expire(struct trace *trace);
void strand_free_all(struct trace *trace);

/* join.c: both ends of a call. */
/* Looks for the other end; remembers this one when there is none. */
void join_offer(struct trace *trace, struct call *call);
/* The positions as they are known at the end. */
void join_settle(struct trace *trace, struct call *call, const struct exchange *exchange);
void join_withdraw(struct trace *trace, struct call *call);
/* Where the response began, as both ends know it at the end. */
uint32_t join_response_position(const struct exchange *exchange);
/* The client's end of a server's call that is not in the table; NULL. */
struct call *join_find_client(const struct trace *trace, const struct call *server);
/* Whether its client may be observed by another agent. */
bool join_is_remote(const struct trace *trace, const struct exchange *exchange);

/* hold.c */
/* False without memory. Takes the reference when it is true. */
bool hold_server(struct trace *trace, struct call *call, const char *service, const char *route,
		 const struct exchange *exchange);
/* Takes the reference. */
void hold_client(struct trace *trace, struct call *call);
/* Tells what is over its time; everything with `all`. */
void hold_release(struct trace *trace, bool all);

/* sample.c */
uint64_t sample_threshold(double ratio);
/* The ratio that holds for a trace that begins with this exchange. */
void sample_begin(const struct trace *trace, struct call *call, const char *service, const struct exchange *exchange);
/* Of a call that is resolved, or has nothing above it and sequence numbers. */
bool sample_trace(const struct call *call);
/* What becomes of a span as far as is known now. Resolves a call that belongs to another one's trace. */
enum span_fate sample_judge(const struct trace *trace, struct call *call, const struct exchange *exchange);
/* What does become of it: spends of the cap. Resolves a call that is told. */
enum span_fate sample_decide(struct trace *trace, struct call *call, enum span_fate fate);
bool sample_is_slow(const struct trace *trace, const struct exchange *exchange);
uint64_t exchange_start_ns(const struct exchange *exchange);
uint64_t exchange_end_ns(const struct exchange *exchange);
bool exchange_is_error(const struct exchange *exchange);

/* build.c */
void build_span(struct trace *trace, const struct call *call, const char *service, const char *route,
		const struct exchange *exchange);
/* build_http.c, build_db.c: names and attributes. */
struct span_writer {
	struct span_attribute attributes[SPAN_ATTRIBUTES_MAX];
	size_t count;
	struct text texts[SPAN_LIST_TEXTS_MAX]; /* of lists */
	size_t text_count;
	char *text; /* room for texts that are made up */
	size_t text_left;
	struct text name;
};

void writer_text(struct span_writer *writer, const char *key, struct text text);
void writer_string(struct span_writer *writer, const char *key, const char *text);
void writer_int(struct span_writer *writer, const char *key, int64_t number);
/* Puts pieces together; "" when there is no room. */
struct text writer_join(struct span_writer *writer, const struct text *pieces, size_t count);
void writer_peer(struct span_writer *writer, const struct exchange *exchange);
void build_http(struct span_writer *writer, const char *route, const struct exchange *exchange);
/* The header fields that were kept of it. */
void build_fields(struct span_writer *writer, const struct keep *keep, const struct exchange *exchange);
void build_db(struct span_writer *writer, const struct exchange *exchange);

/* trace.c: the exchange's parent stands: counts it, decides, tells. */
void trace_tell(struct trace *trace, struct call *call, const char *service, const char *route,
		const struct exchange *exchange);
