/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_*: what the agent itself uses, under the names that every exporter has for it.
 */
#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "agent_internal.h"
#include "base/clock.h"

static void tell(const struct metric_visitor *out, const char *name, enum metric_type type, const char *unit,
		 const char *help, double value)
{
	out->family_begin(out->ctx, &(struct metric_family){ .name = name, .help = help, .unit = unit, .type = type });
	out->sample(out->ctx, NULL, 0, value);
	out->family_end(out->ctx);
}

/* Pages of resident and virtual memory, from /proc/self/statm. */
static void visit_memory(const struct metric_visitor *out)
{
	double page = (double)sysconf(_SC_PAGESIZE);
	CLEANUP_FILE FILE *file = fopen("/proc/self/statm", "re");
	unsigned long size, resident;

	if (!file || fscanf(file, "%lu %lu", &size, &resident) != 2)
		return;
	tell(out, "process_resident_memory_bytes", METRIC_GAUGE, "bytes", "Resident memory of the agent.",
	     (double)resident * page);
	tell(out, "process_virtual_memory_bytes", METRIC_GAUGE, "bytes", "Virtual memory of the agent.",
	     (double)size * page);
}

/* The directory's size is their number since 6.2 (f1f1f2569901); before it is 0, and thousands of files of cgroups are
 * listed. COMPAT(kernel 6.1) */
static bool count_descriptors(size_t *ret_count)
{
	const struct dirent *entry;
	struct stat status;
	DIR *directory;

	if (!stat("/proc/self/fd", &status) && status.st_size) {
		*ret_count = (size_t)status.st_size;
		return true;
	}
	directory = opendir("/proc/self/fd");
	if (!directory)
		return false;
	*ret_count = 0;
	while ((entry = readdir(directory)))
		*ret_count += entry->d_name[0] != '.';
	closedir(directory);
	--*ret_count; /* the directory's own */
	return true;
}

static void visit_descriptors(const struct metric_visitor *out)
{
	size_t count;

	if (count_descriptors(&count))
		tell(out, "process_open_fds", METRIC_GAUGE, "", "Descriptors that the agent has open.", (double)count);
}

static void visit_limits(const struct metric_visitor *out)
{
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit))
		tell(out, "process_max_fds", METRIC_GAUGE, "", "Descriptors that the agent may open.",
		     (double)limit.rlim_cur);
	/* RLIM_INFINITY is 2^64 - 1 here as it is in other exporters. */
	if (!getrlimit(RLIMIT_AS, &limit))
		tell(out, "process_virtual_memory_max_bytes", METRIC_GAUGE, "bytes",
		     "Virtual memory that the agent may have.", (double)limit.rlim_cur);
}

static void visit(void *ctx, const struct metric_visitor *out)
{
	const struct agent *agent = ctx;
	struct rusage usage;

	if (!getrusage(RUSAGE_SELF, &usage))
		tell(out, "process_cpu_seconds_total", METRIC_COUNTER, "seconds", "CPU time of the agent.",
		     (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
			     (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
	visit_memory(out);
	visit_descriptors(out);
	visit_limits(out);
	tell(out, "process_start_time_seconds", METRIC_GAUGE, "seconds", "When the agent started, since the epoch.",
	     (double)agent->started_realtime_ns / (double)NS_PER_SECOND);
}

struct snapshot_source agent_process_source(struct agent *agent)
{
	return (struct snapshot_source){ .ctx = agent, .visit = visit, .has_collectors = true };
}
