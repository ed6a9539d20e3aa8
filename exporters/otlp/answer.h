/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a collector answers, judged by the OTLP specification ("OTLP/HTTP Response"). Pure functions over bytes that may
 * be anything.
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
