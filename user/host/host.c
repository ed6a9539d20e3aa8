/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the collectors and tells how it went. One after the other, in the agent's only thread: a scrape of a usual host
 * takes a millisecond or two, which threads would not make shorter.
 */
#include "host/host.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/utsname.h>

#include "host/internal.h"

#define COLLECTOR_ROW(name, ...) [COLLECTOR_##name] = &host_##name,

static const struct collector *const table[COLLECTOR_COUNT] = { HOST_COLLECTORS(COLLECTOR_ROW, COLLECTOR_ROW,
										COLLECTOR_LEAVE) };

int host_new(const struct host_config *config, struct host **ret_host)
{
	struct host *host = calloc(1, sizeof(*host));
	int error;

	if (!host)
		return -ENOMEM;
	host->config = *config;
	host->options = &config->config->host;
	host->proc_fd = host->sys_fd = -1;
	error = sheet_new(config->hash_seed, &host->sheet);
	if (error)
		host_free(host);
	else
		*ret_host = host;
	return error;
}

void host_free(struct host *host)
{
	if (!host)
		return;
	for (size_t i = 0; i < COLLECTOR_COUNT; i++) {
		if (host->collectors[i].state && table[i]->stop)
			table[i]->stop(host->collectors[i].state);
		free(host->collectors[i].state);
	}
	for (size_t i = 0; i < host->kept_count; i++)
		host_file_close(&host->kept[i].file);
	links_done(&host->links);
	sheet_free(host->sheet);
	if (host->proc_fd >= 0)
		close(host->proc_fd);
	if (host->sys_fd >= 0)
		close(host->sys_fd);
	host_file_close(&host->stat.file);
	free(host->stat.text);
	free(host->text);
	free(host);
}

void host_tell(struct host *host, const struct metric_family *family, double value)
{
	sheet_add(host->sheet, sheet_family(host->sheet, family), NULL, value);
}

void host_tell_labels(struct host *host, const struct metric_family *family, const struct metric_label *labels,
		      size_t count, double value)
{
	sheet_add_labelled(host->sheet, sheet_family(host->sheet, family), labels, count, value);
}

void host_tell_of(struct host *host, const struct metric_family *family, const char *label, const char *text,
		  double value)
{
	host_tell_labels(host, family, &(struct metric_label){ label, text }, 1, value);
}

