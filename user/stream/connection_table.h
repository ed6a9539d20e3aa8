/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of stream: one connection's state and what its files ask of each other. Included by user/stream only.
 * The way of a segment: stream.c finds the connection; feed.c hands to the parser what is in order; order.c and queue.c
 * hold what is early; detect.c looks for the protocol and for message boundaries; finish.c begins and ends parsing.
 */
#pragma once

#include "base/hash_table.h"
#include "proto/proto.h"
#include "stream/stream.h"

#define HEARD_NOTHING 255         /* in place of a direction */
#define LANE_PIECES_MAX 1024      /* held segments of one direction */
#define SEARCH_SEGMENTS_MAX 16    /* of one direction of an old connection, before it is no help in detection */
#define SEARCH_BYTES_MAX 65536    /* likewise */
#define SEARCH_ONE_SIDED_MAX 4096 /* segments of one direction while the other is silent, before giving up */

enum phase {
	PHASE_DETECT,
	PHASE_PARSED,
	PHASE_UNPARSED,
};

/* Why what was offered to a lane stays in its queue. */
enum stall {
	STALL_NONE,
	STALL_MORE, /* detection needs more bytes: only they end the stall */
	STALL_TIME, /* something before it, or in the other lane, is awaited: for hold_ns */
};

/* Any of these keeps a segment off the short way. */
enum lane_detour {
	LANE_NOT_PARSED = 1, /* the connection is not in PHASE_PARSED */
	LANE_QUEUED = 2,     /* segments are held */
	LANE_SEARCHING = 4,  /* passing over bytes up to the next message boundary */
	LANE_END_KNOWN = 8,  /* end_position says where the lane ends */
	LANE_ENDED = 16,     /* ... and the parser was told */
	LANE_DEAD = 32,      /* malformed: passed over up to the connection's end */
};

/* A held segment: a copy, in the order of positions. */
struct piece {
	struct piece *next;
	uint64_t seen_ns; /* the first stream_tick since it is held; 0 not yet */
	bool at_start;    /* its first byte is the first of a call: a message may begin here */
	struct segment segment;
	uint8_t bytes[];
};

/* One direction of a connection. */
struct lane {
	uint32_t next; /* position of the next byte to be parsed */
	uint8_t detour;
	uint8_t stall;
	bool skipping;         /* nothing up to skip_to is needed: the kernel may be silent */
	bool before_start : 1; /* LANE_SEARCHING since the connection is older than the agent */
	bool second : 1;       /* which of the connection's lanes it is */
	uint32_t skip_to;
	uint32_t hole_start; /* the last hole given up: bytes from there may still come, late */
	uint32_t hole_end;
};

/* What a lane has besides while something is held, or lost before it was parsed, or its end is near. */
struct lane_rest {
	uint32_t torn; /* bytes that were lost before there was a parser to tell */
	uint32_t end_position;
	uint32_t piece_count;
	uint32_t tries; /* segments in which detection found nothing */
	struct piece *head;
	struct piece *tail;
	uint64_t stalled_ns; /* the first stream_tick since bytes before the end are missing; 0 not yet */
	uint64_t end_ns;
};

/* What a connection needs only while it is not parsed in good order: nearly all are, and there are many. */
struct connection_rest {
	struct lane_rest lanes[2];
	/* By direction. PHASE_DETECT: passed over. PHASE_PARSED: of a dead lane. PHASE_UNPARSED: since the last report.
	 */
	uint64_t bytes[2];
	uint64_t unparsed_ns;
	uint64_t close_ns;
	struct connection *pending_next;
	struct connection *pending_previous;
};

