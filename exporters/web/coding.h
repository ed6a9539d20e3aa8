/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content coding of responses: whether a client takes gzip, and gzip as the far end of an exposition.
 */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"

/* By an Accept-Encoding field: gzip is allowed and no less welcome than identity. */
bool coding_wants_gzip(const char *accept_encoding);

/* Zeroed before its first use; one answer after the other. */
struct gzip_writer {
	struct gzip_stream *stream; /* owned; NULL: not needed yet */
	struct buffer *out;         /* borrowed for one answer */
};

/* Begins an answer, whatever became of the last. -ENOMEM, -EIO. */
MUST_CHECK int gzip_begin(struct gzip_writer *gzip, struct buffer *out);
/* Compresses all of `in` and resets it: the flush of an exposition_output whose ctx is the gzip_writer. */
int gzip_flush(void *gzip, struct buffer *in);
/* Writes the trailer after the last flush. */
MUST_CHECK int gzip_finish(struct gzip_writer *gzip);
/* Frees the stream. */
void gzip_done(struct gzip_writer *gzip);
