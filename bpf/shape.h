/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A server's responses on one connection look alike: the same status line, and Content-Length in the same place. So the
 * shape of a head is remembered, and where the next one has it and its length is what is left of the call, the body is
 * not copied: its bytes are told by length. User space, which parses the head, sees whether that was right; anything
 * that is not exactly as remembered is copied whole.
 *
 * Looking for a head's end byte by byte costs a microsecond: it is done from the second response on, and after a
 * response of another shape not before SHAPE_WAIT more.
 */
#pragma once

#include "hint.h"

#define SHAPE_WAIT 64
#define SHAPE_HEAD_MIN 64
#define SHAPE_BODY_MIN 32 /* less is not worth it */
#define SHAPE_DIGITS_MAX 7
#define CRLF_CRLF 0x0a0d0a0d

static __always_inline __u64 eight_bytes(const struct scratch *scratch, __u32 at)
{
	return *(const __u64 *)(scratch->payload + (at & (CHUNK_BYTES - 1)));
}

/* A response that has a body when it has a Content-Length: 2xx but 204 (RFC 9112 section 6.3). */
static __always_inline bool status_has_body(const struct scratch *scratch)
{
	const __u8 *code = scratch->payload + sizeof("HTTP/1.1 ") - 1;

	return code[0] == '2' && !(code[1] == '0' && code[2] == '4');
}

/* The payload is a whole call that began with a response: what is its head like? Not static: the verifier looks at it
 * once. */
__noinline int shape_learn(__u32 slot)
{
	struct scratch *scratch = scratch_get();
	struct head_shape *shape;
	__u32 end, at;

	if (!scratch)
		return 0;
	shape = &scratch->recent.connections[slot & (RECENT_SLOTS - 1)].shape;
	shape->wait = SHAPE_WAIT;
	shape->length = 0;
	head_scan(scratch);
	end = scratch->scan.head_end;
	at = scratch->scan.length_at;
	if (end < SHAPE_HEAD_MIN || end > scratch->event.captured_length || scratch->scan.encoded ||
	    scratch->scan.lengths != 1 || at < 32 || end + scratch->scan.length != scratch->event.full_length ||
	    !status_has_body(scratch))
		return 0;
	shape->status[0] = eight_bytes(scratch, 0);
	shape->status[1] = eight_bytes(scratch, 8);
	shape->name[0] = eight_bytes(scratch, at - 16);
	shape->name[1] = eight_bytes(scratch, at - 8);
	shape->length_at = at;
	shape->length = end;
	return 0;
}

/* The value of Content-Length; 0 when it is not all digits up to the line's end. */
static __always_inline __u32 shape_content_length(const struct scratch *scratch, __u32 at)
{
	__u32 value = 0;

	for (int i = 0; i <= SHAPE_DIGITS_MAX; i++) {
		__u8 byte = scratch->payload[(at + i) & (CHUNK_BYTES - 1)];

		if (byte == '\r')
			return value;
		if (byte < '0' || byte > '9')
			return 0;
		value = value * 10 + (byte - '0');
	}
	return 0;
}

/* The first `head` bytes of a call are in the payload: are they a head as remembered, with a body of `rest`? Not
 * static, as above. */
__noinline int shape_fits(__u32 slot, __u32 head, __u32 rest)
{
	const struct scratch *scratch = scratch_get();
	const struct head_shape *shape;

	if (!scratch)
		return 0;
	shape = &scratch->recent.connections[slot & (RECENT_SLOTS - 1)].shape;
	return eight_bytes(scratch, 0) == shape->status[0] && eight_bytes(scratch, 8) == shape->status[1] &&
	       eight_bytes(scratch, shape->length_at - 16) == shape->name[0] &&
	       eight_bytes(scratch, shape->length_at - 8) == shape->name[1] &&
	       *(const __u32 *)(scratch->payload + ((head - 4) & (CHUNK_BYTES - 1))) == CRLF_CRLF &&
	       shape_content_length(scratch, shape->length_at) == rest;
}
