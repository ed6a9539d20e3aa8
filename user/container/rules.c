/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of cgroup files, v2's and v1's, and what each key is called in cAdvisor's families. Which file stands for
 * what follows cAdvisor and the runtimes' library that it reads with, so that figures go on where they were.
 */
#include <errno.h>

#include "base/clock.h"
#include "container/files.h"

#define UNLIMITED (1ULL << 62)        /* what v1 says for no limit is above: told as 0, as cAdvisor does */
#define TICK_NS (NS_PER_SECOND / 100) /* USER_HZ is 100 on every architecture that sonde runs on */

static void read_flat(const struct reading *reading, const struct file_rule *rule)
{
	parse_flat(reading->text, reading->length, rule->keys, &reading->sink);
}

static void read_number(const struct reading *reading, const struct file_rule *rule)
{
	uint64_t number;

	if (!parse_number(reading->text, &number))
		set_value(reading->record, rule->value, number);
}

/* "max" is no limit, which is 0. */
static void read_limit(const struct reading *reading, const struct file_rule *rule)
{
	uint64_t number = 0;
	int error = parse_number(reading->text, &number);

	if (!error || error == -ENODATA)
		set_value(reading->record, rule->value, error || number > UNLIMITED ? 0 : number);
}

/* No limit is no value. */
static void read_quota(const struct reading *reading, const struct file_rule *rule)
{
	reading->record->present &= ~(1ULL << rule->value);
	read_number(reading, rule);
}

static void read_pressure(const struct reading *reading, const struct file_rule *rule)
{
	parse_pressure(reading->text, reading->length, rule->value, rule->value + 1, &reading->sink);
}

static void read_cpu_max(const struct reading *reading, const struct file_rule *rule)
{
	(void)rule;
	parse_cpu_max(reading->text, &reading->sink);
}

static void read_weight(const struct reading *reading, const struct file_rule *rule)
{
	uint64_t weight;

	if (!parse_number(reading->text, &weight))
		set_value(reading->record, rule->value, shares_of_weight(weight));
}

static const struct key_value cpu_stat[] = {
	{ "usage_usec", CPU_USAGE, 1000 },
	{ "user_usec", CPU_USER, 1000 },
	{ "system_usec", CPU_SYSTEM, 1000 },
	{ "nr_periods", CPU_PERIODS, 1 },
	{ "nr_throttled", CPU_THROTTLED_PERIODS, 1 },
	{ "throttled_usec", CPU_THROTTLED, 1000 },
	{ "nr_bursts", CPU_BURSTS, 1 },
	{ "burst_usec", CPU_BURST, 1000 },
	{ NULL, VALUE_COUNT, 0 },
};

static const struct key_value cpu_stat_v1[] = {
	{ "nr_periods", CPU_PERIODS, 1 },       { "nr_throttled", CPU_THROTTLED_PERIODS, 1 },
	{ "throttled_time", CPU_THROTTLED, 1 }, { "nr_bursts", CPU_BURSTS, 1 },
	{ "burst_time", CPU_BURST, 1 },         { NULL, VALUE_COUNT, 0 },
};

static const struct key_value cpuacct_stat[] = {
	{ "user", CPU_USER, TICK_NS },
	{ "system", CPU_SYSTEM, TICK_NS },
	{ NULL, VALUE_COUNT, 0 },
};

static const struct key_value memory_stat[] = {
	{ "anon", MEMORY_RSS, 1 },
	{ "file", MEMORY_CACHE, 1 },
	{ "kernel", MEMORY_KERNEL, 1 },
	{ "file_mapped", MEMORY_MAPPED_FILE, 1 },
	{ "file_dirty", MEMORY_DIRTY, 1 },
	{ "file_writeback", MEMORY_WRITEBACK, 1 },
	{ "active_file", MEMORY_ACTIVE_FILE, 1 },
	{ "inactive_file", MEMORY_INACTIVE_FILE, 1 },
	{ "pgfault", PAGE_FAULTS, 1 },
	{ "pgmajfault", PAGE_FAULTS_MAJOR, 1 },
	{ "pgscan", MEMORY_SCANNED, 1 },
	{ "pgsteal", MEMORY_STOLEN, 1 },
	{ "workingset_refault_file", MEMORY_REFAULT_FILE, 1 },
	{ "workingset_refault_anon", MEMORY_REFAULT_ANON, 1 },
	{ NULL, VALUE_COUNT, 0 },
};

static const struct key_value memory_stat_v1[] = {
	{ "total_rss", MEMORY_RSS, 1 },
	{ "total_cache", MEMORY_CACHE, 1 },
	{ "total_swap", MEMORY_SWAP, 1 },
	{ "total_mapped_file", MEMORY_MAPPED_FILE, 1 },
	{ "total_dirty", MEMORY_DIRTY, 1 },
	{ "total_writeback", MEMORY_WRITEBACK, 1 },
	{ "total_active_file", MEMORY_ACTIVE_FILE, 1 },
	{ "total_inactive_file", MEMORY_INACTIVE_FILE, 1 },
	{ "total_pgfault", PAGE_FAULTS, 1 },
	{ "total_pgmajfault", PAGE_FAULTS_MAJOR, 1 },
	{ "pgfault", PAGE_FAULTS_OWN, 1 },
	{ "pgmajfault", PAGE_FAULTS_MAJOR_OWN, 1 },
	{ "total_workingset_refault_file", MEMORY_REFAULT_FILE, 1 },
	{ "total_workingset_refault_anon", MEMORY_REFAULT_ANON, 1 },
	{ NULL, VALUE_COUNT, 0 },
};

