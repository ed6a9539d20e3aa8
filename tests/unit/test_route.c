/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Learned routes: which segments are identifiers, what a service's tree learns, where it collapses, what 404 may not
 * teach, and every bound.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "aggregate/route.h"
#include "base/utf8.h"

#define VALUES_LIMIT 4
#define SERVICE 1

struct fixture {
	struct intern intern;
	struct routes routes;
	char out[ROUTE_MAX + 1];
};

static struct text text_of(const char *string)
{
	return (struct text){ .data = string, .length = strlen(string) };
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	size_t bad = 0;
	uint32_t id = 0;

	assert_non_null(fixture);
	intern_init(&fixture->intern, 100, 7);
	assert_int_equal(intern_acquire(&fixture->intern, "shop", 4, &id), 0);
	assert_int_equal(id, SERVICE);
	assert_int_equal(routes_init(&fixture->routes, NULL, 0, VALUES_LIMIT, &fixture->intern, 7, &bad), 0);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	routes_done(&fixture->routes);
	assert_int_equal(fixture->routes.limits.segments, 0);
	intern_done(&fixture->intern);
	free(fixture);
	return 0;
}

static const char *find(struct fixture *fixture, const char *path, bool teach)
{
	size_t length = routes_find(&fixture->routes, SERVICE, text_of(path), teach, fixture->out);

	if (length == 0)
		return "";
	assert_int_equal(strlen(fixture->out), length);
	assert_true(length <= ROUTE_MAX);
	return fixture->out;
}

#define LEARNS(path, route) assert_string_equal(find(*state, path, true), route)
#define KNOWS(path, route) assert_string_equal(find(*state, path, false), route)

