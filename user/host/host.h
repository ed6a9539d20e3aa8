/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's own figures under the names of node_exporter: collectors that read /proc, /sys and the kernel when they
 * are scraped. A collector that fails leaves the others alone: node_scrape_collector_success says which, the callback
 * why. What one walk tells was read for that walk.
 */
#pragma once

#include "base/cleanup.h"
#include "config/config.h"
#include "model/snapshot.h"

struct host;

struct host_config {
	const struct config *config; /* borrowed until host_free */
	const char *version;         /* of sonde, for node_exporter_build_info; borrowed */
	const char *revision;
	uint64_t hash_seed;
	void *ctx;
	/* A collector could not do its work: `what` is what it was at. Not called for hardware that is not there. */
	void (*failed)(void *ctx, enum host_collector collector, int error, const char *what);
	/* Called every few milliseconds while filesystems are waited for, so that the rest goes on. May be NULL. */
	void (*idle)(void *ctx);
};

/* -ENOMEM. What the host lacks is found when scraped. */
MUST_CHECK int host_new(const struct host_config *config, struct host **ret_host);
/* Takes NULL. */
void host_free(struct host *host);

/* Runs the collectors of the next walk: all, or those that the filter leaves. The filter is borrowed for the call.
 * 0; -ENOENT and -EACCES when it names a collector that sonde has not or that is switched off, into ret_name. */
MUST_CHECK int host_collect(struct host *host, const struct snapshot_filter *filter, const char **ret_name);

/* Tells what the last host_collect gathered. */
struct snapshot_source host_source(struct host *host);
