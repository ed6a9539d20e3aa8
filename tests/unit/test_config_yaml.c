/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the YAML file may not say, and the one line that answers each, with the line of the file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/config_world.h"

static void load(struct config_world *world)
{
	config_world_load(world, FLAGS("--config.file=sonde.yaml"), VARIABLES());
}

static void assert_refused(void **state, const char *text, const char *message)
{
	struct config_world *world = *state;

	config_world_file(text);
	load(world);
	assert_string_equal(world->error, message);
	assert_int_equal(world->result, -EINVAL);
	assert_null(world->config.log_level); /* untouched */
}

#define REFUSED(text, message) assert_refused(state, text, message)

static void unknown_keys(void **state)
{
	REFUSED("web:\n  lisen-address: [':1']\n",
		"sonde.yaml:2: web.lisen-address: unknown key; did you mean web.listen-address?");
	REFUSED("log:\n  level: info\nwebb:\n  max-requests: 1\n",
		"sonde.yaml:4: webb.max-requests: unknown key; did you mean web.max-requests?");
	REFUSED("max-requests: 1\n", "sonde.yaml:1: max-requests: unknown key; did you mean web.max-requests?");
	REFUSED("frobnicate: 1\n", "sonde.yaml:1: frobnicate: unknown key; allowed are the names of sonde --help");
	REFUSED("frobnicate: {}\n", "sonde.yaml:1: frobnicate: unknown key; allowed are the names of sonde --help");
	REFUSED("web: 1\n", "sonde.yaml:1: web: holds options, not a value");
	REFUSED("web: [1]\n", "sonde.yaml:1: web: holds options, not a value");
	REFUSED("backend: {a: b}\n", "sonde.yaml:1: backend: holds a value, not keys");
	REFUSED("a: {b: {c: {d: {e: {f: 1}}}}}\n",
		"sonde.yaml:1: a.b.c.d: unknown key; allowed are the names of sonde --help");
	REFUSED("? [a]\n: 1\n", "sonde.yaml:1: key: a key must be the name of an option or a part of one");
	REFUSED("'': 1\n", "sonde.yaml:1: key: a key must be the name of an option or a part of one");
	REFUSED("\"web\\nx\": 1\n", "sonde.yaml:1: web\\x0ax: unknown key; allowed are the names of sonde --help");
	REFUSED("\"web\\0x\": 1\n", "sonde.yaml:1: key: a key must be the name of an option or a part of one");
}

static void duplicate_keys(void **state)
{
	REFUSED("web: {max-requests: 1}\nlog: {level: info}\nweb: {telemetry-path: /m}\n",
		"sonde.yaml:3: web: given twice; allowed is once");
	REFUSED("log:\n  level: info\n  level: info\n", "sonde.yaml:3: log.level: given twice; allowed is once");
	REFUSED("log: {level: info}\nlog.level: info\n", "sonde.yaml:2: log.level: given twice; allowed is once");
	REFUSED("select: {port: [1]}\nselect.port: [2]\n", "sonde.yaml:2: select.port: given twice; allowed is once");
}

static void bad_values(void **state)
{
	REFUSED("log:\n  level: loud\n",
		"sonde.yaml:2: log.level: \"loud\" is not allowed; allowed is one of debug, info, warn, error");
	REFUSED("select:\n  port:\n    - 80\n    - http\n",
		"sonde.yaml:4: select.port: \"http\" is not allowed; allowed is a whole number from 1 to 65535");
	REFUSED("select: {port: '80,81'}\n",
		"sonde.yaml:1: select.port: \"80,81\" is not allowed; allowed is a whole number from 1 to 65535");
	REFUSED("log: {level: }\n", "sonde.yaml:1: log.level: the value is missing");
	REFUSED("log: {level: ~}\n", "sonde.yaml:1: log.level: the value is missing");
	REFUSED("log: {level: ''}\n",
		"sonde.yaml:1: log.level: \"\" is not allowed; allowed is one of debug, info, warn, error");
	REFUSED("log: {level: [info]}\n", "sonde.yaml:1: log.level: a list is not allowed; the option takes one value");
	REFUSED("select: {port: [[1]]}\n", "sonde.yaml:1: select.port: holds values, not lists or keys");
	REFUSED("select: {port: [{a: 1}]}\n", "sonde.yaml:1: select.port: holds values, not lists or keys");
	REFUSED("select: {port: [1, ]}\nselect.exe: [a, null]\n", "sonde.yaml:2: select.exe: the value is missing");
	REFUSED("select: {exe: \"a\\0b\"}\n", "sonde.yaml:1: select.exe: a NUL byte is not allowed in a value");
	REFUSED("select: {exe: \"a\\nb\"}\n",
		"sonde.yaml:1: select.exe: \"a\\x0ab\" is not allowed; allowed is a pattern "
		"of a path, with *, ? and [...]");
	REFUSED("web: {listen-address: []}\n",
		"sonde.yaml:1: web.listen-address: \"\" is not allowed; allowed is at least one HOST:PORT");
	REFUSED("config: {file: other.yaml}\n",
		"sonde.yaml:1: config.file: not allowed in the file; it is a flag or a variable");
}

