/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table as a whole: made, refreshed, asked.
 */
#include "container/container.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "container/internal.h"

#define SCAN_NS (10 * NS_PER_SECOND) /* between looks through the trees, where births are not told */
#define STAT_BYTES (256 * 1024)

static bool is_root_of(const struct container_table *table, const char *path)
{
	struct stat status;

	if (stat(path, &status))
		return false;
	for (size_t i = 0; i < table->hierarchy_count; i++)
		if (table->hierarchies[i].device == status.st_dev && table->hierarchies[i].inode == status.st_ino)
			return true;
	return false;
}

/* A directory to the path below its tree's root: goes up until it stands at one. NULL when it is in none. */
static char *path_in_tree(const struct container_table *table, const char *directory)
{
	CLEANUP_FREE char *path = realpath(directory, NULL);
	size_t length = path ? strlen(path) : 0;
	size_t at = length;

	while (at) {
		char kept = path[at];

		path[at] = '\0';
		if (is_root_of(table, path)) {
			path[at] = kept;
			return strdup(at < length ? path + at : "/");
		}
		path[at] = kept;
		while (--at && path[at] != '/')
			;
	}
	return strdup("");
}

/* A directory in no tree of ours selects nothing, rather than everything. */
static int take_selection(struct container_table *table, const struct container_config *config)
{
	table->selected = calloc(config->selected_count + 1, sizeof(*table->selected));
	if (!table->selected)
		return -ENOMEM;
	for (size_t i = 0; i < config->selected_count; i++) {
		char *path = path_in_tree(table, config->selected[i]);

		if (!path)
			return -ENOMEM;
		if (!*path) {
			free(path);
			path = strdup("/\n"); /* no cgroup's name has a newline */
			if (!path)
				return -ENOMEM;
		}
		table->selected[table->selected_count++] = path;
	}
	return 0;
}

/* "btime SECONDS" of /proc/stat. Without it no process's start is told. */
static void read_boot_time(struct container_table *table)
{
	CLEANUP_FREE char *text = malloc(STAT_BYTES);
	const char *line;
	unsigned long long seconds;

	table->clock_ticks = (uint64_t)sysconf(_SC_CLK_TCK);
	if (!text || file_read_start(table->procfs, "stat", text, STAT_BYTES, NULL))
		return;
	line = strstr(text, "\nbtime ");
	if (line && sscanf(line, " btime %llu", &seconds) == 1)
		table->boot_ns = seconds * NS_PER_SECOND;
}

static int open_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* What others may open must stay: at most half of what the process may have open. */
static size_t open_files_max(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur / 2 > OPEN_FILES_MAX)
		return OPEN_FILES_MAX;
	return limit.rlim_cur / 2;
}

static int table_fill(struct container_table *table, const struct container_config *config)
{
	int error;

	table->procfs = open_directory(config->procfs);
	if (table->procfs < 0)
		return table->procfs;
	table->sysfs = open_directory(config->sysfs);
	if (table->sysfs < 0)
		return table->sysfs;
	table->slots = calloc(config->limit, sizeof(*table->slots));
	table->scratch = malloc(SCRATCH_BYTES);
	if (!table->slots || !table->scratch)
		return -ENOMEM;
	error = hierarchies_open(table);
	if (!error)
		error = take_selection(table, config);
	if (!error)
		read_boot_time(table);
	return error;
}

int container_table_new(const struct container_config *config, struct container_table **ret_table)
{
	struct container_table *table;
	int error;

	if (!config->limit || !config->containers)
		return -EINVAL;
	table = calloc(1, sizeof(*table));
	if (!table)
		return -ENOMEM;
	table->procfs = table->sysfs = -1;
	table->limit = config->limit;
	table->keep_gone_ns = config->keep_gone_ns;
	table->hash_seed = config->hash_seed;
	table->containers = config->containers;
	table->rescan = true;
	table->open_files_max = open_files_max();
	hash_table_init(&table->by_path, config->limit);
	hash_table_init(&table->claim_table, config->limit);
	hash_table_init(&table->by_id, config->limit * HIERARCHIES_MAX);
	error = table_fill(table, config);
	if (error) {
		container_table_free(table);
		return error;
	}
	*ret_table = table;
	return 0;
}

