/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection as the kernel shows it: one socket, that is one END of a TCP or unix stream connection.
 * Both ends of a loopback connection are two connections here. Plain records, made by load, read by stream.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* As the process that owns the socket sees it. Indexes two-element arrays. */
enum direction {
	DIRECTION_RECEIVE = 0,
	DIRECTION_SEND = 1,
};

enum connection_role {
	ROLE_UNKNOWN, /* the connection is older than the agent, or a socketpair */
	ROLE_SERVER,  /* accepted here */
	ROLE_CLIENT,  /* connected from here */
};

struct endpoint {
	uint16_t family;     /* AF_INET, AF_INET6, AF_UNIX; 0 when not known */
	uint16_t port;       /* host byte order; 0 for unix sockets */
	uint8_t address[16]; /* network byte order; IPv4 uses the first four bytes */
	char path[108];      /* unix socket name, NUL-terminated; "@" first for the abstract name space; "" unnamed */
};

/* The first sight of a connection. Comes before every segment of it. */
struct connection_open {
	uint64_t conn_id; /* unique in one run of the agent, never 0, never reused */
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	struct endpoint local;
	struct endpoint remote;
	enum connection_role role;
	uint8_t tls;     /* enum tls_version of model/plain.h: these are the plaintext's bytes, or TLS_NONE */
	bool from_start; /* no byte had crossed before position[]: the first bytes seen are the connection's first */
	uint32_t tgid;   /* the process that moved the first byte seen; initial pid namespace */
	uint32_t position[2]; /* by direction: the stream position of the next byte not yet seen */
	/* Both ends of the connection come to the same numbers, if this is added to their positions: for joining them.
	 */
	bool shared;
	uint32_t origin[2]; /* by direction; of TCP 0: sequence numbers are the same */
};

enum connection_end_kind {
	END_RECEIVE, /* the peer sent its FIN, or shut down its side: nothing more will arrive after position[RECEIVE]
		      */
	END_SEND,    /* this side sent its FIN */
	END_CLOSED,  /* the socket is gone: the last event of this conn_id */
};

enum connection_end_reason {
	END_NORMAL,
	END_RESET,   /* RST received or sent */
	END_TIMEOUT, /* the kernel gave up retransmitting */
};

struct connection_end {
	uint64_t conn_id;
	uint64_t time_ns;
	enum connection_end_kind kind;
	enum connection_end_reason reason;
	bool positions_known; /* false: position[] says nothing (unix socket found gone by a sweep) */
	uint32_t position[2]; /* by direction: one past the last byte that crossed, seen or not */
	uint64_t skipped[2];  /* bytes that crossed while the kernel had been told to be silent (opaque) */
};
