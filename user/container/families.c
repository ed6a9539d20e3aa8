/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records as cAdvisor's families: names, help and conditions are cAdvisor's, so that dashboards and rules go on.
 * What the kernel does not tell is not there; what cAdvisor tells as a constant 0 is not either (docs/METRICS.md).
 */
#include <string.h>

#include "base/clock.h"
#include "container/tell.h"

struct family_rule {
	const char *name;
	const char *help;
	const char *unit;
	enum metric_type type;
	enum value value;
	double divisor;     /* of the value to the unit */
	enum value only_if; /* another value that must be there; VALUE_COUNT: none */
};

#define SECONDS(family, value, text)                                             \
	{                                                                        \
		family, text, "seconds", METRIC_COUNTER, value, 1e9, VALUE_COUNT \
	}
#define COUNT(family, value, text)                                      \
	{                                                               \
		family, text, "", METRIC_COUNTER, value, 1, VALUE_COUNT \
	}
#define BYTES(family, value, text)                                    \
	{                                                             \
		family, text, "", METRIC_GAUGE, value, 1, VALUE_COUNT \
	}
#define NUMBER(family, value, text)                                   \
	{                                                             \
		family, text, "", METRIC_GAUGE, value, 1, VALUE_COUNT \
	}
#define MOMENT(family, value, text)                                            \
	{                                                                      \
		family, text, "seconds", METRIC_GAUGE, value, 1e9, VALUE_COUNT \
	}

