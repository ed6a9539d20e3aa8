/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small parsers of identity: what may leave as a name, the environment's declarations, the cgroup file, the start
 * time. Inputs sit in exact allocations, so that a read past their end is seen by the sanitizer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/utf8.h"
#include "identity/environment.h"
#include "identity/process.h"
#include "identity/unit.h"

typedef size_t (*parse)(struct slice text, char *name);

static void check(parse function, const char *text, size_t length, const char *expected)
{
	char name[IDENTITY_NAME_MAX + 1] = "before";
	char *copy = malloc(length ? length : 1);
	size_t result;

	assert_non_null(copy);
	memcpy(copy, text, length);
	result = function(slice_make(copy, length), name);
	free(copy);
	assert_string_equal(name, expected);
	assert_int_equal(result, strlen(expected));
}

#define CHECK(function, text, expected) check(function, text, sizeof(text) - 1, expected)

static void test_clean(void **state)
{
	(void)state;
	CHECK(slice_clean, "shop", "shop");
	CHECK(slice_clean, "  shop \n", "shop");
	CHECK(slice_clean, "", "");
	CHECK(slice_clean, " \t ", "");
	CHECK(slice_clean, "caf\xc3\xa9", "caf\xc3\xa9");
	CHECK(slice_clean, "a\nb\x7f\0c\x1b[31m", "a_b__c_[31m");
	CHECK(slice_clean, "a\xff\xc3", "a\xef\xbf\xbd\xef\xbf\xbd");
	/* Overlong, surrogate, beyond Unicode: each byte by itself. */
	CHECK(slice_clean, "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd");
	CHECK(slice_clean, "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	/* C1 control, right-to-left override, byte order mark, noncharacter. */
	CHECK(slice_clean,
	      "a\xc2\x85"
	      "b\xe2\x80\xae"
	      "c\xef\xbb\xbf"
	      "d\xef\xbf\xbf",
	      "a_b_c_d_");
	CHECK(slice_clean, "\xf0\x9f\x9b\x92", "\xf0\x9f\x9b\x92");
}

static void test_clean_is_bounded(void **state)
{
	char text[IDENTITY_NAME_MAX + 40], expected[IDENTITY_NAME_MAX + 1];

	(void)state;
	memset(text, 'x', sizeof(text));
	memset(expected, 'x', IDENTITY_NAME_MAX);
	expected[IDENTITY_NAME_MAX] = '\0';
	check(slice_clean, text, sizeof(text), expected);
	/* A character that does not fit is left out whole, and so is white space that the cut uncovers. */
	memcpy(text + IDENTITY_NAME_MAX - 1, "\xc3\xa9", 2);
	expected[IDENTITY_NAME_MAX - 1] = '\0';
	check(slice_clean, text, sizeof(text), expected);
	text[IDENTITY_NAME_MAX - 2] = ' ';
	expected[IDENTITY_NAME_MAX - 2] = '\0';
	check(slice_clean, text, sizeof(text), expected);
	memset(text, 0xff, sizeof(text));
	{
		char name[IDENTITY_NAME_MAX + 1];

		assert_int_equal(slice_clean(slice_make(text, sizeof(text)), name), IDENTITY_NAME_MAX / 3 * 3);
		assert_true(utf8_valid(name, strlen(name)));
	}
}

static void test_environment(void **state)
{
	(void)state;
	CHECK(environment_service, "", "");
	CHECK(environment_service, "PATH=/bin\0HOME=/\0", "");
	CHECK(environment_service, "PATH=/bin\0OTEL_SERVICE_NAME=shop\0X=y\0", "shop");
	CHECK(environment_service, "PATH=/bin\0OTEL_SERVICE_NAME=shop", "shop");
	CHECK(environment_service, "OTEL_SERVICE_NAME=\0OTEL_RESOURCE_ATTRIBUTES=service.name=till\0", "till");
	CHECK(environment_service, "OTEL_RESOURCE_ATTRIBUTES=service.name=till\0OTEL_SERVICE_NAME=shop\0", "shop");
	CHECK(environment_service, "XOTEL_SERVICE_NAME=a\0OTEL_SERVICE_NAMES=b\0OTEL_SERVICE_NAME\0", "");
	CHECK(environment_service, "OTEL_SERVICE_NAME=a\0OTEL_SERVICE_NAME=b\0", "a");
	CHECK(environment_service, "OTEL_SERVICE_NAME=a%20b\0", "a%20b");
	CHECK(environment_service, "\0\0\0OTEL_SERVICE_NAME=a=b\0\0", "a=b");
}

static void test_resource_attributes(void **state)
{
	(void)state;
#define ATTRIBUTES(text, expected) CHECK(environment_service, "OTEL_RESOURCE_ATTRIBUTES=" text "\0", expected)
	ATTRIBUTES("a=b,service.name=shop,c=d", "shop");
	ATTRIBUTES(" a = b , service.name = shop , c = d ", "shop");
	ATTRIBUTES("service.name=shop%20%2c%2Ctill%3D1", "shop ,,till=1");
	ATTRIBUTES("service.name=caf%C3%A9", "caf\xc3\xa9");
	ATTRIBUTES("service.name=caf%C3", "caf\xef\xbf\xbd");
	ATTRIBUTES("service.name=a%00b", "a_b");
	ATTRIBUTES("service.name=a+b", "a+b");
	ATTRIBUTES("service.name=one,service.name=two", "two");
	ATTRIBUTES("service.name=k=v", "k=v");
	ATTRIBUTES("service.name", "");
	ATTRIBUTES("service.name=", "");
	ATTRIBUTES("service.namespace=x,myservice.name=y", "");
	ATTRIBUTES(",,=,", "");
	/* What cannot be decoded discards the variable, wherever in it that is. */
	ATTRIBUTES("service.name=shop,a=%", "");
	ATTRIBUTES("service.name=shop,a=%2", "");
	ATTRIBUTES("a=%zz,service.name=shop", "");
#undef ATTRIBUTES
}

static void check_declared(const char *text, size_t length, const char *expected)
{
	char lines[ENVIRONMENT_DECLARED_MAX] = "before";
	char *copy = malloc(length);
	size_t result;

	assert_non_null(copy);
	memcpy(copy, text, length);
	result = environment_declared(slice_make(copy, length), lines);
	free(copy);
	assert_string_equal(lines, expected);
	assert_int_equal(result, strlen(expected));
}

static void test_declared(void **state)
{
	(void)state;
#define DECLARED(text, expected) \
	check_declared("A=b\0OTEL_RESOURCE_ATTRIBUTES=" text, sizeof("A=b\0OTEL_RESOURCE_ATTRIBUTES=" text), expected)
	DECLARED("service.version=1.2%2C3, deployment.environment.name = prod ,service.namespace=shop,a=b",
		 "service.namespace=shop\nservice.version=1.2,3\ndeployment.environment.name=prod\n");
	DECLARED("service.version=1,service.version=2,service.instance.id=a%20b",
		 "service.version=2\nservice.instance.id=a b\n");
	/* Its older name, where the newer is not there. */
	DECLARED("deployment.environment=test", "deployment.environment.name=test\n");
	DECLARED("deployment.environment=test,deployment.environment.name=prod", "deployment.environment.name=prod\n");
	/* Nothing breaks out of its line; a secret in another attribute goes nowhere. */
	DECLARED("service.version=1%0Aprocess.pid=7,password=x", "service.version=1_process.pid=7\n");
	DECLARED("service.version=1%FF%00", "service.version=1\xef\xbf\xbd_\n");
	DECLARED("service.version=", "");
	DECLARED("service.version=1,x=%zz", "");
	DECLARED("", "");
#undef DECLARED
	check_declared("OTEL_SERVICE_NAME=shop", 22, "");
}

static void test_declared_is_bounded(void **state)
{
	static const char *const keys[] = { "service.namespace=", "service.version=", "service.instance.id=",
					    "deployment.environment.name=" };
	char text[4096], lines[ENVIRONMENT_DECLARED_MAX], value[801];
	struct slice rest, line;
	size_t count = 0;

	(void)state;
	memset(value, 'y', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	snprintf(text, sizeof(text), "OTEL_RESOURCE_ATTRIBUTES=%s%s,%s%s,%s%s,%s%s", keys[0], value, keys[1], value,
		 keys[2], value, keys[3], value);
	environment_declared(slice_make(text, strlen(text)), lines);
	rest = slice_of(lines);
	for (; slice_next(&rest, '\n', &line); count++)
		assert_int_equal(line.length, strlen(keys[count]) + IDENTITY_NAME_MAX);
	assert_int_equal(count, 4);
}

static void test_long_attribute(void **state)
{
	char text[4096] = "OTEL_RESOURCE_ATTRIBUTES=service.name=";
	char expected[IDENTITY_NAME_MAX + 1];

	(void)state;
	memset(text + strlen(text), 'y', sizeof(text) - strlen(text));
	memset(expected, 'y', IDENTITY_NAME_MAX);
	expected[IDENTITY_NAME_MAX] = '\0';
	check(environment_service, text, sizeof(text), expected);
}

static void test_unit(void **state)
{
	(void)state;
	CHECK(unit_service, "0::/system.slice/nginx.service\n", "nginx");
	CHECK(unit_service, "0::/system.slice/nginx.service", "nginx");
	CHECK(unit_service, "12:pids:/system.slice/a.service\n1:name=systemd:/system.slice/nginx.service\n0::/\n",
	      "nginx");
	CHECK(unit_service, "1:name=systemd:/\n0::/system.slice/nginx.service\n", "nginx");
	CHECK(unit_service, "1:name=systemd:/x.service\n0::/y.service\n", "x");
	CHECK(unit_service, "0::/system.slice/system-postgresql.slice/postgresql@15-main.service\n",
	      "postgresql@15-main");
	CHECK(unit_service, "0::/system.slice/my\\x2dshop\\x40a.service\n", "my-shop@a");
	CHECK(unit_service, "0::/system.slice/a\\x2.service\n", "a\\x2");
	CHECK(unit_service, "0::/system.slice/_cgroup.service\n", "cgroup");
	CHECK(unit_service, "0::/system.slice/nginx.service/workers/1\n", "nginx");
	CHECK(unit_service, "0::/system.slice/app-foo.service\n", "app-foo");
	CHECK(unit_service, "0::/machine.slice/systemd-nspawn@x.service/payload/system.slice/till.service\n", "till");
	CHECK(unit_service, "", "");
	CHECK(unit_service, "0::/\n", "");
	CHECK(unit_service, "0::\n0:\n0\n:::\n\n", "");
	CHECK(unit_service, "3:pids:/system.slice/nginx.service\n", "");
	CHECK(unit_service, "0::/system.slice/.service\n", "");
}

static void test_unit_of_users_and_containers(void **state)
{
	(void)state;
#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	CHECK(unit_service, "0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-foo.service\n", "foo");
	CHECK(unit_service, "0::/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service\n", "foo");
	CHECK(unit_service, "0::/user.slice/user@1.service/app.slice/app-gnome-org.foo\\x2dbar@12ab.service\n",
	      "org.foo-bar");
	CHECK(unit_service, "0::/user.slice/user-1000.slice/user@1000.service/init.scope\n", "");
	CHECK(unit_service, "0::/user.slice/user-1000.slice/user@1000.service\n", "");
	CHECK(unit_service, "0::/user.slice/user-1000.slice/session-3.scope\n", "");
	CHECK(unit_service, "0::/init.scope\n", "");
	CHECK(unit_service, "0::/system.slice/docker-" ID ".scope\n", "");
	CHECK(unit_service, "0::/system.slice/docker.service\n", "docker");
	CHECK(unit_service, "0::/system.slice/docker.service/docker/" ID "\n", "");
	CHECK(unit_service, "0::/docker/" ID "/system.slice/till.service\n", "till");
	CHECK(unit_service, "0::/system.slice/containerd.service/kubepods-burstable-podx.slice:cri:y\n", "");
#undef ID
}

static void test_start(void **state)
{
	static const char stat[] = "7 (a) b) (c) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654321 1000 5\n";

	(void)state;
	assert_int_equal(process_parse_start(slice_of(stat)), 987654321);
	assert_int_equal(process_parse_start(slice_of("")), 0);
	assert_int_equal(process_parse_start(slice_of("7 (a")), 0);
	assert_int_equal(process_parse_start(slice_of("7 (a) S 1 2 3")), 0);
	assert_int_equal(process_parse_start(slice_of("7 (a) S 1 7 7 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 -5 1\n")), 0);
	assert_int_equal(
		process_parse_start(slice_of("7 (a) S 1 7 7 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 99999999999999999999 1\n")),
		0);
}

static void test_paths(void **state)
{
	(void)state;
	assert_true(slice_is(slice_base(slice_of("/a/b//")), "b"));
	assert_true(slice_is(slice_base(slice_of("/")), ""));
	assert_true(slice_is(slice_base(slice_of("x")), "x"));
	assert_true(slice_is(slice_parent(slice_of("/a/b/")), "/a"));
	assert_true(slice_is(slice_parent(slice_of("/a")), ""));
	assert_true(slice_is(slice_parent(slice_of("a")), ""));
	assert_false(slice_is_number(slice_of("")));
	assert_false(slice_is_number(slice_of("1a")));
	assert_true(slice_is_number(slice_of("10")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_clean_is_bounded),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_resource_attributes),
		cmocka_unit_test(test_declared),
		cmocka_unit_test(test_declared_is_bounded),
		cmocka_unit_test(test_long_attribute),
		cmocka_unit_test(test_unit),
		cmocka_unit_test(test_unit_of_users_and_containers),
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests_name("identity text", tests, NULL, NULL);
}
