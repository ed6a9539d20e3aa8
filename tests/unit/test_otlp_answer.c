/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a collector may answer, and what is made of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
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

static struct grpc_answer grpc_of(const char *const *lines)
{
	struct grpc_answer answer;

	grpc_answer_init(&answer);
	for (; *lines; lines++)
		grpc_answer_line(&answer, *lines, strlen(*lines));
	return answer;
}

static enum answer_verdict judged(struct grpc_answer answer)
{
	return grpc_answer_judge(&answer);
}

#define GRPC(...) grpc_of((const char *const[]){ __VA_ARGS__, NULL })

/* OTLP specification, "OTLP/gRPC Response", the table of codes. */
static void codes_of_grpc(void **state)
{
	static const char again[] = "CANCELLED DEADLINE_EXCEEDED ABORTED OUT_OF_RANGE UNAVAILABLE DATA_LOSS ";
	char line[32], name[32];

	(void)state;
	for (int status = 1; status < 17; status++) {
		struct grpc_answer answer;

		snprintf(line, sizeof(line), "grpc-status: %d\r\n", status);
		snprintf(name, sizeof(name), "%s ", grpc_status_text(status));
		answer = GRPC(line);
		assert_int_equal(answer.status, status);
		assert_int_equal(grpc_answer_judge(&answer), strstr(again, name) ? ANSWER_RETRY : ANSWER_REFUSED);
	}
	assert_int_equal(judged(GRPC("grpc-status: 0")), ANSWER_TAKEN);
	assert_int_equal(judged(GRPC("Grpc-Status:0")), ANSWER_TAKEN);
	assert_int_equal(judged(GRPC("HTTP/2 200", "content-type: text/html")), ANSWER_REFUSED);
	assert_int_equal(judged(GRPC("grpc-status: x")), ANSWER_REFUSED);
	assert_int_equal(judged(GRPC("grpc-status: -1")), ANSWER_REFUSED);
	assert_int_equal(judged(GRPC("grpc-status: 17")), ANSWER_REFUSED);
	assert_string_equal(grpc_status_text(17), "UNKNOWN");
	assert_string_equal(GRPC("grpc-message: a\tb\xff").message, "a?b?");
}

/* RetryInfo { retry_delay { seconds: 30, nanos: 5 } } in a Status, in base64 without its padding. */
static void what_grpc_asks_to_wait(void **state)
{
	static const char details[] = "grpc-status-details-bin: "
				      "CAgaMgoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIGCgQIHhAF";
	struct grpc_answer answer = GRPC("grpc-status: 8", details);

	(void)state;
	assert_true(answer.may_retry);
	assert_int_equal(answer.retry_after_ns, 30 * NS_PER_SECOND + 5);
	assert_int_equal(grpc_answer_judge(&answer), ANSWER_RETRY);
	answer = GRPC("grpc-status: 8");
	assert_int_equal(grpc_answer_judge(&answer), ANSWER_REFUSED);
	answer = GRPC("grpc-status: 8", "grpc-status-details-bin: !!", "grpc-status-details-bin: CAga");
	assert_int_equal(grpc_answer_judge(&answer), ANSWER_REFUSED);
}

static void messages_of_grpc(void **state)
{
	static const uint8_t taken[] = { 0, 0, 0, 0, 0 };
	static const uint8_t partial[] = { 0, 0, 0, 0, 4, 0x0a, 0x02, 0x08, 0x07 };
	static const uint8_t compressed[] = { 0x01, 0x00, 0x00, 0x00, 0x18, 0x1f, 0x8b, 0x08, 0x00, 0x00,
					      0x00, 0x00, 0x00, 0x02, 0x03, 0xe3, 0x62, 0xe2, 0x60, 0x07,
					      0x00, 0xbd, 0xf4, 0xc0, 0x1b, 0x04, 0x00, 0x00, 0x00 };
	static const uint8_t nothing[] = { 0x01, 0x00, 0x00, 0x00, 0x14, 0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00,
					   0x02, 0x03, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00 };
	static const uint8_t broken[] = { 1, 0, 0, 0, 0 };
	struct answer answer;

	(void)state;
	grpc_answer_read(taken, sizeof(taken), &answer);
	assert_true(answer.understood);
	grpc_answer_read(partial, sizeof(partial), &answer);
	assert_true(answer.understood);
	assert_int_equal(answer.rejected, 7);
	grpc_answer_read(partial, sizeof(partial) - 1, &answer);
	assert_false(answer.understood);
	grpc_answer_read(compressed, sizeof(compressed), &answer);
	assert_true(answer.understood);
	assert_int_equal(answer.rejected, 7);
	grpc_answer_read(nothing, sizeof(nothing), &answer);
	assert_true(answer.understood);
	grpc_answer_read(broken, sizeof(broken), &answer);
	assert_false(answer.understood);
	grpc_answer_read(NULL, 0, &answer);
	assert_false(answer.understood);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_four_statuses_are_tried_again),
		cmocka_unit_test(retry_after_is_seconds_or_a_date),
		cmocka_unit_test(partial_success_in_protobuf),
		cmocka_unit_test(partial_success_in_json),
		cmocka_unit_test(codes_of_grpc),
		cmocka_unit_test(what_grpc_asks_to_wait),
		cmocka_unit_test(messages_of_grpc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
