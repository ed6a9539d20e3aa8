/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plaintext as a TLS library saw it: a segment of a session, and what may tell the connection that the session's
 * ciphertext crossed. Made by load, read by stream's join.
 */
#pragma once

#include "model/segment.h"

#define PLAIN_TAIL_BYTES 16

/* A session's id has this bit, a connection's does not. */
#define PLAIN_ID_BIT (UINT64_C(1) << 63)

enum plain_channel {
	PLAIN_CHANNEL_OTHER,
	PLAIN_CHANNEL_DESCRIPTOR,
	PLAIN_CHANNEL_MEMORY,
	PLAIN_CHANNEL_HALF, /* likewise, and the session is one direction of a connection alone */
};

struct plain_segment {
	struct segment segment; /* conn_id is the session's id, positions count its plaintext from 0 */
	uint64_t conn_id;       /* of the connection whose descriptor the session uses; 0: not known */
	uint64_t session;       /* the library's object */
	uint64_t entered_ns;    /* when the call began */
	uint32_t call_length;   /* plaintext of the whole call */
	enum plain_channel channel;
	bool nested;         /* the thread's system calls say nothing about this session */
	const uint8_t *tail; /* PLAIN_TAIL_BYTES: the end of the ciphertext that the call made; NULL: not known */
};

struct plain_end {
	uint64_t tls_id;
	uint64_t time_ns;
};

/* TLS versions as a handshake in clear tells them. */
enum tls_version {
	TLS_NONE,    /* not encrypted */
	TLS_UNKNOWN, /* encrypted, the handshake was not seen */
	TLS_1_0,
	TLS_1_1,
	TLS_1_2,
	TLS_1_3,
	TLS_VERSION_COUNT,
};

/* As in tls.protocol.version: "1.3"; "" when there is none or it is not known. */
const char *tls_version_text(enum tls_version version);
