/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP's exchanges: the label set (route of a server, host of a client) and the observations of one. Called by
 * aggregate.c.
 */
#include <string.h>
#include <sys/socket.h>

#include "aggregate/peer.h"
#include "aggregate/state.h"

static void http_series_init(struct series *series)
{
	struct http_series *http = (struct http_series *)series;

	histogram_init(&http->duration);
	histogram_init(&http->request_body);
	histogram_init(&http->response_body);
}

static void http_series_done(struct series *series)
{
	struct http_series *http = (struct http_series *)series;

	histogram_done(&http->duration);
	histogram_done(&http->request_body);
	histogram_done(&http->response_body);
}

const struct series_kind aggregate_http_kind = {
	.record_size = sizeof(struct http_series),
	.init = http_series_init,
	.done = http_series_done,
};

static int route_id(struct aggregate *aggregate, uint32_t service, const struct http_facts *http, uint32_t *ret_id)
{
	struct text_cache_key key = { .bytes = http->path.data, .length = http->path.length, .context = service };
	struct routes *routes = &aggregate->routes;
	bool teach = routes_status_teaches(http->status);
	uint64_t collapsed = routes->limits.collapsed, cut = routes->limits.cut;
	char text[ROUTE_MAX + 1];
	uint32_t id;

	/* CONNECT names an authority (RFC 9110 section 9.3.6), OPTIONS maybe "*": neither has a path. */
	if (http->method == HTTP_METHOD_CONNECT || key.length == 0 || key.bytes[0] != '/')
		return 0;
	const struct text_cache_slot *slot = text_cache_find(&aggregate->routes_seen, &key);
	if (slot) {
		*ret_id = slot->id;
		return 0;
	}
	size_t length = routes_find(routes, service, http->path, teach, text);
	if (routes->limits.collapsed != collapsed)
		text_cache_flush(&aggregate->routes_seen); /* other paths may have another route now */
	if (length == 0)
		return 0; /* not remembered: the same path may be learned any time */
	int error = intern_acquire(&aggregate->intern, text, length, &id);
	if (error)
		return error;
	if (routes->limits.cut != cut)
		text_cache_hold(&aggregate->routes_seen, &key, id); /* each such request is counted */
	else
		text_cache_put(&aggregate->routes_seen, &key, id, 0);
	*ret_id = id;
	return 0;
}

static int host_id(struct aggregate *aggregate, struct text host, uint32_t *ret_id, uint16_t *ret_port)
{
	struct text_cache_key key = { .bytes = host.data, .length = host.length };
	const struct text_cache_slot *slot = text_cache_find(&aggregate->hosts_seen, &key);
	char text[PEER_TEXT_MAX + 1];
	uint16_t port = 0;

	if (slot) {
		*ret_id = slot->id;
		*ret_port = slot->extra;
		return 0;
	}
	size_t length = peer_from_host(host, text, &port);
	int error = intern_acquire(&aggregate->intern, text, length, ret_id);
	if (error)
		return error;
	text_cache_put(&aggregate->hosts_seen, &key, *ret_id, port);
	*ret_port = port;
	return 0;
}

/* A unix socket's path; else the Host field; else the remote address. */
static int peer_ids(struct aggregate *aggregate, const struct exchange *exchange, struct series_key *key)
{
	const struct endpoint *remote = exchange->remote;
	bool is_unix = remote && remote->family == AF_UNIX;

	if (exchange->http.host.length > 0 && !(is_unix && remote->path[0])) {
		int error = host_id(aggregate, exchange->http.host, &key->address, &key->port);

		if (error)
			return error;
	}
	if (is_unix)
		key->port = 0;
	else if (remote && !key->port)
		key->port = remote->port;
	if (!remote || key->address)
		return 0;
	return aggregate_endpoint_id(aggregate, remote, &key->address);
}

static int http_key(struct aggregate *aggregate, const char *service, const struct exchange *exchange,
		    struct series_key *ret_key)
{
	struct series_key key = {
		.status = exchange->http.status,
		.method = (uint8_t)exchange->http.method,
		.version = exchange->http.version,
		.error = (uint8_t)exchange->error,
		.tls = exchange->tls,
	};
	int error = aggregate_service_id(aggregate, service, &key.service);

	if (!error && exchange->side == SIDE_SERVER)
		error = route_id(aggregate, key.service, &exchange->http, &key.route);
	if (!error && exchange->side == SIDE_CLIENT)
		error = peer_ids(aggregate, exchange, &key);
	if (!error)
		*ret_key = key;
	return error;
}

static struct http_series *http_series_get(struct aggregate *aggregate, const char *service,
					   const struct exchange *exchange)
{
	struct series_table *table = &aggregate->http[exchange->side];
	struct series_key key;
	int error = http_key(aggregate, service, exchange, &key);

	if (!error && exchange->side == SIDE_SERVER)
		aggregate->last_route = key.route;
	return (struct http_series *)(error ? series_table_overflow(table) : series_table_get(table, &key));
}

struct histogram *aggregate_http_duration(struct aggregate *aggregate, const char *service,
					  const struct exchange *exchange)
{
	struct series_key key;
	struct series *series = NULL;

	if (!http_key(aggregate, service, exchange, &key))
		series = series_table_find(&aggregate->http[exchange->side], &key);
	return series ? &((struct http_series *)series)->duration : NULL;
}

bool aggregate_http(struct aggregate *aggregate, const char *service, const struct exchange *exchange)
{
	struct http_series *http = http_series_get(aggregate, service, exchange);
	bool native = aggregate->native, outlier;
	uint64_t duration_ns = aggregate_duration_ns(exchange);

	outlier = aggregate->outliers &&
		  histogram_is_outlier(&http->duration, &histogram_layout_duration, native, duration_ns);
	histogram_observe(&http->duration, &histogram_layout_duration, native, duration_ns);
	histogram_observe(&http->request_body, &histogram_layout_body, native, exchange->request_body_bytes);
	histogram_observe(&http->response_body, &histogram_layout_body, native, exchange->response_body_bytes);
	return outlier;
}

const char *aggregate_route(const struct aggregate *aggregate)
{
	return intern_text(&aggregate->intern, aggregate->last_route);
}
