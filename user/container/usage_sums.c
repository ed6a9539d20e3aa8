/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adds up what cgroups used, for their owners: plain figures, and series that are told apart by device, operation or
 * victim.
 */
#include <string.h>

#include "container/usage_internal.h"

static void add_latency(struct usage_latency *sum, const struct usage_latency *more)
{
	sum->sum_ns += more->sum_ns;
	for (size_t i = 0; i < USAGE_LATENCY_BUCKETS; i++)
		sum->counts[i] += more->counts[i];
}

static void add_events(struct usage_events *sum, const struct usage_events *more)
{
	for (size_t i = 0; i < USAGE_RECLAIMS; i++) {
		sum->reclaims[i] += more->reclaims[i];
		sum->reclaim_ns[i] += more->reclaim_ns[i];
	}
	for (size_t i = 0; i < USAGE_CONNECT_FAILURES; i++)
		sum->connect_failures[i] += more->connect_failures[i];
	sum->retransmits += more->retransmits;
	sum->resets_sent += more->resets_sent;
	sum->resets_received += more->resets_received;
	sum->accept_drops += more->accept_drops;
	sum->sent_bytes += more->sent_bytes;
	sum->received_bytes += more->received_bytes;
	add_latency(&sum->connect, &more->connect);
	add_latency(&sum->round_trip, &more->round_trip);
	add_latency(&sum->open_round_trip, &more->open_round_trip);
}

void usage_sums_add(struct usage_sums *sum, const struct usage_sums *more)
{
	sum->cpu.run_ns += more->cpu.run_ns;
	sum->cpu.involuntary += more->cpu.involuntary;
	sum->cpu.migrations += more->cpu.migrations;
	sum->cpu.fault_wait_ns += more->cpu.fault_wait_ns;
	add_latency(&sum->cpu.wait, &more->cpu.wait);
	add_events(&sum->events, &more->events);
}

static bool same_series(const struct usage_detail *one, const struct usage_detail *other)
{
	return one->kind == other->kind && one->operation == other->operation && one->major == other->major &&
	       one->minor == other->minor && !strcmp(one->name, other->name);
}

/* The owner's series for a detail, made when it is the first; NULL without memory. */
static struct usage_series *series_get(struct usage_owner *owner, const struct usage_detail *detail)
{
	struct usage_series *series = owner->series;

	while (series && !same_series(&series->now, detail))
		series = series->next;
	if (series)
		return series;
	series = calloc(1, sizeof(*series));
	if (!series)
		return NULL;
	series->now = *detail;
	series->now.errors = 0;
	memset(&series->now.latency, 0, sizeof(series->now.latency));
	series->retired = series->now;
	series->next = owner->series;
	owner->series = series;
	return series;
}

static void on_detail(void *ctx, const struct usage_detail *detail)
{
	struct usage_table *table = ctx;
	struct usage_cgroup *cgroup = usage_cgroup_of(table, detail);
	struct usage_series *series = cgroup && cgroup->owner ? series_get(cgroup->owner, detail) : NULL;

	if (!series) {
		table->refused++;
		return;
	}
	series->now.errors += detail->errors;
	add_latency(&series->now.latency, &detail->latency);
}

void usage_series_refresh(struct usage_table *table)
{
	struct hash_node *node = NULL;

	while ((node = hash_table_next(&table->owners, node))) {
		struct usage_series *series = hash_entry(node, struct usage_owner, node)->series;

		for (; series; series = series->next)
			series->now = series->retired;
	}
	(void)table->config.source.each_detail(table->config.source.ctx, on_detail, table);
}

struct retirement {
	const struct usage_table *table;
	const struct usage_cgroup *cgroup;
};

static void retire_detail(void *ctx, const struct usage_detail *detail)
{
	const struct retirement *retirement = ctx;
	bool own = usage_cgroup_of(retirement->table, detail) == retirement->cgroup;
	struct usage_series *series = own ? series_get(retirement->cgroup->owner, detail) : NULL;

	if (!series)
		return;
	series->retired.errors += detail->errors;
	add_latency(&series->retired.latency, &detail->latency);
}

void usage_series_retire(struct usage_table *table, const struct usage_cgroup *cgroup)
{
	struct retirement retirement = { table, cgroup };

	(void)table->config.source.each_detail(table->config.source.ctx, retire_detail, &retirement);
}

void usage_series_free(struct usage_series *series)
{
	while (series) {
		struct usage_series *next = series->next;

		free(series);
		series = next;
	}
}
