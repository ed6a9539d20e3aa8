/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What aggregate does with text: interned strings and their users, the cache of last answers, sanitising, and what a
 * Host field or an endpoint becomes as server_address.
 * LINK: -Wl,--wrap=calloc,--wrap=malloc
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "aggregate/intern.h"
#include "aggregate/peer.h"
#include "aggregate/text.h"
#include "aggregate/text_cache.h"

static int allocations_left = -1; /* -1: as many as asked for */

static int may_allocate(void)
{
	if (allocations_left < 0)
		return 1;
	return allocations_left-- > 0 ? 1 : (allocations_left = 0);
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
	return may_allocate() ? __real_calloc(count, size) : NULL;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
	return may_allocate() ? __real_malloc(size) : NULL;
}

static uint32_t acquire(struct intern *intern, const char *text)
{
	uint32_t id = UINT32_MAX;

	assert_int_equal(intern_acquire(intern, text, strlen(text), &id), 0);
	return id;
}

static void same_text_same_id(void **state)
{
	struct intern intern;

	(void)state;
	intern_init(&intern, 10, 1);
	uint32_t a = acquire(&intern, "a"), b = acquire(&intern, "b");

	assert_int_not_equal(a, b);
	assert_int_equal(acquire(&intern, "a"), a);
	assert_int_equal(acquire(&intern, ""), INTERN_EMPTY);
	assert_string_equal(intern_text(&intern, a), "a");
	assert_string_equal(intern_text(&intern, INTERN_EMPTY), "");
	intern_done(&intern);
}

static void ids_leave_with_their_last_user(void **state)
{
	struct intern intern;

	(void)state;
	intern_init(&intern, 10, 1);
	uint32_t a = acquire(&intern, "a"), b = acquire(&intern, "b");

	intern_retain(&intern, a);
	intern_release(&intern, a);
	assert_string_equal(intern_text(&intern, a), "a");
	intern_release(&intern, a);
	assert_int_equal(intern.table.count, 1);
	assert_int_equal(acquire(&intern, "c"), a); /* given again */
	intern_release(&intern, b);
	intern_release(&intern, a);
	intern_release(&intern, INTERN_EMPTY);
	assert_int_equal(intern.table.count, 0);
	acquire(&intern, "d");
	acquire(&intern, "e");
	acquire(&intern, "f");
	assert_int_equal(intern.entry_count, 3);
	intern_done(&intern);
}

static void intern_has_a_limit(void **state)
{
	struct intern intern;
	uint32_t id = 77;

	(void)state;
	intern_init(&intern, 2, 1);
	uint32_t a = acquire(&intern, "a");

	acquire(&intern, "b");
	assert_int_equal(intern_acquire(&intern, "c", 1, &id), -ENOSPC);
	assert_int_equal(intern_acquire(&intern, "d", 1, &id), -ENOSPC);
	assert_int_equal(id, 77);
	assert_int_equal(acquire(&intern, "a"), a);
	intern_release(&intern, a);
	intern_release(&intern, a);
	assert_string_equal(intern_text(&intern, acquire(&intern, "c")), "c");
	intern_done(&intern);
}

static void many_strings_keep_their_text(void **state)
{
	struct intern intern;
	uint32_t ids[1000];
	char text[32];

	(void)state;
	intern_init(&intern, 1000, 1);
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "text %d", i);
		ids[i] = acquire(&intern, text);
	}
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "text %d", i);
		assert_string_equal(intern_text(&intern, ids[i]), text);
		assert_int_equal(acquire(&intern, text), ids[i]);
	}
	intern_done(&intern);
}

static void intern_survives_every_refusal(void **state)
{
	(void)state;
	for (int allowed = 0; allowed < 3; allowed++) {
		struct intern intern;
		uint32_t id = 77;

		intern_init(&intern, 10, 1);
		allocations_left = allowed;
		int error = intern_acquire(&intern, "a", 1, &id);
		allocations_left = -1;
		assert_int_equal(error, -ENOMEM);
		assert_int_equal(id, 77);
		assert_string_equal(intern_text(&intern, acquire(&intern, "a")), "a");
		intern_done(&intern);
	}
}

