/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Escapes of every rule, and that nothing but valid UTF-8 comes out whatever goes in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/utf8.h"
#include "exporters/common/escape.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FFFD "\xEF\xBF\xBD"

static void check(const char *text, enum escape_rule rule, const char *expected)
{
	struct buffer out;

	buffer_init(&out, 4096);
	escape_append(&out, text, rule);
	buffer_append_char(&out, 0);
	assert_int_equal(buffer_error(&out), 0);
	assert_string_equal(out.data, expected);
	buffer_done(&out);
}

static void test_rules(void **state)
{
	static const char text[] = "a\\b\"c\nd<e>&\x01/";

	(void)state;
	check(text, ESCAPE_NOTHING, text);
	check(text, ESCAPE_BACKSLASH, "a\\\\b\"c\\nd<e>&\x01/");
	check(text, ESCAPE_QUOTED, "a\\\\b\\\"c\\nd<e>&\x01/");
	check(text, ESCAPE_JSON, "a\\\\b\\\"c\\u000ad<e>&\\u0001/");
	check(text, ESCAPE_HTML, "a\\b&quot;c\nd&lt;e&gt;&amp;\x01/");
	check("", ESCAPE_QUOTED, "");
	check("\x1f\x7f", ESCAPE_JSON, "\\u001f\x7f");
}

static void test_utf8(void **state)
{
	static const struct {
		const char *text, *expected;
	} table[] = {
		{ "gr\xC3\xBC\xC3\x9F", "gr\xC3\xBC\xC3\x9F" },
		{ "\xE2\x82\xAC\xF0\x9F\x98\x80", "\xE2\x82\xAC\xF0\x9F\x98\x80" },
		{ "\xF4\x8F\xBF\xBF", "\xF4\x8F\xBF\xBF" },
		{ "\xFF", FFFD },
		{ "a\x80"
		  "b",
		  "a" FFFD "b" },
		{ "\xC3", FFFD },                            /* cut */
		{ "\xE2\x82", FFFD FFFD },                   /* cut */
		{ "\xF0\x9F\x98", FFFD FFFD FFFD },          /* cut */
		{ "\xC3\"", FFFD "\\\"" },                   /* cut before what must be escaped */
		{ "\xC0\xAF", FFFD FFFD },                   /* overlong */
		{ "\xE0\x80\xAF", FFFD FFFD FFFD },          /* overlong */
		{ "\xED\xA0\x80", FFFD FFFD FFFD },          /* surrogate */
		{ "\xF4\x90\x80\x80", FFFD FFFD FFFD FFFD }, /* above U+10FFFF */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++)
		check(table[i].text, ESCAPE_QUOTED, table[i].expected);
}

/* Every pair of bytes, under every rule. */
static void test_output_is_always_utf8(void **state)
{
	static const enum escape_rule rules[] = { ESCAPE_NOTHING, ESCAPE_BACKSLASH, ESCAPE_QUOTED, ESCAPE_JSON,
						  ESCAPE_HTML };
	struct buffer out;

	(void)state;
	buffer_init(&out, 4096);
	for (unsigned int pair = 0; pair < 0x10000; pair++) {
		const char text[] = { (char)(pair >> 8), (char)(pair & 0xFF), 0 };

		buffer_reset(&out);
		escape_append(&out, text, rules[pair % COUNT(rules)]);
		assert_true(utf8_valid(out.data, out.length));
		assert_true(out.length >= strlen(text));
	}
	buffer_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_output_is_always_utf8),
	};

	return cmocka_run_group_tests_name("prometheus_escape", tests, NULL, NULL);
}
