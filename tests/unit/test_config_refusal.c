/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What flags and variables may not say, and the one line that answers each: where, the value, what is allowed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/config_world.h"

static void assert_refused(void **state, const char *const *flags, const char *const *variables, const char *message)
{
	struct config_world *world = *state;

	config_world_load(world, flags, variables);
	assert_string_equal(world->error, message);
	assert_int_equal(world->result, -EINVAL);
	assert_null(world->config.log_level); /* untouched */
}

#define FLAG_REFUSED(flag, message) assert_refused(state, FLAGS(flag), VARIABLES(), message)
#define VARIABLE_REFUSED(variable, message) assert_refused(state, FLAGS(), VARIABLES(variable), message)

static void unknown_names(void **state)
{
	FLAG_REFUSED("--web.lisen-address=:1",
		     "\"--web.lisen-address=:1\": unknown flag; did you mean --web.listen-address?");
	FLAG_REFUSED("--select.prot=1", "\"--select.prot=1\": unknown flag; did you mean --select.port?");
	FLAG_REFUSED("--listen-address=:1",
		     "\"--listen-address=:1\": unknown flag; did you mean --web.listen-address?");
	FLAG_REFUSED("--Log.Level=debug", "\"--Log.Level=debug\": unknown flag; did you mean --log.level?");
	FLAG_REFUSED("-log.level=debug", "\"-log.level=debug\": unknown flag; did you mean --log.level?");
}

static void nothing_near(void **state)
{
	FLAG_REFUSED("--frobnicate", "\"--frobnicate\": unknown flag; allowed are those of sonde --help");
	FLAG_REFUSED("-x", "\"-x\": unknown flag; allowed are those of sonde --help");
	FLAG_REFUSED("--", "\"--\": unknown flag; allowed are those of sonde --help");
	FLAG_REFUSED("--no-", "\"--no-\": unknown flag; allowed are those of sonde --help");
	FLAG_REFUSED("--=1", "\"--=1\": unknown flag; allowed are those of sonde --help");
	FLAG_REFUSED("nginx", "\"nginx\": unexpected argument; allowed are flags, which begin with --");
	FLAG_REFUSED("", "\"\": unexpected argument; allowed are flags, which begin with --");
	VARIABLE_REFUSED("SONDE_LOG_LEVL=x", "\"SONDE_LOG_LEVL\": unknown variable; did you mean SONDE_LOG_LEVEL?");
	VARIABLE_REFUSED("SONDE_FROBNICATE=1",
			 "\"SONDE_FROBNICATE\": unknown variable; allowed are SONDE_ and the name "
			 "of a flag of sonde --help");
	VARIABLE_REFUSED("SONDE_WEB_PORT=80",
			 "\"SONDE_WEB_PORT\": unknown variable; allowed are SONDE_ and the name of a "
			 "flag of sonde --help");
}

static void forms_of_flags(void **state)
{
	FLAG_REFUSED("--web.max-requests",
		     "--web.max-requests: the value is missing; allowed is a whole number from 1 to 10000");
	assert_refused(state, FLAGS("--log.level", "--capture.unix"), VARIABLES(),
		       "--log.level: the value is missing; allowed is one of debug, info, warn, error");
	FLAG_REFUSED("--no-web.max-requests", "--no-web.max-requests: only a true or false option has a form with no-; "
					      "--web.max-requests takes a value");
	FLAG_REFUSED("--no-capture.unix=true",
		     "--no-capture.unix: \"true\" is not allowed; a flag with no- takes no value");
	assert_refused(state, FLAGS("--capture.unix", "false"), VARIABLES(),
		       "\"false\": unexpected argument; allowed are flags, which begin with --");
	assert_refused(state, FLAGS("--log.level=info", "--log.level=debug"), VARIABLES(),
		       "--log.level: \"debug\" is not allowed; the flag was given before, and takes one value");
	assert_refused(state, FLAGS("--capture.unix", "--no-capture.unix"), VARIABLES(),
		       "--no-capture.unix: \"false\" is not allowed; the flag was given before, and takes one value");
}