static void identifiers_are_seen_by_shape(void **state)
{
	static const char *const identifiers[] = {
		"1",
		"42",
		"-7",
		"+7",
		"00012",
		"20240102",
		"2024-01-02",
		"2024-01-02T10:00:00Z",
		"10.0.0.1",
		"1,2,3,4",
		"123e4567-e89b-12d3-a456-426614174000",
		"123E4567-E89B-12D3-A456-426614174000",
		"deadbeef0",
		"0xdeadbeef",
		"5f4dcc3b5aa765d61d8327deb882cf99",
		"anna@example.com",
		"anna%40example.com",
		"9dGhpcyBpcyBhIHRva2VuMTI",
		"01arz3ndektsv4rrffq69g5fav",
		"my-post-about-2024-elections",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	static const char *const names[] = {
		"v1",
		"v2.1",
		"1.0",
		"1.2.3",
		"users",
		"oauth2",
		"OAuth2Callback",
		"deadbeef",
		"facade",
		"a",
		"-",
		"+",
		"index.html",
		"app.js",
		"bootstrap-4.1.3.min.js",
		"a@b",
		"@babel",
		"anna@",
		"%40a.b",
		"get_user_by_id",
		"caf\xc3\xa9",
		"getUserByEmailAddress",
		"x=1",
		"0x",
		"100%",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(identifiers) / sizeof(identifiers[0]); i++)
		if (!route_segment_is_identifier(text_of(identifiers[i])))
			fail_msg("%s is taken for a name", identifiers[i]);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (route_segment_is_identifier(text_of(names[i])))
			fail_msg("%s is taken for an identifier", names[i]);
}

static void literal_paths_stay(void **state)
{
	LEARNS("/", "/");
	LEARNS("/users", "/users");
	LEARNS("/users/", "/users/");
	LEARNS("/static/app.js", "/static/app.js");
	LEARNS("/a%20b/c", "/a%20b/c");
	LEARNS("/caf\xc3\xa9", "/caf\xc3\xa9");
}

static void identifiers_become_id_at_once(void **state)
{
	LEARNS("/users/42", "/users/{id}");
	LEARNS("/users/42/orders/2024-01-02", "/users/{id}/orders/{id}");
	LEARNS("/files/12345.pdf", "/files/{id}.pdf");
	LEARNS("/files/12345.PDF/", "/files/{id}.PDF/");
	LEARNS("/7", "/{id}");
}

static void odd_paths(void **state)
{
	LEARNS("", "");
	LEARNS("*", "");
	LEARNS("example.com:443", "");
	LEARNS("http://example.com/", "");
	LEARNS("//", "/");
	LEARNS("//users///42//", "/users/{id}/");
	LEARNS("/users?x=1", "/users");
	LEARNS("/users/?x=/a/b", "/users/");
	LEARNS("/users#top", "/users");
	LEARNS("/users;jsessionid=8F3A/42;v=1", "/users/{id}");
	LEARNS("/;x", "/");
}

static void unprintable_bytes_are_replaced(void **state)
{
	struct fixture *fixture = *state;

	LEARNS("/a\xff"
	       "b",
	       "/a\xef\xbf\xbd"
	       "b");
	LEARNS("/a\tb", "/a\xef\xbf\xbd"
			"b");
	LEARNS("/\xc2\x85", "/\xef\xbf\xbd\xef\xbf\xbd"); /* a C1 control, byte by byte */
	assert_int_equal(routes_find(&fixture->routes, SERVICE, (struct text){ "/a\0b", 4 }, true, fixture->out), 6);
	assert_string_equal(fixture->out, "/a\xef\xbf\xbd"
					  "b");
}

static void too_many_names_collapse(void **state)
{
	struct fixture *fixture = *state;

	LEARNS("/shop/hat/price", "/shop/hat/price");
	LEARNS("/shop/coat", "/shop/coat");
	LEARNS("/shop/sock", "/shop/sock");
	LEARNS("/shop/17", "/shop/{id}"); /* not a name: does not count */
	LEARNS("/shop/scarf", "/shop/scarf");
	assert_int_equal(fixture->routes.limits.collapsed, 0);
	LEARNS("/shop/glove", "/shop/{id}");
	assert_int_equal(fixture->routes.limits.collapsed, 1);
	/* From now on, the earlier names too; what is below is learned anew. */
	LEARNS("/shop/hat", "/shop/{id}");
	KNOWS("/shop/hat/price", "");
	LEARNS("/shop/hat/price", "/shop/{id}/price");
	KNOWS("/shop/boot/price", "/shop/{id}/price");
	LEARNS("/shop/17", "/shop/{id}");
	LEARNS("/other", "/other");
	/* root, shop, {id}, price, other */
	assert_int_equal(fixture->routes.limits.segments, 5);
	assert_int_equal(fixture->routes.limits.collapsed, 1);
}

static void lookups_teach_nothing(void **state)
{
	struct fixture *fixture = *state;

	KNOWS("/wp-admin", "");
	KNOWS("/", "");
	assert_int_equal(fixture->routes.limits.segments, 0);
	LEARNS("/users/42/cart", "/users/{id}/cart");
	KNOWS("/users/43/cart", "/users/{id}/cart");
	KNOWS("/users/43", "");       /* on the way, but never an end */
	KNOWS("/users/43/cart/", ""); /* another route */
	KNOWS("/users/anna/cart", "");
	for (int i = 0; i < 100; i++) {
		char path[32];

		snprintf(path, sizeof(path), "/scan-%c%c", 'a' + i / 26, 'a' + i % 26);
		KNOWS(path, "");
	}
	assert_int_equal(fixture->routes.limits.segments, 4);
	assert_int_equal(fixture->routes.limits.collapsed, 0);
}

static void statuses_that_teach(void **state)
{
	(void)state;
	assert_true(routes_status_teaches(200));
	assert_true(routes_status_teaches(101));
	assert_true(routes_status_teaches(304));
	assert_true(routes_status_teaches(403));
	assert_true(routes_status_teaches(503));
	assert_false(routes_status_teaches(0));
	assert_false(routes_status_teaches(400));
	assert_false(routes_status_teaches(404));
	assert_false(routes_status_teaches(405));
	assert_false(routes_status_teaches(410));
	assert_false(routes_status_teaches(414));
}

static void depth_and_length_are_bounded(void **state)
{
	char path[2048] = "";
	const char *route;

	LEARNS("/a/b/c/d/e/f/g/h/i/j", "/a/b/c/d/e/f/g/h/i/j");
	LEARNS("/a/b/c/d/e/f/g/h/i/j/k", "/a/b/c/d/e/f/g/h/i/j/**");
	LEARNS("/a/b/c/d/e/f/g/h/i/j/k/l/m/", "/a/b/c/d/e/f/g/h/i/j/**");
	for (int i = 0; i < 1000; i++)
		memcpy(path + (size_t)i * 2, "/z", 3);
	LEARNS(path, "/z/z/z/z/z/z/z/z/z/z/**");
	for (int i = 0; i < 9; i++) {
		memset(path + (size_t)i * 61, 'a' + i, 61);
		path[i * 61] = '/';
	}
	path[9 * 61] = '\0';
	route = find(*state, path, true);
	assert_true(strlen(route) <= ROUTE_MAX);
	assert_int_equal(strncmp(route, path, 4 * 61), 0);
	assert_string_equal(route + 4 * 61, "/**");
	KNOWS(path, route);
}

/* Replacements treble a segment: the longest that stays a name. */
static void longest_replaced_segment(void **state)
{
	char path[ROUTE_SEGMENT_BYTES + 2] = "/";

	memset(path + 1, 0xff, ROUTE_SEGMENT_BYTES);
	path[ROUTE_SEGMENT_BYTES + 1] = '\0';
	assert_int_equal(strlen(find(*state, path, true)), 1 + 3 * ROUTE_SEGMENT_BYTES);
	assert_true(utf8_valid(find(*state, path, true), 1 + 3 * ROUTE_SEGMENT_BYTES));
}

/* Fills position after position with as many names as a position takes, until the service's tree is full. */
static void full_tree_cuts_and_counts(void **state)
{
	struct fixture *fixture = *state;
	struct route_limits *limits = &fixture->routes.limits;
	char path[64];

	for (unsigned i = 0; i < 4 * 4 * 4 * 4 * 4 * 4; i++) {
		snprintf(path, sizeof(path), "/a%u/b%u/c%u/d%u/e%u/f%u", i >> 10 & 3, i >> 8 & 3, i >> 6 & 3,
			 i >> 4 & 3, i >> 2 & 3, i & 3);
		find(fixture, path, true);
	}
	assert_int_equal(limits->segments, ROUTE_TREE_SEGMENTS);
	assert_true(limits->cut > 0);
	uint64_t cut = limits->cut;
	LEARNS("/a0/b0/c0/d0/e0/f0/new/x", "/a0/b0/c0/d0/e0/f0/**");
	LEARNS("/new", "/**");
	assert_int_equal(limits->cut, cut + 2);
	KNOWS("/newer", "");
	assert_int_equal(limits->cut, cut + 2);
	LEARNS("/a0/b0/c0/d0/e0/f0", "/a0/b0/c0/d0/e0/f0");
	assert_int_equal(limits->collapsed, 0);
}

static void services_do_not_share(void **state)
{
	struct fixture *fixture = *state;
	uint32_t other = 0;

	assert_int_equal(intern_acquire(&fixture->intern, "other", 5, &other), 0);
	LEARNS("/users", "/users");
	assert_int_equal(routes_find(&fixture->routes, other, text_of("/users"), false, fixture->out), 0);
	for (uint32_t i = 0; i < VALUES_LIMIT + 2; i++) {
		char path[] = "/x?";

		path[2] = (char)('a' + i);
		routes_find(&fixture->routes, other, text_of(path), true, fixture->out);
	}
	assert_string_equal(fixture->out, "/{id}");
	LEARNS("/xz", "/xz");
	intern_release(&fixture->intern, other);
	assert_string_equal(intern_text(&fixture->intern, other), "other"); /* the tree still uses it */
}

static void idle_segments_leave(void **state)
{
	struct fixture *fixture = *state;
	struct route_limits *limits = &fixture->routes.limits;

	LEARNS("/a/b", "/a/b");
	LEARNS("/c", "/c");
	routes_expire(&fixture->routes, 1000, 100);
	LEARNS("/c", "/c");
	routes_expire(&fixture->routes, 1099, 100);
	assert_int_equal(limits->segments, 4);
	routes_expire(&fixture->routes, 1100, 100);
	assert_int_equal(limits->segments, 2); /* root and c: touched until 1099 */
	KNOWS("/a/b", "");
	KNOWS("/c", "/c");
	routes_expire(&fixture->routes, 1150, 100);
	routes_expire(&fixture->routes, 1250, 100);
	assert_int_equal(limits->segments, 0);
	assert_int_equal(fixture->routes.trees.count, 0);
}

static void leaving_names_make_room(void **state)
{
	struct fixture *fixture = *state;

	LEARNS("/a", "/a");
	LEARNS("/b", "/b");
	LEARNS("/c", "/c");
	LEARNS("/d", "/d");
	routes_expire(&fixture->routes, 1000, 100);
	LEARNS("/a", "/a");
	routes_expire(&fixture->routes, 1100, 100);
	LEARNS("/e", "/e");
	LEARNS("/f", "/f");
	LEARNS("/g", "/g");
	LEARNS("/h", "/{id}");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identifiers_are_seen_by_shape),
		TEST(literal_paths_stay),
		TEST(identifiers_become_id_at_once),
		TEST(odd_paths),
		TEST(unprintable_bytes_are_replaced),
		TEST(too_many_names_collapse),
		TEST(lookups_teach_nothing),
		cmocka_unit_test(statuses_that_teach),
		TEST(depth_and_length_are_bounded),
		TEST(longest_replaced_segment),
		TEST(full_tree_cuts_and_counts),
		TEST(services_do_not_share),
		TEST(idle_segments_leave),
		TEST(leaving_names_make_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
