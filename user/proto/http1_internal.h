/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of HTTP/1: the state of one connection and what its files ask of each other. Included by http1*.c only.
 * The way of a byte: http1.c sends it by phase to http1_head.c (lines; http1_line.c and http1_field.c read them) or
 * http1_body.c (framing); both tell http1_pair.c, which holds open requests and finds their responses.
 * Nothing here copies more than a path, a host name, one line that is split over chunks, and what the user named.
 */
#pragma once

#include "proto/proto.h"

#define HTTP1_PATH_MAX 1024        /* bytes of a path that are kept */
#define HTTP1_HOST_MAX 255         /* likewise of a host: the longest DNS name */
#define HTTP1_HEAD_MAX (256 << 10) /* of a head, and of a trailer section */
#define HTTP1_CHUNK_LINE_MAX 4096  /* of a chunk's size and extensions */
#define HTTP1_PIPELINE_MAX 1024    /* open requests of one connection */
#define HTTP1_DETECT_MAX 512       /* bytes after which detection has its answer */
#define HTTP1_METHOD_MAX 32        /* of a method that is none of the known, for spans */
#define HTTP1_TRACEPARENT_MAX 128  /* version 00 has 55 bytes, later ones may have more */
#define HTTP1_TRACESTATE_MAX 512   /* W3C Trace Context section 3.3.1.5: at least that much is passed on */
#define HTTP1_INLINE_TEXT 104      /* path and host of most requests need no memory of their own */
/* Of a line split over chunks, its begin and its last bytes: enough for a path, an authority, and the version behind a
 * query of any length. */
#define HTTP1_LINE_FRONT 1520
#define HTTP1_LINE_TAIL 16

enum http1_phase {
	PHASE_START,      /* between messages */
	PHASE_EXPECTED,   /* before a body that waits for a 100 (Continue), and may never come */
	PHASE_FIRST_LINE, /* inside a request or status line */
	PHASE_FIELDS,     /* after it, up to the empty line */
	PHASE_LENGTH,     /* a body of `left` bytes more */
	PHASE_CHUNK_SIZE,
	PHASE_CHUNK_EXTENSION,
	PHASE_CHUNK_LF,   /* the end of the size line */
	PHASE_CHUNK_DATA, /* `left` bytes more */
	PHASE_CHUNK_END,  /* CR after the data */
	PHASE_CHUNK_END_LF,
	PHASE_TRAILERS,
	PHASE_UNTIL_CLOSE,
	PHASE_TUNNEL_EARLY, /* bytes after CONNECT or Upgrade that came before the answer to it */
	PHASE_LOST,         /* the caller was told, or must be told, that the flow is out of step */
	PHASE_DEAD,         /* malformed */
};

/* Facts of the head at hand. */
enum http1_head_flag {
	HEAD_LENGTH = 1,       /* Content-Length, valid so far */
	HEAD_LENGTH_EMPTY = 2, /* its value is still to come, on a folded line */
	HEAD_LENGTH_BAD = 4,   /* invalid or conflicting; matters unless Transfer-Encoding overrides it */
	HEAD_CODED = 8,        /* Transfer-Encoding has a coding */
	HEAD_CHUNKED = 16,     /* ... and the last one is chunked */
	HEAD_CODING_BAD = 32,  /* chunked is not last, twice, or has parameters */
	HEAD_UPGRADE = 64,
	HEAD_EXPECT = 128,
	HEAD_MALFORMED = 256,
};

/* The field whose line came last: a folded line continues it (RFC 9112 section 5.2). */
enum http1_field {
	FIELD_NONE,
	FIELD_OTHER,
	FIELD_CONTENT_LENGTH,
	FIELD_TRANSFER_ENCODING,
	FIELD_HOST,
	FIELD_EXPECT,
	FIELD_UPGRADE,
	FIELD_TRACEPARENT,
	FIELD_TRACESTATE,
};

struct http1_line_store {
	uint16_t front_length;
	uint8_t tail_length;
	char tail[HTTP1_LINE_TAIL];
	char front[HTTP1_LINE_FRONT + HTTP1_LINE_TAIL]; /* the tail is put behind the front when the line is whole */
};

