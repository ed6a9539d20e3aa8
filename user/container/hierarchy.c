/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the trees of cgroups below SYSFS/fs/cgroup: v2 alone, v1's controllers, or v1 with a v2 tree beside them. By
 * what the folders are called and hold, not by the mount table, so that a host's tree shown inside of a container is
 * found as well.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/number.h"
#include "container/internal.h"

#define LIST_BYTES 4096

static const char *const controller_names[CGROUP_CONTROLLER_COUNT] = {
	[CGROUP_CPU] = "cpu", [CGROUP_CPUACCT] = "cpuacct", [CGROUP_MEMORY] = "memory",
	[CGROUP_IO] = "io",   [CGROUP_PIDS] = "pids",
};

static bool has_word(const char *list, const char *separators, const char *word)
{
	size_t length = strlen(word);

	while (*list) {
		size_t size = strcspn(list, separators);

		if (size == length && !memcmp(list, word, length))
			return true;
		list += size;
		list += strspn(list, separators);
	}
	return false;
}

static int hierarchy_add(struct container_table *table, int fd, bool unified)
{
	struct hierarchy *hierarchy = &table->hierarchies[table->hierarchy_count];
	struct stat status;

	if (fstat(fd, &status))
		return -1;
	for (size_t i = 0; i < table->hierarchy_count; i++)
		if (table->hierarchies[i].device == status.st_dev && table->hierarchies[i].inode == status.st_ino) {
			close(fd);
			return (int)i;
		}
	if (table->hierarchy_count == HIERARCHIES_MAX) {
		close(fd);
		return -1;
	}
	*hierarchy = (struct hierarchy){ .root = fd,
					 .kernel_id = unified ? 0 : UINT32_MAX,
					 .unified = unified,
					 .device = status.st_dev,
					 .inode = status.st_ino };
	return (int)table->hierarchy_count++;
}

/* The v2 tree: it has the controllers that its root offers and no v1 tree took. */
static void add_unified(struct container_table *table, int fd)
{
	char list[LIST_BYTES] = "";
	int index;

	if (file_read(fd, "cgroup.controllers", list, sizeof(list), NULL))
		list[0] = '\0';
	index = hierarchy_add(table, fd, true);
	if (index < 0)
		return;
	table->of_controller[CGROUP_UNIFIED] = index;
	for (int i = 0; i < CGROUP_UNIFIED; i++)
		if (table->of_controller[i] < 0 && has_word(list, " \n", controller_names[i]))
			table->of_controller[i] = index;
	/* v2 accounts CPU time in every cgroup, whatever is enabled. */
	for (int i = CGROUP_CPU; i <= CGROUP_CPUACCT; i++)
		if (table->of_controller[i] < 0)
			table->of_controller[i] = index;
}

/* "cpu,cpuacct" or "systemd": of v1. Others (freezer, devices, ...) tell nothing that is asked for. */
static void add_v1(struct container_table *table, int fd, const char *name)
{
	bool wanted = !strcmp(name, "systemd");
	int index;

	for (int i = 0; i < CGROUP_UNIFIED; i++)
		wanted |= has_word(name, ",", i == CGROUP_IO ? "blkio" : controller_names[i]);
	index = wanted ? hierarchy_add(table, fd, false) : -1;
	if (!wanted)
		close(fd);
	if (index < 0)
		return;
	for (int i = 0; i < CGROUP_UNIFIED; i++)
		if (has_word(name, ",", i == CGROUP_IO ? "blkio" : controller_names[i]))
			table->of_controller[i] = index;
}

static bool is_cgroup(int fd)
{
	return !faccessat(fd, "cgroup.procs", F_OK, 0);
}

static bool is_unified(int fd)
{
	return !faccessat(fd, "cgroup.controllers", F_OK, 0);
}

static int open_directory(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* v1 trees before v2's, which has what they leave. */
static void add_each(struct container_table *table, int folder, bool unified)
{
	int copy = open_directory(folder, ".");
	DIR *directory = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		int fd = entry->d_name[0] == '.' ? -1 : open_directory(folder, entry->d_name);

		if (fd < 0)
			continue;
		if (!is_cgroup(fd) || is_unified(fd) != unified)
			close(fd);
		else if (unified)
			add_unified(table, fd);
		else
			add_v1(table, fd, entry->d_name);
	}
	if (directory)
		closedir(directory);
	else if (copy >= 0)
		close(copy);
}

/* "4:memory:/path": the kernel's numbers of the v1 trees, by which it names them in events. */
static void number_hierarchies(struct container_table *table)
{
	char text[LIST_BYTES * 8], *rest = text, *line;

	if (file_read(table->procfs, "self/cgroup", text, sizeof(text), NULL))
		return;
	while ((line = strsep(&rest, "\n"))) {
		char *number = strsep(&line, ":"), *controllers = strsep(&line, ":");
		uint32_t id;

		if (!controllers || number_u32(number, &id))
			continue;
		for (int i = 0; i < CGROUP_UNIFIED; i++)
			if (table->of_controller[i] >= 0 &&
			    has_word(controllers, ",", i == CGROUP_IO ? "blkio" : controller_names[i]))
				table->hierarchies[table->of_controller[i]].kernel_id = id;
		/* What is left without a controller and is not v2 is systemd's. */
		for (size_t i = 0; i < table->hierarchy_count && !strcmp(controllers, "name=systemd"); i++) {
			bool controller = false;

			for (int j = 0; j < CGROUP_CONTROLLER_COUNT; j++)
				controller |= table->of_controller[j] == (int)i;
			if (!controller)
				table->hierarchies[i].kernel_id = id;
		}
	}
}

int hierarchies_open(struct container_table *table)
{
	CLEANUP_FD int folder = open_directory(table->sysfs, "fs/cgroup");

	for (int i = 0; i < CGROUP_CONTROLLER_COUNT; i++)
		table->of_controller[i] = -1;
	if (folder < 0)
		return folder;
	if (is_unified(folder)) {
		add_unified(table, STEAL_FD(folder));
	} else {
		add_each(table, folder, false);
		add_each(table, folder, true);
	}
	number_hierarchies(table);
	return table->hierarchy_count ? 0 : -ENOENT;
}

void hierarchies_close(struct container_table *table)
{
	for (size_t i = 0; i < table->hierarchy_count; i++)
		close(table->hierarchies[i].root);
	table->hierarchy_count = 0;
}

int hierarchy_by_kernel_id(const struct container_table *table, uint32_t kernel_id)
{
	for (size_t i = 0; i < table->hierarchy_count; i++)
		if (table->hierarchies[i].kernel_id == kernel_id)
			return (int)i;
	return -1;
}
