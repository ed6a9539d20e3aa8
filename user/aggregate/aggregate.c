/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exchanges in: from an exchange to its label set, one lookup, three observations. The steady state allocates nothing:
 * service, path and Host are found in small caches of last answers, the label set in a hash table of integer keys.
 * Every exchange ends in exactly one record; where its own cannot be had, in the overflow record, which is counted.
 */
#include "aggregate/aggregate.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "aggregate/peer.h"
#include "aggregate/state.h"
#include "aggregate/text.h"
#include "base/hash_table.h"

#define SERVICE_MAX 255
#define SERVICE_SLOTS 64
#define ROUTE_SLOTS 256
#define HOST_SLOTS 64
/* A series names three strings at most; trees and caches hold a few more. */
#define INTERN_PER_SERIES 3
#define INTERN_BESIDES (ROUTE_SERVICES_MAX + SERVICE_SLOTS + ROUTE_SLOTS + 2 * HOST_SLOTS + 3)

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

static bool active_series_idle(const struct series *series)
{
	return ((const struct active_series *)series)->active == 0;
}

static const struct series_kind http_kind = {
	.record_size = sizeof(struct http_series),
	.init = http_series_init,
	.done = http_series_done,
};
static const struct series_kind active_kind = { .record_size = sizeof(struct active_series),
						.idle = active_series_idle };
static const struct series_kind unparsed_kind = { .record_size = sizeof(struct unparsed_series) };

static int aggregate_init(struct aggregate *aggregate, const struct aggregate_config *config, size_t *ret_bad_pattern)
{
	struct intern *intern = &aggregate->intern;
	uint64_t seed = config->hash_seed;
	size_t limit = config->series_limit < UINT32_MAX / 64 ? config->series_limit : UINT32_MAX / 64;
	int error;

	aggregate->idle_timeout_ns = config->idle_timeout_ns;
	aggregate->native = config->native_histograms;
	/* Four tables of series: both sides of http, active, unparsed. */
	intern_init(intern, (uint32_t)(limit * 4 * INTERN_PER_SERIES + INTERN_BESIDES), seed);
	error = routes_init(&aggregate->routes, config->route_patterns, config->route_pattern_count,
			    config->route_values_limit, intern, seed, ret_bad_pattern);
	if (!error)
		error = text_cache_init(&aggregate->services, SERVICE_SLOTS, intern);
	if (!error)
		error = text_cache_init(&aggregate->routes_seen, ROUTE_SLOTS, intern);
	if (!error)
		error = text_cache_init(&aggregate->hosts_seen, HOST_SLOTS, intern);
	if (!error)
		error = text_cache_init(&aggregate->endpoints_seen, HOST_SLOTS, intern);
	for (int side = 0; side < SIDE_COUNT && !error; side++)
		error = series_table_init(&aggregate->http[side], &http_kind, limit, intern, seed);
	if (!error)
		error = series_table_init(&aggregate->active, &active_kind, limit, intern, seed);
	if (!error)
		error = series_table_init(&aggregate->unparsed, &unparsed_kind, limit, intern, seed);
	return error;
}

int aggregate_new(const struct aggregate_config *config, struct aggregate **ret_aggregate, size_t *ret_bad_pattern)
{
	struct aggregate *aggregate = calloc(1, sizeof(*aggregate));

	if (!aggregate)
		return -ENOMEM;
	int error = aggregate_init(aggregate, config, ret_bad_pattern);
	if (error) {
		aggregate_free(aggregate);
		return error;
	}
	*ret_aggregate = aggregate;
	return 0;
}

void aggregate_free(struct aggregate *aggregate)
{
	if (!aggregate)
		return;
	for (int side = 0; side < SIDE_COUNT; side++)
		series_table_done(&aggregate->http[side]);
	series_table_done(&aggregate->active);
	series_table_done(&aggregate->unparsed);
	routes_done(&aggregate->routes);
	text_cache_done(&aggregate->services);
	text_cache_done(&aggregate->routes_seen);
	text_cache_done(&aggregate->hosts_seen);
	text_cache_done(&aggregate->endpoints_seen);
	intern_done(&aggregate->intern);
	free(aggregate);
}

/* Ids returned by the three functions below are kept in use by their caches: valid until the next exchange. */
static int service_id(struct aggregate *aggregate, const char *service, uint32_t *ret_id)
{
	struct text_cache_key key = { .bytes = service, .length = strlen(service) };
	const struct text_cache_slot *slot = text_cache_find(&aggregate->services, &key);
	char text[SERVICE_MAX + 1];

	if (slot) {
		*ret_id = slot->id;
		return 0;
	}
	size_t length = text_sanitise(service, key.length, text, sizeof(text));
	int error = intern_acquire(&aggregate->intern, text, length, ret_id);
	if (!error)
		text_cache_put(&aggregate->services, &key, *ret_id, 0);
	return error;
}

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

static int endpoint_id(struct aggregate *aggregate, const struct endpoint *remote, uint32_t *ret_id)
{
	struct text_cache_key key = { .bytes = (const char *)remote->address, .context = remote->family };
	char text[PEER_TEXT_MAX + 1];

	if (remote->family == AF_UNIX)
		key.bytes = remote->path;
	key.length = remote->family == AF_UNIX ? strnlen(remote->path, sizeof(remote->path)) :
		     remote->family == AF_INET ? 4 :
						 sizeof(remote->address);
	const struct text_cache_slot *slot = text_cache_find(&aggregate->endpoints_seen, &key);
	if (slot) {
		*ret_id = slot->id;
		return 0;
	}
	int error = intern_acquire(&aggregate->intern, text, peer_from_endpoint(remote, text), ret_id);
	if (!error)
		text_cache_put(&aggregate->endpoints_seen, &key, *ret_id, 0);
	return error;
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
	return endpoint_id(aggregate, remote, &key->address);
}

