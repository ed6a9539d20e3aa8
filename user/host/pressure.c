/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pressure and schedstat: how long tasks waited, for what (Documentation/accounting/psi.rst) and for which processor
 * (Documentation/scheduler/sched-stats.rst).
 */
#include <errno.h>
#include <stdio.h>

#include "host/internal.h"

#define MICROSECONDS 1e6

/* cpu has `full` too, which means nothing for the host as a whole; irq has no `some`. */
static const struct pressure {
	const char *path, *line;
	struct metric_family family;
} pressures[] = {
	{ "pressure/cpu", "some",
	  FAMILY("node_pressure_cpu_waiting_seconds_total", METRIC_COUNTER, "seconds",
		 "Time that a task waited for a processor.") },
	{ "pressure/io", "some",
	  FAMILY("node_pressure_io_waiting_seconds_total", METRIC_COUNTER, "seconds",
		 "Time that a task waited for input or output.") },
	{ "pressure/io", "full",
	  FAMILY("node_pressure_io_stalled_seconds_total", METRIC_COUNTER, "seconds",
		 "Time that all tasks waited for input or output.") },
	{ "pressure/memory", "some",
	  FAMILY("node_pressure_memory_waiting_seconds_total", METRIC_COUNTER, "seconds",
		 "Time that a task waited for memory.") },
	{ "pressure/memory", "full",
	  FAMILY("node_pressure_memory_stalled_seconds_total", METRIC_COUNTER, "seconds",
		 "Time that all tasks waited for memory.") },
	{ "pressure/irq", "full",
	  FAMILY("node_pressure_irq_stalled_seconds_total", METRIC_COUNTER, "seconds",
		 "Time that all tasks waited for interrupts.") },
};

/* `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, in microseconds. */
static int find_total(struct span text, const char *wanted, uint64_t *ret_total)
{
	struct span line, word;

	while (scan_line(&text, &line)) {
		if (!scan_word(&line, &word) || !span_is(word, wanted))
			continue;
		while (scan_word(&line, &word))
			if (span_begins(word, "total="))
				return span_u64(span_skip(word, 6), ret_total);
	}
	return -ENODATA;
}

static int update_pressure(struct host *host, void *ctx)
{
	const char *path = "";
	bool found = false;
	uint64_t total;
	struct span text;
	int error = 0;

	(void)ctx;
	for (size_t i = 0; i < sizeof(pressures) / sizeof(pressures[0]); i++) {
		if (strcmp(path, pressures[i].path) != 0) /* else the text is still that of the row before */
			error = host_read_kept(host, host->proc_fd, pressures[i].path, &text);
		path = pressures[i].path;
		if (error == -ENOENT)
			continue;
		if (error == -EOPNOTSUPP) /* psi=0 */
			return -ENODATA;
		if (!error)
			error = find_total(text, pressures[i].line, &total);
		if (error)
			return error;
		host_tell(host, &pressures[i].family, (double)total / MICROSECONDS);
		found = true;
	}
	return found ? 0 : -ENODATA;
}

const struct collector host_pressure = { .update = update_pressure };

/* `cpuN` and nine numbers, of which the last three are: nanoseconds run, nanoseconds waited, timeslices. */
static int tell_schedstat(struct host *host, struct span line)
{
	static const struct metric_family families[] = {
		FAMILY("node_schedstat_running_seconds_total", METRIC_COUNTER, "seconds",
		       "Time that the processor ran tasks."),
		FAMILY("node_schedstat_waiting_seconds_total", METRIC_COUNTER, "seconds",
		       "Time that tasks waited for the processor."),
		FAMILY("node_schedstat_timeslices_total", METRIC_COUNTER, "", "Timeslices that the processor ran."),
	};
	struct span name;
	uint64_t value;
	char cpu[24];

	if (!scan_word(&line, &name))
		return -EINVAL;
	span_copy(span_skip(name, 3), cpu, sizeof(cpu));
	for (size_t i = 0; i < 9; i++) {
		if (!scan_u64(&line, &value))
			return -EINVAL;
		if (i >= 6)
			host_tell_of(host, &families[i - 6], "cpu", cpu,
				     i == 8 ? (double)value : (double)value / (double)NS_PER_SECOND);
	}
	return 0;
}

static int update_schedstat(struct host *host, void *ctx)
{
	struct span text, line;
	int error = host_read_kept(host, host->proc_fd, "schedstat", &text);

	(void)ctx;
	while (!error && scan_line(&text, &line))
		error = span_begins(line, "cpu") ? tell_schedstat(host, line) : 0;
	return error == -ENOENT ? -ENODATA : error;
}

const struct collector host_schedstat = { .update = update_schedstat };