static void bad_values(void **state)
{
	FLAG_REFUSED("--log.level=loud",
		     "--log.level: \"loud\" is not allowed; allowed is one of debug, info, warn, error");
	FLAG_REFUSED("--log.format=", "--log.format: \"\" is not allowed; allowed is one of logfmt, json");
	FLAG_REFUSED("--backend=ebpf",
		     "--backend: \"ebpf\" is not allowed; allowed is one of auto, fentry, kprobe, tracepoint, none");
	FLAG_REFUSED("--capture.unix=maybe", "--capture.unix: \"maybe\" is not allowed; allowed is true or false");
	FLAG_REFUSED("--web.max-requests=0",
		     "--web.max-requests: \"0\" is not allowed; allowed is a whole number from 1 to 10000");
	FLAG_REFUSED("--web.max-requests=10001",
		     "--web.max-requests: \"10001\" is not allowed; allowed is a whole number from 1 to 10000");
	FLAG_REFUSED("--select.port=0",
		     "--select.port: \"0\" is not allowed; allowed is a whole number from 1 to 65535");
	FLAG_REFUSED("--ignore.port=65536",
		     "--ignore.port: \"65536\" is not allowed; allowed is a whole number from 1 to 65535");
	FLAG_REFUSED("--select.pid=self",
		     "--select.pid: \"self\" is not allowed; allowed is a whole number from 1 to 4194304");
	FLAG_REFUSED("--capture.ring-bytes=3MiB",
		     "--capture.ring-bytes: \"3MiB\" is not allowed; allowed is a power of "
		     "two (B, KiB, MiB, GiB) from 64KiB to 1GiB");
	FLAG_REFUSED("--capture.max-call-bytes=4KB",
		     "--capture.max-call-bytes: \"4KB\" is not allowed; allowed is a size "
		     "(B, KiB, MiB, GiB) from 256 to 16MiB");
	FLAG_REFUSED("--metrics.idle-timeout=15", "--metrics.idle-timeout: \"15\" is not allowed; allowed is a time "
						  "(ms, s, m, h, d) from 0 to 365d");
	FLAG_REFUSED("--path.procfs=proc",
		     "--path.procfs: \"proc\" is not allowed; allowed is a path that begins with \"/\"");
	FLAG_REFUSED("--select.exe=",
		     "--select.exe: \"\" is not allowed; allowed is a pattern of a path, with *, ? and "
		     "[...]");
	FLAG_REFUSED("--web.listen-address=9100",
		     "--web.listen-address: \"9100\" is not allowed; allowed is HOST:PORT, "
		     "[IPV6]:PORT or :PORT, with a port from 0 to 65535");
	VARIABLE_REFUSED("SONDE_SELECT_PORT=80,",
			 "SONDE_SELECT_PORT: \"\" is not allowed; allowed is a whole number from "
			 "1 to 65535");
	VARIABLE_REFUSED("SONDE_SELECT_PORT=80, 81",
			 "SONDE_SELECT_PORT: \" 81\" is not allowed; allowed is a whole number "
			 "from 1 to 65535");
}

/* Whatever is typed, the answer is one line of text, and the value in it is cut. */
static void hostile_values(void **state)
{
	struct config_world *world = *state;
	char text[5000] = "--log.level=";
	const char *c;

	FLAG_REFUSED("--select.exe=a\nb\x1b[2J",
		     "--select.exe: \"a\\x0ab\\x1b[2J\" is not allowed; allowed is a pattern of a path, with *, ? "
		     "and [...]");
	FLAG_REFUSED("--select.exe=\xff\xc3\xa9",
		     "--select.exe: \"\\xff\xc3\xa9\" is not allowed; allowed is a pattern of "
		     "a path, with *, ? and [...]");
	memset(text + strlen(text), 'x', sizeof(text) - strlen(text) - 1);
	text[sizeof(text) - 1] = '\0';
	config_world_load(world, FLAGS(text), VARIABLES());
	assert_int_equal(world->result, -EINVAL);
	assert_non_null(strstr(world->error, "xxx...\" is too long; allowed are 4095 bytes"));
	assert_true(strlen(world->error) < 256);
	text[4000] = '\0';
	config_world_load(world, FLAGS(text), VARIABLES());
	assert_non_null(strstr(world->error, "xxx...\" is not allowed; allowed is one of"));
	memset(text + 2, '\n', 100);
	config_world_load(world, FLAGS(text), VARIABLES());
	assert_non_null(strstr(world->error, "unknown flag"));
	for (c = world->error; *c; c++)
		assert_true((unsigned char)*c >= 0x20);
}

static void telemetry_paths(void **state)
{
	static const char *const paths[] = { "metrics", "/", "/health/live", "/-/ready", "/a b", "/a?b", "/a#b", "" };
	struct config_world *world = *state;
	char flag[64];
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		snprintf(flag, sizeof(flag), "--web.telemetry-path=%s", paths[i]);
		config_world_load(world, FLAGS(flag), VARIABLES());
		assert_int_equal(world->result, -EINVAL);
		assert_non_null(
			strstr(world->error, "is not allowed; allowed is a path that begins with \"/\", without"));
	}
}

