/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The label texts: every value of every enumeration has one, no two share it, and none reads past its table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "model/exchange.h"
#include "model/losses.h"

#define TEXTS_ARE(function, type, count, ...)                                    \
	do {                                                                     \
		static const char *const expected[] = { __VA_ARGS__ };           \
		size_t i;                                                        \
		assert_int_equal(sizeof(expected) / sizeof(expected[0]), count); \
		for (i = 0; i < count; i++)                                      \
			assert_string_equal(function((type)i), expected[i]);     \
		assert_string_equal(function((type)count), "_OTHER");            \
	} while (0)

static void every_value_has_its_text(void **state)
{
	(void)state;
	TEXTS_ARE(exchange_error_text, enum exchange_error, EXCHANGE_ERROR_COUNT, "", "request_aborted", "no_response",
		  "response_aborted", "connection_reset", "timeout");
	TEXTS_ARE(http_method_text, enum http_method, HTTP_METHOD_COUNT, "_OTHER", "CONNECT", "DELETE", "GET", "HEAD",
		  "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE");
	TEXTS_ARE(skip_reason_text, enum skip_reason, SKIP_REASON_COUNT, "gap", "resync", "before_start", "malformed");
	TEXTS_ARE(out_of_step_reason_text, enum out_of_step_reason, STEP_REASON_COUNT, "gap", "overlap", "malformed",
		  "response_alone", "request_lost", "pipeline_full", "head_too_large");
	TEXTS_ARE(unparsed_reason_text, enum unparsed_reason, UNPARSED_REASON_COUNT, "unknown", "tls", "upgraded",
		  "malformed", "http2", "no_room");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_value_has_its_text),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
