/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a collector answers, judged by the OTLP specification ("OTLP/HTTP Response", "OTLP/gRPC Response"). Pure
 * functions over bytes that may be anything.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ANSWER_MESSAGE_BYTES 160

enum answer_verdict {
	ANSWER_TAKEN,
	ANSWER_RETRY,   /* 429, 502, 503, 504 */
	ANSWER_REFUSED, /* everything else: the same would be refused again */
};

struct answer {
	bool understood;                    /* the body is the message that it should be */
	uint64_t rejected;                  /* spans or data points that were not taken */
	char message[ANSWER_MESSAGE_BYTES]; /* what the collector says of them, printable */
};

enum answer_verdict answer_judge(long status);
/* The body of a 200: never fails, what is not understood rejects nothing. */
void answer_read(const void *bytes, size_t length, bool json, struct answer *ret_answer);
/* A Retry-After field's value, seconds or a date (RFC 9110 section 10.2.3): nanoseconds from `epoch_ns` on; 0 when it
 * says nothing. At most a day. */
uint64_t answer_retry_after(const char *value, size_t length, uint64_t epoch_ns);

/* --- gRPC: what its trailers say, or its headers when there is no message. */
#define GRPC_STATUS_NONE (-1) /* not told: not gRPC */
#define GRPC_PREFIX_BYTES 5   /* before a message: compressed or not (1 byte), length (4, big-endian) */

struct grpc_answer {
	int status;                         /* a code of gRPC, or GRPC_STATUS_NONE */
	bool may_retry;                     /* RetryInfo came with it */
	uint64_t retry_after_ns;            /* ... and asked for so long; at most a day */
	char message[ANSWER_MESSAGE_BYTES]; /* grpc-message, printable */
};

void grpc_answer_init(struct grpc_answer *answer);
/* A header or trailer line, with or without its end. */
void grpc_answer_line(struct grpc_answer *answer, const char *line, size_t length);
enum answer_verdict grpc_answer_judge(const struct grpc_answer *answer);
/* The message behind its prefix, gzip or plain; an empty body, or one that is not one whole message, is not understood.
 */
void grpc_answer_read(const void *bytes, size_t length, struct answer *ret_answer);
/* "UNAVAILABLE", ...; "UNKNOWN" for what is no code. */
const char *grpc_status_text(int status);
