/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Detection of HTTP/1: what begins a message, what does not, and that no byte too many is needed to say so.
 */
#include <stdlib.h>
#include <string.h>

#include "http1_world.h"

static enum proto_detect detect(const char *bytes, size_t length)
{
	/* A copy of just this length: AddressSanitizer sees reading past it. */
	CLEANUP_FREE uint8_t *copy = malloc(length + 1);

	assert_non_null(copy);
	memcpy(copy, bytes, length);
	return http1_ops.detect(copy, length);
}

struct sample {
	const char *bytes;
	size_t length;
};

#define SAMPLE(text)                   \
	{                              \
		text, sizeof(text) - 1 \
	}

static void test_requests(void **state)
{
	static const char *const texts[] = {
		"GET / HTTP/1.1\r\n",
		"GET / HTTP/1.0\n",
		"POST /form?a=b HTTP/1.1\r\nHost: x\r\n",
		"OPTIONS * HTTP/1.1\r\n",
		"CONNECT example.com:443 HTTP/1.1\r\n",
		"CONNECT [::1]:443 HTTP/1.1\r\n",
		"GET http://example.com/ HTTP/1.1\r\n",
		"PROPFIND /dav HTTP/1.1\r\n",
		"M-SEARCH * HTTP/1.1\r\n",
		"get / HTTP/1.1\r\n",
		"\r\n\r\nGET / HTTP/1.1\r\n",
		"GET /\xc3\xa4 HTTP/1.1\r\n",
		"HTTPS / HTTP/1.1\r\n",
		"HEAD / HTTP/1.1\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *version = strstr(texts[i], " HTTP/1.");

		assert_int_equal(detect(texts[i], strlen(texts[i])), DETECT_REQUEST);
		/* Not before the byte behind the version, and never another answer on the way. */
		for (const char *end = texts[i]; end <= version + 9; end++)
			assert_int_equal(detect(texts[i], (size_t)(end - texts[i])), DETECT_MORE);
		assert_int_equal(detect(texts[i], (size_t)(version + 10 - texts[i])), DETECT_REQUEST);
	}
}

static void test_responses(void **state)
{
	static const char *const texts[] = {
		"HTTP/1.1 200 OK\r\n",       "HTTP/1.0 404 Not Found\r\n", "HTTP/1.1 200\r\n",
		"HTTP/1.1 100 Continue\r\n", "HTTP/1.1 999 \r\n",          "HTTP/1.1 503\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		for (size_t length = 0; length < 13; length++)
			assert_int_equal(detect(texts[i], length), DETECT_MORE);
		assert_int_equal(detect(texts[i], 13), DETECT_RESPONSE);
		assert_int_equal(detect(texts[i], strlen(texts[i])), DETECT_RESPONSE);
	}
}