struct connection {
	struct hash_node node;
	uint64_t conn_id;
	const struct proto_ops *ops;  /* PHASE_PARSED, else NULL */
	void *state;                  /* likewise; owned */
	struct connection_rest *rest; /* owned; NULL: connection_is_quiet, or there was no memory for it */
	uint32_t memory;              /* of state, as counted in the table's bytes */
	uint8_t phase;
	uint8_t side;
	uint8_t reason; /* PHASE_UNPARSED: enum unparsed_reason */
	uint8_t close_reason;
	uint8_t heard_direction;
	uint8_t tls;         /* enum tls_version: a session's plaintext */
	bool from_start : 1; /* the first bytes seen are the first there were */
	bool shared : 1;     /* see struct connection_open */
	bool closing : 1;    /* END_CLOSED came, something is still awaited */
	bool pending : 1;    /* in the table's list of those that wait for time to pass */
	uint8_t address_size;
	uint32_t tgid;
	uint32_t active;    /* requests in flight, as told */
	uint32_t origin[2]; /* likewise; of TCP where it was opened */
	struct lane lanes[2];
	uint64_t opened_ns;
	uint64_t heard_ns;    /* time of the last segment: the chunks of one call share it */
	uint16_t families[2]; /* local, remote, as the ports */
	uint16_t ports[2];
	/* Both addresses, as long as they are not all zeros, and of unix sockets both paths, each with its NUL. */
	uint8_t names[];
};

struct stream_table {
	struct stream_config config;
	struct stream_callbacks callbacks;
	const struct proto_ops *const *protocols;
	struct hash_table connections;
	struct connection *last;    /* the one found last */
	struct connection *feeding; /* whose parser is at work */
	const struct lane *feeding_lane;
	uint32_t feeding_tgid;
	uint32_t feeding_goroutine;
	uint32_t feeding_end; /* one past the last byte at hand of the lane that is fed */
	struct connection *pending;
	size_t bytes;
	size_t share;      /* of one connection in max_bytes */
	bool ends_lost;    /* the kernel lost events: some connections may have ended unheard */
	uint64_t sweep_ns; /* not to be swept for the dead before */
	struct proto_sink sink;
	struct stream_losses losses;
	void *shared[PROTOCOL_COUNT]; /* by protocol: what its connections share; made with the first; owned */
	struct endpoint scratch[2];
};

/* Positions are modulo 2^32: a is before b when it is the nearer way round. */
static inline bool position_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline void lane_advance(struct lane *lane, uint32_t length)
{
	if (lane->skipping && lane->skip_to - lane->next <= length)
		lane->skipping = false;
	lane->next += length;
}

/* Drops the first `length` bytes of a segment (length <= segment->length). */
static inline void segment_trim(struct segment *segment, uint32_t length)
{
	uint32_t cut;

	segment->position += length;
	segment->length -= length;
	if (length <= segment->captured_offset) {
		segment->captured_offset -= length;
		return;
	}
	cut = length - segment->captured_offset;
	if (cut > segment->captured_length)
		cut = segment->captured_length;
	segment->captured_offset = 0;
	segment->captured_length -= cut;
	if (cut)
		segment->data += cut;
}

static inline struct connection *lane_connection(const struct lane *lane)
{
	return (struct connection *)(void *)((char *)(uintptr_t)(lane - lane->second) -
					     offsetof(struct connection, lanes));
}

static inline struct lane_rest *lane_rest(const struct lane *lane)
{
	const struct connection *conn = lane_connection(lane);

	return conn->rest ? &conn->rest->lanes[lane->second] : NULL;
}

/* The first held segment, or NULL. */
static inline struct piece *lane_head(const struct lane *lane)
{
	const struct lane_rest *rest = lane->detour & LANE_QUEUED ? lane_rest(lane) : NULL;

	return rest ? rest->head : NULL;
}

/* detect.c: what an undecided connection, or a lane that searches, makes of a segment that begins at lane->next.
 * `force`: no more bytes are to be waited for. */
enum stall detect_offer(struct stream_table *table, struct connection *conn, struct segment *view, bool at_start,
			bool force);
enum stall search_offer(struct stream_table *table, struct connection *conn, struct segment *view, bool at_start,
			bool force);
