/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines byte by byte in both formats, levels, the length limit, and what really arrives on standard error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"

/* 2025-11-21T09:12:00.123Z */
#define MOMENT (UINT64_C(1763716320) * NS_PER_SECOND + 123 * NS_PER_MS)

static void assert_line(enum log_format format, enum log_level level, const char *message,
			const struct log_field *fields, const char *expected)
{
	struct buffer line;

	buffer_init(&line, 8192);
	log_line(&line, format, MOMENT, level, message, fields);
	buffer_append_char(&line, '\0');
	assert_int_equal(buffer_error(&line), 0);
	assert_string_equal(line.data, expected);
	buffer_done(&line);
}

static void logfmt_lines(void **state)
{
	const struct log_field fields[] = {
		log_text("bare", "/usr/bin/x"),
		log_text("empty", ""),
		log_text("none", NULL),
		log_text("spaces", "a b"),
		log_text("equals", "a=b"),
		log_text("quote", "say \"hi\" \\o/"),
		log_int("int", -5),
		log_uint("uint", UINT64_MAX),
		log_errno(-ENOENT),
		{ .key = NULL },
	};

	(void)state;
	assert_line(LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO, "started", NULL,
		    "time=2025-11-21T09:12:00.123Z level=info msg=started\n");
	assert_line(
		LOG_FORMAT_LOGFMT, LOG_LEVEL_WARN, "it was refused", fields,
		"time=2025-11-21T09:12:00.123Z level=warn msg=\"it was refused\" bare=/usr/bin/x empty=\"\" none=\"\" "
		"spaces=\"a b\" equals=\"a=b\" quote=\"say \\\"hi\\\" \\\\o/\" int=-5 uint=18446744073709551615 "
		"error=\"No such file or directory\"\n");
}

static void json_lines(void **state)
{
	const struct log_field fields[] = {
		log_text("text", "a\tb\n\"\\"), log_int("int", -5), log_uint("uint", 7),
		log_text("none", NULL),         { .key = NULL },
	};

	(void)state;
	assert_line(LOG_FORMAT_JSON, LOG_LEVEL_ERROR, "x", fields,
		    "{\"time\":\"2025-11-21T09:12:00.123Z\",\"level\":\"error\",\"msg\":\"x\","
		    "\"text\":\"a\\tb\\n\\\"\\\\\","
		    "\"int\":-5,\"uint\":7,\"none\":\"\"}\n");
}

static void hostile_text_stays_one_valid_line(void **state)
{
	const struct log_field fields[] = { log_text("v", "\x1b[2J\x7f \xff\xc3\xa9\xe2\x82 \r\b\f"), { .key = NULL } };

	(void)state;
	assert_line(LOG_FORMAT_LOGFMT, LOG_LEVEL_DEBUG, "m", fields,
		    "time=2025-11-21T09:12:00.123Z level=debug msg=m "
		    "v=\"\\u001b[2J\\u007f \xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd \\r\\b\\f\"\n");
	/* No space to force quotes: the bad byte alone does. */
	assert_line(LOG_FORMAT_LOGFMT, LOG_LEVEL_DEBUG, "\xff", NULL,
		    "time=2025-11-21T09:12:00.123Z level=debug msg=\"\xef\xbf\xbd\"\n");
	assert_line(LOG_FORMAT_LOGFMT, LOG_LEVEL_DEBUG, "\xc3\xa9", NULL,
		    "time=2025-11-21T09:12:00.123Z level=debug msg=\xc3\xa9\n");
}

static void names_of_levels_and_formats(void **state)
{
	enum log_level level = LOG_LEVEL_COUNT;
	enum log_format format = LOG_FORMAT_COUNT;

	(void)state;
	assert_int_equal(log_level_parse("debug", &level), 0);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_parse("error", &level), 0);
	assert_int_equal(level, LOG_LEVEL_ERROR);
	assert_int_equal(log_level_parse("ERROR", &level), -EINVAL);
	assert_int_equal(log_level_parse("", &level), -EINVAL);
	assert_int_equal(level, LOG_LEVEL_ERROR);
	assert_int_equal(log_format_parse("json", &format), 0);
	assert_int_equal(format, LOG_FORMAT_JSON);
	assert_int_equal(log_format_parse("xml", &format), -EINVAL);
}