static const struct family_rule families[] = {
	MOMENT("container_last_seen", LAST_SEEN, "When the cgroup was last read, since the epoch."),
	SECONDS("container_cpu_user_seconds_total", CPU_USER, "CPU time in user mode."),
	SECONDS("container_cpu_system_seconds_total", CPU_SYSTEM, "CPU time in the kernel."),
	{ "container_cpu_cfs_periods_total", "Periods of the CPU quota that passed.", "", METRIC_COUNTER, CPU_PERIODS,
	  1, SPEC_CPU_QUOTA },
	{ "container_cpu_cfs_throttled_periods_total", "Periods in which the CPU quota was used up.", "",
	  METRIC_COUNTER, CPU_THROTTLED_PERIODS, 1, SPEC_CPU_QUOTA },
	{ "container_cpu_cfs_throttled_seconds_total", "Time that the CPU quota held back.", "seconds", METRIC_COUNTER,
	  CPU_THROTTLED, 1e9, SPEC_CPU_QUOTA },
	{ "container_cpu_cfs_burst_periods_total", "Periods in which bursts were used.", "", METRIC_COUNTER, CPU_BURSTS,
	  1, SPEC_CPU_QUOTA },
	{ "container_cpu_cfs_burst_seconds_total", "Time beyond the quota in bursts.", "seconds", METRIC_COUNTER,
	  CPU_BURST, 1e9, SPEC_CPU_QUOTA },
	BYTES("container_memory_usage_bytes", MEMORY_USAGE, "Memory in use, page cache included."),
	BYTES("container_memory_max_usage_bytes", MEMORY_MAX_USAGE, "The most memory that was in use."),
	BYTES("container_memory_working_set_bytes", MEMORY_WORKING_SET, "Memory in use without inactive page cache."),
	BYTES("container_memory_cache", MEMORY_CACHE, "Page cache."),
	BYTES("container_memory_rss", MEMORY_RSS, "Anonymous memory."),
	BYTES("container_memory_swap", MEMORY_SWAP, "Swap in use."),
	BYTES("container_memory_kernel_usage", MEMORY_KERNEL, "Memory of the kernel."),
	BYTES("container_memory_mapped_file", MEMORY_MAPPED_FILE, "Mapped page cache."),
	BYTES("container_memory_total_active_file_bytes", MEMORY_ACTIVE_FILE, "Active page cache."),
	BYTES("container_memory_total_inactive_file_bytes", MEMORY_INACTIVE_FILE, "Inactive page cache."),
	BYTES("container_memory_file_dirty_bytes", MEMORY_DIRTY, "Page cache that is to be written."),
	BYTES("container_memory_file_writeback_bytes", MEMORY_WRITEBACK, "Page cache that is being written."),
	COUNT("container_memory_failcnt", MEMORY_FAILURES, "Times that memory usage hit its limit."),
	COUNT("container_memory_events_high_total", MEMORY_EVENTS_HIGH, "Times that memory.high held back."),
	COUNT("container_memory_events_max_total", MEMORY_EVENTS_MAX, "Times that memory.max was hit."),
	COUNT("container_memory_pgscan_total", MEMORY_SCANNED, "Pages that reclaim looked at."),
	COUNT("container_memory_pgsteal_total", MEMORY_STOLEN, "Pages that reclaim took."),
	COUNT("container_memory_workingset_refault_file_total", MEMORY_REFAULT_FILE,
	      "File pages that were read again after eviction."),
	COUNT("container_memory_workingset_refault_anon_total", MEMORY_REFAULT_ANON,
	      "Anonymous pages that were read again after eviction."),
	COUNT("container_oom_events_total", MEMORY_OOM_KILLS, "Processes that were killed for want of memory."),
	SECONDS("container_pressure_cpu_waiting_seconds_total", PRESSURE_CPU_SOME,
		"Time in which some task waited for a CPU."),
	SECONDS("container_pressure_cpu_stalled_seconds_total", PRESSURE_CPU_FULL,
		"Time in which every task waited for a CPU."),
	SECONDS("container_pressure_memory_waiting_seconds_total", PRESSURE_MEMORY_SOME,
		"Time in which some task waited for memory."),
	SECONDS("container_pressure_memory_stalled_seconds_total", PRESSURE_MEMORY_FULL,
		"Time in which every task waited for memory."),
	SECONDS("container_pressure_io_waiting_seconds_total", PRESSURE_IO_SOME,
		"Time in which some task waited for I/O."),
	SECONDS("container_pressure_io_stalled_seconds_total", PRESSURE_IO_FULL,
		"Time in which every task waited for I/O."),
	NUMBER("container_processes", PROCESSES, "Processes in the cgroup and below it."),
	NUMBER("container_threads", THREADS, "Threads in the cgroup and below it."),
	NUMBER("container_threads_max", THREADS_MAX, "Threads that are allowed; 0: no limit."),
	NUMBER("container_file_descriptors", FILE_DESCRIPTORS, "Open file descriptors of the processes."),
	MOMENT("container_creation_time_seconds", CREATION_TIME, "When it was made, since the epoch."),
	MOMENT("container_start_time_seconds", START_TIME, "When it started, since the epoch."),
	NUMBER("container_spec_cpu_period", SPEC_CPU_PERIOD, "Period of the CPU quota in microseconds."),
	NUMBER("container_spec_cpu_quota", SPEC_CPU_QUOTA, "CPU quota in microseconds."),
	NUMBER("container_spec_cpu_shares", SPEC_CPU_SHARES, "CPU shares."),
	NUMBER("container_spec_memory_limit_bytes", SPEC_MEMORY_LIMIT, "Memory limit; 0: none."),
	NUMBER("container_spec_memory_swap_limit_bytes", SPEC_SWAP_LIMIT, "Swap limit; 0: none."),
	NUMBER("container_spec_memory_reservation_limit_bytes", SPEC_RESERVATION, "Memory reservation; 0: none."),
};

static void visit_family(const struct container_table *table, const struct family_rule *rule,
			 const struct metric_visitor *out)
{
	family_begin(out, rule->name, rule->help, rule->type, rule->unit);
	for (size_t i = 0; i < table->slot_count; i++) {
		const struct record *record = table->slots[i];

		if (record && has_value(record, rule->value) &&
		    (rule->only_if == VALUE_COUNT || has_value(record, rule->only_if)))
			out->sample(out->ctx, record->labels, record->shown.label_count,
				    (double)record->values[rule->value] / rule->divisor);
	}
	out->family_end(out->ctx);
}

