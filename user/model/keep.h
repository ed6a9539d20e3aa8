/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept of messages beyond what metrics need: what the user named, and nothing without that. Made once from the
 * configuration; proto reads it where bytes are read, trace where a span is made of them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "model/exchange.h"

#define KEEP_FIELDS_MAX 16     /* header fields of requests, and likewise of responses */
#define KEEP_VALUE_BYTES 256   /* of one field's value: a longer one is cut */
#define KEEP_FIELDS_BYTES 2048 /* of all of an exchange: what finds no room is left out */
#define KEEP_QUERY_BYTES 512   /* of a URL's query: a parameter that finds no room is left out */
#define KEEP_STATEMENT_BYTES 1024

enum keep_side {
	KEEP_REQUEST,
	KEEP_RESPONSE,
	KEEP_SIDE_COUNT,
};

struct keep_field {
	const char *name; /* lower case */
	size_t length;
	const char *attribute; /* "http.request.header.NAME" */
};

/* All borrowed. */
struct keep {
	struct keep_field fields[KEEP_SIDE_COUNT][KEEP_FIELDS_MAX];
	size_t field_counts[KEEP_SIDE_COUNT];
	uint32_t letters[KEEP_SIDE_COUNT]; /* that names begin with: a bit for each, by its last five bits */
	const char *const *query_keys;
	size_t query_key_count;
	bool query_text; /* of databases' statements, sanitised */
};

/* One field of http_facts' `fields`. */
struct kept_field {
	uint8_t side;
	uint8_t index; /* in struct keep's fields */
	struct text value;
};

#define KEPT_HEADER_BYTES 4 /* side, index, and the value's length in the order of the machine's bytes */

/* Takes the next one off the front of `rest`. False at the end. */
static inline bool kept_next(struct text *rest, struct kept_field *ret_field)
{
	uint16_t length;

	if (rest->length < KEPT_HEADER_BYTES)
		return false;
	ret_field->side = (uint8_t)rest->data[0];
	ret_field->index = (uint8_t)rest->data[1];
	memcpy(&length, rest->data + 2, sizeof(length));
	ret_field->value = (struct text){ rest->data + KEPT_HEADER_BYTES, length };
	rest->data += KEPT_HEADER_BYTES + length;
	rest->length -= KEPT_HEADER_BYTES + (size_t)length;
	return true;
}