/* Runs `speak` with standard error in a pipe; what it wrote, NUL-terminated, goes to text. */
static void capture_stderr(void (*speak)(void), char *text, size_t size)
{
	int ends[2], saved = dup(STDERR_FILENO);
	ssize_t length;

	assert_true(saved >= 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
	close(ends[1]);
	speak();
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	length = read(ends[0], text, size - 1);
	close(ends[0]);
	assert_true(length >= 0);
	text[length] = '\0';
}

static void speak_at_warn(void)
{
	log_configure(LOG_LEVEL_WARN, LOG_FORMAT_JSON);
	log_debug("no");
	log_info("no", log_text("key", "value"));
	log_warn("first");
	log_error("second", log_text("key", "value"), log_int("n", 1));
}

static void level_and_format_are_obeyed(void **state)
{
	char text[2048];

	(void)state;
	capture_stderr(speak_at_warn, text, sizeof(text));
	assert_null(strstr(text, "no\""));
	assert_non_null(strstr(text, "\"level\":\"warn\",\"msg\":\"first\"}\n{\"time\":\""));
	assert_non_null(strstr(text, "\"level\":\"error\",\"msg\":\"second\",\"key\":\"value\",\"n\":1}\n"));
}

static void speak_too_long(void)
{
	char text[9000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_configure(LOG_LEVEL_DEBUG, LOG_FORMAT_LOGFMT);
	log_debug("long", log_text("text", text));
}

static void line_too_long_keeps_its_message(void **state)
{
	char text[16384];

	(void)state;
	capture_stderr(speak_too_long, text, sizeof(text));
	assert_non_null(strstr(text, " level=debug msg=long dropped_fields=\"too long\"\n"));
	assert_true(strlen(text) < 100);
}

static void one_message_a_minute(void **state)
{
	struct log_limit limit = { 0 };
	uint64_t held = 99, now = 5 * NS_PER_SECOND;

	(void)state;
	assert_true(log_limit_pass(&limit, now, &held));
	assert_int_equal(held, 0);
	assert_false(log_limit_pass(&limit, now, &held));
	assert_false(log_limit_pass(&limit, now + NS_PER_MINUTE - 1, &held));
	assert_true(log_limit_pass(&limit, now + NS_PER_MINUTE, &held));
	assert_int_equal(held, 2);
	assert_false(log_limit_pass(&limit, now + 2 * NS_PER_MINUTE - 1, &held));
	assert_true(log_limit_pass(&limit, now + 2 * NS_PER_MINUTE, &held));
	assert_int_equal(held, 1);
}

static void utf8_edges(void **state)
{
	static const struct {
		const char *text;
		size_t expected;
	} cases[] = {
		{ "a", 1 },
		{ "\x7f", 1 },
		{ "\xc2\x80", 2 },
		{ "\xdf\xbf", 2 },
		{ "\xe0\xa0\x80", 3 },
		{ "\xed\x9f\xbf", 3 },
		{ "\xef\xbf\xbf", 3 },
		{ "\xf0\x90\x80\x80", 4 },
		{ "\xf4\x8f\xbf\xbf", 4 },
		/* continuation alone, overlong, cut, surrogate, beyond U+10FFFF, never a first byte, bad third and
		   fourth */
		{ "\x80", 0 },
		{ "\xc0\x80", 0 },
		{ "\xc1\xbf", 0 },
		{ "\xe0\x9f\xbf", 0 },
		{ "\xc3", 0 },
		{ "\xe2\x82", 0 },
		{ "\xed\xa0\x80", 0 },
		{ "\xf4\x90\x80\x80", 0 },
		{ "\xf5\x80\x80\x80", 0 },
		{ "\xff", 0 },
		{ "\xe2\x82\x41", 0 },
		{ "\xf0\x90\x80\xc0", 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(utf8_sequence(cases[i].text, strlen(cases[i].text)), cases[i].expected);
	assert_int_equal(utf8_sequence("", 0), 0);
	assert_true(utf8_valid("", 0));
	assert_true(utf8_valid("a\xc3\xa9z", 4));
	assert_false(utf8_valid("a\xc3\xa9z", 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logfmt_lines),
		cmocka_unit_test(json_lines),
		cmocka_unit_test(hostile_text_stays_one_valid_line),
		cmocka_unit_test(names_of_levels_and_formats),
		cmocka_unit_test(level_and_format_are_obeyed),
		cmocka_unit_test(line_too_long_keeps_its_message),
		cmocka_unit_test(one_message_a_minute),
		cmocka_unit_test(utf8_edges),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
