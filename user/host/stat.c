/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stat and loadavg: the host's counters of interrupts, context switches and forks, its boot time, and its load.
 */
#include <errno.h>

#include "host/internal.h"
#include "host/proc_stat.h"

static const struct {
	const char *line;
	struct metric_family family;
} counters[] = {
	{ "intr", FAMILY("node_intr_total", METRIC_COUNTER, "", "Interrupts served.") },
	{ "ctxt", FAMILY("node_context_switches_total", METRIC_COUNTER, "", "Context switches.") },
	{ "processes", FAMILY("node_forks_total", METRIC_COUNTER, "", "Processes and threads made.") },
	{ "btime",
	  FAMILY("node_boot_time_seconds", METRIC_GAUGE, "seconds", "When the host started, since the epoch.") },
	{ "procs_running", FAMILY("node_procs_running", METRIC_GAUGE, "", "Threads that run or could.") },
	{ "procs_blocked", FAMILY("node_procs_blocked", METRIC_GAUGE, "", "Threads that wait for input or output.") },
};

/* softirq TOTAL and then one number for each vector, in the order of include/linux/interrupt.h. */
static int tell_softirqs(struct host *host, struct span text)
{
	static const struct metric_family family =
		FAMILY("node_softirqs_total", METRIC_COUNTER, "", "Soft interrupts served, by vector.");
	static const char *const vectors[] = { "hi",           "timer",   "net_tx", "net_rx",  "block",
					       "block_iopoll", "tasklet", "sched",  "hrtimer", "rcu" };
	struct span line;
	uint64_t value;

	if (!proc_stat_line(text, "softirq", &line) || !scan_u64(&line, &value))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		if (!scan_u64(&line, &value))
			return -EINVAL;
		host_tell_of(host, &family, "vector", vectors[i], (double)value);
	}
	return 0;
}

static int update_stat(struct host *host, void *ctx)
{
	uint64_t value;
	struct span text;
	int error = host_read_stat(host, &text);

	(void)ctx;
	if (error)
		return error;
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		error = proc_stat_counter(text, counters[i].line, &value);
		if (error)
			return -EINVAL;
		host_tell(host, &counters[i].family, (double)value);
	}
	return host->options->stat_softirq ? tell_softirqs(host, text) : 0;
}

const struct collector host_stat = { .update = update_stat };

struct file_state {
	struct host_file file;
};

static void stop(void *ctx)
{
	host_file_close(&((struct file_state *)ctx)->file);
}

static int start_loadavg(struct host *host, void *ctx)
{
	(void)host;
	((struct file_state *)ctx)->file.path = "loadavg";
	return 0;
}

static int update_loadavg(struct host *host, void *ctx)
{
	static const struct metric_family families[] = {
		FAMILY("node_load1", METRIC_GAUGE, "", "Load average over one minute."),
		FAMILY("node_load5", METRIC_GAUGE, "", "Load average over five minutes."),
		FAMILY("node_load15", METRIC_GAUGE, "", "Load average over fifteen minutes."),
	};
	struct file_state *state = ctx;
	struct span text, word;
	double load;
	int error = host_read(host, host->proc_fd, &state->file, &text);

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]) && !error; i++) {
		if (!scan_word(&text, &word) || span_double(word, &load))
			return -EINVAL;
		host_tell(host, &families[i], load);
	}
	return error;
}

const struct collector host_loadavg = {
	.state_size = sizeof(struct file_state),
	.start = start_loadavg,
	.update = update_loadavg,
	.stop = stop,
};
