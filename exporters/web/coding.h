/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content coding of responses: whether a client takes gzip, and gzip as the far end of an exposition.
 */
#pragma once

#include <stdbool.h>
#include <zlib.h>

#include "base/buffer.h"

/* By an Accept-Encoding field: gzip is allowed and no less welcome than identity. */
bool coding_wants_gzip(const char *accept_encoding);

struct gzip_writer {
	z_stream stream;
	struct buffer *out; /* borrowed */
};

/* -ENOMEM. After success gzip_end is due, whatever happens. */
MUST_CHECK int gzip_begin(struct gzip_writer *gzip, struct buffer *out);
/* Compresses all of `in` and resets it: the flush of an exposition_output whose ctx is the gzip_writer. */
int gzip_flush(void *gzip, struct buffer *in);
/* Writes the trailer after the last flush. */
MUST_CHECK int gzip_finish(struct gzip_writer *gzip);
void gzip_end(struct gzip_writer *gzip);
