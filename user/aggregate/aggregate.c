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
#define DB_SLOTS 64
#define SERIES_TABLES (4 * SIDE_COUNT + 4)
/* A series names seven strings at most (of HTTP three); trees and caches hold a few more. */
#define INTERN_PER_SERIES SERIES_KEY_IDS
#define INTERN_BESIDES \
	(ROUTE_SERVICES_MAX + SERVICE_SLOTS + ROUTE_SLOTS + 2 * HOST_SLOTS + DB_TEXT_COUNT * DB_SLOTS + SERIES_KEY_IDS)

static bool active_series_idle(const struct series *series)
{
	return ((const struct active_series *)series)->active == 0;
}

static const struct series_kind active_kind = { .record_size = sizeof(struct active_series),
						.idle = active_series_idle };
static const struct series_kind unparsed_kind = { .record_size = sizeof(struct unparsed_series) };

/* The tables that there are for each side. */
static int side_init(struct aggregate *aggregate, int side, size_t limit, uint64_t seed)
{
	struct intern *intern = &aggregate->intern;
	int error = series_table_init(&aggregate->http[side], &aggregate_http_kind, limit, intern, seed);

	if (!error)
		error = series_table_init(&aggregate->db[side], &aggregate_db_kind, limit, intern, seed);
	if (!error)
		error = series_table_init(&aggregate->db_blocking[side], &aggregate_blocking_kind, limit, intern, seed);
	if (!error)
		error = series_table_init(&aggregate->sessions[side], &aggregate_session_kind, limit, intern, seed);
	return error;
}

static int aggregate_init(struct aggregate *aggregate, const struct aggregate_config *config, size_t *ret_bad_pattern)
{
	struct intern *intern = &aggregate->intern;
	uint64_t seed = config->hash_seed;
	size_t limit = config->series_limit < UINT32_MAX / 128 ? config->series_limit : UINT32_MAX / 128;
	int error;

	aggregate->idle_timeout_ns = config->idle_timeout_ns;
	aggregate->native = config->native_histograms;
	aggregate->outliers = config->outliers;
	intern_init(intern, (uint32_t)(limit * SERIES_TABLES * INTERN_PER_SERIES + INTERN_BESIDES), seed);
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
	for (int i = 0; i < DB_TEXT_COUNT && !error; i++)
		error = text_cache_init(&aggregate->db_texts[i], DB_SLOTS, intern);
	for (int side = 0; side < SIDE_COUNT && !error; side++)
		error = side_init(aggregate, side, limit, seed);
	if (!error)
		error = series_table_init(&aggregate->active, &active_kind, limit, intern, seed);
	if (!error)
		error = series_table_init(&aggregate->unparsed, &unparsed_kind, limit, intern, seed);
	if (!error)
		error = series_table_init(&aggregate->handshakes, &aggregate_handshake_kind, limit, intern, seed);
	if (!error)
		error = series_table_init(&aggregate->unread, &aggregate_unread_kind, limit, intern, seed);
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
	for (int side = 0; side < SIDE_COUNT; side++) {
		series_table_done(&aggregate->http[side]);
		series_table_done(&aggregate->db[side]);
		series_table_done(&aggregate->db_blocking[side]);
		series_table_done(&aggregate->sessions[side]);
	}
	series_table_done(&aggregate->active);
	series_table_done(&aggregate->unparsed);
	series_table_done(&aggregate->handshakes);
	series_table_done(&aggregate->unread);
	routes_done(&aggregate->routes);
	text_cache_done(&aggregate->services);
	text_cache_done(&aggregate->routes_seen);
	text_cache_done(&aggregate->hosts_seen);
	text_cache_done(&aggregate->endpoints_seen);
	for (int i = 0; i < DB_TEXT_COUNT; i++)
		text_cache_done(&aggregate->db_texts[i]);
	intern_done(&aggregate->intern);
	free(aggregate);
}

int aggregate_service_id(struct aggregate *aggregate, const char *service, uint32_t *ret_id)
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

int aggregate_endpoint_id(struct aggregate *aggregate, const struct endpoint *remote, uint32_t *ret_id)
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

uint64_t aggregate_duration_ns(const struct exchange *exchange)
{
	bool complete = exchange->error == EXCHANGE_COMPLETE && exchange->response_last_ns;
	uint64_t end = complete ? exchange->response_last_ns : latest(exchange);
	uint64_t start = exchange->request_first_ns ? exchange->request_first_ns : exchange->request_last_ns;

	if (!start)
		start = exchange->response_first_ns ? exchange->response_first_ns : exchange->response_last_ns;
	return end > start ? end - start : 0;
}

bool aggregate_exchange(struct aggregate *aggregate, const char *service, const struct exchange *exchange)
{
	aggregate->exchanges[exchange->protocol][exchange->side]++;
	aggregate->last_route = 0;
	if (exchange->protocol == PROTOCOL_HTTP1)
		return aggregate_http(aggregate, service, exchange);
	if (exchange->protocol == PROTOCOL_POSTGRESQL || exchange->protocol == PROTOCOL_REDIS)
		return aggregate_db(aggregate, service, exchange);
	return false;
}

void aggregate_exemplar(struct aggregate *aggregate, const char *service, const struct exchange *exchange,
			const struct metric_exemplar *exemplar)
{
	bool http = exchange->protocol == PROTOCOL_HTTP1;
	struct histogram *histogram = http ? aggregate_http_duration(aggregate, service, exchange) :
					     aggregate_db_duration(aggregate, service, exchange);

	if (histogram)
		histogram_exemplar(histogram, http ? &histogram_layout_duration : &histogram_layout_db_duration,
				   aggregate_duration_ns(exchange), exemplar);
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
		      bool tls, int change)
{
	struct series_key key = { .method = (uint8_t)method, .tls = tls };

	if (side != SIDE_SERVER)
		return;
	bool known = aggregate_service_id(aggregate, service, &key.service) == 0;
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
	bool known = aggregate_service_id(aggregate, service, &key.service) == 0;
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
	for (int i = 0; i < DB_TEXT_COUNT; i++)
		text_cache_flush(&aggregate->db_texts[i]);
	for (int side = 0; side < SIDE_COUNT; side++) {
		series_table_expire(&aggregate->http[side], now_ns, idle_ns);
		series_table_expire(&aggregate->db[side], now_ns, idle_ns);
		series_table_expire(&aggregate->db_blocking[side], now_ns, idle_ns);
		series_table_expire(&aggregate->sessions[side], now_ns, idle_ns);
	}
	series_table_expire(&aggregate->active, now_ns, idle_ns);
	series_table_expire(&aggregate->unparsed, now_ns, idle_ns);
	series_table_expire(&aggregate->handshakes, now_ns, idle_ns);
	series_table_expire(&aggregate->unread, now_ns, idle_ns);
	routes_expire(&aggregate->routes, now_ns, idle_ns);
}

struct snapshot_source aggregate_source(struct aggregate *aggregate)
{
	return (struct snapshot_source){ .ctx = aggregate, .visit = aggregate_visit };
}
