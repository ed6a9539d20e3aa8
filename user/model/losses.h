/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What user space could not order, understand or keep, by reason. Counters belong to the stage that met the reason and
 * are exported by the agent as `reason` labels; the texts are the label values. Kernel-side reasons: bpf/events.h.
 */
#pragma once

#include <stdint.h>

/* Bytes of a stream that were passed over without being parsed (sonde_stream_skipped_bytes_total). */
enum skip_reason {
	SKIP_GAP,          /* not captured, not skippable by length: the stream fell out of step */
	SKIP_RESYNC,       /* passed over while looking for the next message boundary */
	SKIP_BEFORE_START, /* of connections that were open before the agent, up to the first boundary */
	SKIP_MALFORMED,    /* after bytes that break the protocol, until the connection's end */
	SKIP_REASON_COUNT,
};

/* Times that a stream fell out of step, and exchanges that could not be paired (sonde_stream_out_of_step_total). */
enum out_of_step_reason {
	STEP_GAP,            /* bytes missing where they were needed */
	STEP_OVERLAP,        /* two segments claim the same bytes */
	STEP_MALFORMED,      /* bytes that break the protocol */
	STEP_RESPONSE_ALONE, /* a response whose request was not seen */
	STEP_REQUEST_LOST,   /* requests given up unanswered because their stream lost its step */
	STEP_PIPELINE_FULL,  /* more requests in flight on one connection than are kept */
	STEP_HEAD_TOO_LARGE, /* a message head beyond the parser's maximum */
	STEP_REASON_COUNT,
};

/* Why a connection's bytes are not turned into exchanges (sonde_unparsed_connections_total,
 * sonde_unparsed_bytes_total). */
enum unparsed_reason {
	UNPARSED_UNKNOWN,   /* no protocol recognised in the first bytes */
	UNPARSED_TLS,       /* a TLS record where a greeting should be */
	UNPARSED_UPGRADED,  /* WebSocket, CONNECT, h2c: opaque from the upgrade on */
	UNPARSED_MALFORMED, /* spoke a known protocol, then broke it */
	UNPARSED_HTTP2,     /* HTTP/2, in clear or inside of TLS: not understood yet */
	UNPARSED_NO_ROOM,   /* the connection table was full */
	UNPARSED_REASON_COUNT,
};

const char *skip_reason_text(enum skip_reason reason);
const char *out_of_step_reason_text(enum out_of_step_reason reason);
const char *unparsed_reason_text(enum unparsed_reason reason);

struct stream_losses {
	uint64_t skipped_bytes[SKIP_REASON_COUNT];
	uint64_t out_of_step[STEP_REASON_COUNT];
	uint64_t no_room_connections;
	uint64_t unopened_segments;  /* of connections whose opening was not seen, that found no room, or have ended */
	uint64_t reached_bytes;      /* told by how far a lane has been read: not a loss */
	uint64_t reordered_segments; /* came out of order and were put right: not a loss, but worth seeing */
	/* So many more exchanges may have been lost, at most, of which neither the request nor the response was seen:
	 * what lost bytes of both have room for. Of protocols whose `passed` says how many bytes these are. */
	uint64_t unseen_exchanges_max;
	/* What both flows of a connection lost together, where such exchanges may be, and of how many connections. */
	uint64_t unseen_request_bytes, unseen_response_bytes;
	uint64_t unseen_connections;
};
