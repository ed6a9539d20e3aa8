/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HOST:PORT: what is taken apart and how, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "config/address.h"

static void addresses(void **state)
{
	static const struct {
		const char *text, *host;
		uint16_t port;
	} cases[] = {
		{ ":9100", "", 9100 },
		{ ":0", "", 0 },
		{ "127.0.0.1:65535", "127.0.0.1", 65535 },
		{ "localhost:80", "localhost", 80 },
		{ "node_1.example.org:80", "node_1.example.org", 80 },
		{ "[::]:80", "::", 80 },
		{ "[2001:db8::1]:443", "2001:db8::1", 443 },
		{ "[fe80::1%eth0]:443", "fe80::1%eth0", 443 },
		{ "[::ffff:10.0.0.1]:1", "::ffff:10.0.0.1", 1 },
	};
	char host[ADDRESS_HOST_SIZE];
	uint16_t port;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(address_split(cases[i].text, host, &port), 0);
		assert_string_equal(host, cases[i].host);
		assert_int_equal(port, cases[i].port);
	}
}

static void refused(void **state)
{
	static const char *const texts[] = {
		"",          "9100",        ":",      ":65536",     ":-1",         ":http",     ": 80",
		":80 ",      "host",        "host:",  "::1:80",     "2001:db8::1", "[::1]",     "[::1]80",
		"[::1:80",   "::1]:80",     "[]:80",  "[x]:80",     "[1.2.3.4]:1", "[::1%]:80", "10.0.0.256:80",
		"10.0.0:80", "1:80",        "a b:80", "-a:80",      ".a:80",       "a/b:80",    "http://a:80",
		"user@a:80", "[::1%e]x:80", "*:80",   "[[::1]]:80", ":80:80",
	};
	char host[ADDRESS_HOST_SIZE] = "untouched", text[400];
	uint16_t port = 7;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (address_split(texts[i], host, &port) != -EINVAL)
			fail_msg("taken: %s", texts[i]);
	snprintf(text, sizeof(text), "%0300d:80", 0);
	memset(text, 'a', 300);
	assert_int_equal(address_split(text, host, &port), -EINVAL);
	assert_int_equal(address_split(text + 300 - ADDRESS_HOST_SIZE, host, &port), -EINVAL);
	assert_string_equal(host, "untouched");
	assert_int_equal(port, 7);
	assert_int_equal(address_split(text + 300 - ADDRESS_HOST_SIZE + 1, host, &port), 0);
	assert_int_equal(strlen(host), ADDRESS_HOST_SIZE - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
