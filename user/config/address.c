/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HOST:PORT taken apart. IPv6 addresses need their brackets: "::1:80" could mean two things.
 */
#include "config/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/number.h"

/* RFC 4007 section 11: the zone after the percent sign is an interface's name or number. */
static bool ipv6_valid(const char *host)
{
	char address[INET6_ADDRSTRLEN];
	size_t length = strcspn(host, "%");
	struct in6_addr parsed;

	if (length >= sizeof(address) || (host[length] == '%' && !host[length + 1]))
		return false;
	memcpy(address, host, length);
	address[length] = '\0';
	return inet_pton(AF_INET6, address, &parsed) == 1;
}

/* A name as hosts have it (RFC 1123 section 2.1, and the underscore that people use). What looks like an IPv4 address
 * must be one: "10.0.0.256" would otherwise be sent to a resolver. */
static bool host_valid(const char *host)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
	struct in_addr parsed;

	if (!*host)
		return true;
	if (strspn(host, "0123456789.") == strlen(host))
		return inet_pton(AF_INET, host, &parsed) == 1;
	return strspn(host, allowed) == strlen(host) && *host != '-' && *host != '.';
}

static int port_parse(const char *text, uint16_t *ret_port)
{
	if (!strcmp(text, "0")) {
		*ret_port = 0;
		return 0;
	}
	return number_port(text, ret_port) ? -EINVAL : 0;
}

int address_split(const char *text, char ret_host[ADDRESS_HOST_SIZE], uint16_t *ret_port)
{
	const char *colon = strrchr(text, ':'), *start = text;
	bool brackets = *text == '[';
	char host[ADDRESS_HOST_SIZE];
	size_t length;
	uint16_t port;

	if (!colon || port_parse(colon + 1, &port))
		return -EINVAL;
	length = (size_t)(colon - text);
	if (brackets) {
		if (length < 2 || colon[-1] != ']')
			return -EINVAL;
		start++;
		length -= 2;
	}
	if (length >= sizeof(host))
		return -EINVAL;
	memcpy(host, start, length);
	host[length] = '\0';
	if (brackets ? !ipv6_valid(host) : !host_valid(host))
		return -EINVAL;
	memcpy(ret_host, host, length + 1);
	*ret_port = port;
	return 0;
}