struct http1_flow {
	uint8_t phase;   /* enum http1_phase */
	uint8_t resume;  /* PHASE_EXPECTED: the body's phase */
	uint8_t field;   /* enum http1_field */
	uint8_t version; /* 10 or 11 */
	uint16_t flags;  /* enum http1_head_flag */
	uint16_t status;
	bool line_has_bytes; /* PHASE_TRAILERS: the line is not empty; PHASE_CHUNK_SIZE: there was a digit */
	bool maybe_empty;    /* a body may not be there although the head announces it */
	bool tail_missing;   /* the last bytes of the body were lost */
	bool ended;
	bool has_request; /* the message at hand belongs to an open request: the last one, or for a response the first
			   */
	uint32_t head_bytes;           /* of this head, chunk line or trailer section so far */
	uint64_t left;                 /* of the body or chunk */
	uint64_t ask_at;               /* skip_until is asked again when `left` comes down to this */
	struct http1_line_store *line; /* owned; NULL unless a line is split */
	/* The first byte of the message at hand. */
	uint64_t first_ns;
	uint64_t first_offset;
	uint32_t first_peer_position;
	uint32_t tgid;
	uint32_t tid;
	/* One past the last byte taken; 0 when none was fed yet. Positions unwrapped: the low 32 bits are the position.
	 */
	uint64_t offset;
};

enum http1_request_flag {
	REQUEST_HEAD_DONE = 1, /* counted active */
	REQUEST_DONE = 2,
	REQUEST_RESPONDING = 4, /* the status line of its final response was seen */
	REQUEST_RESPONDED = 8,  /* its response is whole */
	REQUEST_UPGRADED = 16,
	REQUEST_EXPECT = 32,     /* the body waits for a 100 (Continue) that did not come yet */
	REQUEST_CONTINUED = 128, /* the 100 (Continue) came, or the body without it */
	REQUEST_UNTOLD = 64,     /* given up and counted; stays only to take its response */
};

/* What the user wants of an exchange beyond what metrics need. */
struct http1_kept {
	uint16_t query_length;
	uint16_t fields_length;
	char query[KEEP_QUERY_BYTES];
	char fields[KEEP_FIELDS_BYTES]; /* one behind the other: see kept_next() */
};

/* What a request says of the trace it belongs to, a method that is not known, and what the user wants of it. Few
 * requests say anything: they have no room for it otherwise. */
struct http1_extra {
	uint8_t parent_count; /* of traceparent fields: more than one is none */
	uint8_t parent_length;
	uint16_t state_length; /* all lines, with commas between */
	bool state_too_long;
	bool has_kept;
	uint8_t method_length;
	char method[HTTP1_METHOD_MAX];
	char parent[HTTP1_TRACEPARENT_MAX];
	char state[HTTP1_TRACESTATE_MAX];
	struct http1_kept kept[]; /* one with has_kept, else none */
};

struct http1_request {
	uint8_t flags; /* enum http1_request_flag */
	uint8_t method;
	uint8_t version;
	uint8_t host_length;
	uint16_t path_length;
	uint16_t status;
	uint32_t tgid;
	uint32_t tid;
	uint64_t request_offset;
	uint32_t peer_position; /* of the response flow, when the request began to move; 0 not known */
	uint32_t response_position;
	uint32_t response_tid; /* who moved the first byte of the response */
	uint64_t request_first_ns;
	uint64_t request_last_ns;
	uint64_t response_first_ns;
	uint64_t response_last_ns;
	uint64_t request_body_bytes;
	uint64_t response_body_bytes;
	char *long_text;           /* owned; path and host when they do not fit text */
	struct http1_extra *extra; /* owned; NULL without such fields */
	char text[HTTP1_INLINE_TEXT];
};

