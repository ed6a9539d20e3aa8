/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans of HTTP, by OpenTelemetry's conventions (HTTP spans, stable). The parser keeps no user information, and of
 * queries and header fields what the user named, so nothing else is told; what a path holds beside its names,
 * parameters (RFC 3986 section 3.3, ";a=b"), is redacted: session ids are told there.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "aggregate/peer.h"
#include "model/plain.h"
#include "trace/internal.h"

#define REDACTED "REDACTED"
#define STRING(literal) ((struct text){ literal, sizeof(literal) - 1 })
#define HTTP_PORT 80
#define HTTPS_PORT 443

/* The value of each parameter, up to the next ";" or "/", replaced. */
static struct text redacted_path(struct span_writer *writer, struct text path)
{
	struct text out = { writer->text, 0 };

	if (path.length == 0 || !memchr(path.data, ';', path.length))
		return path;
	for (size_t i = 0; i < path.length;) {
		size_t length = 1;
		const char *parameter = memrchr(path.data, ';', i), *slash = memrchr(path.data, '/', i);
		bool value = path.data[i] == '=' && parameter && (!slash || slash < parameter);

		while (value && i + length < path.length && path.data[i + length] != ';' &&
		       path.data[i + length] != '/')
			length++;
		struct text pieces[] = { { path.data + i, 1 }, STRING(REDACTED) };
		out.length += writer_join(writer, pieces, value ? 2 : 1).length;
		i += length;
	}
	return out;
}

static const char *version_text(uint8_t version)
{
	return version == 10 ? "1.0" : version == 11 ? "1.1" : "";
}

/* `{method} {route}`; "HTTP" stands for a method that is none of the known. Never the path. */
static void name_it(struct span_writer *writer, const char *route, const struct exchange *exchange)
{
	bool known = exchange->http.method != HTTP_METHOD_OTHER;
	const char *method = known ? http_method_text(exchange->http.method) : "HTTP";
	struct text pieces[] = { { method, strlen(method) }, STRING(" "), { route, strlen(route) } };

	writer->name = writer_join(writer, pieces, exchange->side == SIDE_SERVER && *route ? 3 : 1);
}

static void tell_error(struct span_writer *writer, const struct exchange *exchange)
{
	char digits[8];
	struct text text = { digits, 0 };

	if (exchange->error != EXCHANGE_COMPLETE) {
		writer_string(writer, "error.type", exchange_error_text(exchange->error));
		return;
	}
	if (!exchange_is_error(exchange))
		return;
	text.length = (size_t)snprintf(digits, sizeof(digits), "%u", exchange->http.status);
	writer_text(writer, "error.type", writer_join(writer, &text, 1));
}

/* server.address and server.port: what the request calls the server; a client falls back to whom it is connected to. */
static struct text server_of(struct span_writer *writer, const struct exchange *exchange, uint16_t *ret_port)
{
	char host[PEER_TEXT_MAX + 1];
	const struct endpoint *remote = exchange->remote;
	bool is_client = exchange->side == SIDE_CLIENT;
	struct text text = { host, 0 };

	*ret_port = 0;
	if (is_client && remote && remote->family == AF_UNIX && remote->path[0])
		text.length = peer_from_endpoint(remote, host);
	else
		text.length = peer_from_host(exchange->http.host, host, ret_port);
	if (text.length == 0 && is_client && remote)
		text.length = peer_from_endpoint(remote, host);
	if (is_client && !*ret_port && remote && remote->family != AF_UNIX)
		*ret_port = remote->port;
	return writer_join(writer, &text, 1);
}

static void tell_server(struct span_writer *writer, struct text address, uint16_t port)
{
	writer_text(writer, "server.address", address);
	if (address.length > 0 && port)
		writer_int(writer, "server.port", port);
}

