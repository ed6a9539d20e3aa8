/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Is the rest of this large call the body of the message that it begins with? Looked at only when a call has more than
 * one chunk: then the first chunk is searched for an HTTP head with a Content-Length that covers the rest. If so the
 * rest is told by length, and later calls are silent up to the message's end, as if user space, which parses the same
 * head, had asked for it already. When in doubt the answer is no, and everything is copied.
 *
 * No is also said where the bytes after the head begin another message (an answer to HEAD has a length and no body),
 * and where a Transfer-Encoding overrides the length (RFC 9112 section 6.3).
 */
#pragma once

#include "maps.h"

#define HINT_HEAD_BYTES 512
#define HINT_LENGTH_MAX (1ULL << 30) /* positions are modulo 2^32: beyond this user space asks in steps */

/* Eight folded bytes as one number, first byte most significant. */
#define WORD8(a, b, c, d, e, f, g, h)                                                                   \
	((__u64)(a) << 56 | (__u64)(b) << 48 | (__u64)(c) << 40 | (__u64)(d) << 32 | (__u64)(e) << 24 | \
	 (__u64)(f) << 16 | (__u64)(g) << 8 | (__u64)(h))

/* Letters in lower case; a line feed becomes an asterisk, which no field name begins with. */
#define FOLDED(byte) ((byte) | 0x20)

/* A field's name is looked at when its colon comes, the head's end when a line ends. */
static __always_inline void head_scan_byte(volatile struct head_scan *scan, const __u8 *bytes, __u32 index)
{
	__u64 older = scan->older << 8 | scan->newer >> 56;
	__u64 newer = scan->newer << 8 | FOLDED(bytes[index]);
	__u8 byte = bytes[index];

	scan->older = older;
	scan->newer = newer;
	if (byte == ':') {
		if (newer == WORD8('-', 'l', 'e', 'n', 'g', 't', 'h', ':') &&
		    older == WORD8('*', 'c', 'o', 'n', 't', 'e', 'n', 't')) {
			scan->in_length = 1;
			scan->has_length = 1;
			scan->length = 0;
		} else if (newer == WORD8('n', 'c', 'o', 'd', 'i', 'n', 'g', ':') &&
			   older == WORD8('a', 'n', 's', 'f', 'e', 'r', '-', 'e')) {
			scan->encoded = 1;
		}
	} else if (byte == '\n') {
		scan->in_length = 0;
		if (bytes[index - 1] == '\r' && bytes[index - 2] == '\n' && bytes[index - 3] == '\r')
			scan->head_end = index + 1;
	} else if (scan->in_length && byte >= '0' && byte <= '9') {
		scan->length = scan->length * 10 + (byte - '0');
	}
}

static __always_inline bool looks_like_message(const __u8 *bytes)
{
	return bytes[0] == 'H' && bytes[1] == 'T' && bytes[2] == 'T' && bytes[3] == 'P';
}

/* The first chunk of a call is in scratch, `rest` more bytes would be copied. The length of the message that begins
 * there and covers the rest; 0 when that is not sure. Not static: the verifier looks at it once, whoever calls. */
__noinline int hint_message_length(__u32 direction, __u32 rest)
{
	struct scratch *scratch = scratch_of(direction);
	volatile struct head_scan *scan;
	__u64 length;
	__u32 end;

	if (!scratch || scratch->event.captured_offset || scratch->payload[0] < 'A' || scratch->payload[0] > 'Z')
		return 0;
	scan = &scratch->scan;
	__builtin_memset(&scratch->scan, 0, sizeof(scratch->scan));
	for (__u32 i = 3; i < HINT_HEAD_BYTES; i++) {
		head_scan_byte(scan, scratch->payload, i);
		if (scan->head_end)
			break;
	}
	end = scan->head_end & (HINT_HEAD_BYTES - 1);
	length = scan->length;
	if (!end || !scan->has_length || scan->encoded || length > HINT_LENGTH_MAX)
		return 0;
	if (looks_like_message(scratch->payload + end))
		return 0;
	return end + length >= (__u64)CHUNK_BYTES + rest ? end + length : 0;
}
