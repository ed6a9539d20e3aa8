/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of a protocol: pure functions from bytes to messages to exchanges. stream gives a protocol the bytes of
 * both directions of one connection, in order, with gaps told as gaps; the protocol gives exchanges back.
 * No clock, no file descriptor, no log, no allocation without a bound. One row per protocol in proto_table.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "model/exchange.h"
#include "model/keep.h"
#include "model/losses.h"
#include "model/segment.h"

/* Which way requests flow. */
enum proto_flow {
	FLOW_REQUEST,
	FLOW_RESPONSE,
};

enum proto_detect {
	DETECT_NO,
	DETECT_MORE,     /* could still be; needs more bytes */
	DETECT_REQUEST,  /* these bytes begin a request */
	DETECT_RESPONSE, /* these bytes begin a response: the request was before our time, or is still to be told */
};

/*
 * What feed() says of the chunk it was given. What the caller does next:
 * OK         nothing.
 * WAIT       keeps the rest (from `*consumed`) and offers it again, as a chunk with the right position, each time the
 *            other flow moved; when its patience ends, once more with no_wait set. With no_wait WAIT is never answered.
 * LOST       counts STEP_GAP when the chunk is a gap (else the protocol has counted why), calls lost(flow), passes over
 *            what it must, and goes on feeding that flow from a place that detect() calls the begin of a message.
 * MALFORMED  passes over the rest of this flow (SKIP_MALFORMED; STEP_MALFORMED is counted) and feeds it no more.
 *            Goes on feeding the other flow: responses that still belong to sound requests come out of it. That flow
 *            answers MALFORMED too, with nothing counted, as soon as no exchange can come of it.
 * OPAQUE     both flows of the connection are over for the protocol. Later feeds answer OPAQUE and take nothing.
 * ENCRYPTED  likewise.
 * close() is called in every case, once, when the connection ends.
 */
enum proto_status {
	PROTO_OK,        /* all given bytes were taken */
	PROTO_WAIT,      /* took `*consumed`; cannot go on with this direction before the other one has moved */
	PROTO_LOST,      /* took `*consumed`; what follows is needed and missing (a gap), or cannot be kept */
	PROTO_MALFORMED, /* the bytes break the protocol at or after `*consumed` */
	PROTO_OPAQUE,    /* the protocol ended in good order (upgrade, CONNECT) at `*consumed`: the rest is not its
			    business */
	PROTO_ENCRYPTED, /* likewise: both sides agreed to encrypt from `*consumed` on */
};

/* Bytes handed to a protocol, with the facts of the call that moved them. */
struct proto_chunk {
	const uint8_t *data; /* NULL: `length` bytes crossed that were not captured: a gap. Skipped where the length of
			      * a body allows it, else answered PROTO_LOST with `*consumed` at the first byte needed. */
	size_t length;       /* less than 2^31 */
	uint64_t time_ns;
	uint32_t tgid;
	uint32_t tid;
	uint32_t goroutine;     /* see struct segment */
	uint32_t position;      /* of the first byte of the chunk */
	uint32_t peer_position; /* see struct segment; 0 when not known */
	bool missing; /* a gap that is a loss: the call that moved these bytes was not seen, so time_ns and the
		       * rest are those of what came after */
	bool no_wait; /* the caller's patience is over, or the bytes that this one would wait for were never
		       * seen (connection older than the agent): go on without, never answer PROTO_WAIT */
};

/* What a protocol may ask and tell; implemented by stream, by a recorder in tests. Facts of the exchange that belong to
 * the connection (conn_id, side, endpoints, protocol) are filled by stream. */
