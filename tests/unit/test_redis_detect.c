/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Detection of Redis: what begins a command or a reply, what does not, that what is decided stays decided; and the
 * table of commands, in which every word must be found, whatever its case.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "proto/redis_internal.h"

static enum proto_detect detect(const char *bytes, size_t length)
{
	/* A copy of just this length: AddressSanitizer sees reading past it. */
	CLEANUP_FREE uint8_t *copy = malloc(length + 1);

	assert_non_null(copy);
	memcpy(copy, bytes, length);
	return redis_ops.detect(copy, length);
}

struct sample {
	const char *bytes;
	size_t length;
};

#define SAMPLE(text)                   \
	{                              \
		text, sizeof(text) - 1 \
	}

/* What is decided stays decided, and is not decided otherwise on the way. */
static void expect(const struct sample *samples, size_t count, enum proto_detect answer)
{
	for (size_t i = 0; i < count; i++) {
		if (detect(samples[i].bytes, samples[i].length) != answer)
			fail_msg("sample %zu: %s", i, samples[i].bytes);
		for (size_t length = 0; length < samples[i].length; length++) {
			enum proto_detect part = detect(samples[i].bytes, length);

			assert_true(part == DETECT_MORE || part == answer);
		}
	}
}

#define EXPECT(samples, answer) expect(samples, sizeof(samples) / sizeof((samples)[0]), answer)

static void commands_are_requests(void **state)
{
	static const struct sample samples[] = {
		SAMPLE("*1\r\n$4\r\nPING\r\n"),
		SAMPLE("*1\r\n$4\r\nping\r\n"),
		SAMPLE("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"),
		SAMPLE("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n"),
		SAMPLE("*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n"),
		SAMPLE("*10001\r\n$4\r\nMGET\r\n"),
		SAMPLE("*3\r\n$6\r\nCLIENT\r\n$7\r\nSETINFO\r\n"),
	};

	(void)state;
	EXPECT(samples, DETECT_REQUEST);
}

static void values_are_responses(void **state)
{
	static const struct sample samples[] = {
		SAMPLE("+OK\r\n"),
		SAMPLE("+PONG\r\n"),
		SAMPLE("+QUEUED\r\n"),
		SAMPLE("-ERR unknown command\r\n"),
		SAMPLE("-NOAUTH Authentication required.\r\n"),
		SAMPLE("-LOADING\r\n"),
		SAMPLE(":1000\r\n"),
		SAMPLE(":-1\r\n"),
		SAMPLE("$-1\r\n"),
		SAMPLE("$5\r\nhello\r\n"),
		SAMPLE("$100000\r\nhello"),
		SAMPLE("*-1\r\n"),
		SAMPLE("*0\r\n"),
		SAMPLE("*2\r\n$3\r\nfoo\r\n$3\r\nbar\r\n"),
		SAMPLE("*1\r\n*1\r\n*1\r\n:1\r\n"),
		SAMPLE("%7\r\n$6\r\nserver\r\n"),
		SAMPLE("~1\r\n:1\r\n"),
		SAMPLE(">3\r\n$7\r\nmessage\r\n"),
		SAMPLE("_\r\n"),
		SAMPLE("#t\r\n"),
		SAMPLE(",3.14\r\n"),
		SAMPLE("(12345678901234567890\r\n"),
		SAMPLE("=15\r\ntxt:Some string\r\n"),
		SAMPLE("|1\r\n$3\r\nttl\r\n"),
	};

	(void)state;
	EXPECT(samples, DETECT_RESPONSE);
}

