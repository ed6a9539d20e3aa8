/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How far is this large call sure to be body? Looked at only when a call has more bytes than one event: then its
 * beginning is searched for an HTTP head with a Content-Length, or for the size line of an HTTP chunk at its beginning.
 * Up to the end of that body or chunk bytes are told by length, and if it lies beyond the call
 * later calls are silent up to it, as if user space, which parses the same bytes, had asked for it already. When in
 * doubt the answer is no, and everything is copied: what is not HTTP is passed over whole in any case.
 *
 * No is also said where the bytes after a head begin another message: an answer to HEAD has a length and no body. A
 * Transfer-Encoding overrides a Content-Length (RFC 9112 section 6.3).
 */
#pragma once

#include "maps.h"

#define HINT_HEAD_BYTES 512
#define HINT_MASK (HINT_HEAD_BYTES - 1)
#define HEAD_PART_BYTES 32           /* divides it */
#define CHUNK_DIGITS_MAX 7           /* chunks of up to 256 MiB */
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
			scan->length_at = 0;
			scan->lengths++;
		} else if (newer == WORD8('n', 'c', 'o', 'd', 'i', 'n', 'g', ':') &&
			   older == WORD8('a', 'n', 's', 'f', 'e', 'r', '-', 'e')) {
			scan->encoded = 1;
		}
	} else if (byte == '\n') {
		scan->in_length = 0;
		if (bytes[(index - 1) & HINT_MASK] == '\r' && bytes[(index - 2) & HINT_MASK] == '\n' &&
		    bytes[(index - 3) & HINT_MASK] == '\r')
			scan->head_end = index + 1;
	} else if (scan->in_length && byte >= '0' && byte <= '9') {
		scan->length = scan->length * 10 + (byte - '0');
		if (!scan->length_at)
			scan->length_at = index;
	}
}

static __always_inline bool looks_like_message(const __u8 *bytes)
{
	return bytes[0] == 'H' && bytes[1] == 'T' && bytes[2] == 'T' && bytes[3] == 'P';
}

/* The first bytes of a call, first byte least significant, with the bits of those that matter. */
#define HTTP_1_1 0x312e312f50545448ULL  /* "HTTP/1.1" */
#define POST_SLASH 0x2f2054534f50ULL    /* "POST /" */
#define PUT_SLASH 0x2f20545550ULL       /* "PUT /" */
#define PATCH_SLASH 0x2f204843544150ULL /* "PATCH /" */
#define BYTES_MASK(count) ((1ULL << 8 * (count)) - 1)

/* Does a call that begins with these eight bytes begin with an HTTP message? Requests whose methods have chunked bodies
 * are enough: the others' connections are known by their responses. */
static __always_inline bool begins_http(__u64 first)
{
	return first == HTTP_1_1 || (first & BYTES_MASK(6)) == POST_SLASH || (first & BYTES_MASK(5)) == PUT_SLASH ||
	       (first & BYTES_MASK(7)) == PATCH_SLASH;
}

/* Marks the connection of the transfer at hand. True: it is marked now. */
static __always_inline bool http_mark(const struct scratch *scratch)
{
	struct connection_key key = { .sock = (__u64)scratch->transfer.sock };
	struct connection_value *connection = bpf_map_lookup_elem(&connections, &key);

	if (connection)
		connection->http = 1;
	return connection != NULL;
}

/* Outside of HTTP digits and CR LF are ordinary: a call that goes on with a pipeline of Redis may begin with them. */
static __always_inline bool http_marked(const struct scratch *scratch)
{
	struct connection_key key = { .sock = (__u64)scratch->transfer.sock };
	const struct connection_value *connection = bpf_map_lookup_elem(&connections, &key);

	return connection && connection->http;
}

/* RFC 9112 section 7.1: chunk-size CRLF, with no extension. Where the chunk's data ends, in the call; 0 when this is no
 * size line. The size is built in the map: the verifier would follow every value that it can take. Not static: it is
 * looked at once. */
__noinline int hint_chunk_end(void)
{
	struct scratch *scratch = scratch_get();
	volatile struct head_scan *scan;
	const __u8 *line;

	if (!scratch)
		return 0;
	line = scratch->payload;
	/* Behind a chunk's data comes its CRLF, then the next size line. */
	if (line[0] == '\r' && line[1] == '\n')
		line += 2;
	scan = &scratch->scan;
	scan->length = 0;
	scan->digits = 0;
	for (int i = 0; i < CHUNK_DIGITS_MAX; i++) {
		__u8 letter = FOLDED(line[i]);

		if (line[i] >= '0' && line[i] <= '9')
			scan->length = scan->length << 4 | (line[i] - '0');
		else if (letter >= 'a' && letter <= 'f')
			scan->length = scan->length << 4 | (letter - 'a' + 10);
		else
			break;
		scan->digits = i + 1;
	}
	line += scan->digits & 7;
	if (!scan->digits || line[0] != '\r' || line[1] != '\n' || !http_marked(scratch))
		return 0;
	return (scratch->payload[0] == '\r' ? 2 : 0) + scan->digits + 2 + scan->length;
}

/* The bytes of one part of the payload; 1 when the head has ended. Not static: the verifier, which follows every way
 * through every byte, looks at one part in place of all. */
__noinline int head_scan_part(__u32 from)
{
	struct scratch *scratch = scratch_get();
	volatile struct head_scan *scan;

	if (!scratch)
		return -1;
	scan = &scratch->scan;
	from &= HINT_HEAD_BYTES - HEAD_PART_BYTES;
	for (__u32 i = 0; i < HEAD_PART_BYTES; i++) {
		__u32 index = from + i;

		if (index < 3) /* an end is three bytes behind a beginning at least */
			continue;
		head_scan_byte(scan, scratch->payload, index);
		if (scan->head_end)
			return 1;
	}
	return 0;
}

/* Reads the payload up to the end of a head, whatever of it is of this call. */
static __always_inline void head_scan(struct scratch *scratch)
{
	__builtin_memset(&scratch->scan, 0, sizeof(scratch->scan));
	for (__u32 from = 0; from < HINT_HEAD_BYTES; from += HEAD_PART_BYTES)
		if (head_scan_part(from))
			break;
}

/* Where the body ends, in the call, of the message that the call begins with; 0 when that is not sure. */
__noinline int hint_message_end(void)
{
	struct scratch *scratch = scratch_get();
	volatile struct head_scan *scan;
	__u64 length;
	__u32 end;

	if (!scratch || scratch->capture.filled < HINT_HEAD_BYTES || scratch->payload[0] < 'A' ||
	    scratch->payload[0] > 'Z')
		return 0;
	scan = &scratch->scan;
	head_scan(scratch);
	end = scan->head_end & (HINT_HEAD_BYTES - 1);
	length = scan->length;
	if (!end || !scan->has_length || scan->encoded || length > HINT_LENGTH_MAX)
		return 0;
	if (looks_like_message(scratch->payload + end))
		return 0;
	return end + length;
}
