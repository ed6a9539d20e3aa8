/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a collector may answer, and what is made of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "exporters/otlp/answer.h"

#define EPOCH (UINT64_C(784111777) * NS_PER_SECOND) /* Sun, 06 Nov 1994 08:49:37 GMT */

static void only_four_statuses_are_tried_again(void **state)
{
	(void)state;
	assert_int_equal(answer_judge(200), ANSWER_TAKEN);
	for (long status = 100; status < 600; status++) {
		bool again = status == 429 || status == 502 || status == 503 || status == 504;

		if (status != 200)
			assert_int_equal(answer_judge(status), again ? ANSWER_RETRY : ANSWER_REFUSED);
	}
	assert_int_equal(answer_judge(0), ANSWER_REFUSED);
}

static uint64_t retry_after(const char *value)
{
	return answer_retry_after(value, strlen(value), EPOCH);
}

static void retry_after_is_seconds_or_a_date(void **state)
{
	(void)state;
	assert_int_equal(retry_after(" 120\r\n"), 120 * NS_PER_SECOND);
	assert_int_equal(retry_after("0"), 0);
	assert_int_equal(retry_after("99999999999"), 24 * 60 * NS_PER_MINUTE);
	assert_int_equal(retry_after("Sun, 06 Nov 1994 08:50:07 GMT\r\n"), 30 * NS_PER_SECOND);
	assert_int_equal(retry_after("Sun, 06 Nov 1994 08:49:07 GMT"), 0);
	assert_int_equal(retry_after("Sat, 06 Nov 2094 08:49:07 GMT"), 24 * 60 * NS_PER_MINUTE);
	assert_int_equal(retry_after("-5"), 0);
	assert_int_equal(retry_after("soon"), 0);
	assert_int_equal(retry_after(""), 0);
}

static void partial_success_in_protobuf(void **state)
{
	/* partial_success (1) { rejected_spans (1): 300, error_message (2): "no\n" } */
	static const uint8_t bytes[] = { 0x0a, 0x08, 0x08, 0xac, 0x02, 0x12, 0x03, 'n', 'o', '\n' };
	static const uint8_t negative[] = {
		0x0a, 0x0b, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01
	};
	struct answer answer;

	(void)state;
	answer_read(bytes, sizeof(bytes), false, &answer);
	assert_true(answer.understood);
	assert_int_equal(answer.rejected, 300);
	assert_string_equal(answer.message, "no?");
	answer_read(bytes, sizeof(bytes) - 1, false, &answer);
	assert_false(answer.understood);
	assert_int_equal(answer.rejected, 0);
	answer_read(negative, sizeof(negative), false, &answer);
	assert_int_equal(answer.rejected, 0);
	answer_read(NULL, 0, false, &answer);
	assert_true(answer.understood);
	answer_read("<html>", 6, false, &answer);
	assert_false(answer.understood);
}

static void read_json(const char *text, struct answer *ret_answer)
{
	answer_read(text, strlen(text), true, ret_answer);
}

static void partial_success_in_json(void **state)
{
	struct answer answer;

	(void)state;
	read_json("{\"partialSuccess\":{\"rejectedSpans\":\"17\",\"errorMessage\":\"too old\"}}", &answer);
	assert_true(answer.understood);
	assert_int_equal(answer.rejected, 17);
	assert_string_equal(answer.message, "too old");
	read_json("{ \"partialSuccess\" : { \"rejectedDataPoints\" : 4 } }", &answer);
	assert_int_equal(answer.rejected, 4);
	assert_string_equal(answer.message, "");
	read_json("{}", &answer);
	assert_true(answer.understood);
	read_json("{\"rejectedSpans\":", &answer);
	assert_int_equal(answer.rejected, 0);
	read_json("{\"rejectedSpans\":\"x\",\"errorMessage\":\"cut", &answer);
	assert_int_equal(answer.rejected, 0);
	assert_string_equal(answer.message, "cut");
	read_json("not json", &answer);
	assert_false(answer.understood);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_four_statuses_are_tried_again),
		cmocka_unit_test(retry_after_is_seconds_or_a_date),
		cmocka_unit_test(partial_success_in_protobuf),
		cmocka_unit_test(partial_success_in_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