static void routes(void **state)
{
	static const char *const bad[] = { "",    "users", "/a//b", "/{}",  "/{id", "/id}",   "/a{id}",
					   "/a*", "/*/a",  "/a?b",  "/a#b", "/a;b", "/{i d}", "/{a/b}" };
	static const char *const good[] = { "/", "/users", "/users/{id}/orders", "/static/*", "/a/", "/{a.b-c_1}" };
	struct config_world *world = *state;
	char flag[300];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(flag, sizeof(flag), "--http.route=%s", bad[i]);
		config_world_load(world, FLAGS(flag), VARIABLES());
		assert_int_equal(world->result, -EINVAL);
	}
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(flag, sizeof(flag), "--http.route=%s", good[i]);
		config_world_load(world, FLAGS(flag), VARIABLES());
		assert_int_equal(world->result, 0);
		assert_string_equal(world->config.http_routes.items[0], good[i]);
	}
	snprintf(flag, sizeof(flag), "--http.route=/%0255d", 0);
	config_world_load(world, FLAGS(flag), VARIABLES());
	assert_int_equal(world->result, -EINVAL);
}

static void conflicts(void **state)
{
	assert_refused(state, FLAGS("--select.port=80", "--select.port=443"), VARIABLES("SONDE_IGNORE_PORT=22,443"),
		       "--select.port: \"443\" conflicts with SONDE_IGNORE_PORT: a port is either selected or ignored");
	assert_refused(state, FLAGS("--web.listen-address=:1", "--web.listen-address=:1"), VARIABLES(),
		       "--web.listen-address: \":1\" is given twice; an address is allowed once");
	assert_refused(
		state, FLAGS("--capture.max-call-bytes=8MiB"), VARIABLES(),
		"--capture.max-call-bytes: \"8388608\" conflicts with capture.ring-bytes (default) of 4194304: allowed "
		"is up to half of the ring");
}

/* Fields of credentials are refused, whatever their case and form; names are names. */
static void headers(void **state)
{
	static const char *const refused[] = {
		"Authorization", "proxy-authorization",  "Cookie",  "set-cookie", "X-Api-Key", "x-auth-token",
		"x-csrf-token",  "X-Amz-Security-Token", "session", "1st",        "x y",       "x:",
		"x\xc3"
	};
	struct config_world *world = *state;
	char flag[64], message[512];

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		const char *const kinds[] = { "request", "response" };

		snprintf(flag, sizeof(flag), "--trace.%s-header=%s", kinds[i % 2], refused[i]);
		config_world_load(world, FLAGS(flag), VARIABLES());
		snprintf(message, sizeof(message), "stands for no credentials (authorization,");
		assert_non_null(strstr(world->error, message));
		assert_int_equal(world->result, -EINVAL);
	}
	FLAG_REFUSED("--trace.query-key=a&b",
		     "--trace.query-key: \"a&b\" is not allowed; allowed is a parameter's name as URLs have it, "
		     "without & ; = # and blanks");
}

static void names_of_headers(void **state)
{
	struct config_world *world = *state;

	config_world_load(world,
			  FLAGS("--trace.request-header=X-Request-Id", "--trace.request-header=idempotency-key",
				"--trace.response-header=Server", "--trace.query-key=token", "--trace.query-text"),
			  VARIABLES());
	assert_int_equal(world->result, 0);
	assert_string_equal(world->config.trace_request_headers.items[0], "X-Request-Id");
	assert_int_equal(world->config.trace_request_headers.count, 2);
	assert_true(world->config.trace_query_text);
}

static void overridden_values_are_checked_too(void **state)
{
	assert_refused(state, FLAGS("--log.level=info"), VARIABLES("SONDE_LOG_LEVEL=loud"),
		       "SONDE_LOG_LEVEL: \"loud\" is not allowed; allowed is one of debug, info, warn, error");
}

static void lists_have_limits(void **state)
{
	static const char *flags[CONFIG_LIST_MAX + 2];
	size_t i;

	for (i = 0; i < 17; i++)
		flags[i] = "--select.cgroup=/x";
	assert_refused(state, flags, VARIABLES(), "--select.cgroup: \"/x\" is one value too many; allowed are 16");
	for (i = 0; i < CONFIG_LIST_MAX + 1; i++)
		flags[i] = "--select.exe=last";
	assert_refused(state, flags, VARIABLES(), "--select.exe: \"last\" is one value too many; allowed are 1024");
}

#define CONFIG_TEST(function) cmocka_unit_test_setup_teardown(function, config_world_set_up, config_world_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONFIG_TEST(unknown_names),
		CONFIG_TEST(nothing_near),
		CONFIG_TEST(forms_of_flags),
		CONFIG_TEST(bad_values),
		CONFIG_TEST(hostile_values),
		CONFIG_TEST(telemetry_paths),
		CONFIG_TEST(routes),
		CONFIG_TEST(conflicts),
		CONFIG_TEST(headers),
		CONFIG_TEST(names_of_headers),
		CONFIG_TEST(overridden_values_are_checked_too),
		CONFIG_TEST(lists_have_limits),
	};

	return cmocka_run_group_tests_name("config_refusal", tests, NULL, NULL);
}