void container_table_free(struct container_table *table)
{
	if (!table)
		return;
	records_free(table);
	hierarchies_close(table);
	for (size_t i = 0; i < table->selected_count; i++)
		free(table->selected[i]);
	free(table->selected);
	hash_table_done(&table->claim_table);
	free(table->claims);
	free(table->slots);
	free(table->scratch);
	cleanup_close_fd(&table->procfs);
	cleanup_close_fd(&table->sysfs);
	free(table);
}

/* When nobody told of its birth: as far as the directory knows it. */
static void guess_creation(struct container_table *table, struct record *record)
{
	const struct container_info *info = record->own_container ? record->info : NULL;
	const char *path = record->shown.path + 1;
	struct stat status;

	if (info && info->created_ns && !record->created_told) {
		set_value(record, CREATION_TIME, info->created_ns);
		record->created_told = true;
	}
	if (has_value(record, CREATION_TIME) || !record->in)
		return;
	if (!fstatat(table->hierarchies[__builtin_ctz(record->in)].root, *path ? path : ".", &status, 0))
		set_value(record, CREATION_TIME,
			  (uint64_t)status.st_ctim.tv_sec * NS_PER_SECOND + (uint64_t)status.st_ctim.tv_nsec);
	if (!record->shown.path[1] && table->boot_ns)
		set_value(record, CREATION_TIME, table->boot_ns);
	set_value(record, START_TIME, record->values[CREATION_TIME]);
}

void container_refresh(struct container_table *table, uint64_t now_ns, uint64_t realtime_ns)
{
	table->realtime_ns = realtime_ns;
	table->unreadable_before = table->drops.unreadable;
	table->open_files_short = table->open_files_shorter;
	table->open_files_shorter = false;
	records_expire(table, now_ns);
	if (table->rescan || (!table->events && now_ns - table->scanned_ns >= SCAN_NS))
		scan(table, now_ns);
	for (size_t i = 0; i < table->slot_count; i++) {
		struct record *record = table->slots[i];

		if (!record || record->shown.gone)
			continue;
		labels_renew(table, record, now_ns);
		guess_creation(table, record);
		files_read(table, record, now_ns);
		processes_read(table, record);
		device_names_learn(table, record);
	}
	processes_sum(table);
	machine_read(table);
	network_read(table);
}

void container_tick(struct container_table *table, uint64_t now_ns)
{
	records_expire(table, now_ns);
	if (now_ns > table->young_until_ns)
		return;
	for (size_t i = 0; i < table->slot_count; i++)
		if (table->slots[i] && !table->slots[i]->shown.gone)
			labels_renew(table, table->slots[i], now_ns);
}

bool container_young(const struct container_table *table, uint64_t now_ns)
{
	return now_ns < table->young_until_ns;
}

const struct container *container_find(const struct container_table *table, enum cgroup_controller controller,
				       uint64_t cgroup_id)
{
	int hierarchy = table->of_controller[controller];
	const struct record *record = hierarchy < 0 ? NULL : record_find_id(table, (size_t)hierarchy, cgroup_id);

	return record ? &record->shown : NULL;
}

bool container_is_unified(const struct container_table *table, enum cgroup_controller controller)
{
	int hierarchy = table->of_controller[controller];

	return hierarchy >= 0 && table->hierarchies[hierarchy].unified;
}

size_t container_limit(const struct container_table *table)
{
	return table->limit;
}

void container_each(const struct container_table *table, void (*visit)(void *ctx, const struct container *container),
		    void *ctx)
{
	for (size_t i = 0; i < table->slot_count; i++)
		if (table->slots[i])
			visit(ctx, &table->slots[i]->shown);
}
