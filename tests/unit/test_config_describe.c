/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option table in words: docs/CONFIG.md is what the table says, the printed configuration loads again as the same,
 * and the table itself is sound. Runs in the root of the tree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "config/describe.h"
#include "config/options.h"
#include "config/value.h"
#include "tests/unit/config_world.h"

#define TEXT_MAX (64 * 1024)

static void finish(struct buffer *text)
{
	buffer_append_char(text, '\0');
	assert_int_equal(buffer_error(text), 0);
}

static void documentation_is_what_the_table_says(void **state)
{
	char *found = malloc(TEXT_MAX);
	struct buffer expected;

	(void)state;
	assert_non_null(found);
	buffer_init(&expected, TEXT_MAX);
	config_describe_markdown(&expected);
	finish(&expected);
	if (file_read(AT_FDCWD, "docs/CONFIG.md", found, TEXT_MAX, NULL) || strcmp(found, expected.data))
		fail_msg("docs/CONFIG.md is not what the option table says: run `build/sonde config --markdown > "
			 "docs/CONFIG.md`");
	buffer_done(&expected);
	free(found);
}

static void effective_is(struct config_world *world, const char *expected_part)
{
	struct buffer text;

	buffer_init(&text, TEXT_MAX);
	config_describe_effective(&world->config, &text);
	finish(&text);
	if (!strstr(text.data, expected_part))
		fail_msg("not found: %s\nin: %s", expected_part, text.data);
	buffer_done(&text);
}

static void effective_configuration_names_origins(void **state)
{
	struct config_world *world = *state;

	config_world_file("log:\n  level: debug\nselect:\n  exe: ['a\"b\\c', d]\nbackend: kprobe\n");
	config_world_load(
		world, FLAGS("--config.file=sonde.yaml", "--select.port=80", "--select.port=81", "--no-capture.unix"),
		VARIABLES("SONDE_METRICS_IDLE_TIMEOUT=90m", "SONDE_CAPTURE_MAX_CALL_BYTES=1000"));
	assert_int_equal(world->result, 0);
	effective_is(world,
		     "# config.file: \"sonde.yaml\" # --config.file\nweb:\n  listen-address: [\":9100\"] # default\n");
	effective_is(world, "backend: \"kprobe\" # sonde.yaml:5: backend\nselect:\n  cgroup: [] # default\n"
			    "  port: [80, 81] # --select.port\n"
			    "  exe: [\"a\\\"b\\\\c\", \"d\"] # sonde.yaml:4: select.exe\n");
	effective_is(world, "\n  max-call-bytes: 1000 # SONDE_CAPTURE_MAX_CALL_BYTES\n"
			    "  unix: false # --capture.unix\n");
	effective_is(world, "\n  idle-timeout: 90m # SONDE_METRICS_IDLE_TIMEOUT\n");
	effective_is(world, "\nlog:\n  level: \"debug\" # sonde.yaml:2: log.level\n");
}

/* The next configuration to load leaves this one alone. */
static struct config take(struct config_world *world)
{
	assert_string_equal(world->error, "untouched");
	assert_int_equal(world->result, 0);
	world->result = -1;
	return world->config;
}

static bool ends_with(const char *name, const char *end)
{
	return strlen(name) > strlen(end) && !strcmp(name + strlen(name) - strlen(end), end);
}

/* The option that leaves out what this one picks. */
static const struct config_option *opposite(const struct config_option *option)
{
	char name[OPTION_NAME_SIZE];

	snprintf(name, sizeof(name), "%.*sexclude", (int)(strlen(option->name) - strlen("include")), option->name);
	return option_find(name);
}

/* A value of a collector's option that is not its default; NULL when there is none beside those of the others. */
static const char *collector_value(const struct config_option *option)
{
	if (option->kind == OPTION_BOOL && strstr(option->help, "Not in sonde"))
		return NULL;
	if (option->kind == OPTION_BOOL)
		return strcmp(option->fallback, "true") ? "true" : "false";
	if (option->kind == OPTION_DURATION)
		return "7ms";
	if (option->kind == OPTION_NUMBER)
		return "3";
	if (ends_with(option->name, "-include") && opposite(option))
		return *opposite(option)->fallback ? "a|[\"']\\\\ # x" : NULL;
	return *option->fallback ? "" : "^(a|[\"']): {x}$";
}

static bool is_collectors(const struct config_option *option)
{
	return !strncmp(option->name, "collector.", strlen("collector."));
}

