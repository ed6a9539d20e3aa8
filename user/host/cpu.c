/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu: times by processor and mode, and what sysfs knows of processors. The kernel's idle and iowait may run backwards
 * (they are sums of remote readings): here a counter never does, as in node_exporter. Only when idle falls by three
 * seconds or more, the processor was taken out and put back, and its counters begin anew.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/internal.h"
#include "host/proc_stat.h"

#define CPU_DIRECTORY "devices/system/cpu"
#define JUMP_TICKS 300
#define CPUS_MAX 65536
#define MODES 8

struct throttle {
	uint64_t package, core;
	bool package_known, core_known;
	uint64_t package_count, core_count;
};

struct cpu_lines {
	struct cpu_line *items; /* owned */
	size_t count, capacity;
};

struct cpu_state {
	struct cpu_lines lines[2];  /* of the last two scrapes */
	bool latest;                /* which of them is the last one's */
	struct throttle *throttles; /* owned */
	size_t throttle_count, throttle_capacity;
	bool unthrottled;    /* no processor has such files, which does not change */
	char isolated[4096]; /* the kernel's list, which does not change; "" */
};

static const struct metric_family seconds =
	FAMILY("node_cpu_seconds_total", METRIC_COUNTER, "seconds", "Time that each processor spent in each mode.");
static const struct metric_family guest_seconds = FAMILY("node_cpu_guest_seconds_total", METRIC_COUNTER, "seconds",
							 "Time that each processor ran guests, by their mode.");
static const struct metric_family package_throttles = FAMILY("node_cpu_package_throttles_total", METRIC_COUNTER, "",
							     "Times that the package was slowed down by heat.");
static const struct metric_family core_throttles =
	FAMILY("node_cpu_core_throttles_total", METRIC_COUNTER, "", "Times that the core was slowed down by heat.");
static const struct metric_family isolated_cpus =
	FAMILY("node_cpu_isolated", METRIC_GAUGE, "", "Processors that the scheduler leaves alone.");
static const struct metric_family online_cpus =
	FAMILY("node_cpu_online", METRIC_GAUGE, "", "Whether each processor is online.");

static int start(struct host *host, void *ctx)
{
	struct cpu_state *state = ctx;
	struct span text;

	if (host_read_small(host->sys_fd, CPU_DIRECTORY "/isolated", state->isolated, sizeof(state->isolated), &text))
		state->isolated[0] = '\0';
	return 0;
}

static void stop(void *ctx)
{
	struct cpu_state *state = ctx;

	free(state->lines[0].items);
	free(state->lines[1].items);
	free(state->throttles);
}

static void hold_back(struct cpu_line *fresh, const struct cpu_line *old)
{
	if (old->ticks[CPU_IDLE] >= fresh->ticks[CPU_IDLE] + JUMP_TICKS)
		return;
	for (size_t i = 0; i < CPU_TIMES; i++)
		if (fresh->ticks[i] < old->ticks[i])
			fresh->ticks[i] = old->ticks[i];
}

static int add_line(struct cpu_lines *lines, const struct cpu_line *line)
{
	if (lines->count == lines->capacity) {
		struct cpu_line *grown = host_grow(lines->items, &lines->capacity, sizeof(*line), CPUS_MAX);

		if (!grown)
			return -ENOMEM;
		lines->items = grown;
	}
	lines->items[lines->count++] = *line;
	return 0;
}

/* The kernel lists processors by rising number: old lines and new ones are gone through side by side. */
static int read_lines(struct cpu_state *state, struct span text)
{
	const struct cpu_lines *old = &state->lines[state->latest];
	struct cpu_lines *fresh = &state->lines[!state->latest];
	struct cpu_line line;
	size_t at = 0;
	int error = 0;

	fresh->count = 0;
	while (proc_stat_cpu(&text, &line, &error)) {
		while (at < old->count && old->items[at].number < line.number)
			at++;
		if (at < old->count && old->items[at].number == line.number)
			hold_back(&line, &old->items[at]);
		error = add_line(fresh, &line);
		if (error)
			break;
	}
	if (error || !fresh->count)
		return error ? error : -EINVAL;
	state->latest = !state->latest;
	return 0;
}

static void tell_times(struct host *host, const struct cpu_state *state)
{
	static const char *const modes[MODES] = {
		"user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"
	};
	const struct cpu_lines *lines = &state->lines[state->latest];
	struct sheet_family *family = sheet_family(host->sheet, &seconds);
	struct sheet_family *guests = sheet_family(host->sheet, &guest_seconds);
	char number[16];
	struct metric_label labels[] = { { "cpu", number }, { "mode", NULL } };

	for (size_t i = 0; i < lines->count; i++) {
		const struct cpu_line *cpu = &lines->items[i];

		snprintf(number, sizeof(number), "%u", cpu->number);
		for (size_t mode = 0; mode < MODES; mode++) {
			labels[1].value = modes[mode];
			sheet_add_labelled(host->sheet, family, labels, 2, (double)cpu->ticks[mode] / CPU_TICKS);
		}
		for (size_t mode = CPU_GUEST; mode < CPU_TIMES && host->options->cpu_guest; mode++) {
			labels[1].value = modes[mode - CPU_GUEST];
			sheet_add_labelled(host->sheet, guests, labels, 2, (double)cpu->ticks[mode] / CPU_TICKS);
		}
	}
}

