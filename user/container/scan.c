/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look through the trees: at the start, when events were missed, and every now and then where there are none.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "container/internal.h"

#define DEPTH_MAX 64

struct walk {
	struct container_table *table;
	size_t hierarchy;
	uint64_t now_ns;
	char path[PATH_BYTES]; /* "" for the root */
	size_t length;
};

static void walk_directory(struct walk *walk, int fd, unsigned int depth);

static void walk_child(struct walk *walk, int parent, const char *name, unsigned int depth)
{
	size_t length = walk->length, size = strlen(name);
	int fd;

	if (length + 1 + size >= sizeof(walk->path)) {
		walk->table->drops.long_path++;
		return;
	}
	walk->path[length] = '/';
	memcpy(walk->path + length + 1, name, size + 1);
	walk->length += 1 + size;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0)
		walk_directory(walk, fd, depth + 1);
	walk->length = length;
	walk->path[length] = '\0';
}

/* Owns `fd`. */
static void walk_directory(struct walk *walk, int fd, unsigned int depth)
{
	const char *path = walk->length ? walk->path : "/";
	DIR *directory = fdopendir(fd);
	struct dirent *entry;
	struct stat status;

	if (!directory) {
		close(fd);
		return;
	}
	if (path_selected(walk->table, path) && !fstat(fd, &status))
		(void)record_see(walk->table, path, walk->hierarchy, status.st_ino, walk->now_ns);
	while (depth < DEPTH_MAX && (entry = readdir(directory)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			walk_child(walk, fd, entry->d_name, depth);
	closedir(directory);
}

/* Starts at each selected cgroup: what is not selected is not looked at either. */
static void walk_hierarchy(struct container_table *table, size_t hierarchy, uint64_t now_ns)
{
	struct walk walk = { .table = table, .hierarchy = hierarchy, .now_ns = now_ns };
	int root = table->hierarchies[hierarchy].root;

	for (size_t i = 0; i < table->selected_count || (!i && !table->selected_count); i++) {
		const char *start = table->selected_count ? table->selected[i] : "/";
		int fd = openat(root, start[1] ? start + 1 : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0)
			continue;
		walk.length = start[1] ? strlen(start) : 0;
		memcpy(walk.path, start, walk.length);
		walk.path[walk.length] = '\0';
		walk_directory(&walk, fd, 0);
	}
}

void scan(struct container_table *table, uint64_t now_ns)
{
	for (size_t hierarchy = 0; hierarchy < table->hierarchy_count; hierarchy++) {
		for (size_t i = 0; i < table->slot_count; i++)
			if (table->slots[i])
				table->slots[i]->seen = false;
		walk_hierarchy(table, hierarchy, now_ns);
		for (size_t i = 0; i < table->slot_count; i++) {
			struct record *record = table->slots[i];

			if (record && !record->seen && record->in & (1U << hierarchy))
				record_leave(table, record, hierarchy, now_ns);
		}
	}
	table->scanned_ns = now_ns;
	table->rescan = false;
}
