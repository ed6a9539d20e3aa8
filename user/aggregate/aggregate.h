/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exchanges in, series out: label sets, histograms (classic and native buckets from one observation), the gauge of
 * active requests, route templates, budgets, overflow and expiry. Knows no sockets and no processes: the service's name
 * is handed in. Owns all strings it keeps.
 */
#pragma once

#include "base/cleanup.h"
#include "model/exchange.h"
#include "model/losses.h"
#include "model/plain.h"
#include "model/snapshot.h"
#include "model/tls_brand.h"

struct aggregate;

struct aggregate_config {
	size_t series_limit;       /* per metric; beyond it one overflow series takes the rest. Default 10,000 */
	uint64_t idle_timeout_ns;  /* series without observation leave after this; 0: never */
	size_t route_values_limit; /* names at one path position; one more and it becomes {id}. Default 32 */
	const char *const *route_patterns; /* configured "/users/{id}/orders" templates, first match wins; borrowed */
	size_t route_pattern_count;
	bool native_histograms;
	bool outliers; /* look for exchanges that took longer than 99 of 100 of their series */
	uint64_t hash_seed;
};

/* -ENOMEM; -EINVAL for a malformed route pattern, whose index goes to *ret_bad_pattern. */
MUST_CHECK int aggregate_new(const struct aggregate_config *config, struct aggregate **ret_aggregate,
			     size_t *ret_bad_pattern);
void aggregate_free(struct aggregate *aggregate);

/* `service` is copied when a series is born. Nothing is lost: without room or memory the overflow series takes it.
 * True: it took longer than 99 of 100 of its series, as far as that is looked for. */
bool aggregate_exchange(struct aggregate *aggregate, const char *service, const struct exchange *exchange);
/* The span of an exchange that was observed before; exemplar->value is set here. */
void aggregate_exemplar(struct aggregate *aggregate, const char *service, const struct exchange *exchange,
			const struct metric_exemplar *exemplar);
/* http_route of the exchange that was observed last; "" when it has none. Valid until the next one. */
const char *aggregate_route(const struct aggregate *aggregate);
/* The gauge never falls below zero, and its sum is right even when the service's name changed between begin and end: a
 * -1 that finds its series at zero is taken from the overflow series, else from another's. Client side: no metric. */
void aggregate_active(struct aggregate *aggregate, const char *service, enum side side, enum http_method method,
		      bool tls, int change);
/* `cipher` is the suite's number in IANA's registry; version and cipher are 0 where the ServerHello was not seen. */
void aggregate_handshake(struct aggregate *aggregate, const char *service, enum side side, enum tls_version version,
			 uint16_t cipher, uint64_t duration_ns);
/* Where a database session belongs. */
struct session_place {
	enum protocol protocol;
	enum side side;
	const struct endpoint *remote; /* may be NULL */
	struct text name_space;
};

/* Sessions are counted anew at each look: aggregate_sessions_begin, then aggregate_session for each that there is. */
void aggregate_sessions_begin(struct aggregate *aggregate);
void aggregate_session(struct aggregate *aggregate, const char *service, const struct session_place *place,
		       const struct db_session *session, uint64_t now_ns);
void aggregate_transaction(struct aggregate *aggregate, const char *service, const struct session_place *place,
			   const struct db_transaction *transaction);
void aggregate_unparsed(struct aggregate *aggregate, const char *service, enum unparsed_reason reason,
			uint64_t connections, uint64_t bytes);
/* An encrypted connection that is not read, of a process that has these implementations of TLS. */
void aggregate_unread(struct aggregate *aggregate, const char *service, tls_brands brands);
/* Lets series, routes and strings go that were not used for the timeout. Call it about once a minute: idleness is
 * counted in such calls, from the first after the last use. now_ns is CLOCK_MONOTONIC. */
void aggregate_expire(struct aggregate *aggregate, uint64_t now_ns);

/* The families that aggregate owns: http_*, sonde_exchanges_total, sonde_unparsed_*, sonde_series*,
 * sonde_route_*. */
struct snapshot_source aggregate_source(struct aggregate *aggregate);
