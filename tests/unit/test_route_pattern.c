/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configured route templates: what matches, that they come before what is learned, and which are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "aggregate/route.h"

/* The route of a path under these patterns, by a service that was never seen before. */
static void expect_route(const char *const *patterns, size_t count, const char *path, bool teach, const char *route)
{
	struct intern intern;
	struct routes routes;
	char out[ROUTE_MAX + 1] = "";
	size_t bad = 0;
	uint32_t service = 0;

	intern_init(&intern, 10, 7);
	assert_int_equal(intern_acquire(&intern, "shop", 4, &service), 0);
	assert_int_equal(routes_init(&routes, patterns, count, 4, &intern, 7, &bad), 0);
	struct text text = { .data = path, .length = strlen(path) };

	assert_int_equal(routes_find(&routes, service, text, teach, out), strlen(route));
	assert_string_equal(out, route);
	routes_done(&routes);
	intern_done(&intern);
}

#define LEARNS(path, route) expect_route(patterns, sizeof(patterns) / sizeof(patterns[0]), path, true, route)
#define KNOWS(path, route) expect_route(patterns, sizeof(patterns) / sizeof(patterns[0]), path, false, route)

static void patterns_come_first(void **state)
{
	static const char *const patterns[] = {
		"/users/me", "/users/{name}", "/users/{name}/orders/", "/static/*", "/exact/",
	};

	(void)state;
	LEARNS("/users/me", "/users/me");
	LEARNS("/users/anna", "/users/{name}");
	LEARNS("/users//anna", "/users/{name}");
	LEARNS("/users/anna?x", "/users/{name}");
	LEARNS("/users/anna/", "/users/anna/"); /* learned: the slash is another route */
	LEARNS("/users/anna/orders/", "/users/{name}/orders/");
	LEARNS("/users/anna/orders", "/users/anna/orders");
	LEARNS("/static/css/a/b/c.css", "/static/*");
	LEARNS("/static/", "/static/*");
	LEARNS("/static", "/static");
	LEARNS("/exact/", "/exact/");
	KNOWS("/users/nobody", "/users/{name}"); /* a 404 as well: the pattern is not learned */
	KNOWS("/nothing", "");
}

static void wildcard_takes_everything(void **state)
{
	static const char *const patterns[] = { "/*" };
	char path[200];

	(void)state;
	LEARNS("/", "/*");
	LEARNS("/a", "/*");
	for (size_t i = 0; i < sizeof(path) - 1; i++)
		path[i] = i % 2 ? 'x' : '/';
	path[sizeof(path) - 1] = '\0';
	LEARNS(path, "/*"); /* more segments than are looked at */
	LEARNS("*", "");
}

static void malformed_patterns_are_refused(void **state)
{
	static const char *const malformed[] = {
		"",     "users",  "*",      "/a//b",  "/a?b",   "/a#b", "/a;b", "/a b",  "/{",  "/{}",   "/{id",
		"/id}", "/x{id}", "/{id}x", "/{i d}", "/a/*/b", "/a*",  "/**",  "/\xff", "/\n", "/a/*/",
	};
	struct route_patterns patterns;
	char long_pattern[ROUTE_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		const char *texts[] = { "/fine", "/{id}/*", malformed[i] };
		size_t bad = 0;

		if (route_patterns_init(&patterns, texts, 3, &bad) != -EINVAL)
			fail_msg("'%s' is accepted", malformed[i]);
		assert_int_equal(bad, 2);
		assert_null(patterns.items);
	}
	memset(long_pattern, 'a', sizeof(long_pattern) - 1);
	long_pattern[0] = '/';
	long_pattern[ROUTE_MAX + 1] = '\0';
	const char *texts[] = { long_pattern };
	size_t bad = 9;

	assert_int_equal(route_patterns_init(&patterns, texts, 1, &bad), -EINVAL);
	assert_int_equal(bad, 0);
	long_pattern[ROUTE_MAX] = '\0';
	assert_int_equal(route_patterns_init(&patterns, texts, 1, &bad), 0);
	route_patterns_done(&patterns);
	assert_int_equal(route_patterns_init(&patterns, texts, ROUTE_PATTERNS_MAX + 1, &bad), -EINVAL);
	assert_int_equal(bad, ROUTE_PATTERNS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_come_first),
		cmocka_unit_test(wildcard_takes_everything),
		cmocka_unit_test(malformed_patterns_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
