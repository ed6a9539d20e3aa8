/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tree of cgroups figures are of. On v1 each controller may have its own, with ids of its own: threads and
 * sockets are told by the CPU controller's, block requests by the block controller's.
 */
#include <errno.h>
#include <mntent.h>
#include <string.h>
#include <sys/stat.h>

#include "load/usage_internal.h"

#define MOUNT_BYTES 4096

/* The mounted tree, of those that are `wanted` (NULL: all), whose directory is the longest that `path` lies in; with
 * `path` NULL any. Returns false when there is none. */
static bool find_mount(const char *wanted, const char *path, char ret_directory[MOUNT_BYTES])
{
	FILE *table = setmntent("/proc/self/mounts", "re");
	struct mntent entry;
	char text[8192];
	size_t longest = 0;

	while (table && getmntent_r(table, &entry, text, sizeof(text))) {
		bool second = !strcmp(entry.mnt_type, "cgroup2");
		size_t length = strlen(entry.mnt_dir);

		if ((!second && strcmp(entry.mnt_type, "cgroup")) || length >= MOUNT_BYTES || length < longest)
			continue;
		if (wanted && (*wanted ? second || !hasmntopt(&entry, wanted) : !second))
			continue;
		if (path && (strncmp(path, entry.mnt_dir, length) || (path[length] && path[length] != '/')))
			continue;
		longest = length;
		memcpy(ret_directory, entry.mnt_dir, length + 1);
	}
	if (table)
		endmntent(table);
	return longest;
}

void usage_find_trees(struct usage *usage)
{
	char main[MOUNT_BYTES] = "", block[MOUNT_BYTES] = "";

	usage->controller = find_mount("cpu", NULL, main) ? "cpu" : "";
	if (!*usage->controller)
		find_mount("", NULL, main);
	usage->block_controller = find_mount("blkio", NULL, block) ? "blkio" : "";
	if (!*usage->block_controller)
		find_mount("", NULL, block);
	usage->blocks_apart = *block && strcmp(main, block) != 0;
}

/* The cgroup of the same path in the block controller's tree; id 0 when there is none. */
static struct selected_cgroup select_block(const char *directory, const char *tree)
{
	struct selected_cgroup selected = { .id = 0 };
	CLEANUP_FREE char *path = realpath(directory, NULL);
	char mount[MOUNT_BYTES], whole[2 * MOUNT_BYTES];
	struct stat status;
	const char *below;

	if (!path || !find_mount(NULL, path, mount))
		return selected;
	below = path + strlen(mount);
	if (snprintf(whole, sizeof(whole), "%s%s", tree, below) >= (int)sizeof(whole) || stat(whole, &status))
		return selected;
	selected.id = status.st_ino;
	for (; *below; below++)
		selected.level += *below == '/';
	return selected;
}

void usage_select_blocks(struct usage *usage, const struct config *config)
{
	char tree[MOUNT_BYTES];

	usage->bpf->rodata->blocks_apart = usage->blocks_apart;
	if (!usage->blocks_apart || !find_mount(usage->block_controller, NULL, tree))
		return;
	for (size_t i = 0; i < config->select_cgroups.count; i++)
		*(struct selected_cgroup *)(uintptr_t)&usage->bpf->rodata->selected_blocks[i] =
			select_block(config->select_cgroups.items[i], tree);
}