static void assert_same_but_for_the_file(const struct config *before, const struct config *after, bool same)
{
	size_t i;

	for (i = 0; i < config_option_count; i++)
		if (!config_options[i].outside_file &&
		    (same || !is_collectors(&config_options[i]) || collector_value(&config_options[i])) &&
		    value_equal(&config_options[i], before, after) != same)
			fail_msg("%s %s", config_options[i].name, same ? "differs" : "is at its default in this test");
}

static const char *const away_from_defaults[] = {
	"--web.listen-address=[::1]:1",
	"--web.listen-address=h:2",
	"--web.telemetry-path=/'\"\\:{x}%\xc3\xa9",
	"--web.max-requests=3",
	"--web.disable-exporter-metrics",
	"--backend=tracepoint",
	"--select.cgroup=/sys/fs/cgroup/a b",
	"--select.port=1",
	"--select.exe=*: &!|>%@` #",
	"--select.exe=null",
	"--select.pid=1",
	"--ignore.port=2",
	"--capture.ring-bytes=1MiB",
	"--capture.max-connections=77",
	"--capture.max-call-bytes=1025",
	"--no-capture.unix",
	"--no-capture.tls",
	"--capture.program-stats",
	"--no-usage.scheduler",
	"--no-usage.memory",
	"--no-usage.block",
	"--no-usage.tcp",
	"--http.route=/a/{id}",
	"--http.route=/b/*",
	"--http.route-values=5",
	"--metrics.series-limit=6",
	"--metrics.idle-timeout=1s500ms",
	"--no-metrics.native-histograms",
	"--trace.sampler=traceidratio",
	"--trace.sampler-arg=0.5",
	"--trace.slow=2s",
	"--trace.slow-p99",
	"--trace.rate=9",
	"--trace.service-ratio=a*=0.1",
	"--trace.route-ratio=/x=0",
	"--trace.exclude=/health*",
	"--trace.query-key=page",
	"--trace.request-header=X-Request-Id",
	"--trace.response-header=server",
	"--trace.query-text",
	"--no-trace.remote-parents",
	"--otlp.endpoint=http://collector:4318",
	"--otlp.protocol=http/json",
	"--otlp.header=a=b",
	"--otlp.compression=gzip",
	"--otlp.timeout=1s",
	"--otlp.certificate=/ca",
	"--otlp.client-certificate=/cert",
	"--otlp.client-key=/key",
	"--otlp.traces-endpoint=https://traces/",
	"--otlp.traces-protocol=http/protobuf",
	"--otlp.traces-header=c=d",
	"--otlp.traces-compression=none",
	"--otlp.traces-timeout=2s",
	"--otlp.traces-certificate=/ca2",
	"--otlp.traces-client-certificate=/cert2",
	"--otlp.traces-client-key=/key2",
	"--otlp.metrics-endpoint=https://metrics/",
	"--otlp.metrics-protocol=http/protobuf",
	"--otlp.metrics-header=c=d",
	"--otlp.metrics-compression=none",
	"--otlp.metrics-timeout=2s",
	"--otlp.metrics-certificate=/ca2",
	"--otlp.metrics-client-certificate=/cert2",
	"--otlp.metrics-client-key=/key2",
	"--no-otlp.traces",
	"--no-otlp.metrics",
	"--otlp.metrics-interval=1s",
	"--otlp.metrics-temporality=delta",
	"--otlp.metrics-histograms=base2_exponential_bucket_histogram",
	"--otlp.proxy=http://proxy:3128",
	"--otlp.service-name=agent",
	"--otlp.resource-attribute=k=v",
	"--otlp.queue-bytes=1MiB",
	"--otlp.queue-spans=100",
	"--otlp.batch-spans=10",
	"--otlp.batch-delay=1s",
	"--otlp.shutdown-timeout=1s",
	"--stdout.spans",
	"--path.procfs=/host/proc",
	"--path.sysfs=/host/sys",
	"--path.rootfs=/host/root",
	"--path.udev.data=/host/udev",
	"--runtime.gomaxprocs=2",
	"--no-container.enabled",
	"--container.limit=100",
	"--container.keep=5m",
	"--log.level=error",
	"--log.format=json",
	NULL,
};

static void make_flags(char *flags[CONFIG_OPTIONS_MAX * 2])
{
	size_t count = 0, i;

	for (i = 0; away_from_defaults[i]; i++)
		flags[count++] = strdup(away_from_defaults[i]);
	for (i = 0; i < config_option_count; i++) {
		const struct config_option *option = &config_options[i];

		if (is_collectors(option) && collector_value(option))
			assert_true(asprintf(&flags[count++], "--%s=%s", option->name, collector_value(option)) > 0);
	}
	flags[count] = NULL;
}

static void free_flags(char *flags[CONFIG_OPTIONS_MAX * 2])
{
	for (size_t i = 0; flags[i]; i++)
		free(flags[i]);
}