struct http1_state {
	struct http1_flow flow[2];  /* by enum proto_flow */
	struct http1_request *ring; /* first_slot, or owned */
	uint16_t ring_size;         /* a power of two */
	uint16_t ring_head;
	uint16_t open;    /* requests in the ring */
	uint16_t settled; /* while adrift: that many of the first requests have the next responses */
	bool adrift;      /* the flows fell out of step: see http1_pair.c */
	bool need_sync;
	bool pipelined;      /* a request was seen to be sent before the response to the one before it */
	bool interim_alone;  /* the last 1xx response had no request: its final one has none either */
	bool tunnel_pending; /* the last request asked for a tunnel and has no answer yet */
	bool opaque;
	uint32_t text_bytes;         /* of all long_text and extra */
	uint32_t last_peer_position; /* of the last request's first byte; 0 none, or not known */
	bool resync;                 /* requests were lost, and none was opened since */
	uint64_t resync_offset;      /* where the first request after the last lost ones began, and when */
	uint64_t resync_ns;
	uint64_t sync_offset; /* of sync_ns: how far the requests had come when that response began, and when */
	uint64_t sync_first_ns;
	uint64_t sync_ns; /* while adrift: when a response after the loss was over; 0 none */
	struct http1_request first_slot;
};

_Static_assert(sizeof(struct http1_state) <= 512, "one for each of 65,536 connections");

/* What is handed down while one chunk is taken. */
struct http1_feed {
	struct http1_state *state;
	const struct proto_sink *sink;
	const struct proto_chunk *chunk;
	struct http1_flow *flow;
	enum proto_flow which;
	size_t at; /* bytes of the chunk taken */
};

/* http1_detect.c */
enum proto_detect http1_detect(const uint8_t *bytes, size_t length);
enum http_method http1_method(const char *token, size_t length);
/* Length of the method token at the begin of a line, when what follows it is SP; else 0. */
size_t http1_method_length(const char *line, size_t length);

/* Begins a message with the next byte of the chunk. */
void http1_begin_message(struct http1_feed *feed);

/* http1_line.c: start lines, without their line end. A line longer than HTTP1_LINE_FRONT may lack its middle: what is
 * told of it depends on the first HTTP1_LINE_FRONT and the last HTTP1_LINE_TAIL bytes only. LOST: no memory. */
enum proto_status http1_request_line(struct http1_feed *feed, const char *line, size_t length);
/* False: malformed. */
bool http1_status_line(struct http1_flow *flow, const char *line, size_t length);

/* http1_field.c: a field line without its line end, not empty; long ones as above. */
void http1_field_line(struct http1_feed *feed, const char *line, size_t length);

/* http1_trace.c: without memory, or beyond the maxima, a request says nothing of a trace. */
void http1_traceparent(struct http1_feed *feed, struct text value);
void http1_tracestate(struct http1_feed *feed, struct text value);
/* A method that is none of the known; nothing is kept of it without anyone who makes spans. */
void http1_method_original(struct http1_feed *feed, struct text method);
/* Of the message's request, made if need be; NULL without memory, or without a request. */
struct http1_extra *http1_extra_of(struct http1_feed *feed);
void http1_extra_free(struct http1_state *state, struct http1_request *request);
void http1_extra_tell(const struct http1_request *request, struct http_facts *facts);

/* http1_keep.c: what the user named; with feed->sink->keep alone. */
void http1_keep_field(struct http1_feed *feed, const char *line, size_t length);
/* What stands behind a request target's path; `cut`: its end was cut off. */
void http1_keep_query(struct http1_feed *feed, struct text query, bool cut);

/* The letters that names of fields begin with which are read, one bit for each: c, e, h, t, u in requests, c and t in
 * responses, and those of what the user named. */
static inline uint32_t http1_field_letters(const struct http1_feed *feed)
{
	static const uint32_t letters[2] = { 1u << 3 | 1u << 5 | 1u << 8 | 1u << 20 | 1u << 21, 1u << 3 | 1u << 20 };

	return letters[feed->which] | (feed->sink->keep ? feed->sink->keep->letters[feed->which] : 0);
}

/* False: a line that begins with this byte is a field that is not read. Else it may be one, or a folded line, or the
 * end of the head. */
static inline bool http1_field_matters(uint32_t letters, uint8_t first)
{
	return first <= ' ' || (first >= 'A' && letters >> (first & 31) & 1);
}

/* http1_head.c: takes bytes of a head; PROTO_OK may leave bytes, then the phase has changed. */
enum proto_status http1_take_head(struct http1_feed *feed);
/* Adds bytes to the split line. False: no memory. */
bool http1_line_keep(struct http1_flow *flow, const uint8_t *bytes, size_t length);
void http1_line_drop(struct http1_flow *flow);

/* http1.c: takes bytes by the flow's phase. OK may leave bytes. */
enum proto_status http1_take_bytes(struct http1_feed *feed);

