/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listen addresses: what is one, what it opens, and what is said when it cannot be opened.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "exporters/web/listen.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void addresses(void **state)
{
	static const struct {
		const char *text, *host, *port;
	} table[] = {
		{ ":9100", "", "9100" },
		{ "127.0.0.1:0", "127.0.0.1", "0" },
		{ "[::1]:65535", "::1", "65535" },
		{ "[fe80::1%lo]:1", "fe80::1%lo", "1" },
		{ "metrics.example.org:80", "metrics.example.org", "80" },
	};
	struct listen_address address;

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		assert_int_equal(listen_address_parse(table[i].text, &address), 0);
		assert_string_equal(address.host, table[i].host);
		assert_string_equal(address.port, table[i].port);
	}
}

static void not_addresses(void **state)
{
	static const char *const texts[] = {
		"",      "9100",          "host",     ":",          "host:",      ":65536",  ":-1",       ": 1",
		":1 ",   ":http",         "::1:9100", "[::1]",      "[::1]9100",  "[]:9100", "[::1:9100", "::",
		"a:b:1", "vsock://:9100", "]:1",      "http://h:1", ":000000001",
	};
	struct listen_address address = { "untouched", "1" };
	struct listener listeners[WEB_LISTENERS_MAX];
	struct exporter_error error;
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		if (listen_address_parse(texts[i], &address) != -EINVAL)
			fail_msg("\"%s\" was taken for an address", texts[i]);
		assert_string_equal(address.host, "untouched");
		assert_int_equal(listen_open(texts[i], listeners, &count, &error), -EINVAL);
		assert_non_null(strstr(error.text, texts[i]));
	}
	assert_int_equal(count, 0);
}

static void long_host_is_refused(void **state)
{
	struct listen_address address;
	char text[400];

	(void)state;
	memset(text, 'h', sizeof(text));
	memcpy(text + 256, ":1", 3);
	assert_int_equal(listen_address_parse(text, &address), -EINVAL);
	memcpy(text + 255, ":1", 3);
	assert_int_equal(listen_address_parse(text, &address), 0);
	assert_int_equal(strlen(address.host), 255);
}

/* The port of what was opened, as text. */
static const char *port_of(const struct listener *listener)
{
	return strrchr(listener->address, ':') + 1;
}

static void check_flags(int fd)
{
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

static bool connects_to_ipv4(const struct listener *listener)
{
	struct sockaddr_storage bound = { 0 };
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(bound);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), result;

	assert_int_equal(getsockname(listener->fd, (struct sockaddr *)&bound, &size), 0);
	address.sin_port = bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port :
							 ((struct sockaddr_in *)&bound)->sin_port;
	result = connect(fd, (struct sockaddr *)&address, sizeof(address));
	close(fd);
	return result == 0;
}

static void any_address_takes_ipv4(void **state)
{
	struct listener listeners[WEB_LISTENERS_MAX];
	struct exporter_error error = { "" };
	size_t count = 0;

	(void)state;
	assert_int_equal(listen_open(":0", listeners, &count, &error), 0);
	assert_int_equal(count, 1);
	check_flags(listeners[0].fd);
	assert_string_not_equal(port_of(&listeners[0]), "0");
	assert_true(connects_to_ipv4(&listeners[0]));
	close(listeners[0].fd);
}

static void names_open_every_address(void **state)
{
	struct listener listeners[WEB_LISTENERS_MAX];
	struct exporter_error error = { "" };
	size_t count = 0;

	(void)state;
	assert_int_equal(listen_open("localhost:0", listeners, &count, &error), 0);
	assert_in_range(count, 1, 2);
	for (size_t i = 0; i < count; i++) {
		assert_true(strstr(listeners[i].address, "127.0.0.1:") || strstr(listeners[i].address, "[::1]:"));
		check_flags(listeners[i].fd);
		close(listeners[i].fd);
	}
}

static void address_in_use_says_which_and_what_to_do(void **state)
{
	struct listener listeners[WEB_LISTENERS_MAX];
	struct exporter_error error = { "" };
	char text[WEB_ADDRESS_SIZE];
	size_t count = 0;

	(void)state;
	assert_int_equal(listen_open("127.0.0.1:0", listeners, &count, &error), 0);
	memcpy(text, listeners[0].address, sizeof(text));
	assert_int_equal(listen_open(text, listeners, &count, &error), -EADDRINUSE);
	assert_int_equal(count, 1);
	assert_non_null(strstr(error.text, text));
	assert_non_null(strstr(error.text, "in use"));
	assert_non_null(strstr(error.text, "--web.listen-address"));
	close(listeners[0].fd);
}

static void foreign_address_is_refused(void **state)
{
	struct listener listeners[WEB_LISTENERS_MAX];
	struct exporter_error error = { "" };
	size_t count = 0;

	(void)state;
	/* RFC 5737: for documentation, no host's */
	assert_int_equal(listen_open("192.0.2.1:0", listeners, &count, &error), -EADDRNOTAVAIL);
	assert_int_equal(count, 0);
	assert_non_null(strstr(error.text, "192.0.2.1:0"));
}

static void more_addresses_than_places(void **state)
{
	struct listener listeners[WEB_LISTENERS_MAX];
	struct exporter_error error = { "" };
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < WEB_LISTENERS_MAX; i++)
		assert_int_equal(listen_open("127.0.0.1:0", listeners, &count, &error), 0);
	assert_int_equal(listen_open("127.0.0.1:0", listeners, &count, &error), -E2BIG);
	assert_int_equal(listen_open(":0", listeners, &count, &error), -E2BIG);
	assert_int_equal(count, WEB_LISTENERS_MAX);
	while (count)
		close(listeners[--count].fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(not_addresses),
		cmocka_unit_test(long_host_is_refused),
		cmocka_unit_test(any_address_takes_ipv4),
		cmocka_unit_test(names_open_every_address),
		cmocka_unit_test(address_in_use_says_which_and_what_to_do),
		cmocka_unit_test(foreign_address_is_refused),
		cmocka_unit_test(more_addresses_than_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
