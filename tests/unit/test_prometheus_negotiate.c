/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accept fields, those of real scrapers first, and what they must lead to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exporters/common/field.h"
#include "exporters/prometheus/negotiate.h"
#include "exporters/prometheus/prometheus.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PROTOBUF "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

struct expectation {
	const char *accept;
	enum prometheus_format format;
	enum prometheus_escaping escaping;
};

static const struct expectation scrapers[] = {
	/* Prometheus 3 */
	{ "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
	  "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;"
	  "q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
	  FORMAT_OPENMETRICS, ESCAPING_ALLOW_UTF_8 },
	/* Prometheus 3, native histograms */
	{ PROTOBUF ";escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
		   "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
	  FORMAT_PROTOBUF, ESCAPING_ALLOW_UTF_8 },
	/* Prometheus 2.42, without and with native histograms */
	{ "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
	  "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
	  FORMAT_OPENMETRICS, ESCAPING_UNDERSCORES },
	{ PROTOBUF
	  ",application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,"
	  "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
	  FORMAT_PROTOBUF, ESCAPING_UNDERSCORES },
	/* curl, a browser, nothing */
	{ "*/*", FORMAT_TEXT, ESCAPING_UNDERSCORES },
	{ "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", FORMAT_TEXT,
	  ESCAPING_UNDERSCORES },
	{ "", FORMAT_TEXT, ESCAPING_UNDERSCORES },
};

static const struct expectation fields[] = {
	{ "text/plain", FORMAT_TEXT, ESCAPING_UNDERSCORES },
	{ "TEXT/Plain; Version=0.0.4", FORMAT_TEXT, ESCAPING_UNDERSCORES },
	{ "application/openmetrics-text", FORMAT_OPENMETRICS, ESCAPING_UNDERSCORES },
	{ "application/openmetrics-text; version=\"1.0.0\"", FORMAT_OPENMETRICS, ESCAPING_UNDERSCORES },
	{ "application/openmetrics-text; version=2.0.0", FORMAT_TEXT, ESCAPING_UNDERSCORES },
	{ "application/vnd.google.protobuf", FORMAT_PROTOBUF, ESCAPING_UNDERSCORES },
	{ "application/vnd.google.protobuf; encoding=text", FORMAT_TEXT, ESCAPING_UNDERSCORES },
	{ "application/vnd.google.protobuf; proto=other.Message; encoding=delimited", FORMAT_TEXT,
	  ESCAPING_UNDERSCORES },
	/* weights */
	{ "text/plain;q=0.4, application/openmetrics-text;q=0.5", FORMAT_OPENMETRICS, ESCAPING_UNDERSCORES },
	{ "text/plain;q=0.501, application/openmetrics-text;q=0.5", FORMAT_TEXT, ESCAPING_UNDERSCORES },
	{ "application/openmetrics-text, text/plain", FORMAT_OPENMETRICS, ESCAPING_UNDERSCORES },
	{ "text/plain, application/openmetrics-text", FORMAT_TEXT, ESCAPING_UNDERSCORES },
	{ "text/plain;q=0, */*", FORMAT_OPENMETRICS, ESCAPING_UNDERSCORES },
	{ "text/plain;q=0, */*;q=0", FORMAT_TEXT, ESCAPING_UNDERSCORES }, /* nothing acceptable: the fallback */
	{ "application/openmetrics-text;q=0", FORMAT_TEXT, ESCAPING_UNDERSCORES },
	{ "image/png", FORMAT_TEXT, ESCAPING_UNDERSCORES },
	/* the most specific range counts, wherever it stands */
	{ "application/openmetrics-text;version=1.0.0;q=0.1, application/openmetrics-text, text/plain;q=0.5",
	  FORMAT_TEXT, ESCAPING_UNDERSCORES },
	{ "application/*, application/openmetrics-text;q=0", FORMAT_PROTOBUF, ESCAPING_UNDERSCORES },
	{ "text/*;q=0.3, application/*;q=0.2", FORMAT_TEXT, ESCAPING_UNDERSCORES },
	/* malformed weights make an element unacceptable, malformed elements are passed over */
	{ "application/openmetrics-text;q=2, text/plain;q=0.1", FORMAT_TEXT, ESCAPING_UNDERSCORES },
	{ "application/openmetrics-text;q=0.1234", FORMAT_TEXT, ESCAPING_UNDERSCORES },
	{ "application/openmetrics-text;q=", FORMAT_TEXT, ESCAPING_UNDERSCORES },
	{ "application/openmetrics-text;q=1.001", FORMAT_TEXT, ESCAPING_UNDERSCORES },
	{ "application/openmetrics-text;q=x", FORMAT_TEXT, ESCAPING_UNDERSCORES },
	{ ", ,;;, application/openmetrics-text ;;; q=1.000 , ,", FORMAT_OPENMETRICS, ESCAPING_UNDERSCORES },
	{ "text/plain;x=\"a,b;q=0\";q=0.1, application/openmetrics-text;q=0.05", FORMAT_TEXT, ESCAPING_UNDERSCORES },
	{ "text/plain;x=\"never closed, application/openmetrics-text", FORMAT_TEXT, ESCAPING_UNDERSCORES },
	{ "text/plain;x=\"\\", FORMAT_TEXT, ESCAPING_UNDERSCORES },
	/* escaping */
	{ "text/plain;version=0.0.4;escaping=values", FORMAT_TEXT, ESCAPING_VALUES },
	{ "text/plain;escaping=allow-utf-8;q=0.3,*/*;q=0.1", FORMAT_TEXT, ESCAPING_ALLOW_UTF_8 },
	{ "application/openmetrics-text;escaping=dots", FORMAT_OPENMETRICS, ESCAPING_UNDERSCORES },
	{ "application/openmetrics-text;escaping=nonsense", FORMAT_OPENMETRICS, ESCAPING_UNDERSCORES },
};