static const struct key_value memory_events[] = {
	{ "high", MEMORY_EVENTS_HIGH, 1 },   { "max", MEMORY_EVENTS_MAX, 1 }, { "max", MEMORY_FAILURES, 1 },
	{ "oom_kill", MEMORY_OOM_KILLS, 1 }, { NULL, VALUE_COUNT, 0 },
};

static const struct key_value oom_control[] = {
	{ "oom_kill", MEMORY_OOM_KILLS, 1 },
	{ NULL, VALUE_COUNT, 0 },
};

#define V2(file, of, reader, ...)                                                              \
	{                                                                                      \
		.name = file, .controller = of, .unified = true, .read = reader, ##__VA_ARGS__ \
	}
#define V1(file, of, reader, ...)                                             \
	{                                                                     \
		.name = file, .controller = of, .read = reader, ##__VA_ARGS__ \
	}

const struct file_rule file_rules[] = {
	V2("cpu.stat", CGROUP_UNIFIED, read_flat, .keys = cpu_stat, .tells_work = true),
	V2("memory.current", CGROUP_MEMORY, read_number, .value = MEMORY_USAGE),
	V2("memory.stat", CGROUP_MEMORY, read_flat, .keys = memory_stat),
	V2("pids.current", CGROUP_PIDS, read_number, .value = THREADS),
	V2("io.stat", CGROUP_IO, block_read_unified),
	V2("memory.events", CGROUP_MEMORY, read_flat, .keys = memory_events, .by_work = true),
	V2("memory.swap.current", CGROUP_MEMORY, read_number, .value = MEMORY_SWAP),
	V2("memory.peak", CGROUP_MEMORY, read_number, .value = MEMORY_MAX_USAGE, .by_work = true),
	V2("cpu.pressure", CGROUP_UNIFIED, read_pressure, .value = PRESSURE_CPU_SOME),
	V2("memory.pressure", CGROUP_UNIFIED, read_pressure, .value = PRESSURE_MEMORY_SOME),
	V2("io.pressure", CGROUP_UNIFIED, read_pressure, .value = PRESSURE_IO_SOME),
	V2("cpu.max", CGROUP_CPU, read_cpu_max, .limits = true),
	V2("cpu.weight", CGROUP_CPU, read_weight, .limits = true, .value = SPEC_CPU_SHARES),
	V2("memory.max", CGROUP_MEMORY, read_limit, .limits = true, .value = SPEC_MEMORY_LIMIT),
	V2("memory.swap.max", CGROUP_MEMORY, read_limit, .limits = true, .value = SPEC_SWAP_LIMIT),
	V2("memory.min", CGROUP_MEMORY, read_limit, .limits = true, .value = SPEC_RESERVATION),
	V2("pids.max", CGROUP_PIDS, read_limit, .limits = true, .value = THREADS_MAX),

	/* After v2's: where both trees tell CPU time, processes are moved by v1's. */
	V1("cpuacct.usage", CGROUP_CPUACCT, read_number, .value = CPU_USAGE, .tells_work = true),
	V1("cpuacct.stat", CGROUP_CPUACCT, read_flat, .keys = cpuacct_stat, .by_work = true),
	V1("memory.usage_in_bytes", CGROUP_MEMORY, read_number, .value = MEMORY_USAGE),
	V1("memory.stat", CGROUP_MEMORY, read_flat, .keys = memory_stat_v1),
	V1("cpu.stat", CGROUP_CPU, read_flat, .keys = cpu_stat_v1, .by_work = true),
	V1("pids.current", CGROUP_PIDS, read_number, .value = THREADS),
	V1("memory.max_usage_in_bytes", CGROUP_MEMORY, read_number, .value = MEMORY_MAX_USAGE, .by_work = true),
	V1("memory.failcnt", CGROUP_MEMORY, read_number, .value = MEMORY_FAILURES, .by_work = true),
	V1("memory.kmem.usage_in_bytes", CGROUP_MEMORY, read_number, .value = MEMORY_KERNEL),
	V1("memory.oom_control", CGROUP_MEMORY, read_flat, .keys = oom_control, .by_work = true),
	/* Counted when a thread asks: what the kernel writes back by itself is the root's on v1. */
	V1("blkio.throttle.io_service_bytes_recursive", CGROUP_IO, block_read_bytes, .by_work = true),
	V1("blkio.throttle.io_serviced_recursive", CGROUP_IO, block_read_operations, .by_work = true),
	V1("cpu.cfs_period_us", CGROUP_CPU, read_number, .limits = true, .value = SPEC_CPU_PERIOD),
	V1("cpu.cfs_quota_us", CGROUP_CPU, read_quota, .limits = true, .value = SPEC_CPU_QUOTA),
	V1("cpu.shares", CGROUP_CPU, read_number, .limits = true, .value = SPEC_CPU_SHARES),
	V1("memory.limit_in_bytes", CGROUP_MEMORY, read_limit, .limits = true, .value = SPEC_MEMORY_LIMIT),
	V1("memory.memsw.limit_in_bytes", CGROUP_MEMORY, read_limit, .limits = true, .value = SPEC_SWAP_LIMIT),
	V1("memory.soft_limit_in_bytes", CGROUP_MEMORY, read_limit, .limits = true, .value = SPEC_RESERVATION),
	V1("pids.max", CGROUP_PIDS, read_limit, .limits = true, .value = THREADS_MAX),
	{ .name = NULL },
};
_Static_assert(sizeof(file_rules) / sizeof(file_rules[0]) <= FILES_MAX, "a place in each record, and one of its own "
									"for cgroup.procs instead of the last rule");
