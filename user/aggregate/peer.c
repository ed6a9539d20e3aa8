/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom a client talked to. The Host field comes from the observed process, so it is believed only as far as its
 * characters are those of a host; anything else falls back to the address that the kernel knows.
 */
#include "aggregate/peer.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "aggregate/text.h"

#define PORT_DIGITS_MAX 5

/* ":8080" or "" or ":" (RFC 3986 section 3.2.3 allows an empty port). */
static bool port_parse(struct text text, uint16_t *ret_port)
{
	uint32_t port = 0;

	if (text.length > 0 && text.data[0] != ':')
		return false;
	if (text.length > PORT_DIGITS_MAX + 1)
		return false;
	for (size_t i = 1; i < text.length; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		port = port * 10 + (uint32_t)(text.data[i] - '0');
	}
	if (port > UINT16_MAX)
		return false;
	*ret_port = (uint16_t)port;
	return true;
}

/* Letters, digits, '-', '.', '_' of a registered name; hexadecimal digits, ':' and '.' inside brackets. */
static bool host_char(char *c, bool literal)
{
	if (*c >= 'A' && *c <= 'Z')
		*c = (char)(*c | 0x20);
	if (*c >= '0' && *c <= '9')
		return true;
	if (literal)
		return (*c >= 'a' && *c <= 'f') || *c == ':' || *c == '.';
	return (*c >= 'a' && *c <= 'z') || *c == '-' || *c == '.' || *c == '_';
}

size_t peer_from_host(struct text host, char out[PEER_TEXT_MAX + 1], uint16_t *ret_port)
{
	uint16_t port = 0;

	if (host.length == 0)
		return 0;
	const char *user = memrchr(host.data, '@', host.length), *end;
	if (user) {
		host.length -= (size_t)(user + 1 - host.data);
		host.data = user + 1;
	}
	bool literal = host.length > 0 && host.data[0] == '[';
	if (literal) {
		host.data++;
		host.length--;
		end = memchr(host.data, ']', host.length);
		if (!end)
			return 0;
	} else {
		end = host.length > 0 ? memchr(host.data, ':', host.length) : NULL;
	}
	size_t length = end ? (size_t)(end - host.data) : host.length;
	size_t after = length + (literal ? 1 : 0);
	if (length == 0 || length > PEER_HOST_MAX)
		return 0;
	if (!port_parse((struct text){ .data = host.data + after, .length = host.length - after }, &port))
		return 0;
	for (size_t i = 0; i < length; i++) {
		out[i] = host.data[i];
		if (!host_char(&out[i], literal))
			return 0;
	}
	out[length] = '\0';
	*ret_port = port;
	return length;
}

size_t peer_from_endpoint(const struct endpoint *endpoint, char out[PEER_TEXT_MAX + 1])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }; /* RFC 4291 section 2.5.5.2 */
	const uint8_t *address = endpoint->address;
	int family = endpoint->family;

	if (family == AF_UNIX)
		return text_sanitise(endpoint->path, strnlen(endpoint->path, sizeof(endpoint->path)), out,
				     PEER_TEXT_MAX + 1);
	if (family == AF_INET6 && memcmp(address, mapped, sizeof(mapped)) == 0) {
		address += sizeof(mapped);
		family = AF_INET;
	}
	if ((family != AF_INET && family != AF_INET6) || !inet_ntop(family, address, out, PEER_TEXT_MAX + 1))
		return 0;
	return strlen(out);
}