static void test_others(void **state)
{
	static const struct sample samples[] = {
		SAMPLE("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), /* TLS ClientHello */
		SAMPLE("\x16\x03\x03\x00\x7a\x02\x00\x00\x76"),         /* TLS ServerHello */
		SAMPLE("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"),
		SAMPLE("SSH-2.0-Go\r\n"),
		SAMPLE("*1\r\n$4\r\nPING\r\n"), /* Redis */
		SAMPLE("PING\r\n"),
		SAMPLE("GET key\r\n"),
		SAMPLE("+OK\r\n"),
		SAMPLE("$5\r\nhello\r\n"),
		SAMPLE("\x00\x00\x00\x08\x04\xd2\x16\x2f"),                 /* Postgres SSLRequest */
		SAMPLE("\x00\x00\x00\x29\x00\x03\x00\x00user\x00postgres"), /* Postgres startup */
		SAMPLE("\x4a\x00\x00\x00\x0a"
		       "8.0.36\x00"),                                       /* MySQL greeting */
		SAMPLE("\x00\x00\x00\x1f\x00\x12\x00\x03\x00\x00\x00\x01"), /* Kafka ApiVersions */
		SAMPLE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),                 /* HTTP/2: RFC 9113 section 3.4 */
		SAMPLE("GET / HTTP/2.0\r\n"),
		SAMPLE("HTTP/2 200\r\n"),
		SAMPLE("HTTP/2.0 200 OK\r\n"),
		SAMPLE("HTTP/1.1 2x0 OK\r\n"),
		SAMPLE("HTTP/1.1 000 OK\r\n"),
		SAMPLE("HTTP/1.1 2000 OK\r\n"),
		SAMPLE("HTTP/1.1  200 OK\r\n"),
		SAMPLE("OPTIONS rtsp://example.com/media RTSP/1.0\r\n"),
		SAMPLE("INVITE sip:bob@example.com SIP/2.0\r\n"),
		SAMPLE("RTSP/1.0 200 OK\r\n"),
		SAMPLE("220 mail.example.com ESMTP\r\n"),
		SAMPLE("EHLO example.com\r\n"),
		SAMPLE("get key 0\r\n"),
		SAMPLE("GET /\r\n"), /* HTTP/0.9 */
		SAMPLE("GET / HTTP/1.x\r\n"),
		SAMPLE("GET / HTTP/1.1 \r\n"),
		SAMPLE("GET /a b HTTP/1.1\r\n"),
		SAMPLE("GET  / HTTP/1.1\r\n"),
		SAMPLE(" GET / HTTP/1.1\r\n"),
		SAMPLE("GET \x01 HTTP/1.1\r\n"),
		SAMPLE("G\x80T / HTTP/1.1\r\n"),
		SAMPLE("GET/ HTTP/1.1\r\n"),
		SAMPLE("AMQP\x00\x00\x09\x01"),
		SAMPLE("\x10\x1a\x00\x04MQTT\x04\x02"),
		SAMPLE("INFO {\"server_id\":\"x\"}\r\n"), /* NATS */
		SAMPLE("THISMETHODNAMEISLONGERTHANANYREALONE / HTTP/1.1\r\n"),
		SAMPLE("\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		if (detect(samples[i].bytes, samples[i].length) != DETECT_NO)
			fail_msg("taken for HTTP/1: %s", samples[i].bytes);
	}
}

static void test_random_bytes(void **state)
{
	uint64_t seed = 12345;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char bytes[64];

		for (size_t i = 0; i < sizeof(bytes); i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			bytes[i] = (char)(seed >> 33);
		}
		assert_int_equal(detect(bytes, sizeof(bytes)), DETECT_NO);
	}
}

/* A request line longer than what detection reads is judged by its begin, and the answer is never MORE. */
static void test_long_lines(void **state)
{
	static const struct {
		const char *begin;
		enum proto_detect answer;
	} samples[] = {
		{ "GET /", DETECT_REQUEST },   { "REPORT http://h/", DETECT_REQUEST }, { "get /", DETECT_NO },
		{ "GET ftp://h/", DETECT_NO }, { "GET https://h/", DETECT_REQUEST },
	};
	char bytes[2000];

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		memset(bytes, 'x', sizeof(bytes));
		memcpy(bytes, samples[i].begin, strlen(samples[i].begin));
		assert_int_equal(detect(bytes, http1_ops.detect_max - 1), DETECT_MORE);
		assert_int_equal(detect(bytes, http1_ops.detect_max), samples[i].answer);
		assert_int_equal(detect(bytes, sizeof(bytes)), samples[i].answer);
	}
	memset(bytes, '\n', sizeof(bytes));
	assert_int_equal(detect(bytes, http1_ops.detect_max), DETECT_NO);
}

static void test_table(void **state)
{
	(void)state;
	assert_ptr_equal(proto_table[0], &http1_ops);
	assert_ptr_equal(proto_table[1], &postgres_ops);
	assert_ptr_equal(proto_table[2], &redis_ops);
	assert_null(proto_table[3]);
	assert_string_equal(protocol_text(PROTOCOL_HTTP1), http1_ops.name);
	assert_string_equal(protocol_text(PROTOCOL_UNKNOWN), "unknown");
	assert_string_equal(protocol_text((enum protocol)99), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),     cmocka_unit_test(test_responses),  cmocka_unit_test(test_others),
		cmocka_unit_test(test_random_bytes), cmocka_unit_test(test_long_lines), cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
