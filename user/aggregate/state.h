/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an aggregate holds, shared by the files that fill it (aggregate.c) and walk it (visit.c). Not for other folders.
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

struct aggregate {
	struct intern intern;
	struct text_cache services;
	struct text_cache routes_seen;
	struct text_cache hosts_seen;
	struct text_cache endpoints_seen;
	struct routes routes;
	struct series_table http[SIDE_COUNT]; /* by enum side: struct http_series */
	struct series_table active;           /* struct active_series */
	struct series_table unparsed;         /* struct unparsed_series */
	uint64_t exchanges[PROTOCOL_COUNT][SIDE_COUNT];
	uint64_t idle_timeout_ns;
	bool native;
};

/* Walks all families (visit.c). */
void aggregate_visit(void *ctx, const struct metric_visitor *visitor);
