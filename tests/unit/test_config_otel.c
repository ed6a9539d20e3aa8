/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenTelemetry's variables: their forms, what they are weaker and stronger than, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "base/number.h"
#include "base/percent.h"
#include "tests/unit/config_world.h"

static const struct config *load(void **state, const char *const *flags, const char *const *variables)
{
	struct config_world *world = *state;

	config_world_load(world, flags, variables);
	assert_string_equal(world->error, "untouched");
	assert_int_equal(world->result, 0);
	return &world->config;
}

static void variables_are_options(void **state)
{
	const struct config *config = load(
		state, FLAGS(),
		VARIABLES("OTEL_EXPORTER_OTLP_ENDPOINT=https://collector:4318", "OTEL_EXPORTER_OTLP_PROTOCOL=HTTP/JSON",
			  "OTEL_EXPORTER_OTLP_HEADERS=api-key=a%20b,x=y", "OTEL_EXPORTER_OTLP_COMPRESSION=gzip",
			  "OTEL_EXPORTER_OTLP_TIMEOUT=2500", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://traces/",
			  "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT=1", "OTEL_EXPORTER_OTLP_CERTIFICATE=/ca.pem",
			  "OTEL_SERVICE_NAME=agent", "OTEL_RESOURCE_ATTRIBUTES=a=b,deployment.environment.name=prod",
			  "OTEL_TRACES_SAMPLER=ParentBased_TraceIdRatio", "OTEL_TRACES_SAMPLER_ARG=0.25",
			  "OTEL_BSP_SCHEDULE_DELAY=100", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=7",
			  "OTEL_BSP_MAX_QUEUE_SIZE=99", "OTEL_BSP_EXPORT_TIMEOUT=3000", "OTEL_LOG_LEVEL=info",
			  "OTEL_PROPAGATORS="));

	assert_string_equal(config->otlp[OTLP_SET_BOTH].endpoint, "https://collector:4318");
	assert_string_equal(config->otlp[OTLP_SET_BOTH].protocol, "http/json");
	assert_int_equal(config->otlp[OTLP_SET_BOTH].headers.count, 2);
	assert_string_equal(config->otlp[OTLP_SET_BOTH].headers.items[0], "api-key=a%20b");
	assert_string_equal(config->otlp[OTLP_SET_BOTH].compression, "gzip");
	assert_int_equal(config->otlp[OTLP_SET_BOTH].timeout_ns, 2500 * NS_PER_MS);
	assert_string_equal(config->otlp[OTLP_SET_BOTH].certificate, "/ca.pem");
	assert_string_equal(config->otlp[OTLP_SET_TRACES].endpoint, "http://traces/");
	assert_int_equal(config->otlp[OTLP_SET_TRACES].timeout_ns, NS_PER_MS);
	assert_string_equal(config->otlp_service_name, "agent");
	assert_int_equal(config->otlp_resource_attributes.count, 2);
	assert_int_equal(config->trace_sampler, SAMPLER_PARENT_RATIO);
	assert_string_equal(config->trace_sampler_arg, "0.25");
	assert_int_equal(config->otlp_batch_delay_ns, 100 * NS_PER_MS);
	assert_int_equal(config->otlp_batch_spans, 7);
	assert_int_equal(config->otlp_queue_spans, 99);
	assert_int_equal(config->otlp_shutdown_timeout_ns, 3 * NS_PER_SECOND);
}

static void own_variables_and_flags_are_stronger(void **state)
{
	const struct config *config = load(
		state, FLAGS("--trace.sampler-arg=0.3"),
		VARIABLES("SONDE_OTLP_ENDPOINT=http://own", "OTEL_EXPORTER_OTLP_ENDPOINT=http://other",
			  "OTEL_TRACES_SAMPLER_ARG=0.1", "SONDE_OTLP_HEADER=a=1", "OTEL_EXPORTER_OTLP_HEADERS=b=2"));

	assert_string_equal(config->otlp[OTLP_SET_BOTH].endpoint, "http://own");
	assert_string_equal(config->trace_sampler_arg, "0.3");
	assert_int_equal(config->otlp[OTLP_SET_BOTH].headers.count, 1);
	assert_string_equal(config->otlp[OTLP_SET_BOTH].headers.items[0], "a=1");
}

static void refused(void **state, const char *variable, const char *message)
{
	struct config_world *world = *state;
	const char *const variables[] = { variable, NULL };

	config_world_load(world, FLAGS(), variables);
	assert_true(world->result < 0);
	if (!strstr(world->error, message))
		fail_msg("%s does not say %s", world->error, message);
}

static void what_cannot_be_is_refused(void **state)
{
	refused(state, "OTEL_EXPORTER_OTLP_PROTOCOL=thrift",
		"OTEL_EXPORTER_OTLP_PROTOCOL: \"thrift\" is not allowed; allowed is one of "
		"http/protobuf, http/json, grpc");
	refused(state, "OTEL_EXPORTER_OTLP_ENDPOINT=collector:4318", "http://");
	refused(state, "OTEL_EXPORTER_OTLP_TRACES_HEADERS=novalue", "NAME=VALUE");
	refused(state, "OTEL_EXPORTER_OTLP_HEADERS=a=%zz", "NAME=VALUE");
	refused(state, "OTEL_TRACES_SAMPLER=jaeger_remote", "always_on");
	refused(state, "OTEL_TRACES_SAMPLER_ARG=1.5", "0 to 1");
	refused(state, "OTEL_BSP_SCHEDULE_DELAY=soon", "OTEL_BSP_SCHEDULE_DELAY");
}

static void ratios_and_percents(void **state)
{
	double ratio = 0;
	char text[8];

	(void)state;
	assert_int_equal(number_ratio("0.25", &ratio), 0);
	assert_true(ratio > 0.2499 && ratio < 0.2501);
	assert_int_equal(number_ratio("1", &ratio), 0);
	assert_int_equal(number_ratio("1.0000", &ratio), 0);
	assert_int_equal(number_ratio(".5", &ratio), 0);
	assert_true(number_ratio("", &ratio) < 0);
	assert_true(number_ratio(".", &ratio) < 0);
	assert_true(number_ratio("1.01", &ratio) < 0);
	assert_true(number_ratio("-0.1", &ratio) < 0);
	assert_true(number_ratio("0.5x", &ratio) < 0);
	assert_true(number_ratio("99999999999999999999", &ratio) < 0);
	assert_true(percent_decode("a%20b%2C", text, sizeof(text)));
	assert_string_equal(text, "a b,");
	assert_true(percent_decode("1234567", text, sizeof(text)));
	assert_false(percent_decode("12345678", text, sizeof(text)));
	assert_false(percent_decode("%", text, sizeof(text)));
	assert_false(percent_decode("%2", text, sizeof(text)));
	assert_false(percent_decode("%00", text, sizeof(text)));
	assert_false(percent_decode("%g0", text, sizeof(text)));
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, config_world_set_up, config_world_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(variables_are_options),
		TEST(own_variables_and_flags_are_stronger),
		TEST(what_cannot_be_is_refused),
		TEST(ratios_and_percents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
