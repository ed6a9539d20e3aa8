/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of a protocol: pure functions from bytes to messages to exchanges. stream gives a protocol the bytes of
 * both directions of one connection, in order, with gaps told as gaps; the protocol gives exchanges back.
 * No clock, no file descriptor, no log, no allocation without a bound. One row per protocol in proto_table.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "model/exchange.h"
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

enum proto_status {
	PROTO_OK,        /* all given bytes were taken */
	PROTO_WAIT,      /* took `*consumed`; cannot go on with this direction before the other one has moved */
	PROTO_MALFORMED, /* the bytes break the protocol at `*consumed`; losses say why */
	PROTO_OPAQUE,    /* the protocol ended here in good order (upgrade, CONNECT): the rest is not its business */
};

/* Bytes handed to a protocol, with the facts of the call that moved them. */
struct proto_chunk {
	const uint8_t *data; /* NULL: `length` bytes crossed that were not captured (a gap the protocol may skip by length) */
	size_t length;
	uint64_t time_ns;
	uint32_t tgid;
	uint32_t tid;
	uint32_t position;      /* of the first byte of the chunk */
	uint32_t peer_position; /* see struct segment */
};

/* What a protocol may ask and tell; implemented by stream, by a recorder in tests. Facts of the exchange that belong to
 * the connection (conn_id, side, endpoints, protocol) are filled by stream. */
struct proto_sink {
	void *ctx;
	void (*exchange)(void *ctx, struct exchange *exchange);
	/* From `position` of `flow` on, bytes are needed again: what lies before is body of known length. */
	void (*skip_until)(void *ctx, enum proto_flow flow, uint32_t position);
	/* A request's head is complete (+1), an exchange ended (-1): the active gauge. */
	void (*active)(void *ctx, enum http_method method, int change);
	struct stream_losses *losses;
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
	/* Takes a chunk of `flow`. On PROTO_WAIT the rest is offered again after the other flow moved; see proto_status. */
	enum proto_status (*feed)(void *state, const struct proto_sink *sink, enum proto_flow flow,
				  const struct proto_chunk *chunk, size_t *consumed);
	/* The flow's bytes have ended (EOF, FIN); no feed of this flow follows. A message that runs until close ends here.
	 * An incomplete message is not yet given up: the other flow may still move, close() decides. */
	void (*end)(void *state, const struct proto_sink *sink, enum proto_flow flow, uint64_t time_ns);
	/* The connection is gone, or given up (reason EXCHANGE_COMPLETE never): every open request becomes an exchange with
	 * an error: RESET and TIMEOUT are kept, else REQUEST_ABORTED, NO_RESPONSE or RESPONSE_ABORTED by how far it came. */
	void (*close)(void *state, const struct proto_sink *sink, enum connection_end_reason reason, uint64_t time_ns);
	/* A gap or malformed bytes broke `flow`: drop partial parse of that flow, be ready for a message boundary.
	 * Open requests whose response can no longer be told apart are counted STEP_REQUEST_LOST, not made exchanges. */
	void (*lost)(void *state, const struct proto_sink *sink, enum proto_flow flow);
	/* Bytes of memory that one state holds now, for the table's budget. */
	size_t (*memory)(const void *state);
};

extern const struct proto_ops http1_ops;

/* All protocols, NULL-terminated, in the order of detection. */
extern const struct proto_ops *const proto_table[];

const char *protocol_text(enum protocol protocol);
