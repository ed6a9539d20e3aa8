/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One direction of a TLS connection as a sequence of records: what a handshake shows in clear, and the end of each
 * record's ciphertext, which tells it from every other. Never looks for keys, tickets or secrets. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/plain.h"

#define TLS_HEAD_BYTES 512 /* of a record: a hello is shorter, or its rest is not needed */

enum tls_record_type {
	TLS_CHANGE_CIPHER = 20,
	TLS_ALERT = 21,
	TLS_HANDSHAKE = 22,
	TLS_APPLICATION = 23,
};

struct tls_record {
	uint8_t type;
	uint16_t length;     /* without the header */
	const uint8_t *head; /* its first bytes, in clear only before the ciphers changed */
	size_t head_length;
	uint8_t tail[PLAIN_TAIL_BYTES]; /* its last bytes; zeroed when it is shorter */
};

/* State of one direction. Zeroed is right: it begins at the first call that begins with a record. */
struct tls_reader {
	uint32_t next; /* position of the next byte, when in_step */
	bool in_step;
	uint8_t header_length; /* bytes of the header so far */
	uint8_t header[5];
	uint16_t taken; /* bytes of the record so far */
	uint16_t length;
	uint8_t head[TLS_HEAD_BYTES];
	uint8_t tail[PLAIN_TAIL_BYTES];
};

/* Calls `found` for each record that ends in the segment. Out of step, it begins anew with a segment that begins like a
 * record. */
void tls_reader_feed(struct tls_reader *reader, const struct segment *segment,
		     void (*found)(void *ctx, const struct tls_record *record), void *ctx);

struct tls_hello {
	enum tls_version version;
	uint16_t cipher;
	bool http2; /* the protocol agreed on, where it is told in clear (TLS 1.2) */
};

/* A ServerHello, from the beginning of a handshake record. False: it is none. RFC 8446 section 4.1.3. */
bool tls_read_server_hello(const uint8_t *bytes, size_t length, struct tls_hello *ret_hello);