/* http1_expect.c: takes bytes in PHASE_EXPECTED. */
enum proto_status http1_take_expected(struct http1_feed *feed);
/* The method of a split line; HTTP_METHOD_OTHER also when it is not whole. */
enum http_method http1_line_method(const struct http1_line_store *line);

/* http1_body.c: a head is complete: the phase for what follows it, by RFC 9112 section 6.3. */
enum proto_status http1_begin_body(struct http1_feed *feed);
enum proto_status http1_take_body(struct http1_feed *feed);
/* Takes bytes that were not captured. False: here each byte is needed. */
bool http1_skip_gap(struct http1_feed *feed);

/* http1_ring.c: the open requests of a connection, oldest first, and their exchanges. */
void http1_ring_init(struct http1_state *state);
void http1_ring_free(struct http1_state *state);
size_t http1_ring_memory(const struct http1_state *state);
/* `index` < state->open. */
static inline struct http1_request *http1_request_at(struct http1_state *state, size_t index)
{
	return &state->ring[(state->ring_head + index) & (state->ring_size - 1u)];
}

/* A new one behind the others, with nothing in it. -ENOMEM, -ENOBUFS at HTTP1_PIPELINE_MAX. */
MUST_CHECK int http1_ring_push(struct http1_state *state, struct http1_request **ret_request);
/* Keeps a path, a host, or both (NULL: leaves what is there). -ENOMEM. */
MUST_CHECK int http1_keep_text(struct http1_state *state, struct http1_request *request, const char *path,
			       size_t path_length, const char *host, size_t host_length);
/* Tells that the last one has begun: its head is complete. */
void http1_tell_begin(struct http1_state *state, const struct proto_sink *sink);
void http1_each_open(struct http1_state *state, const struct proto_sink *sink, uint32_t tgid);
/* Makes an exchange of the first one and removes it. `end_ns` matters when there is an error. */
void http1_tell_first(struct http1_state *state, const struct proto_sink *sink, enum exchange_error error,
		      uint64_t end_ns);
/* Removes the first or the last one without an exchange; counts nothing but the active gauge. */
void http1_drop_first(struct http1_state *state, const struct proto_sink *sink);
void http1_drop_last(struct http1_state *state, const struct proto_sink *sink);
/* Counts a request as given up, once; it may stay to take its response. */
void http1_give_up(struct http1_request *request, const struct proto_sink *sink);

/* http1_message.c: what the moments of a message mean to its exchange. */
/* The open request that the flow's message belongs to; NULL for a response alone. */
static inline struct http1_request *http1_current(struct http1_feed *feed)
{
	struct http1_state *state = feed->state;

	if (!feed->flow->has_request)
		return NULL;
	return http1_request_at(state, feed->which == FLOW_REQUEST ? state->open - 1u : 0);
}

/* A request line is whole. -ENOMEM, -ENOBUFS. */
MUST_CHECK int http1_open(struct http1_feed *feed, struct http1_request **ret_request);
/* The body that was announced by Expect comes. */
static inline void http1_continue(struct http1_request *request)
{
	request->flags = (uint8_t)((request->flags & ~REQUEST_EXPECT) | REQUEST_CONTINUED);
}

void http1_response_line(struct http1_feed *feed);
void http1_request_head_done(struct http1_feed *feed);
void http1_response_head_done(struct http1_feed *feed);
/* A 1xx response is over: its request still waits. */
void http1_interim(struct http1_feed *feed);
void http1_message_done(struct http1_state *state, const struct proto_sink *sink, enum proto_flow which,
			uint64_t time_ns);
/* 101, or 2xx to CONNECT: the exchange ends with its head, and with it the protocol. */
void http1_tunnel(struct http1_feed *feed);
/* The message at hand is malformed. */
void http1_malformed(struct http1_feed *feed);

/* http1_pair.c */
/* A response without request, or with one that was given up, is over. */
void http1_pair_synced(struct http1_state *state, uint64_t time_ns);
/* Finds the request of a response whose first byte is at hand: flow->has_request says whether. False: wait. */
bool http1_pair(struct http1_feed *feed);
void http1_pair_lost(struct http1_state *state, const struct proto_sink *sink, enum proto_flow which);
