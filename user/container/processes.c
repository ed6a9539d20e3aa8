/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of a cgroup: how many, how many descriptors they hold, since when. cgroup.procs tells those in the
 * cgroup itself; sums go up to every cgroup above, so that processes count as CPU time and memory do.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/number.h"
#include "container/internal.h"

#define NAME_BYTES 64
#define START_FIELD 22 /* proc_pid_stat(5): starttime */

/* Processes are counted in one tree, that of the pids controller where there is one: in v1 a process may be in cgroups
 * of different paths, and would be counted in each. -1 when the record's cgroup is not in that tree. */
static int tree_of(const struct container_table *table, const struct record *record)
{
	static const enum cgroup_controller order[] = { CGROUP_PIDS,   CGROUP_CPU, CGROUP_CPUACCT,
							CGROUP_MEMORY, CGROUP_IO,  CGROUP_UNIFIED };
	int hierarchy = -1;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]) && hierarchy < 0; i++)
		hierarchy = table->of_controller[order[i]];
	return hierarchy >= 0 && record->in & (1U << hierarchy) ? hierarchy : -1;
}

static size_t count_entries(int procfs, const char *name)
{
	int fd = openat(procfs, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	size_t count = 0;

	if (!directory) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while ((entry = readdir(directory)))
		count += entry->d_name[0] != '.';
	closedir(directory);
	return count;
}

/* The directory's size is the number of descriptors since 6.2 (f1f1f2569901); before it is 0. COMPAT(kernel 6.1) */
static uint64_t count_descriptors(int procfs, uint32_t pid)
{
	char name[NAME_BYTES];
	struct stat status;

	snprintf(name, sizeof(name), "%u/fd", pid);
	if (fstatat(procfs, name, &status, 0))
		return 0;
	return status.st_size ? (uint64_t)status.st_size : count_entries(procfs, name);
}

static uint64_t start_time(const struct container_table *table, uint32_t pid)
{
	char name[NAME_BYTES], text[1024], *at;
	unsigned long long ticks;

	snprintf(name, sizeof(name), "%u/stat", pid);
	if (!table->boot_ns || file_read_start(table->procfs, name, text, sizeof(text), NULL))
		return 0;
	at = strrchr(text, ')');
	for (int field = 2; at && field < START_FIELD; field++)
		at = strchr(at + 1, ' ');
	if (!at || sscanf(at, " %llu", &ticks) != 1)
		return 0;
	return table->boot_ns + ticks * (NS_PER_SECOND / table->clock_ticks);
}

/* A container starts with its init process; what else there is started when it was made, or its oldest process did. */
static void tell_start(const struct container_table *table, struct record *record)
{
	uint32_t init = record->own_container && record->info->init_pid ? record->info->init_pid : record->first_pid;
	uint64_t started = start_time(table, init);

	if (!started)
		return;
	if (!record->created_told && started < record->values[CREATION_TIME])
		set_value(record, CREATION_TIME, started);
	if (record->own_container && record->info->init_pid)
		set_value(record, START_TIME, started);
	else
		set_value(record, START_TIME, record->values[CREATION_TIME]);
}

void processes_read(struct container_table *table, struct record *record)
{
	uint64_t processes = 0, descriptors = 0, members;
	bool same;
	int tree = tree_of(table, record);
	uint32_t first = 0;
	size_t length;
	char *at;

	record->present &= ~(1ULL << PROCESSES | 1ULL << FILE_DESCRIPTORS);
	if (tree < 0 || file_text(table, record, (size_t)tree, FILE_PROCESSES, "cgroup.procs", &length))
		return;
	/* Processes that are the same ones and did not run hold the same descriptors. */
	members = hash_bytes(table->scratch, length, table->hash_seed);
	same = record->at_rest && members == record->members;
	record->members = members;
	for (at = table->scratch; *at; at += strcspn(at, "\n"), at += *at == '\n') {
		uint64_t pid = 0;

		processes++;
		/* 0: a process of another pid namespace, which cannot be asked. */
		if (number_u64_span(at, strcspn(at, "\n"), &pid) || !pid || pid > INT32_MAX)
			continue;
		if (!first)
			first = (uint32_t)pid;
		if (!same)
			descriptors += count_descriptors(table->procfs, (uint32_t)pid);
	}
	set_value(record, PROCESSES, processes);
	set_value(record, FILE_DESCRIPTORS, same ? record->own[1] : descriptors);
	if (first && first != record->first_pid) {
		record->first_pid = first;
		record->namespace_id = 0;
		tell_start(table, record);
	}
}

/* Each record's own go to all above it. */
void processes_sum(struct container_table *table)
{
	static const enum value sums[] = { PROCESSES, FILE_DESCRIPTORS };

	for (size_t i = 0; i < table->slot_count; i++)
		if (table->slots[i])
			memcpy(table->slots[i]->own,
			       (uint64_t[]){ table->slots[i]->values[PROCESSES],
					     table->slots[i]->values[FILE_DESCRIPTORS] },
			       sizeof(table->slots[i]->own));
	for (size_t i = 0; i < table->slot_count; i++) {
		const struct record *record = table->slots[i];

		if (!record || record->shown.gone || !has_value(record, PROCESSES))
			continue;
		for (const struct container *above = record->shown.parent; above; above = above->parent) {
			struct record *sum =
				(struct record *)(uintptr_t)((const char *)above - offsetof(struct record, shown));

			for (size_t j = 0; j < 2; j++)
				if (has_value(sum, sums[j]))
					sum->values[sums[j]] += record->own[j];
		}
	}
}
