/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The web server: metrics for scrapers, health for orchestrators, a page with links for people. libmicrohttpd does the
 * HTTP, inside the agent's loop, without a thread. GET and HEAD of:
 *   the telemetry path   the exposition, negotiated by Accept and Accept-Encoding
 *   /health/live         200 while the loop runs                     /-/healthy  the same for people
 *   /health/ready        200 or 503 and JSON with every check        /-/ready    the same for people
 *   /                    links
 * What any client may use up is bounded: connections, memory per connection, time per request, bytes of responses.
 */
#pragma once

#include "exporters/exporter.h"

struct web;

enum web_check_state {
	WEB_CHECK_PASS,
	WEB_CHECK_WARN, /* works with less: still ready */
	WEB_CHECK_FAIL, /* not ready */
};

/* One thing that must hold for the agent to be ready. Texts are borrowed until the callback's caller is done, that is
 * until the next call of any function that changes them. */
struct web_check {
	const char *name;
	enum web_check_state state;
	uint64_t time_ns; /* CLOCK_REALTIME: since when, or when last looked; 0: not known */
	const char *message;
};

#define WEB_CHECKS_MAX 32
#define WEB_LISTENERS_MAX 16
#define WEB_ADDRESS_SIZE 80

/* All borrowed until web_free, but for the listen addresses, which web_new is done with. */
struct web_config {
	const char *const
		*listen_addresses; /* HOST:PORT, :PORT (every address of IPv6 and IPv4), [IPV6]:PORT; port 0: any */
	size_t listen_address_count;
	const char *telemetry_path; /* "/metrics" */
	size_t max_requests;        /* expositions in flight; beyond it 503 */
	const char *version;
	const struct exposition *exposition;
	const struct snapshot *snapshot; /* its refresh is called before every walk */
	void *ctx;
	/* Fills at most WEB_CHECKS_MAX checks and returns how many: what /health/ready tells. */
	size_t (*health)(void *ctx, struct web_check *ret_checks);
	/* CLOCK_MONOTONIC. */
	uint64_t (*now_ns)(void *ctx);
};

/* Listens. -EINVAL for a bad address or path, -EADDRINUSE and the like, -ENOMEM; ret_error says it in words. */
MUST_CHECK int web_new(const struct web_config *config, struct web **ret_web, struct exporter_error *ret_error);
/* Closes every connection. Takes NULL. */
void web_free(struct web *web);

int web_fd(const struct web *web);
void web_run(struct web *web);
/* The exporter contract over the two above. */
struct exporter web_exporter(struct web *web);
/* sonde_scrape_*, sonde_web_*. */
struct snapshot_source web_source(struct web *web);

/* Where it listens, as bound: "127.0.0.1:9100", "[::]:9100". A host name may have become several. */
size_t web_address_count(const struct web *web);
const char *web_address(const struct web *web, size_t index);