static void cache_remembers_by_text_and_context(void **state)
{
	struct intern intern;
	struct text_cache cache;
	struct text_cache_key key = { .bytes = "/users", .length = 6, .context = 1 };

	(void)state;
	intern_init(&intern, 10, 1);
	assert_int_equal(text_cache_init(&cache, 16, &intern), 0);
	assert_null(text_cache_find(&cache, &key));
	uint32_t id = acquire(&intern, "/users");

	text_cache_put(&cache, &key, id, 8080);
	const struct text_cache_slot *slot = text_cache_find(&cache, &key);
	assert_non_null(slot);
	assert_int_equal(slot->id, id);
	assert_int_equal(slot->extra, 8080);
	key.context = 2;
	assert_null(text_cache_find(&cache, &key));
	key.context = 1;
	key.length = 5;
	assert_null(text_cache_find(&cache, &key));
	text_cache_flush(&cache);
	key.length = 6;
	assert_null(text_cache_find(&cache, &key));
	assert_int_equal(intern.table.count, 0);
	text_cache_done(&cache);
	intern_done(&intern);
}

/* One slot: whatever its hash, the second text meets the first. */
static void cache_replaces_and_gives_back(void **state)
{
	struct intern intern;
	struct text_cache cache;
	char text[300];

	(void)state;
	memset(text, 'x', sizeof(text));
	intern_init(&intern, 10, 1);
	assert_int_equal(text_cache_init(&cache, 1, &intern), 0);
	for (size_t length = 1; length < sizeof(text); length++) {
		struct text_cache_key key = { .bytes = text, .length = length };
		uint32_t id = 0;

		assert_null(text_cache_find(&cache, &key));
		assert_int_equal(intern_acquire(&intern, text, length, &id), 0);
		text_cache_put(&cache, &key, id, 0);
		assert_int_equal(intern.table.count, 1);
		assert_int_equal(strlen(intern_text(&intern, id)), length);
		assert_true((text_cache_find(&cache, &key) != NULL) == (length <= TEXT_CACHE_BYTES));
		if (length <= TEXT_CACHE_BYTES && length > 1) {
			text[length / 2] = 'y'; /* same ends for long texts, not the same text */
			assert_null(text_cache_find(&cache, &key));
			text[length / 2] = 'x';
		}
	}
	text_cache_done(&cache);
	assert_int_equal(intern.table.count, 0);
	intern_done(&intern);
}