/* "0-3,8": every number of it. */
static void tell_isolated(struct host *host, const struct cpu_state *state)
{
	struct span list = span_of(state->isolated), range, part;
	uint64_t first, last;
	char number[16];

	while (scan_until(&list, ',', &range)) {
		if (!scan_until(&range, '-', &part) || span_u64(part, &first))
			return;
		last = first;
		if (range.length && span_u64(range, &last))
			return;
		for (; first <= last && last < CPUS_MAX; first++) {
			snprintf(number, sizeof(number), "%u", (unsigned int)first);
			host_tell_of(host, &isolated_cpus, "cpu", number, 1);
		}
	}
}

struct sysfs_walk {
	struct host *host;
	struct cpu_state *state;
};

static bool is_cpu(const char *name)
{
	return !strncmp(name, "cpu", 3) && name[3] >= '0' && name[3] <= '9';
}

static struct throttle *find_throttle(struct cpu_state *state, uint64_t package, uint64_t core, bool of_package)
{
	for (size_t i = 0; i < state->throttle_count; i++) {
		struct throttle *known = &state->throttles[i];

		if (known->package == package && (of_package ? known->package_known : known->core == core))
			return known;
	}
	return NULL;
}

static int add_throttle(struct cpu_state *state, const struct throttle *found)
{
	if (state->throttle_count == state->throttle_capacity) {
		struct throttle *grown =
			host_grow(state->throttles, &state->throttle_capacity, sizeof(*found), CPUS_MAX);

		if (!grown)
			return -ENOMEM;
		state->throttles = grown;
	}
	state->throttles[state->throttle_count++] = *found;
	return 0;
}

/* The first processor of a core and of a package speaks for it. */
static int read_throttle(void *ctx, int directory, const char *name)
{
	struct sysfs_walk *walk = ctx;
	struct cpu_state *state = walk->state;
	struct throttle found = { 0 };
	char path[128];

	if (!is_cpu(name) || strlen(name) > 32)
		return 0;
	snprintf(path, sizeof(path), "%s/thermal_throttle/core_throttle_count", name);
	found.core_known = !host_read_u64(directory, path, &found.core_count);
	snprintf(path, sizeof(path), "%s/thermal_throttle/package_throttle_count", name);
	found.package_known = !host_read_u64(directory, path, &found.package_count);
	if (!found.core_known && !found.package_known)
		return 0;
	snprintf(path, sizeof(path), "%s/topology/physical_package_id", name);
	if (host_read_u64(directory, path, &found.package))
		return 0;
	snprintf(path, sizeof(path), "%s/topology/core_id", name);
	if (host_read_u64(directory, path, &found.core))
		return 0;
	found.package_known = found.package_known && !find_throttle(state, found.package, 0, true);
	if (find_throttle(state, found.package, found.core, false) && !found.package_known)
		return 0;
	return add_throttle(state, &found);
}

static int tell_throttles(struct host *host, struct cpu_state *state, struct sysfs_walk *walk)
{
	char package[24], core[24];
	const struct metric_label labels[] = { { "package", package }, { "core", core } };
	int error;

	if (state->unthrottled)
		return 0;
	state->throttle_count = 0;
	error = host_each(host->sys_fd, CPU_DIRECTORY, read_throttle, walk);
	if (error)
		return error;
	state->unthrottled = !state->throttle_count;

	for (size_t i = 0; i < state->throttle_count; i++) {
		const struct throttle *found = &state->throttles[i];

		snprintf(package, sizeof(package), "%llu", (unsigned long long)found->package);
		snprintf(core, sizeof(core), "%llu", (unsigned long long)found->core);
		if (found->package_known)
			host_tell_labels(host, &package_throttles, labels, 1, (double)found->package_count);
		if (found->core_known)
			host_tell_labels(host, &core_throttles, labels, 2, (double)found->core_count);
	}
	return 0;
}

static int tell_online(void *ctx, int directory, const char *name)
{
	struct sysfs_walk *walk = ctx;
	char path[64];
	uint64_t online = 0;

	if (!is_cpu(name) || strlen(name) > 32)
		return 0;
	snprintf(path, sizeof(path), "%s/online", name);
	if (host_read_u64(directory, path, &online))
		online = 0;
	host_tell_of(walk->host, &online_cpus, "cpu", name + 3, online == 1);
	return 0;
}

static int update(struct host *host, void *ctx)
{
	struct cpu_state *state = ctx;
	struct sysfs_walk walk = { .host = host, .state = state };
	struct span text;
	int error = host_read_stat(host, &text);

	if (!error)
		error = read_lines(state, text);
	if (error)
		return error;
	tell_times(host, state);
	tell_isolated(host, state);
	host_at(host, "%s", CPU_DIRECTORY);
	error = tell_throttles(host, state, &walk);
	if (error)
		return error;
	/* A kernel that cannot take processors out has no such file, and then the family is not told. */
	if (faccessat(host->sys_fd, CPU_DIRECTORY "/cpu0/online", F_OK, 0))
		return 0;
	return host_each(host->sys_fd, CPU_DIRECTORY, tell_online, &walk);
}

const struct collector host_cpu = {
	.state_size = sizeof(struct cpu_state),
	.start = start,
	.update = update,
	.stop = stop,
};
