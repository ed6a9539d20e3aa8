/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A span as OTLP's message and as its JSON: every field, any bytes in texts, and no room.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "exporters/common/message_json.h"
#include "exporters/common/span_message.h"

static struct span sample(const struct span_attribute *attributes, size_t count)
{
	return (struct span){
		.trace_id = { 0x4b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0x36 },
		.span_id = { 0, 0xf0, 1, 2, 3, 4, 5, 6 },
		.parent_id = { 9, 9, 9, 9, 9, 9, 9, 9 },
		.has_parent = true,
		.parent_is_remote = true,
		.trace_flags = 1,
		.kind = SPAN_KIND_CLIENT,
		.status = SPAN_STATUS_ERROR,
		.start_ns = UINT64_C(1544712660000000000),
		.end_ns = UINT64_C(1544712661000000000),
		.trace_state = { "a=1", 3 },
		.name = { "GET /x", 6 },
		.service = "shop",
		.attributes = attributes,
		.attribute_count = count,
	};
}

static void json_is_the_specifications(void **state)
{
	static const char expected[] =
		"{\"traceId\":\"4b0102030405060708090a0b0c0d0e36\",\"spanId\":\"00f0010203040506\","
		"\"traceState\":\"a=1\",\"parentSpanId\":\"0909090909090909\",\"name\":\"GET /x\",\"kind\":3,"
		"\"startTimeUnixNano\":\"1544712660000000000\",\"endTimeUnixNano\":\"1544712661000000000\","
		"\"attributes\":[{\"key\":\"n\",\"value\":{\"intValue\":\"-7\"}},"
		"{\"key\":\"t\",\"value\":{\"stringValue\":\"a\\\"b\xEF\xBF\xBD\"}},"
		"{\"key\":\"l\",\"value\":{\"arrayValue\":{\"values\":[{\"stringValue\":\"1\"},"
		"{\"stringValue\":\"2\"}]}}}],"
		"\"status\":{\"code\":2},\"flags\":769}";
	const struct text texts[] = { { "1", 1 }, { "2", 1 } };
	const struct span_attribute attributes[] = {
		{ .key = "n", .kind = SPAN_VALUE_INT, .number = -7 },
		{ .key = "t", .kind = SPAN_VALUE_TEXT, .text = { "a\"b\xff", 4 } },
		{ .key = "l", .kind = SPAN_VALUE_LIST, .number = 2, .texts = texts },
	};
	struct span span = sample(attributes, 3);
	struct span_message message;
	struct buffer out;

	(void)state;
	buffer_init(&out, 4096);
	span_message_fill(&message, &span);
	message_json(&out, &message.span.base);
	buffer_append_char(&out, '\0');
	assert_int_equal(buffer_error(&out), 0);
	assert_string_equal(out.data, expected);
	buffer_done(&out);
}

static void a_root_has_no_parent(void **state)
{
	struct span span = sample(NULL, 0);
	struct span_message message;

	(void)state;
	span.has_parent = false;
	span.status = SPAN_STATUS_UNSET;
	span_message_fill(&message, &span);
	assert_false(message.span.has_parent_span_id);
	assert_int_equal(message.span.flags, 1);
	assert_false(message.status.has_code);
}

/* protobuf-c reads back what it wrote, and texts are valid UTF-8 whatever was sent. */
static void what_is_packed_unpacks(void **state)
{
	static char long_text[SPAN_TEXT_BYTES];
	static struct text texts[100];
	const struct span_attribute attributes[] = {
		{ .key = "bad", .kind = SPAN_VALUE_TEXT, .text = { "\0\xc3", 2 } },
		{ .key = "long", .kind = SPAN_VALUE_TEXT, .text = { long_text, sizeof(long_text) } },
		{ .key = "after", .kind = SPAN_VALUE_INT, .number = 1 },
		{ .key = "long list", .kind = SPAN_VALUE_LIST, .number = 1, .texts = &attributes[1].text },
		{ .key = "list", .kind = SPAN_VALUE_LIST, .number = 100, .texts = texts },
	};
	struct span span = sample(attributes, 5);
	struct span_message message;
	static uint8_t packed[SPAN_TEXT_BYTES];
	Otlp__Span *back;
	size_t size;

	(void)state;
	memset(long_text, 'x', sizeof(long_text));
	for (size_t i = 0; i < 100; i++)
		texts[i] = (struct text){ "v", 1 };
	span_message_fill(&message, &span);
	size = otlp__span__get_packed_size(&message.span);
	assert_true(size < sizeof(packed));
	assert_int_equal(otlp__span__pack(&message.span, packed), size);
	back = otlp__span__unpack(NULL, size, packed);
	assert_non_null(back);
	assert_int_equal(back->n_attributes, 3); /* those without room are left out */
	assert_int_equal(back->attributes[2]->value->array_value->n_values, SPAN_LIST_TEXTS_MAX);
	assert_string_equal(back->attributes[2]->value->array_value->values[1]->string_value, "v");
	assert_string_equal(back->attributes[0]->value->string_value, "\xEF\xBF\xBD\xEF\xBF\xBD");
	assert_string_equal(back->attributes[1]->key, "after");
	assert_memory_equal(back->trace_id.data, span.trace_id, TRACE_ID_BYTES);
	otlp__span__free_unpacked(back, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_is_the_specifications),
		cmocka_unit_test(a_root_has_no_parent),
		cmocka_unit_test(what_is_packed_unpacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
