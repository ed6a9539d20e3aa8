/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which bytes are taken for the begin of a message of PostgreSQL's protocol, from which side, and which are not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "proto/proto.h"

struct sample {
	const char *bytes;
	size_t length;
};

#define SAMPLE(text)                      \
	{                                 \
		(text), sizeof(text) - 1, \
	}

static enum proto_detect detect(const char *bytes, size_t length)
{
	return postgres_ops.detect((const uint8_t *)bytes, length);
}

/* Every begin of it is undecided or already right, and what follows changes nothing. */
static void check(const struct sample *samples, size_t count, enum proto_detect answer)
{
	char longer[1200];

	for (size_t i = 0; i < count; i++) {
		for (size_t length = 0; length < samples[i].length; length++) {
			enum proto_detect part = detect(samples[i].bytes, length);

			if (part != DETECT_MORE && part != answer)
				fail_msg("sample %zu, %zu bytes: %d", i, length, part);
		}
		assert_int_equal(detect(samples[i].bytes, samples[i].length), answer);
		memset(longer, 'x', sizeof(longer));
		memcpy(longer, samples[i].bytes, samples[i].length);
		assert_int_equal(detect(longer, sizeof(longer)), answer);
	}
}

#define CHECK(samples, answer) check(samples, sizeof(samples) / sizeof((samples)[0]), answer)

static void test_requests(void **state)
{
	static const struct sample samples[] = {
		SAMPLE("\0\0\0\x08\x04\xd2\x16\x2f"),
		SAMPLE("\0\0\0\x08\x04\xd2\x16\x30"),
		SAMPLE("\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\1\0\0\0\2"),
		SAMPLE("\0\0\0\x29\0\3\0\0user\0app\0database\0shop\0"),
		SAMPLE("\0\0\0\x29\0\3\0\2extra_float_digits\0"),
		SAMPLE("\0\0\0\x29\0\3\x27\x0fuser\0"),
		SAMPLE("Q\0\0\0\x0dSELECT 1\0"),
		SAMPLE("Q\0\0\0\x0c\n\t begin;\0"),
		SAMPLE("Q\0\0\0\x40/* who */ SELECT"),
		SAMPLE("Q\0\0\0\x40-- who"),
		SAMPLE("Q\0\0\0\5\0"),
		SAMPLE("P\0\0\0\x20s1\0WITH x AS"),
		SAMPLE("P\0\0\0\x08\0\0\0\0"),
		SAMPLE("B\0\0\0\x0c\0\0\0\0\0\0\0\0"),
		SAMPLE("B\0\0\0\x1c\0s1\0\0\1\0\1\0\1\0\0\0\4"),
		SAMPLE("E\0\0\0\x09\0\0\0\0\0"),
		SAMPLE("E\0\0\0\x0bp1\0\0\0\0\x32"),
		SAMPLE("D\0\0\0\6P\0"),
		SAMPLE("D\0\0\0\x08Ss1\0"),
		SAMPLE("C\0\0\0\x08Ss1\0"),
		SAMPLE("S\0\0\0\4"),
		SAMPLE("H\0\0\0\4"),
	};

	(void)state;
	CHECK(samples, DETECT_REQUEST);
}

static void test_responses(void **state)
{
	static const struct sample samples[] = {
		SAMPLE("R\0\0\0\x08\0\0\0\0"),
		SAMPLE("R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0"),
		SAMPLE("1\0\0\0\4"),
		SAMPLE("2\0\0\0\4"),
		SAMPLE("3\0\0\0\4"),
		SAMPLE("n\0\0\0\4"),
		SAMPLE("I\0\0\0\4"),
		SAMPLE("Z\0\0\0\5T"),
		SAMPLE("C\0\0\0\x0dSELECT 1\0"),
		SAMPLE("C\0\0\0\x0cPREPARE\0"),
		SAMPLE("E\0\0\0\x60SERROR\0VERROR\0C42P01\0"),
		SAMPLE("E\0\0\0\x60S\xd0\x9e\xd0\xa8\0C42P01\0"),
		SAMPLE("N\0\0\0\x60SNOTICE\0VNOTICE\0"),
		SAMPLE("T\0\0\0\x1b\0\1id\0\0\0\0\0\0\0\0\0\0\x17\0\4\xff\xff\xff\xff\0\0"),
		SAMPLE("T\0\0\0\6\0\0"),
		SAMPLE("t\0\0\0\x0a\0\1\0\0\0\x17"),
		SAMPLE("G\0\0\0\x09\0\0\1\0\0"),
		SAMPLE("H\0\0\0\x09\0\0\1\0\0"),
		SAMPLE("S\0\0\0\x11TimeZone\0UTC\0"),
	};

	(void)state;
	CHECK(samples, DETECT_RESPONSE);
}