static void sanitising_keeps_what_is_printable(void **state)
{
	static const char *const cases[][2] = {
		{ "plain", "plain" },
		{ "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80" },
		{ "a\nb\x7f", "a\xef\xbf\xbd"
			      "b\xef\xbf\xbd" },
		{ "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "", "" },
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(text_sanitise(cases[i][0], strlen(cases[i][0]), out, sizeof(out)),
				 strlen(cases[i][1]));
		assert_string_equal(out, cases[i][1]);
	}
	assert_int_equal(text_sanitise("abc", 3, out, 3), 2);
	assert_string_equal(out, "ab");
	assert_int_equal(text_sanitise("a\xe2\x82\xac", 4, out, 4), 1); /* no half of a character */
	assert_string_equal(out, "a");
	assert_int_equal(text_sanitise("abc", 3, out, 1), 0);
}

static void host_is_taken_apart(void **state)
{
	static const struct {
		const char *host, *address;
		uint16_t port;
	} cases[] = {
		{ "example.com", "example.com", 0 },
		{ "Example.COM:8080", "example.com", 8080 },
		{ "example.com:", "example.com", 0 },
		{ "example.com:0", "example.com", 0 },
		{ "example.com:65535", "example.com", 65535 },
		{ "my_service-1", "my_service-1", 0 },
		{ "10.0.0.1:80", "10.0.0.1", 80 },
		{ "[::1]", "::1", 0 },
		{ "[FE80::A]:443", "fe80::a", 443 },
		{ "user:secret@example.com:80", "example.com", 80 },
		{ "", "", 0 },
		{ ":80", "", 0 },
		{ "example.com:65536", "", 0 },
		{ "example.com:123456", "", 0 },
		{ "example.com:8o", "", 0 },
		{ "example.com:80:80", "", 0 },
		{ "::1", "", 0 },
		{ "[::1", "", 0 },
		{ "[]", "", 0 },
		{ "[::1]x", "", 0 },
		{ "[zz]", "", 0 },
		{ "a b", "", 0 },
		{ "a/b", "", 0 },
		{ "\xc3\xa9", "", 0 },
		{ "user@", "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct text host = { .data = cases[i].host, .length = strlen(cases[i].host) };
		char out[PEER_TEXT_MAX + 1] = "";
		uint16_t port = 7;
		size_t length = peer_from_host(host, out, &port);

		if (length != strlen(cases[i].address))
			fail_msg("'%s' gives %zu bytes", cases[i].host, length);
		if (length > 0) {
			assert_string_equal(out, cases[i].address);
			assert_int_equal(port, cases[i].port);
		} else {
			assert_int_equal(port, 7);
		}
	}
}

static void host_has_a_longest(void **state)
{
	char host[PEER_HOST_MAX + 1], out[PEER_TEXT_MAX + 1];
	uint16_t port = 0;

	(void)state;
	memset(host, 'a', sizeof(host));
	assert_int_equal(peer_from_host((struct text){ host, PEER_HOST_MAX }, out, &port), PEER_HOST_MAX);
	assert_int_equal(peer_from_host((struct text){ host, PEER_HOST_MAX + 1 }, out, &port), 0);
	assert_int_equal(peer_from_host((struct text){ NULL, 0 }, out, &port), 0);
}

static void endpoint_in_text(void **state)
{
	struct endpoint endpoint = { .family = AF_INET, .address = { 192, 0, 2, 1 } };
	char out[PEER_TEXT_MAX + 1];

	(void)state;
	assert_int_equal(peer_from_endpoint(&endpoint, out), 9);
	assert_string_equal(out, "192.0.2.1");
	endpoint = (struct endpoint){ .family = AF_INET6 };
	assert_int_equal(inet_pton(AF_INET6, "2001:db8::1", endpoint.address), 1);
	peer_from_endpoint(&endpoint, out);
	assert_string_equal(out, "2001:db8::1");
	assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.7", endpoint.address), 1);
	peer_from_endpoint(&endpoint, out);
	assert_string_equal(out, "192.0.2.7");
	endpoint = (struct endpoint){ .family = AF_UNIX, .path = "@app" };
	peer_from_endpoint(&endpoint, out);
	assert_string_equal(out, "@app");
	memset(endpoint.path, 0xff, sizeof(endpoint.path)); /* no terminator, every byte replaced */
	assert_int_equal(peer_from_endpoint(&endpoint, out), 3 * sizeof(endpoint.path));
	endpoint = (struct endpoint){ .family = 0 };
	assert_int_equal(peer_from_endpoint(&endpoint, out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_text_same_id),
		cmocka_unit_test(ids_leave_with_their_last_user),
		cmocka_unit_test(intern_has_a_limit),
		cmocka_unit_test(many_strings_keep_their_text),
		cmocka_unit_test(intern_survives_every_refusal),
		cmocka_unit_test(cache_remembers_by_text_and_context),
		cmocka_unit_test(cache_replaces_and_gives_back),
		cmocka_unit_test(sanitising_keeps_what_is_printable),
		cmocka_unit_test(host_is_taken_apart),
		cmocka_unit_test(host_has_a_longest),
		cmocka_unit_test(endpoint_in_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
