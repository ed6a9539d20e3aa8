/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scripted conversations: for exchanges that a well-behaved server and client do not have (abandoned, reset, malformed,
 * upgraded), each side is a list of steps, and the outcomes that an observer must see are stated beside them.
 */
#pragma once

#include "truth.h"

enum op {
	OP_END,          /* closes the connection */
	OP_SEND,         /* text (number: its length when it holds NULs) */
	OP_RECEIVE,      /* exactly that text */
	OP_SEND_BODY,    /* number bytes of body */
	OP_RECEIVE_BODY, /* number bytes, not looked at */
	OP_EOF,          /* the stream must end here */
	OP_DRAIN,        /* whatever comes, until the end of the stream or a reset */
	OP_RESET_MET,    /* receiving must fail with ECONNRESET */
	OP_SEND_FAILS,   /* sends, again and again, until the peer's reset makes it fail; number: bytes of each */
	OP_SHUT_WRITE,   /* half-close */
	OP_RESET,        /* ends the connection by RST */
	OP_POST,         /* number: which event */
	OP_WAIT,
	OP_WAIT_GO, /* until the runner says so */
	OP_MARK,    /* the bytes from here on, and `number` before, are the opaque ones */
	OP_EXIT,    /* the process ends without closing anything; only with repeat 1 */
};

struct step {
	enum op op;
	const char *text;
	uint64_t number;
};

struct outcome {
	enum side side;
	const char *method; /* NULL ends the list */
	int status;
	const char *error; /* NULL: whole */
	uint64_t request_bytes;
	uint64_t response_bytes;
	bool optional; /* see struct tally_row */
};

#define STEPS_MAX 14
#define OUTCOMES_MAX 8

struct script {
	unsigned repeat; /* so many connections, one after the other; 0: 20 */
	struct step client[STEPS_MAX];
	struct step server[STEPS_MAX];
	struct outcome outcomes[OUTCOMES_MAX]; /* of one connection */
	const char *opaque;                    /* reason under which each connection is told as not understood */
	const char *opaque_client;             /* the client's, where it differs */
	bool tolerant;                         /* malformed: a broken connection is not a failure of the workload */
};

/* One side only. */
#define SERVED(method, status, error)                           \
	{                                                       \
		SIDE_SERVER, method, status, error, 0, 0, false \
	}
#define CALLED(method, status, error)                           \
	{                                                       \
		SIDE_CLIENT, method, status, error, 0, 0, false \
	}

#define SEND(string)                                \
	{                                           \
		OP_SEND, string, sizeof(string) - 1 \
	}
#define RECEIVE(string)                                \
	{                                              \
		OP_RECEIVE, string, sizeof(string) - 1 \
	}

/* Both sides of a successful exchange, or of a failed one. */
#define BOTH(method, status, error, in, out)                       \
	{ SIDE_SERVER, method, status, error, in, out, false },    \
	{                                                          \
		SIDE_CLIENT, method, status, error, in, out, false \
	}
