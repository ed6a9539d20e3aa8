/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any lines as paths: what is learned stays within its bounds, is printable UTF-8, is found again, and a lookup changes
 * nothing. Lines that begin with '!' are looked up only; the first line, when it begins with '=', is a pattern.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/peer.h"
#include "aggregate/route.h"
#include "base/utf8.h"

#define VALUES_LIMIT 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_route(const char *route, size_t length)
{
	check(length <= ROUTE_MAX && strlen(route) == length && route[0] == '/' && utf8_valid(route, length));
	for (size_t i = 0; i < length; i++)
		check((uint8_t)route[i] >= 0x20 && route[i] != 0x7f && route[i] != '?' && route[i] != '#');
}

static void one_path(struct routes *routes, uint32_t service, struct text path, bool teach)
{
	char route[ROUTE_MAX + 1], again[ROUTE_MAX + 1];
	struct route_limits before = routes->limits;
	size_t length = routes_find(routes, service, path, teach, route);

	check(routes->limits.segments <= ROUTE_TREE_SEGMENTS);
	if (!teach)
		check(memcmp(&before, &routes->limits, sizeof(before)) == 0);
	if (length == 0) {
		check(!teach || path.length == 0 || path.data[0] != '/');
		return;
	}
	check_route(route, length);
	if (routes->limits.cut != before.cut)
		return; /* there was no room to remember it */
	check(routes_find(routes, service, path, false, again) == length && memcmp(route, again, length) == 0);
}

/* The same bytes as a Host field: what is accepted is a host. */
static void one_host(struct text host)
{
	char out[PEER_TEXT_MAX + 1];
	uint16_t port = 0;
	size_t length = peer_from_host(host, out, &port);

	check(length <= PEER_HOST_MAX && (length == 0 || strlen(out) == length));
	for (size_t i = 0; i < length; i++)
		check(out[i] > ' ' && out[i] < 0x7f && !strchr("/@[]\"\\?#", out[i]) &&
		      !(out[i] >= 'A' && out[i] <= 'Z'));
}

static struct text next_line(const uint8_t **at, const uint8_t *end)
{
	const uint8_t *newline = memchr(*at, '\n', (size_t)(end - *at));
	struct text line = { .data = (const char *)*at, .length = (size_t)((newline ? newline : end) - *at) };

	*at = newline ? newline + 1 : end;
	return line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *at = data, *end = data + size;
	CLEANUP_FREE char *pattern = NULL;
	struct intern intern;
	struct routes routes;
	uint32_t service = 0;
	size_t bad = 0;

	if (size > 0 && data[0] == '=') {
		struct text line = next_line(&at, end);

		pattern = strndup(line.data + 1, line.length - 1);
	}
	intern_init(&intern, 10, 1);
	check(intern_acquire(&intern, "shop", 4, &service) == 0);
	const char *patterns[] = { pattern };

	if (routes_init(&routes, patterns, pattern ? 1 : 0, VALUES_LIMIT, &intern, 1, &bad))
		check(routes_init(&routes, NULL, 0, VALUES_LIMIT, &intern, 1, &bad) == 0);
	while (at < end) {
		struct text line = next_line(&at, end);
		bool teach = line.length == 0 || line.data[0] != '!';

		if (!teach) {
			line.data++;
			line.length--;
		}
		one_path(&routes, service, line, teach);
		one_host(line);
	}
	routes_expire(&routes, 1, 1);
	routes_expire(&routes, 2, 1);
	check(routes.limits.segments == 0 && routes.trees.count == 0);
	routes_done(&routes);
	intern_done(&intern);
	return 0;
}