/* The directories may appear after the agent started: a mount that is late. */
static void open_directories(struct host *host)
{
	struct statfs info;

	if (host->proc_fd < 0) {
		host->proc_fd = open(host->config.config->path_procfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
		host->proc_is_procfs = host->proc_fd >= 0 && !fstatfs(host->proc_fd, &info) &&
				       info.f_type == PROC_SUPER_MAGIC;
	}
	if (host->sys_fd < 0) {
		host->sys_fd = open(host->config.config->path_sysfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
		host->sys_is_sysfs = host->sys_fd >= 0 && !fstatfs(host->sys_fd, &info) && info.f_type == SYSFS_MAGIC;
	}
}

static int start(struct host *host, size_t index)
{
	const struct collector *collector = table[index];
	void *state = calloc(1, collector->state_size ? collector->state_size : 1);
	int error = state ? 0 : -ENOMEM;

	if (!error && collector->start)
		error = collector->start(host, state);
	if (!error) {
		host->collectors[index].state = state;
		return 0;
	}
	if (state && collector->stop)
		collector->stop(state);
	free(state);
	return error;
}

static void run(struct host *host, size_t index)
{
	uint64_t begin_ns = clock_monotonic_ns();
	int error = 0, told;

	host_at(host, "%s", "");
	if (!host->collectors[index].state)
		error = start(host, index);
	if (!error)
		error = table[index]->update(host, host->collectors[index].state);
	told = sheet_take_error(host->sheet);
	error = error ? error : told;
	host->collectors[index].ran = true;
	host->collectors[index].error = error;
	host->collectors[index].duration_ns = clock_monotonic_ns() - begin_ns;
	if (error && error != -ENODATA && host->config.failed)
		host->config.failed(host->config.ctx, (enum host_collector)index, error, host->at);
}

static int find(const struct host *host, const char *name, enum host_collector *ret_collector)
{
	for (int i = 0; i < COLLECTOR_NAMES; i++) {
		if (strcmp(collector_name((enum host_collector)i), name))
			continue;
		if (i >= COLLECTOR_COUNT || !host->config.config->collectors[i])
			return -EACCES;
		*ret_collector = (enum host_collector)i;
		return 0;
	}
	return -ENOENT;
}

static int choose(const struct host *host, const struct snapshot_filter *filter, bool wanted[COLLECTOR_COUNT],
		  const char **ret_name)
{
	enum host_collector collector;
	bool all = !filter || !filter->count || filter->exclude;
	int error;

	for (size_t i = 0; i < COLLECTOR_COUNT; i++)
		wanted[i] = all && host->config.config->collectors[i];
	for (size_t i = 0; filter && i < filter->count; i++) {
		error = find(host, filter->names[i], &collector);
		if (error) {
			*ret_name = filter->names[i];
			return error;
		}
		wanted[collector] = !filter->exclude;
	}
	return 0;
}

int host_collect(struct host *host, const struct snapshot_filter *filter, const char **ret_name)
{
	bool wanted[COLLECTOR_COUNT];
	int error = choose(host, filter, wanted, ret_name);

	if (error)
		return error;
	host->scrape++;
	sheet_reset(host->sheet);
	open_directories(host);
	for (size_t i = 0; i < COLLECTOR_COUNT; i++) {
		host->collectors[i].ran = false;
		if (wanted[i])
			run(host, i);
	}
	return 0;
}

static void visit_build(const struct host *host, const struct metric_visitor *out)
{
	static const struct metric_family build = FAMILY("node_exporter_build_info", METRIC_GAUGE, "",
							 "Version of sonde, which stands in for node_exporter.");
	struct metric_label labels[] = {
		{ "version", host->config.version },
		{ "revision", host->config.revision },
		{ "branch", "sonde" },
		{ "goversion", "none" },
		{ "goos", "linux" },
		{ "goarch", "unknown" },
	};
	struct utsname kernel;
	bool known = !uname(&kernel);

	/* As Go names them: what compares with node_exporter's own. */
	if (known)
		labels[5].value = !strcmp(kernel.machine, "x86_64")  ? "amd64" :
				  !strcmp(kernel.machine, "aarch64") ? "arm64" :
								       kernel.machine;
	out->family_begin(out->ctx, &build);
	out->sample(out->ctx, labels, sizeof(labels) / sizeof(labels[0]), 1);
	out->family_end(out->ctx);
}

static void visit_scrape(const struct host *host, const struct metric_visitor *out, const struct metric_family *family,
			 bool durations)
{
	struct metric_label label = { .name = "collector" };

	out->family_begin(out->ctx, family);
	for (size_t i = 0; i < COLLECTOR_COUNT; i++) {
		if (!host->collectors[i].ran)
			continue;
		label.value = collector_name((enum host_collector)i);
		out->sample(out->ctx, &label, 1,
			    durations ? (double)host->collectors[i].duration_ns / (double)NS_PER_SECOND :
					!host->collectors[i].error);
	}
	out->family_end(out->ctx);
}

static void visit(void *ctx, const struct metric_visitor *out)
{
	static const struct metric_family durations = FAMILY("node_scrape_collector_duration_seconds", METRIC_GAUGE,
							     "seconds", "How long each collector took.");
	static const struct metric_family success = FAMILY("node_scrape_collector_success", METRIC_GAUGE, "",
							   "Whether each collector found what it looks for.");
	const struct host *host = ctx;

	sheet_visit(host->sheet, out);
	visit_build(host, out);
	visit_scrape(host, out, &durations, true);
	visit_scrape(host, out, &success, false);
}

struct snapshot_source host_source(struct host *host)
{
	return (struct snapshot_source){ .ctx = host, .visit = visit, .has_collectors = true };
}
