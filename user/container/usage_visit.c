/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The usage table as families of metrics. Reads only. cAdvisor's names where it has one.
 */
#include <stddef.h>

#include "base/clock.h"
#include "container/usage_internal.h"

/* Every second of the kernel side's bounds, from 2^USAGE_LATENCY_LOWEST_EXPONENT s (0.95 us) to 2^4 s, by fours. */
static const double latency_bounds[] = { 0x1p-20, 0x1p-18, 0x1p-16, 0x1p-14, 0x1p-12, 0x1p-10, 0x1p-8,
					 0x1p-6,  0x1p-4,  0x1p-2,  0x1p0,   0x1p2,   0x1p4 };
#define LATENCY_BOUNDS (sizeof(latency_bounds) / sizeof(latency_bounds[0]))

struct counter_family {
	struct metric_family family;
	size_t offset; /* of a uint64_t in struct usage_sums */
	double per_unit;
};

#define COUNTER(NAME, HELP, UNIT, MEMBER, PER_UNIT)                                                   \
	{                                                                                             \
		.family = { .name = (NAME), .help = (HELP), .unit = (UNIT), .type = METRIC_COUNTER }, \
		.offset = offsetof(struct usage_sums, MEMBER), .per_unit = (PER_UNIT),                \
	}

static const struct counter_family cpu_counters[] = {
	COUNTER("container_cpu_schedstat_run_seconds_total", "Time that threads were on a CPU.", "seconds", cpu.run_ns,
		(double)NS_PER_SECOND),
	COUNTER("container_cpu_schedstat_runqueue_seconds_total", "Time that threads were ready and waited for a CPU.",
		"seconds", cpu.wait.sum_ns, (double)NS_PER_SECOND),
	COUNTER("container_cpu_involuntary_switches_total", "Times that a thread was taken off its CPU while ready.",
		"", cpu.involuntary, 1),
	COUNTER("container_cpu_migrations_total", "Times that a thread was moved to another CPU.", "", cpu.migrations,
		1),
};

static const struct metric_family wait_family = {
	.name = "container_cpu_runqueue_latency_seconds",
	.help = "How long a ready thread waited for a CPU, each time it got one.",
	.unit = "seconds",
	.type = METRIC_HISTOGRAM,
};

static struct usage_owner *next_owner(const struct usage_table *table, struct usage_owner *owner)
{
	struct hash_node *node = hash_table_next(&table->owners, owner ? &owner->node : NULL);

	return node ? hash_entry(node, struct usage_owner, node) : NULL;
}

static void visit_counter(const struct usage_table *table, const struct metric_visitor *visitor,
			  const struct counter_family *counter)
{
	struct usage_owner *owner = NULL;

	visitor->family_begin(visitor->ctx, &counter->family);
	while ((owner = next_owner(table, owner))) {
		const uint64_t *value = (const uint64_t *)((const char *)&owner->now + counter->offset);

		visitor->sample(visitor->ctx, &(struct metric_label){ "id", owner->path }, 1,
				(double)*value / counter->per_unit);
	}
	visitor->family_end(visitor->ctx);
}

/* Kernel bucket n ends at 2^(n-20) s, classic bound i is 2^(2i-20) s. */
static uint64_t classic_counts(const struct usage_latency *latency, uint64_t counts[LATENCY_BOUNDS + 1])
{
	uint64_t sum = 0;

	for (size_t i = 0; i <= LATENCY_BOUNDS; i++)
		counts[i] = 0;
	for (size_t n = 0; n < USAGE_LATENCY_BUCKETS; n++) {
		size_t index = (n + 1) / 2;

		counts[index < LATENCY_BOUNDS ? index : LATENCY_BOUNDS] += latency->counts[n];
		sum += latency->counts[n];
	}
	return sum;
}

static struct native_histogram native_of(const struct usage_latency *latency)
{
	size_t first = 1, end = USAGE_LATENCY_BUCKETS;

	while (first < end && !latency->counts[first])
		first++;
	while (end > first && !latency->counts[end - 1])
		end--;
	return (struct native_histogram){
		.schema = 0,
		.offset = (int32_t)first - 1 + USAGE_LATENCY_LOWEST_EXPONENT,
		.count = (uint32_t)(end - first),
		.counts = latency->counts + first,
		.zero_count = latency->counts[0],
		.zero_threshold = latency_bounds[0],
	};
}

static void tell_latency(const struct usage_table *table, const struct metric_visitor *visitor,
			 const struct metric_label *labels, size_t label_count, const struct usage_latency *latency)
{
	uint64_t counts[LATENCY_BOUNDS + 1];
	uint64_t observations = classic_counts(latency, counts);
	struct native_histogram native = native_of(latency);
	struct metric_histogram histogram = {
		.bounds = latency_bounds,
		.counts = counts,
		.bound_count = LATENCY_BOUNDS,
		.count = observations,
		.sum = (double)latency->sum_ns / (double)NS_PER_SECOND,
		.native = table->config.native_histograms ? &native : NULL,
	};

	visitor->histogram(visitor->ctx, labels, label_count, &histogram);
}

static void visit_wait(const struct usage_table *table, const struct metric_visitor *visitor)
{
	struct usage_owner *owner = NULL;

	visitor->family_begin(visitor->ctx, &wait_family);
	while ((owner = next_owner(table, owner)))
		tell_latency(table, visitor, &(struct metric_label){ "id", owner->path }, 1, &owner->now.cpu.wait);
	visitor->family_end(visitor->ctx);
}

static void tell_own(const struct metric_visitor *visitor, const char *name, const char *help, uint64_t value)
{
	visitor->family_begin(visitor->ctx, &(struct metric_family){
						    .name = name, .help = help, .unit = "", .type = METRIC_COUNTER });
	visitor->sample(visitor->ctx, NULL, 0, (double)value);
	visitor->family_end(visitor->ctx);
}

static void visit(void *ctx, const struct metric_visitor *visitor)
{
	const struct usage_table *table = ctx;

	for (size_t i = 0; i < sizeof(cpu_counters) / sizeof(cpu_counters[0]); i++)
		visit_counter(table, visitor, &cpu_counters[i]);
	visit_wait(table, visitor);
	tell_own(visitor, "sonde_usage_unnamed_cgroups_total",
		 "Cgroups that were gone before their name was seen; their figures are under id=\"unknown\".",
		 table->unnamed);
	tell_own(visitor, "sonde_usage_refused_cgroups_total",
		 "Times that a cgroup's figures were left out because the table was full.", table->refused);
}

struct snapshot_source usage_table_source(struct usage_table *table)
{
	return (struct snapshot_source){ .ctx = table, .visit = visit };
}