static void others_are_none(void **state)
{
	static const struct sample samples[] = {
		SAMPLE("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), /* TLS ClientHello */
		SAMPLE("\x17\x03\x03\x00\x7a\x02\x00\x00\x76"),         /* TLS application data */
		SAMPLE("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"),
		SAMPLE("HTTP/1.1 200 OK\r\n"),
		SAMPLE("POST /form HTTP/1.1\r\n"),
		SAMPLE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
		SAMPLE("\x00\x00\x00\x08\x04\xd2\x16\x2f"),                 /* Postgres SSLRequest */
		SAMPLE("\x00\x00\x00\x29\x00\x03\x00\x00user\x00postgres"), /* Postgres startup */
		SAMPLE("Q\x00\x00\x00\x0dselect 1\x00"),
		SAMPLE("R\x00\x00\x00\x08\x00\x00\x00\x00"),
		SAMPLE("*\x00\x00\x00"
		       "8.0.36\x00"), /* a MySQL greeting of 42 bytes */
		SAMPLE("\x4a\x00\x00\x00\x0a"
		       "8.0.36\x00"),
		SAMPLE("\x00\x00\x00\x1f\x00\x12\x00\x03\x00\x00\x00\x01"), /* Kafka ApiVersions */
		SAMPLE("AMQP\x00\x00\x09\x01"),
		SAMPLE("\x10\x1a\x00\x04MQTT\x04\x02"),
		SAMPLE("220 mail.example.com ESMTP\r\n"),
		SAMPLE("EHLO example.com\r\n"),
		SAMPLE("* OK IMAP4rev1 ready\r\n"),
		SAMPLE("+OK Dovecot ready.\r\n"), /* POP3 */
		SAMPLE("-ERRATUM\r\n"),
		SAMPLE("-err no\r\n"),
		SAMPLE("VALUE key 0 5\r\n"), /* memcached */
		SAMPLE("STORED\r\n"),
		SAMPLE("PONG\r\n"), /* NATS */
		SAMPLE("CONNECT {\"verbose\":false}\r\n"),
		SAMPLE(":irc.example.com NOTICE * :hello\r\n"),
		SAMPLE("*2\r\n#x\r\n"),
		SAMPLE("*01\r\n$4\r\nPING\r\n"),
		SAMPLE("*1\n$4\nPING\n"),
		SAMPLE("*1\r\r"),
		SAMPLE("$5\r\nhello!\r\n"),
		SAMPLE("$99999999999999\r\n"),
		SAMPLE(":12a\r\n"),
		SAMPLE(": 1\r\n"),
		SAMPLE("#x\r\n"),
		SAMPLE("_x\r\n"),
		SAMPLE("%-1\r\n"),
		SAMPLE("FROBNICATE x\r\n"),
		SAMPLE("GET \x01\r\n"),
	};

	(void)state;
	EXPECT(samples, DETECT_NO);
}

/* Inline commands, and other protocols that look like them: only the reply can tell, and if none does, none is it. */
static void words_are_not_enough(void **state)
{
	static const char *const texts[] = { "PING\r\n", "get key\r\n", "INFO {\"server_id\":\"x\"}\r\n", "QUIT\r\n" };
	char lines[2 * REDIS_DETECT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(detect(texts[i], strlen(texts[i])), DETECT_MORE);
	for (size_t i = 0; i < sizeof(lines); i++)
		lines[i] = "PING\r\n"[i % 6];
	assert_int_equal(detect(lines, REDIS_DETECT_MAX - 1), DETECT_MORE);
	assert_int_equal(detect(lines, REDIS_DETECT_MAX), DETECT_NO);
	assert_int_equal(detect(lines, sizeof(lines)), DETECT_NO);
}

static void random_bytes_are_none(void **state)
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

/* Each command by its name, in upper, lower and mixed case; subcommands by their container. */
static void every_command_is_found(void **state)
{
	(void)state;
	assert_true(redis_command_count > 400);
	for (size_t i = 1; i < redis_command_count; i++) {
		const struct redis_command *command = &redis_commands[i];
		const char *blank = memchr(command->name, ' ', command->length);
		size_t first = blank ? (size_t)(blank - command->name) : command->length;
		char word[40] = { 0 };

		assert_int_equal(strlen(command->name), command->length);
		for (int mode = 0; mode < 3; mode++) {
			for (size_t c = 0; c < command->length; c++)
				word[c] = (char)(mode == 0 || (mode == 2 && c % 2) ? command->name[c] :
										     tolower(command->name[c]));
			uint16_t found = redis_command_find(word, first);

			if (blank) {
				assert_int_equal(redis_commands[found].kind, KIND_CONTAINER);
				found = redis_subcommand_find(found, word + first + 1, command->length - first - 1);
			}
			assert_int_equal(found, i);
		}
	}
}

static void other_words_are_no_commands(void **state)
{
	static const struct sample samples[] = {
		SAMPLE(""),
		SAMPLE("G"),
		SAMPLE("GETS"),
		SAMPLE("GET\0"),
		SAMPLE("\0GET"),
		SAMPLE("_OTHER"),
		SAMPLE("G E"),
		SAMPLE("GE\x14"),
		SAMPLE("'ET"),
		SAMPLE("\xc7"
		       "ET"),
		SAMPLE("CONFIG GET"),
		SAMPLE("a key of more bytes than any command has, by far"),
	};
	uint16_t config = redis_command_find("CONFIG", 6);

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
		assert_int_equal(redis_command_find(samples[i].bytes, samples[i].length), REDIS_COMMAND_OTHER);
	assert_int_equal(redis_subcommand_find(config, "LIST", 4), config);
	assert_int_equal(redis_subcommand_find(config, "", 0), config);
	assert_int_equal(redis_code_find("ERRX", 4), 0);
	assert_int_equal(redis_code_find("", 0), 0);
	assert_string_equal(redis_code_text(redis_code_find("MOVED", 5)).data, "MOVED");
	assert_string_equal(redis_code_text(0).data, "_OTHER");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_are_requests),
		cmocka_unit_test(values_are_responses),
		cmocka_unit_test(others_are_none),
		cmocka_unit_test(words_are_not_enough),
		cmocka_unit_test(random_bytes_are_none),
		cmocka_unit_test(every_command_is_found),
		cmocka_unit_test(other_words_are_no_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
