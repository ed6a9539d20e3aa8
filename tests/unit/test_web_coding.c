/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content coding: which Accept-Encoding fields ask for gzip, and that gzip's pieces make one whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <zlib.h>

#include "exporters/web/coding.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LIMIT 65536

static void accept_encoding(void **state)
{
	static const struct {
		const char *field;
		bool gzip;
	} table[] = {
		{ "gzip", true },
		{ "", false },
		{ "GZIP", true },
		{ "x-gzip", true },
		{ "gzip, deflate, br", true },
		{ "deflate, br", false },
		{ "zstd, gzip;q=0.001", true },
		{ "gzip;q=0", false },
		{ "gzip;q=0.000", false },
		{ "gzip; q=0.5, identity; q=1", false },
		{ "gzip;q=0.5,identity;q=0.5", true },
		{ "identity;q=0, gzip;q=0.1", true },
		{ "identity", false },
		{ "*", true },
		{ "*;q=0", false },
		{ "gzip;q=0, *", false },
		{ "gzip, *;q=0", true },
		{ "identity, *;q=0.5", false },
		{ "gzip;q=1.5", false }, /* malformed */
		{ "gzipped", false },
		{ "gzi", false },
		{ ",,;,gzip", true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++)
		if (coding_wants_gzip(table[i].field) != table[i].gzip)
			fail_msg("Accept-Encoding: %s", table[i].field);
}

static size_t inflated(const struct buffer *packed, unsigned char *text, size_t size)
{
	z_stream stream = { .next_in = (unsigned char *)packed->data, .avail_in = (unsigned int)packed->length };

	assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
	stream.next_out = text;
	stream.avail_out = (unsigned int)size;
	assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
	assert_int_equal(stream.avail_in, 0);
	assert_int_equal(inflateEnd(&stream), Z_OK);
	return size - stream.avail_out;
}

/* Bytes that do not compress well, so that one flush fills several pieces. */
static void fill(struct buffer *in, size_t length, uint32_t *seed)
{
	while (length--) {
		*seed = *seed * 1664525 + 1013904223;
		buffer_append_char(in, (char)(*seed >> 24));
	}
}

static void pieces_make_a_whole(void **state)
{
	static const size_t lengths[] = { 1, 0, 20000, 3, 8192, 8193 };
	static unsigned char text[LIMIT];
	struct buffer in, all, packed;
	struct gzip_writer gzip = { .stream = NULL };
	uint32_t seed = 1;

	(void)state;
	buffer_init(&in, LIMIT);
	buffer_init(&all, LIMIT);
	buffer_init(&packed, LIMIT);
	assert_int_equal(gzip_begin(&gzip, &packed), 0);
	for (size_t i = 0; i < COUNT(lengths); i++) {
		fill(&in, lengths[i], &seed);
		buffer_append(&all, in.data, in.length);
		assert_int_equal(gzip_flush(&gzip, &in), 0);
		assert_int_equal(in.length, 0);
	}
	assert_int_equal(gzip_finish(&gzip), 0);
	gzip_done(&gzip);
	assert_int_equal(inflated(&packed, text, sizeof(text)), all.length);
	assert_memory_equal(text, all.data, all.length);
	buffer_done(&in);
	buffer_done(&all);
	buffer_done(&packed);
}

static void nothing_is_a_valid_stream_too(void **state)
{
	unsigned char text[1];
	struct buffer packed;
	struct gzip_writer gzip = { .stream = NULL };

	(void)state;
	buffer_init(&packed, LIMIT);
	assert_int_equal(gzip_begin(&gzip, &packed), 0);
	assert_int_equal(gzip_finish(&gzip), 0);
	gzip_done(&gzip);
	assert_int_equal(inflated(&packed, text, sizeof(text)), 0);
	buffer_done(&packed);
}

static void no_room(void **state)
{
	unsigned char text[16];
	struct buffer in, packed;
	struct gzip_writer gzip = { .stream = NULL };
	uint32_t seed = 1;

	(void)state;
	buffer_init(&in, LIMIT);
	buffer_init(&packed, 100);
	assert_int_equal(gzip_begin(&gzip, &packed), 0);
	fill(&in, LIMIT, &seed);
	assert_int_equal(gzip_flush(&gzip, &in), -ENOBUFS);
	/* The next answer is whole, though this one was not. */
	buffer_done(&packed);
	buffer_init(&packed, LIMIT);
	buffer_reset(&in);
	buffer_append(&in, "whole", 5);
	assert_int_equal(gzip_begin(&gzip, &packed), 0);
	assert_int_equal(gzip_flush(&gzip, &in), 0);
	assert_int_equal(gzip_finish(&gzip), 0);
	gzip_done(&gzip);
	assert_int_equal(inflated(&packed, text, sizeof(text)), 5);
	assert_memory_equal(text, "whole", 5);
	buffer_done(&in);
	buffer_done(&packed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accept_encoding),
		cmocka_unit_test(pieces_make_a_whole),
		cmocka_unit_test(nothing_is_a_valid_stream_too),
		cmocka_unit_test(no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