static void test_others(void **state)
{
	static const struct sample samples[] = {
		SAMPLE("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), /* TLS ClientHello */
		SAMPLE("\x16\x03\x03\x00\x7a\x02\x00\x00\x76"),         /* TLS ServerHello */
		SAMPLE("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"),
		SAMPLE("GET / HTTP/1.1\r\n"),
		SAMPLE("HTTP/1.1 200 OK\r\n"),
		SAMPLE("POST / HTTP/1.1\r\n"),
		SAMPLE("DELETE /x HTTP/1.1\r\n"),
		SAMPLE("CONNECT a:1 HTTP/1.1\r\n"),
		SAMPLE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
		SAMPLE("*1\r\n$4\r\nPING\r\n"), /* Redis */
		SAMPLE("PING\r\n"),
		SAMPLE("SET a b\r\n"),
		SAMPLE("+OK\r\n"),
		SAMPLE("$5\r\nhello\r\n"),
		SAMPLE("-ERR no\r\n"),
		SAMPLE(":1\r\n"),
		SAMPLE("\x4a\x00\x00\x00\x0a"
		       "8.0.36\x00"), /* MySQL greeting */
		SAMPLE("\x49\x00\x00\x00\x0a"
		       "8.0.36-0ubuntu0.22.04.1\x00\x08\x00\x00\x00"), /* one of 73 bytes: 'I' */
		SAMPLE("\x53\x00\x00\x00\x0a"
		       "5.5.5-10.11.6-MariaDB-0+deb12u1\x00"),                      /* one of 83: 'S' */
		SAMPLE("\x0f\x00\x00\x00\x03SELECT 1 FROM x"),                      /* MySQL query */
		SAMPLE("\x00\x00\x00\x1f\x00\x12\x00\x03\x00\x00\x00\x01"),         /* Kafka ApiVersions */
		SAMPLE("\x00\x00\x00\x1f\x00\x03\x00\x00\x00\x00\x00\x01\x00\x07"), /* Kafka Metadata */
		SAMPLE("\x00\x00\x00\x1f\x00\x03\x00\x02\x00\x00\x00\x01\x00\x07"),
		SAMPLE("\x00\x00\x00\x2a\x00\x00\x00\x03\x00\x00\x00\x00"), /* Kafka answer */
		SAMPLE("220 mail.example.com ESMTP\r\n"),
		SAMPLE("EHLO example.com\r\n"),
		SAMPLE("AMQP\x00\x00\x09\x01"),
		SAMPLE("\x10\x1a\x00\x04MQTT\x04\x02"),
		SAMPLE("INFO {\"server_id\":\"x\"}\r\n"), /* NATS */
		SAMPLE("\0\0\0\x09\0\3\0\0\0"),           /* a StartupMessage without parameters */
		SAMPLE("\0\0\0\x29\0\2\0\0user\0"),
		SAMPLE("\0\0\0\x09\x04\xd2\x16\x2f"),
		SAMPLE("\0\0\x80\x29\0\3\0\0user\0"),
		SAMPLE("Q\0\0\0\x0dfrobnica\0"),
		SAMPLE("Q\0\0\0\x0d\x01\x02\x03"),
		SAMPLE("Q\0\0\0\3"),
		SAMPLE("Q\x7f\0\0\x0dSELECT 1\0"),
		SAMPLE("S\0\0\0\5x"),
		SAMPLE("Z\0\0\0\5x"),
		SAMPLE("Z\0\0\0\6II"),
		SAMPLE("E\0\0\0\x0a\0\0\0\0\0\0"),
		SAMPLE("D\0\0\0\x0b\0\1\0\0\0\1x"), /* DataRow */
		SAMPLE("d\0\0\0\x0bhello\n"),
		SAMPLE("p\0\0\0\x0chunter2\0"),
		SAMPLE("C\0\0\0\x0dHTTP 200\0"),
		SAMPLE("T\0\0\0\x1b\x07\1id\0"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		if (detect(samples[i].bytes, samples[i].length) != DETECT_NO)
			fail_msg("sample %zu taken for PostgreSQL's: %s", i, samples[i].bytes);
	}
}

/* Random bytes, and random bytes behind every first byte and a plausible length. */
static void test_random_bytes(void **state)
{
	uint64_t seed = 12345;

	(void)state;
	for (int round = 0; round < 200000; round++) {
		char bytes[64];

		for (size_t i = 0; i < sizeof(bytes); i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			bytes[i] = (char)(seed >> 33);
		}
		if (round % 2) {
			bytes[0] = (char)(round >> 1);
			bytes[1] = bytes[2] = 0;
		}
		assert_int_equal(detect(bytes, sizeof(bytes)), DETECT_NO);
	}
}

/* The answer is never MORE where detection ends, whatever a message seems to be. */
static void test_maximum(void **state)
{
	static const char types[] = "QPBEDCSH123InNsTtGRZ";
	char bytes[2000];

	(void)state;
	for (size_t i = 0; i < sizeof(types); i++) {
		for (int fill = 0; fill < 256; fill++) {
			memset(bytes, fill, sizeof(bytes));
			memcpy(bytes, "\0\0\0\x27\x10", 5);
			bytes[0] = types[i];
			assert_int_not_equal(detect(bytes, postgres_ops.detect_max), DETECT_MORE);
			assert_int_equal(detect(bytes, sizeof(bytes)), detect(bytes, postgres_ops.detect_max));
		}
	}
}

/* HTTP's detection comes first, and neither takes what is the other's. */
static void test_table(void **state)
{
	const struct sample ours = SAMPLE("Q\0\0\0\x0dSELECT 1\0");

	(void)state;
	assert_int_equal(http1_ops.detect((const uint8_t *)ours.bytes, ours.length), DETECT_NO);
	assert_string_equal(protocol_text(PROTOCOL_POSTGRESQL), postgres_ops.name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),     cmocka_unit_test(test_responses), cmocka_unit_test(test_others),
		cmocka_unit_test(test_random_bytes), cmocka_unit_test(test_maximum),   cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
