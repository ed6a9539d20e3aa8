/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The usage table as families of metrics. Reads only. cAdvisor's names where it has one.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "container/usage_internal.h"

/* Every second of the kernel side's bounds, from 2^USAGE_LATENCY_LOWEST_EXPONENT s (0.95 us) to 2^4 s, by fours. */
static const double latency_bounds[] = { 0x1p-20, 0x1p-18, 0x1p-16, 0x1p-14, 0x1p-12, 0x1p-10, 0x1p-8,
					 0x1p-6,  0x1p-4,  0x1p-2,  0x1p0,   0x1p2,   0x1p4 };
#define LATENCY_BOUNDS (sizeof(latency_bounds) / sizeof(latency_bounds[0]))

struct counter_family {
	struct metric_family family;
	const char *label; /* one more than the owner's; NULL: none */
	const char *value;
	size_t offset; /* of a uint64_t in struct usage_sums */
	double per_unit;
};

#define COUNTER(NAME, HELP, UNIT, MEMBER, PER_UNIT) LABELLED(NAME, HELP, UNIT, NULL, "", MEMBER, PER_UNIT)
#define LABELLED(NAME, HELP, UNIT, LABEL, VALUE, MEMBER, PER_UNIT)                                    \
	{                                                                                             \
		.family = { .name = (NAME), .help = (HELP), .unit = (UNIT), .type = METRIC_COUNTER }, \
		.label = (LABEL), .value = (VALUE), .offset = offsetof(struct usage_sums, MEMBER),    \
		.per_unit = (PER_UNIT),                                                               \
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

static const struct counter_family fault_counters[] = {
	COUNTER("container_memory_major_fault_seconds_total",
		"Time that threads in major page faults waited for pages to be read, and then for a CPU.", "seconds",
		cpu.fault_wait_ns, (double)NS_PER_SECOND),
};

#define RECLAIMS "container_memory_direct_reclaims_total"
#define RECLAIMS_HELP "Times that a thread had to free memory before it got some, by what was short of it."
#define RECLAIM_SECONDS "container_memory_direct_reclaim_seconds_total"
#define RECLAIM_SECONDS_HELP "Time that threads spent on freeing memory before they got some, by what was short of it."

/* Those of one family stand together: they are told as one. */
static const struct counter_family memory_counters[] = {
	LABELLED(RECLAIMS, RECLAIMS_HELP, "", "scope", "host", events.reclaims[USAGE_RECLAIM_HOST], 1),
	LABELLED(RECLAIMS, RECLAIMS_HELP, "", "scope", "cgroup", events.reclaims[USAGE_RECLAIM_CGROUP], 1),
	LABELLED(RECLAIM_SECONDS, RECLAIM_SECONDS_HELP, "seconds", "scope", "host",
		 events.reclaim_ns[USAGE_RECLAIM_HOST], (double)NS_PER_SECOND),
	LABELLED(RECLAIM_SECONDS, RECLAIM_SECONDS_HELP, "seconds", "scope", "cgroup",
		 events.reclaim_ns[USAGE_RECLAIM_CGROUP], (double)NS_PER_SECOND),
};

#define RESETS "container_tcp_resets_total"
#define RESETS_HELP "TCP resets of sockets, by direction."
#define FAILURES "container_tcp_connect_failures_total"
#define FAILURES_HELP "TCP connections asked for that did not come about, by reason."
#define BYTES "container_tcp_closed_connection_bytes_total"
#define BYTES_HELP "Payload of TCP connections that are over, by direction; what was sent again counts once."

static const struct counter_family tcp_counters[] = {
	COUNTER("container_tcp_retransmitted_segments_total", "TCP segments sent again.", "", events.retransmits, 1),
	LABELLED(RESETS, RESETS_HELP, "", "direction", "transmit", events.resets_sent, 1),
	LABELLED(RESETS, RESETS_HELP, "", "direction", "receive", events.resets_received, 1),
	COUNTER("container_tcp_listen_drops_total",
		"Connections that listening sockets dropped, mostly because their accept queue was full.", "",
		events.accept_drops, 1),
	LABELLED(FAILURES, FAILURES_HELP, "", "reason", "refused", events.connect_failures[USAGE_CONNECT_REFUSED], 1),
	LABELLED(FAILURES, FAILURES_HELP, "", "reason", "timeout", events.connect_failures[USAGE_CONNECT_TIMEOUT], 1),
	LABELLED(FAILURES, FAILURES_HELP, "", "reason", "unreachable",
		 events.connect_failures[USAGE_CONNECT_UNREACHABLE], 1),
	LABELLED(FAILURES, FAILURES_HELP, "", "reason", "aborted", events.connect_failures[USAGE_CONNECT_ABORTED], 1),
	LABELLED(FAILURES, FAILURES_HELP, "", "reason", "other", events.connect_failures[USAGE_CONNECT_OTHER], 1),
	LABELLED(BYTES, BYTES_HELP, "bytes", "direction", "transmit", events.sent_bytes, 1),
	LABELLED(BYTES, BYTES_HELP, "bytes", "direction", "receive", events.received_bytes, 1),
};

struct latency_family {
	struct metric_family family;
	size_t offset; /* of a struct usage_latency in struct usage_sums */
};

#define LATENCY(NAME, HELP, MEMBER)                                                                        \
	{                                                                                                  \
		.family = { .name = (NAME), .help = (HELP), .unit = "seconds", .type = METRIC_HISTOGRAM }, \
		.offset = offsetof(struct usage_sums, MEMBER),                                             \
	}

static const struct latency_family wait_family =
	LATENCY("container_cpu_runqueue_latency_seconds",
		"How long a ready thread waited for a CPU, each time it got one.", cpu.wait);
static const struct latency_family tcp_latencies[] = {
	LATENCY("container_tcp_connect_latency_seconds", "From a TCP connect to the connection.", events.connect),
	LATENCY("container_tcp_round_trip_seconds", "Smoothed round-trip time of each TCP connection, at its end.",
		events.round_trip),
	LATENCY("container_tcp_open_round_trip_seconds",
		"Smoothed round-trip time of each TCP connection that is open, once a minute.", events.open_round_trip),
};

static const struct metric_family block_family = {
	.name = "container_blkio_latency_seconds",
	.help = "How long block requests took, from the making of the request to its end, by device and operation.",
	.unit = "seconds",
	.type = METRIC_HISTOGRAM,
};
static const struct metric_family block_error_family = {
	.name = "container_blkio_errors_total",
	.help = "Block requests that failed.",
	.unit = "",
	.type = METRIC_COUNTER,
};
static const struct metric_family kill_family = {
	.name = "container_oom_kills_total",
	.help = "Processes killed for want of memory, by their name.",
	.unit = "",
	.type = METRIC_COUNTER,
};

#define USAGE_LABELS_MAX (CONTAINER_LABELS_MAX + 4)

struct usage_labels {
	struct metric_label items[USAGE_LABELS_MAX];
	size_t count;
	char major[12], minor[12], device[64];
};

static void label_add(struct usage_labels *labels, const char *name, const char *value)
{
	labels->items[labels->count++] = (struct metric_label){ name, value };
}

/* The container's labels where the table of cgroups has it, else the path. */
static void owner_labels(const struct usage_table *table, const struct usage_owner *owner,
			 struct usage_labels *ret_labels)
{
	const struct container *container =
		table->config.cgroups ? container_find(table->config.cgroups, owner->of, owner->cgroup) : NULL;

	while (container && strcmp(container->path, owner->path))
		container = container->parent;
	ret_labels->count = 0;
	if (!container || !container->label_count || container->label_count > CONTAINER_LABELS_MAX) {
		label_add(ret_labels, "id", owner->id);
		return;
	}
	memcpy(ret_labels->items, container->labels, container->label_count * sizeof(container->labels[0]));
	ret_labels->count = container->label_count;
}

static struct usage_owner *next_owner(const struct usage_table *table, struct usage_owner *owner)
{
	struct hash_node *node = hash_table_next(&table->owners, owner ? &owner->node : NULL);

	return node ? hash_entry(node, struct usage_owner, node) : NULL;
}

/* Counters of one family, which stand together; returns how many. */
static size_t visit_counter(const struct usage_table *table, const struct metric_visitor *visitor,
			    const struct counter_family *counters, size_t count)
{
	struct usage_owner *owner = NULL;
	size_t same = 1;

	while (same < count && counters[same].family.name == counters[0].family.name)
		same++;
	visitor->family_begin(visitor->ctx, &counters[0].family);
	while ((owner = next_owner(table, owner))) {
		struct usage_labels labels;
		size_t own;

		owner_labels(table, owner, &labels);
		own = labels.count;
		for (size_t i = 0; i < same; i++) {
			const char *at = (const char *)&owner->now + counters[i].offset;

			labels.count = own;
			if (counters[i].label)
				label_add(&labels, counters[i].label, counters[i].value);
			visitor->sample(visitor->ctx, labels.items, labels.count,
					(double)*(const uint64_t *)at / counters[i].per_unit);
		}
	}
	visitor->family_end(visitor->ctx);
	return same;
}

static void visit_counters(const struct usage_table *table, const struct metric_visitor *visitor,
			   const struct counter_family *counters, size_t count)
{
	for (size_t i = 0; i < count;)
		i += visit_counter(table, visitor, &counters[i], count - i);
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

static void visit_latency(const struct usage_table *table, const struct metric_visitor *visitor,
			  const struct latency_family *family)
{
	struct usage_owner *owner = NULL;

	visitor->family_begin(visitor->ctx, &family->family);
	while ((owner = next_owner(table, owner))) {
		const char *at = (const char *)&owner->now + family->offset;
		struct usage_labels labels;

		owner_labels(table, owner, &labels);
		tell_latency(table, visitor, labels.items, labels.count, (const struct usage_latency *)at);
	}
	visitor->family_end(visitor->ctx);
}

static void block_labels(const struct usage_table *table, const struct usage_owner *owner,
			 const struct usage_detail *detail, struct usage_labels *ret_labels)
{
	static const char *const operations[USAGE_OPERATIONS] = { "Read", "Write", "Flush", "Discard", "Other" };

	owner_labels(table, owner, ret_labels);
	snprintf(ret_labels->major, sizeof(ret_labels->major), "%u", detail->major);
	snprintf(ret_labels->minor, sizeof(ret_labels->minor), "%u", detail->minor);
	usage_device_name(table->config.sysfs, detail->major, detail->minor, ret_labels->device,
			  sizeof(ret_labels->device));
	label_add(ret_labels, "device", ret_labels->device);
	label_add(ret_labels, "major", ret_labels->major);
	label_add(ret_labels, "minor", ret_labels->minor);
	label_add(ret_labels, "operation",
		  operations[detail->operation < USAGE_OTHER ? detail->operation : USAGE_OTHER]);
}

static void tell_series(const struct usage_table *table, const struct metric_visitor *visitor,
			const struct metric_family *family, const struct usage_owner *owner,
			const struct usage_detail *detail)
{
	struct usage_labels labels;

	if (family == &kill_family) {
		owner_labels(table, owner, &labels);
		label_add(&labels, "victim", detail->name);
		visitor->sample(visitor->ctx, labels.items, labels.count, (double)detail->latency.counts[0]);
		return;
	}
	block_labels(table, owner, detail, &labels);
	if (family == &block_family)
		tell_latency(table, visitor, labels.items, labels.count, &detail->latency);
	else
		visitor->sample(visitor->ctx, labels.items, labels.count, (double)detail->errors);
}

static void visit_series(const struct usage_table *table, const struct metric_visitor *visitor,
			 const struct metric_family *family)
{
	enum usage_detail_kind kind = family == &kill_family ? USAGE_DETAIL_OOM_KILL : USAGE_DETAIL_BLOCK;
	struct usage_owner *owner = NULL;

	visitor->family_begin(visitor->ctx, family);
	while ((owner = next_owner(table, owner)))
		for (const struct usage_series *series = owner->series; series; series = series->next)
			if (series->now.kind == kind)
				tell_series(table, visitor, family, owner, &series->now);
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

	if (table->config.scheduler) {
		visit_counters(table, visitor, cpu_counters, sizeof(cpu_counters) / sizeof(cpu_counters[0]));
		visit_latency(table, visitor, &wait_family);
	}
	if (table->config.faults)
		visit_counters(table, visitor, fault_counters, sizeof(fault_counters) / sizeof(fault_counters[0]));
	if (table->config.memory) {
		visit_counters(table, visitor, memory_counters, sizeof(memory_counters) / sizeof(memory_counters[0]));
		visit_series(table, visitor, &kill_family);
	}
	if (table->config.block) {
		visit_series(table, visitor, &block_family);
		visit_series(table, visitor, &block_error_family);
	}
	if (table->config.tcp) {
		visit_counters(table, visitor, tcp_counters, sizeof(tcp_counters) / sizeof(tcp_counters[0]));
		for (size_t i = 0; i < sizeof(tcp_latencies) / sizeof(tcp_latencies[0]); i++)
			visit_latency(table, visitor, &tcp_latencies[i]);
	}
	tell_own(visitor, "sonde_usage_unnamed_cgroups_total",
		 "Cgroups that were gone before their name was seen; their figures are under id=\"unknown\".",
		 table->unnamed);
	tell_own(visitor, "sonde_usage_gone_untold_total",
		 "Containers that were gone and made room for others before their time.", table->made_room);
	tell_own(visitor, "sonde_usage_refused_cgroups_total",
		 "Times that a cgroup's figures were left out because the table was full.", table->refused);
}

struct snapshot_source usage_table_source(struct usage_table *table)
{
	return (struct snapshot_source){ .ctx = table, .visit = visit };
}
