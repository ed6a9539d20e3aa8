/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an aggregate holds, shared by the files that fill it (aggregate.c, http.c, db.c) and walk it (visit*.c). Not for
 * other folders.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "aggregate/aggregate.h"
#include "aggregate/histogram.h"
#include "aggregate/intern.h"
#include "aggregate/route.h"
#include "aggregate/series.h"
#include "aggregate/text_cache.h"

#define SIDE_COUNT 2

/* One label set of the three http_{server,client}_* histograms: they share it, so it is looked up once. */
struct http_series {
	struct series series;
	struct histogram duration;
	struct histogram request_body;
	struct histogram response_body;
};

/* One label set of the db_{client,server}_* families. */
struct db_series {
	struct series series;
	struct histogram duration;
	struct histogram rows;
	uint64_t hits;
	uint64_t misses;
	bool has_rows; /* an observation told rows */
	bool lookups;  /* an observation told hits or misses */
};

/* The same of calls that wait on purpose. */
struct blocking_series {
	struct series series;
	struct histogram duration;
};

/* The sessions with one database of one service. */
struct session_series {
	struct series series;
	struct histogram transaction;
	struct histogram transaction_idle;
	uint64_t count[DB_SESSION_STATE_COUNT]; /* at the last look */
	uint64_t longest_ns;                    /* idle in a transaction, at the last look */
	bool has_transactions;
};

/* http_server_active_requests: key is service and method. */
struct active_series {
	struct series series;
	uint64_t active;
};

/* sonde_unparsed_*: key is service and reason. */
struct unparsed_series {
	struct series series;
	uint64_t connections;
	uint64_t bytes;
};

/* sonde_tls_handshake_duration_seconds: key is service, side (in method), TLS version and cipher (in status). */
struct handshake_series {
	struct series series;
	struct histogram duration;
};

/* sonde_tls_unread_connections_total: key is service and brands (in status). */
struct unread_series {
	struct series series;
	uint64_t connections;
};

/* The texts of a database exchange that are labels, each with its cache of last answers. */
enum db_text {
	DB_TEXT_OPERATION,
	DB_TEXT_COLLECTION,
	DB_TEXT_SUMMARY,
	DB_TEXT_NAME_SPACE,
	DB_TEXT_CODE,
	DB_TEXT_COUNT,
};

struct aggregate {
	struct intern intern;
	struct text_cache services;
	struct text_cache routes_seen;
	struct text_cache hosts_seen;
	struct text_cache endpoints_seen;
	struct text_cache db_texts[DB_TEXT_COUNT];
	struct routes routes;
	struct series_table http[SIDE_COUNT];        /* by enum side: struct http_series */
	struct series_table db[SIDE_COUNT];          /* struct db_series */
	struct series_table db_blocking[SIDE_COUNT]; /* struct blocking_series */
	struct series_table sessions[SIDE_COUNT];    /* struct session_series */
	struct series_table active;                  /* struct active_series */
	struct series_table unparsed;                /* struct unparsed_series */
	struct series_table handshakes;              /* struct handshake_series */
	struct series_table unread;                  /* struct unread_series */
	uint64_t exchanges[PROTOCOL_COUNT][SIDE_COUNT];
	uint64_t idle_timeout_ns;
	uint32_t last_route; /* of the exchange that was observed last; 0: none */
	bool native;
	bool outliers;
};

extern const struct series_kind aggregate_http_kind;
extern const struct series_kind aggregate_handshake_kind;
extern const struct series_kind aggregate_unread_kind;
extern const struct series_kind aggregate_db_kind;
extern const struct series_kind aggregate_blocking_kind;
extern const struct series_kind aggregate_session_kind;

/* Whether it took longer than nearly all before. */
bool aggregate_http(struct aggregate *aggregate, const char *service, const struct exchange *exchange);
bool aggregate_db(struct aggregate *aggregate, const char *service, const struct exchange *exchange);
/* The histogram that it was observed in; NULL when it is not there any more. */
struct histogram *aggregate_http_duration(struct aggregate *aggregate, const char *service,
					  const struct exchange *exchange);
struct histogram *aggregate_db_duration(struct aggregate *aggregate, const char *service,
					const struct exchange *exchange);

/* Ids are kept in use by their caches: valid until the next exchange. */
MUST_CHECK int aggregate_service_id(struct aggregate *aggregate, const char *service, uint32_t *ret_id);
MUST_CHECK int aggregate_endpoint_id(struct aggregate *aggregate, const struct endpoint *remote, uint32_t *ret_id);
/* Whose database it is: service, name space, and of a client the server's address and port. */
MUST_CHECK int aggregate_db_place(struct aggregate *aggregate, const char *service, struct text name_space,
				  enum side side, const struct endpoint *remote, struct series_key *key);
/* From the first byte of the request to the last of the response; to the last moment known when that did not come. */
uint64_t aggregate_duration_ns(const struct exchange *exchange);

/* Walks all families (visit.c). */
void aggregate_visit(void *ctx, const struct metric_visitor *visitor);