static void conflicts_name_their_lines(void **state)
{
	REFUSED("select:\n  port: [80]\nignore:\n  port: [80]\n",
		"sonde.yaml:2: select.port: \"80\" conflicts with "
		"sonde.yaml:4: ignore.port: a port is either selected or "
		"ignored");
}

static void broken_yaml(void **state)
{
	REFUSED("web: [\n",
		"sonde.yaml:2: not valid YAML: while parsing a flow node: did not find expected node content");
	REFUSED("a: b: c\n", "sonde.yaml:1: not valid YAML: mapping values are not allowed in this context");
	REFUSED("\tx: 1\n",
		"sonde.yaml:1: not valid YAML: while scanning for the next token: found character that cannot "
		"start any token");
	REFUSED("log: *nowhere\n", "sonde.yaml:1: not valid YAML: found undefined alias");
	REFUSED("- a\n- b\n", "sonde.yaml:1: the file must hold keys and values, such as log: {level: debug}");
	REFUSED("just text\n", "sonde.yaml:1: the file must hold keys and values, such as log: {level: debug}");
	REFUSED("log: {level: info}\n---\nlog: {level: warn}\n", "sonde.yaml:2: a second document is not allowed");
	REFUSED("log: {level: info}\n---\n[\n",
		"sonde.yaml:4: not valid YAML: while parsing a flow node: did not find expected node content");
}

static void bytes_that_are_not_text(void **state)
{
	struct config_world *world = *state;

	config_world_file_bytes("log: {level: \xff}\n", 16);
	load(world);
	assert_int_equal(world->result, -EINVAL);
	assert_non_null(strstr(world->error, "not valid YAML"));
	config_world_file_bytes("log: \0\n", 7);
	load(world);
	assert_int_equal(world->result, -EINVAL);
	assert_non_null(strstr(world->error, "not valid YAML"));
}

/* libyaml's own limit ends this, not the stack. */
static void deep_nesting(void **state)
{
	struct config_world *world = *state;
	char text[20000];

	memset(text, '[', sizeof(text));
	config_world_file_bytes(text, sizeof(text));
	load(world);
	assert_int_equal(world->result, -EINVAL);
	assert_non_null(strstr(world->error, "not valid YAML"));
}

/* An anchor that contains itself, and aliases of aliases: the walk ends, quickly. */
static void anchors(void **state)
{
	struct config_world *world = *state;

	REFUSED("web: &a {web: *a}\n",
		"sonde.yaml:1: web.web.web.web: unknown key; allowed are the names of sonde --help");
	config_world_file("select: {port: &p [80, 81]}\nignore: {port: [1]}\nselect.pid: *p\n");
	load(world);
	assert_int_equal(world->result, 0);
	assert_int_equal(world->config.select_pids.count, 2);
}

static void files_that_cannot_be_read(void **state)
{
	struct config_world *world = *state;
	char *large = malloc(300000);

	assert_non_null(large);
	load(world);
	assert_int_equal(world->result, -ENOENT);
	assert_string_equal(world->error, "sonde.yaml: cannot read the configuration file: No such file or directory");
	config_world_load(world, FLAGS("--config.file=."), VARIABLES());
	assert_int_equal(world->result, -EISDIR);
	assert_string_equal(world->error, ".: cannot read the configuration file: Is a directory");
	memset(large, '#', 300000);
	config_world_file_bytes(large, 300000);
	free(large);
	load(world);
	assert_int_equal(world->result, -EFBIG);
	assert_string_equal(world->error, "sonde.yaml: the file is too large; allowed are 262143 bytes");
}

#define CONFIG_TEST(function) cmocka_unit_test_setup_teardown(function, config_world_set_up, config_world_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONFIG_TEST(unknown_keys),
		CONFIG_TEST(duplicate_keys),
		CONFIG_TEST(bad_values),
		CONFIG_TEST(conflicts_name_their_lines),
		CONFIG_TEST(broken_yaml),
		CONFIG_TEST(bytes_that_are_not_text),
		CONFIG_TEST(deep_nesting),
		CONFIG_TEST(anchors),
		CONFIG_TEST(files_that_cannot_be_read),
	};

	return cmocka_run_group_tests_name("config_yaml", tests, NULL, NULL);
}
