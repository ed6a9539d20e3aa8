/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text that came from outside (label values, paths, messages) made fit for a format: always valid UTF-8 (RFC 3629; what
 * is not becomes U+FFFD, because one bad byte makes a scraper reject a whole exposition), with the format's escapes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

enum escape_rule {
	ESCAPE_NOTHING,   /* protobuf: valid UTF-8 is enough */
	ESCAPE_BACKSLASH, /* Prometheus text 0.0.4, HELP: backslash and newline */
	ESCAPE_QUOTED,    /* Prometheus label values, OpenMetrics HELP: backslash, newline and double quote */
	ESCAPE_JSON,      /* RFC 8259 section 7 */
	ESCAPE_HTML,      /* in text and in double-quoted attributes */
};

void escape_append(struct buffer *out, const char *text, enum escape_rule rule);

/* Two digits for each byte, and NUL: room for 2 x length + 1. */
void escape_hex(const uint8_t *bytes, size_t length, char *ret_text);
