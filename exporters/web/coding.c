/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gzip (RFC 1952) by zlib, piece by piece while the exposition is rendered, so that fifty megabytes of text never exist
 * at once. Level 1: an exposition repeats itself so much that it shrinks thirtyfold at once, and the agent's one thread
 * has better things to do. The whole 32 KiB window, though zlib then holds 192 KiB: with half of it, 60 KB of a host's
 * metrics took a quarter more time (97 us instead of 78). The stream is kept from one scrape to the next.
 */
#include "exporters/web/coding.h"

#include <errno.h>
#include <limits.h>

#include "exporters/common/field.h"

#define LEVEL 1
#define WINDOW_BITS 15
#define GZIP_HEADER 16 /* zlib.h, deflateInit2: added to the window bits asks for gzip */
#define MEMORY_LEVEL 7
#define PIECE_BYTES 8192
#define WEIGHT_UNSAID (-1)

/* RFC 9110 section 12.5.3: `*` speaks for codings not named; identity is acceptable unless excluded. */
bool coding_wants_gzip(const char *accept_encoding)
{
	int gzip = WEIGHT_UNSAID, identity = WEIGHT_UNSAID, any = WEIGHT_UNSAID;
	struct field_element element;

	while (field_next(&accept_encoding, &element)) {
		if (field_part_is(element.value, "gzip") || field_part_is(element.value, "x-gzip"))
			gzip = (int)element.weight;
		else if (field_part_is(element.value, "identity"))
			identity = (int)element.weight;
		else if (field_part_is(element.value, "*"))
			any = (int)element.weight;
	}
	if (gzip == WEIGHT_UNSAID)
		gzip = any;
	return gzip > 0 && gzip >= identity;
}

int gzip_begin(struct gzip_writer *gzip, struct buffer *out)
{
	gzip->out = out;
	if (gzip->ready)
		return deflateReset(&gzip->stream) == Z_OK ? 0 : -EIO;
	if (deflateInit2(&gzip->stream, LEVEL, Z_DEFLATED, WINDOW_BITS + GZIP_HEADER, MEMORY_LEVEL,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	gzip->ready = true;
	return 0;
}

static int deflate_all(struct gzip_writer *gzip, int mode)
{
	unsigned char piece[PIECE_BYTES];

	do {
		gzip->stream.next_out = piece;
		gzip->stream.avail_out = sizeof(piece);
		if (deflate(&gzip->stream, mode) == Z_STREAM_ERROR)
			return -EIO;
		buffer_append(gzip->out, piece, sizeof(piece) - gzip->stream.avail_out);
	} while (!gzip->stream.avail_out);
	return buffer_error(gzip->out);
}

int gzip_flush(void *ctx, struct buffer *in)
{
	struct gzip_writer *gzip = ctx;
	int error;

	if (!in->length)
		return 0;
	if (in->length > UINT_MAX)
		return -ENOBUFS;
	gzip->stream.next_in = (unsigned char *)in->data;
	gzip->stream.avail_in = (unsigned int)in->length;
	error = deflate_all(gzip, Z_NO_FLUSH);
	buffer_reset(in);
	return error;
}

int gzip_finish(struct gzip_writer *gzip)
{
	gzip->stream.next_in = NULL;
	gzip->stream.avail_in = 0;
	return deflate_all(gzip, Z_FINISH);
}

void gzip_done(struct gzip_writer *gzip)
{
	if (gzip->ready)
		(void)deflateEnd(&gzip->stream);
	gzip->ready = false;
}
