/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration as it should be used: defaults, the forms of flags, variables and YAML, which source wins, and what
 * a reload may change.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "tests/unit/config_world.h"

static const struct config *load(void **state, const char *const *flags, const char *const *variables)
{
	struct config_world *world = *state;

	config_world_load(world, flags, variables);
	assert_string_equal(world->error, "untouched");
	assert_int_equal(world->result, 0);
	return &world->config;
}

static void defaults(void **state)
{
	const struct config *config = load(state, FLAGS(), VARIABLES("PATH=/bin", "HOME=/"));

	assert_string_equal(config->config_file, "");
	assert_int_equal(config->web_listen_addresses.count, 1);
	assert_string_equal(config->web_listen_addresses.items[0], ":9100");
	assert_string_equal(config->web_telemetry_path, "/metrics");
	assert_int_equal(config->web_max_requests, 40);
	assert_int_equal(config->backend, BACKEND_AUTO);
	assert_int_equal(config->select_cgroups.count + config->select_ports.count + config->select_exes.count +
				 config->select_pids.count + config->ignore_ports.count + config->http_routes.count,
			 0);
	assert_int_equal(config->capture_ring_bytes, 4 << 20);
	assert_int_equal(config->capture_max_connections, 65536);
	assert_int_equal(config->capture_max_call_bytes, 128 << 10);
	assert_true(config->capture_unix);
	assert_false(config->capture_program_stats);
	assert_int_equal(config->http_route_values, 32);
	assert_int_equal(config->metrics_series_limit, 10000);
	assert_int_equal(config->metrics_idle_timeout_ns, 15 * NS_PER_MINUTE);
	assert_true(config->metrics_native_histograms);
	assert_string_equal(config->path_procfs, "/proc");
	assert_string_equal(config->path_sysfs, "/sys");
	assert_string_equal(config->log_level, "info");
	assert_string_equal(config->log_format, "logfmt");
}

static void every_form_of_a_flag(void **state)
{
	const struct config *config =
		load(state,
		     FLAGS("--web.max-requests=7", "--web.telemetry-path", "/m", "--no-capture.unix",
			   "--capture.program-stats", "--metrics.native-histograms=off", "--backend=tracepoint",
			   "--capture.ring-bytes", "1MiB", "--metrics.idle-timeout=1h30m", "--log.format", "json"),
		     VARIABLES());

	assert_int_equal(config->web_max_requests, 7);
	assert_string_equal(config->web_telemetry_path, "/m");
	assert_false(config->capture_unix);
	assert_true(config->capture_program_stats);
	assert_false(config->metrics_native_histograms);
	assert_int_equal(config->backend, BACKEND_TRACEPOINT);
	assert_int_equal(config->capture_ring_bytes, 1 << 20);
	assert_int_equal(config->metrics_idle_timeout_ns, 90 * NS_PER_MINUTE);
	assert_string_equal(config->log_format, "json");
}

static void values_keep_what_follows_the_first_equals_sign(void **state)
{
	const struct config *config = load(state, FLAGS("--select.exe=/opt/a=b", "--select.exe", "-x,y"), VARIABLES());

	assert_int_equal(config->select_exes.count, 2);
	assert_string_equal(config->select_exes.items[0], "/opt/a=b");
	assert_string_equal(config->select_exes.items[1], "-x,y"); /* commas separate in variables only */
}

static void repeated_flags_make_a_list(void **state)
{
	const struct config *config = load(state,
					   FLAGS("--select.port=80", "--select.port", "8080",
						 "--web.listen-address=[::1]:0", "--web.listen-address=localhost:9100"),
					   VARIABLES());

	assert_int_equal(config->select_ports.count, 2);
	assert_int_equal(config->select_ports.items[0], 80);
	assert_int_equal(config->select_ports.items[1], 8080);
	assert_int_equal(config->web_listen_addresses.count, 2); /* the default is replaced, not appended to */
	assert_string_equal(config->web_listen_addresses.items[0], "[::1]:0");
}

static void variables_split_lists(void **state)
{
	const struct config *config =
		load(state, FLAGS(),
		     VARIABLES("SONDE_SELECT_PID=1,22,4194304", "SONDE_CAPTURE_UNIX=false", "SONDE_LOG_LEVEL=debug",
			       "SONDE_BACKEND=fentry", "SONDE_WEB_TELEMETRY_PATH=/a,b"));

	assert_int_equal(config->select_pids.count, 3);
	assert_int_equal(config->select_pids.items[2], 4194304);
	assert_false(config->capture_unix);
	assert_string_equal(config->log_level, "debug");
	assert_int_equal(config->backend, BACKEND_FENTRY);
	assert_string_equal(config->web_telemetry_path, "/a,b"); /* not a list: not split */
}

static void empty_and_foreign_variables_are_let_pass(void **state)
{
	const struct config *config =
		load(state, FLAGS(),
		     VARIABLES("SONDE_LOG_LEVEL=", "SONDE_SELECT_PORT=", "SONDE_NONSENSE=", "SONDE_BROKEN",
			       "XSONDE_A=1", "SONDE=1", "SONDE_SERVICE_HOST=10.0.0.1", "SONDE_SERVICE_PORT=9100",
			       "SONDE_SERVICE_PORT_METRICS=9100", "SONDE_PORT=tcp://10.0.0.1:9100",
			       "SONDE_PORT_9100_TCP=tcp://10.0.0.1:9100", "SONDE_PORT_9100_TCP_ADDR=10.0.0.1"));

	assert_string_equal(config->log_level, "info");
	assert_int_equal(config->select_ports.count, 0);
}