/* Per CPU only v1 tells, and the sum is what everybody asks for. */
static void visit_cpu_usage(const struct container_table *table, const struct metric_visitor *out)
{
	static const struct metric_label total = { "cpu", "total" };

	family_begin(out, "container_cpu_usage_seconds_total", "CPU time.", METRIC_COUNTER, "seconds");
	for (size_t i = 0; i < table->slot_count; i++)
		if (table->slots[i] && has_value(table->slots[i], CPU_USAGE))
			sample(out, table->slots[i], &total, 1, (double)table->slots[i]->values[CPU_USAGE] / 1e9);
	out->family_end(out->ctx);
}

static void visit_failures(const struct container_table *table, const struct metric_visitor *out)
{
	static const struct {
		enum value value;
		const char *type;
		const char *scope;
	} rows[] = { { PAGE_FAULTS_OWN, "pgfault", "container" },
		     { PAGE_FAULTS_MAJOR_OWN, "pgmajfault", "container" },
		     { PAGE_FAULTS, "pgfault", "hierarchy" },
		     { PAGE_FAULTS_MAJOR, "pgmajfault", "hierarchy" } };

	family_begin(out, "container_memory_failures_total", "Page faults.", METRIC_COUNTER, "");
	for (size_t i = 0; i < table->slot_count; i++)
		for (size_t j = 0; table->slots[i] && j < sizeof(rows) / sizeof(rows[0]); j++) {
			const struct metric_label extra[] = { { "failure_type", rows[j].type },
							      { "scope", rows[j].scope } };

			if (has_value(table->slots[i], rows[j].value))
				sample(out, table->slots[i], extra, 2, (double)table->slots[i]->values[rows[j].value]);
		}
	out->family_end(out->ctx);
}

static void visit_network(const struct container_table *table, const struct metric_visitor *out)
{
	static const struct {
		const char *name;
		const char *help;
	} rows[NETWORK_COUNTERS] = {
		[RECEIVE_BYTES] = { "container_network_receive_bytes_total", "Bytes received." },
		[RECEIVE_PACKETS] = { "container_network_receive_packets_total", "Packets received." },
		[RECEIVE_ERRORS] = { "container_network_receive_errors_total", "Errors while receiving." },
		[RECEIVE_DROPPED] = { "container_network_receive_packets_dropped_total",
				      "Packets dropped while receiving." },
		[TRANSMIT_BYTES] = { "container_network_transmit_bytes_total", "Bytes sent." },
		[TRANSMIT_PACKETS] = { "container_network_transmit_packets_total", "Packets sent." },
		[TRANSMIT_ERRORS] = { "container_network_transmit_errors_total", "Errors while sending." },
		[TRANSMIT_DROPPED] = { "container_network_transmit_packets_dropped_total",
				       "Packets dropped while sending." },
	};

	for (size_t row = 0; row < NETWORK_COUNTERS; row++) {
		family_begin(out, rows[row].name, rows[row].help, METRIC_COUNTER, "");
		for (size_t i = 0; i < table->slot_count; i++) {
			const struct record *record = table->slots[i];

			for (size_t j = 0; record && j < record->network.count; j++) {
				const struct interface_values *interface = &record->network.interfaces[j];

				sample(out, record, &(struct metric_label){ "interface", interface->name }, 1,
				       (double)interface->counters[row]);
			}
		}
		out->family_end(out->ctx);
	}
}

static void visit(void *ctx, const struct metric_visitor *out)
{
	const struct container_table *table = ctx;

	visit_cpu_usage(table, out);
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		visit_family(table, &families[i], out);
	visit_failures(table, out);
	visit_network(table, out);
	visit_devices(table, out);
	visit_own(table, out);
}

struct snapshot_source container_source(struct container_table *table)
{
	return (struct snapshot_source){ .ctx = table, .visit = visit };
}