/* RFC 3986 section 3.2.2: an IPv6 address stands in brackets. */
static struct text url_of(struct span_writer *writer, bool tls, struct text address, uint16_t port, struct text path,
			  struct text query)
{
	bool literal = memchr(address.data, ':', address.length) != NULL;
	char digits[8];
	size_t digits_length = port && port != (tls ? HTTPS_PORT : HTTP_PORT) ?
				       (size_t)snprintf(digits, sizeof(digits), ":%u", port) :
				       0;
	struct text pieces[] = { tls ? STRING("https://") : STRING("http://"),
				 { "[", literal ? 1 : 0 },
				 address,
				 { "]", literal ? 1 : 0 },
				 { digits, digits_length },
				 path,
				 { "?", query.length > 0 ? 1 : 0 },
				 query };

	return writer_join(writer, pieces, sizeof(pieces) / sizeof(pieces[0]));
}

static void tell_url(struct span_writer *writer, const struct exchange *exchange, struct text address, uint16_t port)
{
	const struct http_facts *http = &exchange->http;
	/* CONNECT names an authority, OPTIONS maybe "*": no path (RFC 9112 sections 3.2.3 and 3.2.4). */
	bool has_path = http->path.length > 0 && http->path.data[0] == '/';
	struct text path = has_path ? redacted_path(writer, http->path) : STRING("");

	if (exchange->side == SIDE_CLIENT) {
		writer_text(writer, "url.full", url_of(writer, exchange->tls, address, port, path, http->query));
		return;
	}
	writer_text(writer, "url.path", path);
	writer_text(writer, "url.query", http->query);
	writer_string(writer, "url.scheme", exchange->tls ? "https" : "http");
}

void build_http(struct span_writer *writer, const char *route, const struct exchange *exchange)
{
	const struct http_facts *http = &exchange->http;
	uint16_t port;
	struct text address = server_of(writer, exchange, &port);

	name_it(writer, route, exchange);
	writer_string(writer, "http.request.method", http_method_text(http->method));
	writer_text(writer, "http.request.method_original", http->method_original);
	tell_url(writer, exchange, address, port);
	if (exchange->side == SIDE_SERVER)
		writer_string(writer, "http.route", route);
	if (http->status)
		writer_int(writer, "http.response.status_code", http->status);
	tell_error(writer, exchange);
	tell_server(writer, address, port);
	if (exchange->side == SIDE_SERVER && exchange->remote && exchange->remote->family != AF_UNIX) {
		char text[PEER_TEXT_MAX + 1];
		struct text client = { text, peer_from_endpoint(exchange->remote, text) };

		writer_text(writer, "client.address", writer_join(writer, &client, 1));
	}
	writer_peer(writer, exchange);
	writer_string(writer, "network.protocol.version", version_text(http->version));
	if (exchange->tls)
		writer_string(writer, "tls.protocol.version", tls_version_text((enum tls_version)exchange->tls));
}

/* The values of one field, which stand apart when it came several times. */
static void tell_field(struct span_writer *writer, const struct keep *keep, const struct exchange *exchange,
		       const struct kept_field *like)
{
	struct text rest = exchange->http.fields;
	size_t first = writer->text_count;
	struct kept_field field;

	if (writer->count == SPAN_ATTRIBUTES_MAX)
		return;
	while (kept_next(&rest, &field) && writer->text_count < SPAN_LIST_TEXTS_MAX)
		if (field.side == like->side && field.index == like->index)
			writer->texts[writer->text_count++] = field.value;
	if (writer->text_count == first)
		return;
	writer->attributes[writer->count++] = (struct span_attribute){
		.key = keep->fields[like->side][like->index].attribute,
		.kind = SPAN_VALUE_LIST,
		.number = (int64_t)(writer->text_count - first),
		.texts = writer->texts + first,
	};
}

void build_fields(struct span_writer *writer, const struct keep *keep, const struct exchange *exchange)
{
	struct text rest = exchange->http.fields;
	uint32_t told[KEEP_SIDE_COUNT] = { 0 };
	struct kept_field field;

	while (kept_next(&rest, &field)) {
		uint32_t bit = 1u << field.index;

		if (!(told[field.side] & bit))
			tell_field(writer, keep, exchange, &field);
		told[field.side] |= bit;
	}
}