static void file_nests_by_the_dots(void **state)
{
	const struct config *config;

	config_world_file("# a comment\n"
			  "web:\n"
			  "  listen-address: ['127.0.0.1:9100', \"[::1]:9100\"]\n"
			  "  max-requests: 5\n"
			  "backend: kprobe\n"
			  "select:\n"
			  "  # port: 1\n"
			  "ignore: {port: 22}\n"
			  "capture:\n"
			  "  unix: no\n"
			  "  ring-bytes: 8MiB\n"
			  "select.exe:\n"
			  "  - /usr/sbin/nginx\n"
			  "  - '*/redis-server'\n"
			  "metrics:\n"
			  "  idle-timeout: 0\n"
			  "http: {route: []}\n");
	config = load(state, FLAGS("--config.file=sonde.yaml"), VARIABLES());
	assert_int_equal(config->web_listen_addresses.count, 2);
	assert_string_equal(config->web_listen_addresses.items[1], "[::1]:9100");
	assert_int_equal(config->web_max_requests, 5);
	assert_int_equal(config->backend, BACKEND_KPROBE);
	assert_int_equal(config->select_ports.count, 0);
	assert_int_equal(config->ignore_ports.count, 1);
	assert_int_equal(config->ignore_ports.items[0], 22);
	assert_false(config->capture_unix);
	assert_int_equal(config->capture_ring_bytes, 8 << 20);
	assert_int_equal(config->select_exes.count, 2);
	assert_string_equal(config->select_exes.items[1], "*/redis-server");
	assert_int_equal(config->metrics_idle_timeout_ns, 0);
	assert_int_equal(config->http_routes.count, 0);
}

static void files_without_a_word(void **state)
{
	static const char *const texts[] = {
		"", "\n\n", "# nothing\n", "---\n", "---\n...\n", "~\n", "{}\n", "web:\n"
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		config_world_file(texts[i]);
		assert_string_equal(load(state, FLAGS("--config.file=sonde.yaml"), VARIABLES())->log_level, "info");
	}
}

static void the_stronger_source_wins(void **state)
{
	const struct config *config;

	config_world_file("log: {level: debug, format: json}\n"
			  "web: {max-requests: 1, telemetry-path: /file}\n"
			  "ignore: {port: [1, 2, 3]}\n"
			  "select: {pid: [1, 2, 3], exe: [a]}\n");
	config = load(state, FLAGS("--web.max-requests=3", "--ignore.port=9"),
		      VARIABLES("SONDE_CONFIG_FILE=sonde.yaml", "SONDE_WEB_MAX_REQUESTS=2", "SONDE_IGNORE_PORT=7,8",
				"SONDE_LOG_LEVEL=warn", "SONDE_SELECT_PID=5"));
	assert_string_equal(config->config_file, "sonde.yaml");
	assert_string_equal(config->log_format, "json");
	assert_string_equal(config->log_level, "warn");
	assert_string_equal(config->web_telemetry_path, "/file");
	assert_int_equal(config->web_max_requests, 3);
	assert_int_equal(config->ignore_ports.count, 1);
	assert_int_equal(config->ignore_ports.items[0], 9);
	assert_int_equal(config->select_pids.count, 1);
	assert_int_equal(config->select_pids.items[0], 5);
	assert_int_equal(config->select_exes.count, 1);
}

static void the_flag_names_the_file_before_the_variable(void **state)
{
	config_world_file("log: {level: error}\n");
	assert_string_equal(
		load(state, FLAGS("--config.file", "sonde.yaml"), VARIABLES("SONDE_CONFIG_FILE=/nowhere"))->log_level,
		"error");
	/* An empty flag takes the variable's file away. */
	assert_string_equal(load(state, FLAGS("--config.file="), VARIABLES("SONDE_CONFIG_FILE=/nowhere"))->log_level,
			    "info");
}

static void reload_tells_what_needs_a_restart(void **state)
{
	struct config_world *world = *state;
	struct config before;
	char names[64] = "untouched";

	config_world_load(world, FLAGS("--select.port=80", "--log.level=info"), VARIABLES());
	before = world->config;
	world->result = -1; /* `before` owns it now */
	config_world_load(world, FLAGS("--select.port=80", "--log.level=debug", "--log.format=json"), VARIABLES());
	assert_int_equal(config_reload_check(&before, &world->config, names, sizeof(names)), 0);
	assert_string_equal(names, "");
	config_world_load(world,
			  FLAGS("--select.port=81", "--no-capture.unix", "--backend=kprobe", "--select.exe=x",
				"--web.max-requests=1"),
			  VARIABLES());
	assert_int_equal(config_reload_check(&before, &world->config, names, sizeof(names)), 5);
	assert_string_equal(names, "web.max-requests, backend, select.port, select.exe");
	assert_int_equal(config_reload_check(&before, &world->config, names, 0), 5);
	assert_int_equal(config_reload_check(&before, &before, names, sizeof(names)), 0);
	config_free(&before);
	config_free(&before); /* empty now */
	config_free(NULL);
}

#define CONFIG_TEST(function) cmocka_unit_test_setup_teardown(function, config_world_set_up, config_world_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONFIG_TEST(defaults),
		CONFIG_TEST(every_form_of_a_flag),
		CONFIG_TEST(values_keep_what_follows_the_first_equals_sign),
		CONFIG_TEST(repeated_flags_make_a_list),
		CONFIG_TEST(variables_split_lists),
		CONFIG_TEST(empty_and_foreign_variables_are_let_pass),
		CONFIG_TEST(file_nests_by_the_dots),
		CONFIG_TEST(files_without_a_word),
		CONFIG_TEST(the_stronger_source_wins),
		CONFIG_TEST(the_flag_names_the_file_before_the_variable),
		CONFIG_TEST(reload_tells_what_needs_a_restart),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
