/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gzip (RFC 1952) by ISA-L, piece by piece while the exposition is rendered, so that fifty megabytes of text never
 * exist at once. Level 1 of its four: an exposition repeats itself so much that it shrinks fivefold at once, and the
 * agent's one thread has better things to do. 53 KB of a host's metrics take 38 us and become 9.4 KB; zlib's level 1
 * took 75 us for 9.6 KB, libdeflate's 54 us, and that only of a text that is there as a whole. The stream is kept from
 * one scrape to the next.
 */
#include "exporters/web/coding.h"

#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <stdlib.h>

#include "exporters/common/field.h"

#define LEVEL 1
#define LEVEL_BYTES ISAL_DEF_LVL1_SMALL
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

struct gzip_stream {
	struct isal_zstream stream;
	uint8_t level[LEVEL_BYTES];
};

int gzip_begin(struct gzip_writer *gzip, struct buffer *out)
{
	struct isal_zstream *stream;

	if (!gzip->stream)
		gzip->stream = malloc(sizeof(*gzip->stream));
	if (!gzip->stream)
		return -ENOMEM;
	stream = &gzip->stream->stream;
	isal_deflate_init(stream);
	stream->level = LEVEL;
	stream->level_buf = gzip->stream->level;
	stream->level_buf_size = LEVEL_BYTES;
	stream->gzip_flag = IGZIP_GZIP;
	gzip->out = out;
	return 0;
}

static int deflate_all(struct gzip_writer *gzip)
{
	struct isal_zstream *stream = &gzip->stream->stream;
	unsigned char piece[PIECE_BYTES];

	do {
		stream->next_out = piece;
		stream->avail_out = sizeof(piece);
		if (isal_deflate(stream) != COMP_OK)
			return -EIO;
		buffer_append(gzip->out, piece, sizeof(piece) - stream->avail_out);
	} while (!stream->avail_out);
	return buffer_error(gzip->out);
}

int gzip_flush(void *ctx, struct buffer *in)
{
	struct gzip_writer *gzip = ctx;
	int error;

	if (!in->length)
		return 0;
	if (in->length > UINT32_MAX)
		return -ENOBUFS;
	gzip->stream->stream.next_in = (uint8_t *)in->data;
	gzip->stream->stream.avail_in = (uint32_t)in->length;
	error = deflate_all(gzip);
	buffer_reset(in);
	return error;
}

int gzip_finish(struct gzip_writer *gzip)
{
	gzip->stream->stream.next_in = NULL;
	gzip->stream->stream.avail_in = 0;
	gzip->stream->stream.end_of_stream = 1;
	return deflate_all(gzip);
}

void gzip_done(struct gzip_writer *gzip)
{
	free(gzip->stream);
	gzip->stream = NULL;
}
