/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS records and hellos: any split gives the same records, what is out of step comes back into it, and a hello that
 * breaks off is not believed further than it goes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stream/tls_record.h"

struct seen {
	struct tls_record records[16];
	size_t count;
};

static void on_record(void *ctx, const struct tls_record *record)
{
	struct seen *seen = ctx;

	assert_true(seen->count < 16);
	seen->records[seen->count++] = *record;
}

static void feed(struct tls_reader *reader, struct seen *seen, uint32_t position, const uint8_t *bytes, size_t length)
{
	struct segment segment = {
		.position = position, .length = (uint32_t)length, .captured_length = (uint32_t)length, .data = bytes
	};

	tls_reader_feed(reader, &segment, on_record, seen);
}

/* Three records: 3, 20 and 600 bytes long. */
static size_t write_records(uint8_t *bytes)
{
	static const size_t lengths[] = { 3, 20, 600 };
	size_t at = 0;

	for (size_t i = 0; i < 3; i++) {
		bytes[at++] = (uint8_t)(i ? TLS_APPLICATION : TLS_HANDSHAKE);
		bytes[at++] = 3;
		bytes[at++] = 3;
		bytes[at++] = (uint8_t)(lengths[i] >> 8);
		bytes[at++] = (uint8_t)lengths[i];
		for (size_t j = 0; j < lengths[i]; j++)
			bytes[at++] = (uint8_t)(i * 50 + j);
	}
	return at;
}

static void assert_three(const struct seen *seen, const uint8_t *bytes, size_t length)
{
	static const uint8_t zero[PLAIN_TAIL_BYTES];

	assert_int_equal(seen->count, 3);
	assert_int_equal(seen->records[0].type, TLS_HANDSHAKE);
	assert_int_equal(seen->records[0].length, 3);
	assert_memory_equal(seen->records[0].tail, zero, sizeof(zero));
	assert_int_equal(seen->records[1].length, 20);
	assert_memory_equal(seen->records[1].tail, bytes + 8 + 5 + 4, PLAIN_TAIL_BYTES);
	assert_int_equal(seen->records[2].length, 600);
	assert_memory_equal(seen->records[2].tail, bytes + length - PLAIN_TAIL_BYTES, PLAIN_TAIL_BYTES);
	assert_int_equal(seen->records[2].head_length, TLS_HEAD_BYTES);
}

static void any_split_gives_the_same(void **state)
{
	uint8_t bytes[1024];
	size_t length = write_records(bytes);

	(void)state;
	/* The first five bytes come together: a record cannot be told by less. */
	for (size_t first = 5; first < length; first++) {
		struct tls_reader reader = { 0 };
		struct seen seen = { .count = 0 };

		feed(&reader, &seen, 100, bytes, first);
		feed(&reader, &seen, (uint32_t)(100 + first), bytes + first, length - first);
		assert_three(&seen, bytes, length);
	}
}

static void byte_by_byte(void **state)
{
	struct tls_reader reader = { 0 };
	struct seen seen = { .count = 0 };
	uint8_t bytes[1024];
	size_t length = write_records(bytes);

	(void)state;
	feed(&reader, &seen, UINT32_MAX - 10, bytes, 5);
	for (size_t i = 5; i < length; i++)
		feed(&reader, &seen, (uint32_t)(UINT32_MAX - 10 + i), bytes + i, 1);
	assert_three(&seen, bytes, length);
}

static void a_hole_waits_for_the_next_record(void **state)
{
	struct tls_reader reader = { 0 };
	struct seen seen = { .count = 0 };
	uint8_t bytes[1024];
	size_t length = write_records(bytes);

	(void)state;
	feed(&reader, &seen, 0, bytes, 20);      /* ends inside of the second record */
	feed(&reader, &seen, 25, bytes + 25, 5); /* five bytes were not seen */
	assert_int_equal(seen.count, 1);
	feed(&reader, &seen, 33, bytes + 33, length - 33); /* begins with the third */
	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.records[1].length, 600);
}

static void what_is_no_record_is_passed_over(void **state)
{
	struct tls_reader reader = { 0 };
	struct seen seen = { .count = 0 };
	static const uint8_t text[] = "GET / HTTP/1.1\r\n\r\n";
	uint8_t bytes[1024];
	size_t length = write_records(bytes);

	(void)state;
	feed(&reader, &seen, 0, text, sizeof(text) - 1);
	assert_int_equal(seen.count, 0);
	feed(&reader, &seen, sizeof(text) - 1, bytes, length);
	assert_int_equal(seen.count, 3);
}

/* RFC 8446 section 4.1.3. `supported`: with the extension that says TLS 1.3. */
static size_t write_server_hello(uint8_t *bytes, bool supported, bool http2)
{
	static const uint8_t version[] = { 0, 43, 0, 2, 3, 4 };
	static const uint8_t protocol[] = { 0, 16, 0, 5, 0, 3, 2, 'h', '2' };
	size_t at = 0;

	memset(bytes, 0, 256);
	bytes[at++] = 2;
	at += 3;
	bytes[at++] = 3;
	bytes[at++] = 3;
	at += 32;
	bytes[at++] = 32;
	at += 32;
	bytes[at++] = supported ? 0x13 : 0xc0;
	bytes[at++] = supported ? 0x01 : 0x2f;
	bytes[at++] = 0;
	at += 2;
	if (supported) {
		memcpy(bytes + at, version, sizeof(version));
		at += sizeof(version);
	}
	if (http2) {
		memcpy(bytes + at, protocol, sizeof(protocol));
		at += sizeof(protocol);
	}
	return at;
}

static void server_hello_tells_version_and_cipher(void **state)
{
	struct tls_hello hello;
	uint8_t bytes[256];
	size_t length = write_server_hello(bytes, true, false);

	(void)state;
	assert_true(tls_read_server_hello(bytes, length, &hello));
	assert_int_equal(hello.version, TLS_1_3);
	assert_int_equal(hello.cipher, 0x1301);
	assert_false(hello.http2);
	length = write_server_hello(bytes, false, true);
	assert_true(tls_read_server_hello(bytes, length, &hello));
	assert_int_equal(hello.version, TLS_1_2);
	assert_int_equal(hello.cipher, 0xc02f);
	assert_true(hello.http2);
}

static void a_hello_that_breaks_off(void **state)
{
	uint8_t bytes[256];
	size_t length = write_server_hello(bytes, true, true);

	(void)state;
	for (size_t i = 0; i < length; i++) {
		struct tls_hello hello = { .cipher = 7 };
		bool read = tls_read_server_hello(bytes, i, &hello);

		assert_int_equal(read, i >= 74);
		assert_int_equal(hello.cipher, read ? 0x1301 : 7);
		assert_int_equal(hello.version, read ? TLS_1_3 : TLS_NONE);
	}
	bytes[0] = 1;
	assert_false(tls_read_server_hello(bytes, length, &(struct tls_hello){ 0 }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_split_gives_the_same),
		cmocka_unit_test(byte_by_byte),
		cmocka_unit_test(a_hole_waits_for_the_next_record),
		cmocka_unit_test(what_is_no_record_is_passed_over),
		cmocka_unit_test(server_hello_tells_version_and_cipher),
		cmocka_unit_test(a_hello_that_breaks_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