void search_pass_over(struct stream_table *table, struct connection *conn, struct segment *view);
/* Tells the parser of bytes of a lane that it will not be fed. */
void search_passed(struct connection *conn, enum direction direction, uint64_t length, uint32_t peer_position);

/* feed.c */
void connection_endpoints(const struct connection *conn, struct endpoint *ret_local, struct endpoint *ret_remote);
void feed_init(struct stream_table *table);
/* exchange.c: what belongs to the connection; the endpoints are lent to the exchange. */
void exchange_fill(const struct connection *conn, struct endpoint endpoints[2], struct exchange *exchange, bool begins);
/* The short way: a segment that begins at lane->next of a lane without detour. */
void feed_in_order(struct stream_table *table, struct connection *conn, const struct segment *segment);
/* A segment that begins at lane->next, whatever the phase. What was taken is trimmed from view: all but on a stall. */
enum stall feed_offer(struct stream_table *table, struct connection *conn, struct segment *view, bool at_start,
		      bool force);
/* Bytes for the parser, whatever the lane's detours. */
enum stall feed_view(struct stream_table *table, struct connection *conn, struct segment *view, bool force);
/* Takes a hole: `length` bytes at lane->next that were not seen. Time and who are those of `like`. `expected`: they
 * were told by length, or not to be told. */
void feed_hole(struct stream_table *table, struct connection *conn, const struct segment *like, uint32_t length,
	       bool expected);
enum proto_flow feed_flow(const struct connection *conn, enum direction direction);

/* order.c */
/* A segment off the short way. The connection may be gone afterwards. */
void order_segment(struct stream_table *table, struct connection *conn, const struct segment *segment);
/* What the short way left: the rest of a segment, if it stalled, and the other lane, which may go on. */
void order_after_feed(struct stream_table *table, struct connection *conn, struct segment *rest,
		      enum direction direction, enum stall stall);
/* Goes on with what is held wherever that is possible now, and finishes the connection when it is due.
 * False: the connection is gone. */
bool order_settle(struct stream_table *table, struct connection *conn, enum direction first);
/* Time for a connection that is pending; it may be gone afterwards. */
void order_tick(struct stream_table *table, struct connection *conn, uint64_t now_ns);

/* queue.c: the held segments of a lane. */
bool queue_insert(struct stream_table *table, struct lane *lane, const struct segment *view, bool at_start);
struct piece *queue_pop(struct stream_table *table, struct lane *lane);
void queue_push_front(struct stream_table *table, struct lane *lane, struct piece *piece);
/* Frees all; returns the bytes that they stood for. */
uint64_t queue_drop(struct stream_table *table, struct lane *lane);

/* finish.c */
/* conn->rest, made if need be. NULL: there is no memory. */
struct connection_rest *connection_rest(struct connection *conn);
/* Frees what a quiet connection does not need. */
void connection_settle(struct connection *conn);
/* Gives the connection a parser; false: no room, the connection is unparsed now, and `view` with it. */
bool connection_begin(struct stream_table *table, struct connection *conn, const struct proto_ops *ops, enum side side,
		      struct segment *view);
/* No exchanges from here on: tells it, mutes, counts what is held and what is left of `view` (NULL: nothing), which is
 * taken. Open requests are given up. */
void connection_unparsed(struct stream_table *table, struct connection *conn, enum unparsed_reason reason,
			 struct segment *view);
/* Likewise, for want of memory. */
void connection_no_room(struct stream_table *table, struct connection *conn, struct segment *view);
void connection_count_unparsed(struct stream_table *table, struct connection *conn, struct segment *view);
void connection_end(struct stream_table *table, struct connection *conn, const struct connection_end *end);
/* Tells parser and callbacks that the connection is gone. */
void connection_conclude(struct stream_table *table, struct connection *conn);
/* Concludes, removes and frees. */
void connection_finish(struct stream_table *table, struct connection *conn);
/* Frees one that is not in the hash table any more. */
void connection_free(struct stream_table *table, struct connection *conn);
void connection_pend(struct stream_table *table, struct connection *conn, bool pending);