static uint64_t latest(const struct exchange *exchange)
{
	uint64_t time = exchange->request_first_ns;

	if (exchange->request_last_ns > time)
		time = exchange->request_last_ns;
	if (exchange->response_first_ns > time)
		time = exchange->response_first_ns;
	if (exchange->response_last_ns > time)
		time = exchange->response_last_ns;
	return time;
}

/* From the first byte of the request to the last of the response; to the last moment known when that did not come. */
static uint64_t duration_ns(const struct exchange *exchange)
{
	bool complete = exchange->error == EXCHANGE_COMPLETE && exchange->response_last_ns;
	uint64_t end = complete ? exchange->response_last_ns : latest(exchange);
	uint64_t start = exchange->request_first_ns ? exchange->request_first_ns : exchange->request_last_ns;

	if (!start)
		start = exchange->response_first_ns ? exchange->response_first_ns : exchange->response_last_ns;
	return end > start ? end - start : 0;
}

static struct http_series *http_series_get(struct aggregate *aggregate, const char *service,
					   const struct exchange *exchange)
{
	struct series_table *table = &aggregate->http[exchange->side];
	struct series_key key = {
		.status = exchange->http.status,
		.method = (uint8_t)exchange->http.method,
		.version = exchange->http.version,
		.error = (uint8_t)exchange->error,
	};
	int error = service_id(aggregate, service, &key.service);

	if (!error && exchange->side == SIDE_SERVER)
		error = route_id(aggregate, key.service, &exchange->http, &key.route);
	if (!error && exchange->side == SIDE_CLIENT)
		error = peer_ids(aggregate, exchange, &key);
	return (struct http_series *)(error ? series_table_overflow(table) : series_table_get(table, &key));
}

void aggregate_exchange(struct aggregate *aggregate, const char *service, const struct exchange *exchange)
{
	aggregate->exchanges[exchange->protocol][exchange->side]++;
	if (exchange->protocol != PROTOCOL_HTTP1)
		return;
	struct http_series *http = http_series_get(aggregate, service, exchange);
	bool native = aggregate->native;

	histogram_observe(&http->duration, &histogram_layout_duration, native, duration_ns(exchange));
	histogram_observe(&http->request_body, &histogram_layout_body, native, exchange->request_body_bytes);
	histogram_observe(&http->response_body, &histogram_layout_body, native, exchange->response_body_bytes);
}

static void active_add(struct aggregate *aggregate, const struct series_key *key, bool known)
{
	struct series_table *table = &aggregate->active;
	struct series *series = known ? series_table_get(table, key) : series_table_overflow(table);

	((struct active_series *)series)->active++;
}

/* Who else has such a request open: the process that began this one has changed its name since (exec). Rare and slow.
 */
static struct active_series *active_of_another(struct aggregate *aggregate, uint8_t method)
{
	const struct series *series = NULL;

	while ((series = series_table_next(&aggregate->active, series)))
		if (series->key.method == method && ((const struct active_series *)series)->active > 0)
			return (struct active_series *)series_table_find(&aggregate->active, &series->key);
	return NULL;
}

/* From its own series; else from the overflow record, which holds what was added without room; else from another's, so
 * that the sum over all series is always right. */
static void active_subtract(struct aggregate *aggregate, const struct series_key *key, bool known)
{
	struct series *found = known ? series_table_find(&aggregate->active, key) : NULL;
	struct active_series *active = (struct active_series *)found;

	if (!active || active->active == 0)
		active = (struct active_series *)aggregate->active.overflow;
	if (active->active == 0)
		active = active_of_another(aggregate, key->method);
	if (active)
		active->active--;
}

void aggregate_active(struct aggregate *aggregate, const char *service, enum side side, enum http_method method,
		      int change)
{
	struct series_key key = { .method = (uint8_t)method };

	if (side != SIDE_SERVER)
		return;
	bool known = service_id(aggregate, service, &key.service) == 0;
	for (; change > 0; change--)
		active_add(aggregate, &key, known);
	for (; change < 0; change++)
		active_subtract(aggregate, &key, known);
}

void aggregate_unparsed(struct aggregate *aggregate, const char *service, enum unparsed_reason reason,
			uint64_t connections, uint64_t bytes)
{
	struct series_key key = { .reason = (uint8_t)reason };
	struct series_table *table = &aggregate->unparsed;
	bool known = service_id(aggregate, service, &key.service) == 0;
	struct series *series = known ? series_table_get(table, &key) : series_table_overflow(table);
	struct unparsed_series *unparsed = (struct unparsed_series *)series;

	unparsed->connections += connections;
	unparsed->bytes += bytes;
}

void aggregate_expire(struct aggregate *aggregate, uint64_t now_ns)
{
	uint64_t idle_ns = aggregate->idle_timeout_ns;

	if (idle_ns == 0)
		return;
	/* The caches hide use from the routes' trees and keep strings from leaving: start them anew. */
	text_cache_flush(&aggregate->services);
	text_cache_flush(&aggregate->routes_seen);
	text_cache_flush(&aggregate->hosts_seen);
	text_cache_flush(&aggregate->endpoints_seen);
	for (int side = 0; side < SIDE_COUNT; side++)
		series_table_expire(&aggregate->http[side], now_ns, idle_ns);
	series_table_expire(&aggregate->active, now_ns, idle_ns);
	series_table_expire(&aggregate->unparsed, now_ns, idle_ns);
	routes_expire(&aggregate->routes, now_ns, idle_ns);
}

struct snapshot_source aggregate_source(struct aggregate *aggregate)
{
	return (struct snapshot_source){ .ctx = aggregate, .visit = aggregate_visit };
}
