/* SPDX-License-Identifier: Apache-2.0 */
/*
 * W3C Trace Context: what is valid, what is ignored. Cases are those of the specification and of its test suite.
 */
#include "trace_world.h"

#include <string.h>

#include "trace/traceparent.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

static bool parses(const char *text)
{
	struct traceparent parent;

	return traceparent_parse((struct text){ text, strlen(text) }, &parent);
}

static void reads_what_is_there(void **state)
{
	static const uint8_t parent_id[] = { 0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7 };
	const char *text = "00-" TRACE "-" PARENT "-01";
	struct traceparent parent;

	(void)state;
	assert_true(traceparent_parse((struct text){ text, strlen(text) }, &parent));
	assert_int_equal(parent.trace_id[0], 0x4b);
	assert_int_equal(parent.trace_id[15], 0x36);
	assert_memory_equal(parent.parent_id, parent_id, sizeof(parent_id));
	assert_int_equal(parent.flags, 1);
}

static void takes_other_flags_and_later_versions(void **state)
{
	(void)state;
	assert_true(parses("00-" TRACE "-" PARENT "-00"));
	assert_true(parses("00-" TRACE "-" PARENT "-ff"));
	assert_true(parses("cc-" TRACE "-" PARENT "-01"));
	assert_true(parses("cc-" TRACE "-" PARENT "-01-what-the-future-will-be-like"));
}

static void ignores_what_is_invalid(void **state)
{
	static const char *const invalid[] = {
		"",
		"00",
		"ff-" TRACE "-" PARENT "-01",
		"0-" TRACE "-" PARENT "-01",
		"00-" TRACE "-" PARENT "-0",
		"00-" TRACE "-" PARENT "-01-",
		"00-" TRACE "-" PARENT "-01.",
		"00-" TRACE "-" PARENT "-011",
		"cc-" TRACE "-" PARENT "-01.what-the-future-will-be-like",
		"00-00000000000000000000000000000000-" PARENT "-01",
		"00-" TRACE "-0000000000000000-01",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01",
		"00-" TRACE "-00F067AA0BA902B7-01",
		"00-.bf92f3577b34da6a3ce929d0e0e4736-" PARENT "-01",
		"00-" TRACE "-" PARENT "-.0",
		"00_" TRACE "_" PARENT "_01",
		".0-" TRACE "-" PARENT "-01",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++)
		if (parses(invalid[i]))
			fail_msg("%s was taken", invalid[i]);
}

static bool state_valid(const char *text)
{
	return tracestate_valid((struct text){ text, strlen(text) });
}

static void knows_sound_lists(void **state)
{
	static const char *const valid[] = { "foo=1",     "foo=1,bar=2",       "foo=1 , bar=2",     "foo=1,,bar=2",
					     "foo@bar=1", "0foo@b-r_*/=:;<>?", "foo=0123456789 abc" };
	static const char *const invalid[] = { "",        ",",        "foo",      "foo=",    "=1",
					       "FOO=1",   "foo =1",   "foo@=1",   "@foo=1",  "foo@@bar=1",
					       "foo=b=z", "foo@0r=1", "foo=\x7f", "f\xc3=1", "foo=1,bar" };
	char many[33 * 4 + 1] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++)
		if (!state_valid(valid[i]))
			fail_msg("%s was not taken", valid[i]);
	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++)
		if (state_valid(invalid[i]))
			fail_msg("%s was taken", invalid[i]);
	for (int i = 0; i < 33; i++)
		memcpy(many + (size_t)i * 4, i ? ",a=1" : "b=1 ", 5);
	assert_false(state_valid(many));
	many[32 * 4] = '\0';
	assert_true(state_valid(many));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_is_there),
		cmocka_unit_test(takes_other_flags_and_later_versions),
		cmocka_unit_test(ignores_what_is_invalid),
		cmocka_unit_test(knows_sound_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