struct proto_sink {
	void *ctx;
	/* The moments of an exchange are those of its bytes; but when it has an error, response_last_ns is the
	 * moment it was given up (close's time_ns), so that response_last_ns - request_first_ns is always its
	 * duration. request_last_ns is 0 when the request was never whole. Never response_first_ns <
	 * request_first_ns. */
	void (*exchange)(void *ctx, struct exchange *exchange);
	/* From `position` of `flow` on, bytes are needed again: what lies before is body. At most 2^30 ahead of the
	 * bytes at hand; asked again when a longer body reaches it. */
	void (*skip_until)(void *ctx, enum proto_flow flow, uint32_t position);
	/* From here on the end of each call that moves this flow is enough (what lies before comes as a gap), until the
	 * other flow moves. A hint, likewise; may be NULL. */
	void (*ends_only)(void *ctx, enum proto_flow flow);
	/* A request's head is complete (+1), its exchange ended, however it ended (-1): the active gauge. */
	void (*active)(void *ctx, enum http_method method, int change);
	struct stream_losses *losses;
	/* A request's head is complete: what an exchange knows by then. NULL when nobody asks. Exactly one exchange
	 * follows, or none when the request is given up. Protocols of databases tell it of requests that are alone on
	 * their connection, and of none in a pipeline. */
	void (*begin)(void *ctx, struct exchange *exchange);
	/* Whether it is to be told of a request of this process. NULL: always. Protocols may leave it unasked. */
	bool (*begin_wanted)(void *ctx, uint32_t tgid);
	/* A transaction ended that the protocol tells apart from its statements. May be NULL. */
	void (*transaction)(void *ctx, const struct db_transaction *transaction);
	/* What exchanges are to hold beyond what metrics need; NULL: nothing. */
	const struct keep *keep;
};

struct proto_ops {
	enum protocol protocol;
	const char *name; /* as in labels: "http1" */
	/* Looks at the first bytes of one direction. Pure. Never answers MORE for more than detect_max bytes. */
	enum proto_detect (*detect)(const uint8_t *bytes, size_t length);
	size_t detect_max;
	/* State for one connection; NULL on -ENOMEM. */
	void *(*state_new)(void);
	void (*state_free)(void *state);
	/* The connection is older than the agent: what was agreed on it before is not known. Comes before any feed.
	 * NULL where that makes no difference. */
	void (*joined)(void *state);
	/* Takes a chunk of `flow`; see proto_status. `*consumed` is always set, and length exactly when PROTO_OK.
	 * The two flows may be fed in any interleaving that keeps each in order: a response may be offered before
	 * its request. */
	enum proto_status (*feed)(void *state, const struct proto_sink *sink, enum proto_flow flow,
				  const struct proto_chunk *chunk, size_t *consumed);
	/* The flow's bytes have ended (EOF, FIN); no feed of this flow follows. A message that runs until close
	 * ends here. An incomplete message is not yet given up: the other flow may still move, close() decides. */
	void (*end)(void *state, const struct proto_sink *sink, enum proto_flow flow, uint64_t time_ns);
	/* The connection is gone, or given up: every open request becomes an exchange with an error: RESET and
	 * TIMEOUT are kept, else REQUEST_ABORTED, NO_RESPONSE or RESPONSE_ABORTED by how far it came. A response
	 * that runs until close is complete when the reason is END_NORMAL. Open requests that can no longer be
	 * judged after a loss are counted STEP_REQUEST_LOST instead. Nothing is fed afterwards. */
	void (*close)(void *state, const struct proto_sink *sink, enum connection_end_reason reason, uint64_t time_ns);
	/* A gap (or whatever else the caller knows of) broke `flow`: drop the partial parse of that flow, be ready
	 * for a message boundary. Requests whose response can no longer be told apart are counted
	 * STEP_REQUEST_LOST, now or when it shows, not made exchanges. The other flow stays in step. */
	void (*lost)(void *state, const struct proto_sink *sink, enum proto_flow flow);
	/* Bytes of memory that one state holds now, for the table's budget. */
	size_t (*memory)(const void *state);
	/* --- what only some protocols have; NULL otherwise */
	/* What all connections of one stream table share, bounded in itself. shared_new answers NULL on -ENOMEM: then
	 * the connections do without. `join` comes right behind state_new; the shared part outlives every state. */
	void *(*shared_new)(uint64_t hash_seed);
	void (*shared_free)(void *shared);
	size_t (*shared_memory)(const void *shared);
	void (*join)(void *state, void *shared);
	/* Bytes of `flow` were passed over without being fed: before the first feed, or between lost() and the next
	 * one. `peer_position` is that of the call that moved them; 0 when not known. */
	void (*passed)(void *state, enum proto_flow flow, uint32_t length, uint32_t peer_position);
	/* The session that the connection is now. False: not known to be one. Texts are borrowed. */
	bool (*session)(const void *state, struct db_session *ret_session);
	/* Tells `begin` of every open request whose head is complete and that this process reads. */
	void (*each_open)(void *state, const struct proto_sink *sink, uint32_t tgid);
};

extern const struct proto_ops http1_ops;
extern const struct proto_ops redis_ops;
extern const struct proto_ops postgres_ops;

/* All protocols, NULL-terminated, in the order of detection. */
extern const struct proto_ops *const proto_table[];
