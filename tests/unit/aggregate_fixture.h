/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of aggregate begin with: a small aggregate, an ordinary exchange, and the label sets it leads to.
 */
#pragma once

#include "aggregate_recorder.h"

#define MS UINT64_C(1000000)
#define FIXTURE_SERIES_LIMIT 100
#define FIXTURE_IDLE_NS 1000

#define DURATION "http_server_request_duration_seconds"

struct text text_of(const char *string);
/* GET path over HTTP/1.1, Host "Example.com:81" of 192.0.2.1:8080, 200, 3 ms, no bytes in, 200 bytes out. */
struct exchange exchange_of(enum side side, const char *path);
/* A call of PostgreSQL, 3 ms, 4 rows, and for its figures three hits and a miss, which PostgreSQL has not. */
struct exchange db_exchange_of(enum side side);

/* At most FIXTURE_SERIES_LIMIT series, four names at one path position. */
int aggregate_setup(void **state);
int aggregate_setup_limit(void **state, size_t series_limit);
int aggregate_teardown(void **state);