static void check(const struct expectation *table, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct exposition_choice choice = prometheus_negotiate(table[i].accept);

		if (choice.format != table[i].format || choice.escaping != table[i].escaping)
			fail_msg("Accept: %s: format %u, escaping %u", table[i].accept, choice.format, choice.escaping);
	}
}

static void test_scrapers(void **state)
{
	(void)state;
	check(scrapers, COUNT(scrapers));
}

static void test_fields(void **state)
{
	(void)state;
	check(fields, COUNT(fields));
}

static void check_content_type(enum prometheus_format format, enum prometheus_escaping escaping, const char *expected)
{
	char text[EXPOSITION_CONTENT_TYPE_SIZE];

	prometheus_content_type((struct exposition_choice){ (uint8_t)format, (uint8_t)escaping }, text);
	assert_string_equal(text, expected);
}

static void test_content_types(void **state)
{
	(void)state;
	check_content_type(FORMAT_TEXT, ESCAPING_UNDERSCORES,
			   "text/plain; version=0.0.4; charset=utf-8; escaping=underscores");
	check_content_type(FORMAT_TEXT, ESCAPING_VALUES, "text/plain; version=0.0.4; charset=utf-8; escaping=values");
	check_content_type(FORMAT_OPENMETRICS, ESCAPING_ALLOW_UTF_8,
			   "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8");
	check_content_type(FORMAT_PROTOBUF, ESCAPING_UNDERSCORES,
			   "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
			   "encoding=delimited; escaping=underscores");
}

static void test_format_names(void **state)
{
	(void)state;
	assert_string_equal(prometheus_exposition.format_name(FORMAT_TEXT), "text");
	assert_string_equal(prometheus_exposition.format_name(FORMAT_OPENMETRICS), "openmetrics");
	assert_string_equal(prometheus_exposition.format_name(FORMAT_PROTOBUF), "protobuf");
	assert_null(prometheus_exposition.format_name(FORMAT_COUNT));
}

static void test_parameters_beyond_the_maximum_are_ignored(void **state)
{
	const char *cursor = "a;p1=1;p2;p3=3;p4=4;p5=5;p6=6;p7=7;p8=8;p9=9;q=0.25;p10=10 , b";
	struct field_element element;

	(void)state;
	assert_true(field_next(&cursor, &element));
	assert_true(field_part_is(element.value, "a"));
	assert_int_equal(element.weight, 250);
	assert_int_equal(element.parameter_count, FIELD_PARAMETERS_MAX);
	assert_true(field_part_is(field_parameter(&element, "P8"), "8"));
	assert_int_equal(field_parameter(&element, "p2").length, 0);
	assert_int_equal(field_parameter(&element, "p9").length, 0);
	assert_true(field_next(&cursor, &element));
	assert_true(field_part_is(element.value, "b"));
	assert_int_equal(element.weight, 1000);
	assert_false(field_next(&cursor, &element));
	assert_false(field_next(&cursor, &element));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scrapers),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_content_types),
		cmocka_unit_test(test_format_names),
		cmocka_unit_test(test_parameters_beyond_the_maximum_are_ignored),
	};

	return cmocka_run_group_tests_name("prometheus_negotiate", tests, NULL, NULL);
}