/* Every option away from its default, printed, loaded from what was printed: nothing may differ. */
static void effective_configuration_loads_again(void **state)
{
	struct config_world *world = *state;
	struct config defaults, before, after;
	char *flags[CONFIG_OPTIONS_MAX * 2];
	struct buffer text;

	config_world_load(world, FLAGS(), VARIABLES());
	defaults = take(world);
	make_flags(flags);
	config_world_load(world, (const char *const *)flags, VARIABLES());
	free_flags(flags);
	before = take(world);
	assert_same_but_for_the_file(&defaults, &before, false);
	buffer_init(&text, TEXT_MAX);
	config_describe_effective(&before, &text);
	assert_int_equal(buffer_error(&text), 0);
	config_world_file_bytes(text.data, text.length);
	buffer_done(&text);
	config_world_load(world, FLAGS("--config.file=sonde.yaml"), VARIABLES());
	after = take(world);
	assert_same_but_for_the_file(&before, &after, true);
	config_free(&defaults);
	config_free(&before);
	config_free(&after);
}

static void table_is_sound(void **state)
{
	size_t i, j;

	(void)state;
	for (i = 0; i < config_option_count; i++) {
		const struct config_option *option = &config_options[i];
		char variable[OPTION_NAME_SIZE];

		/* Shorter than the name of its variable, which must fit, "no-" in front of it too. */
		assert_true(strlen(option->name) + strlen("SONDE_") < OPTION_NAME_SIZE);
		option_variable(option, variable);
		assert_int_equal(strlen(variable), strlen(option->name) + strlen("SONDE_"));
		assert_true(option->placeholder || option->kind == OPTION_BOOL);
		assert_non_null(option->fallback);
		assert_true(strlen(option->help) > 10 && option->help[strlen(option->help) - 1] == '.');
		assert_true(option->kind != OPTION_CHOICE || option->choices);
		/* Only a switch of a collector is an option and holds others. */
		assert_false(option_is_section(option->name) && !is_collectors(option));
		assert_ptr_equal(option_find(option->name), option);
		for (j = 0; j < i; j++)
			assert_string_not_equal(config_options[j].name, option->name);
	}
	assert_null(option_find("web"));
	assert_null(option_find(""));
	assert_true(option_is_section("web"));
	assert_false(option_is_section("we"));
	assert_false(option_is_section("web.listen-address"));
}

static void help_tells_every_flag(void **state)
{
	struct buffer text;
	size_t i;

	(void)state;
	buffer_init(&text, TEXT_MAX);
	config_describe_flags(&text);
	finish(&text);
	for (i = 0; i < config_option_count; i++)
		assert_non_null(strstr(text.data, config_options[i].name));
	assert_non_null(strstr(text.data,
			       "  --web.listen-address=HOST:PORT\n        Address to serve metrics and health on; "
			       "without a host, every one of this machine. Repeatable. Default: :9100.\n"));
	assert_non_null(strstr(text.data, "  --[no-]capture.unix\n"));
	buffer_done(&text);
}

static void suggestions(void **state)
{
	static const struct {
		const char *typed, *expected;
	} cases[] = {
		{ "log.levle", "log.level" },               /* swapped */
		{ "log.leve", "log.level" },                /* missing */
		{ "log.levels", "log.level" },              /* too many */
		{ "lgo.lefel", "log.level" },               /* two mistakes */
		{ "log_format", "log.format" },             /* replaced */
		{ "series-limit", "metrics.series-limit" }, /* without its section */
		{ "metrics.serieslimt", "metrics.series-limit" },
		{ "lgo.lefle", NULL }, /* three */
		{ "x", NULL },
		{ "", NULL },
		{ "a.name.that.is.much.longer.than.any.option.has.and.then.some.more", NULL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct config_option *option = option_suggest(cases[i].typed, false);

		if (!cases[i].expected)
			assert_null(option);
		else if (!option)
			fail_msg("no suggestion for %s", cases[i].typed);
		else
			assert_string_equal(option->name, cases[i].expected);
	}
	assert_string_equal(option_suggest("SONDE_IGNORE_PROT", true)->name, "ignore.port");
}

#define CONFIG_TEST(function) cmocka_unit_test_setup_teardown(function, config_world_set_up, config_world_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documentation_is_what_the_table_says),
		CONFIG_TEST(effective_configuration_names_origins),
		CONFIG_TEST(effective_configuration_loads_again),
		cmocka_unit_test(table_is_sound),
		cmocka_unit_test(help_tells_every_flag),
		cmocka_unit_test(suggestions),
	};

	return cmocka_run_group_tests_name("config_describe", tests, NULL, NULL);
}
