/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of maps: `start-end perms offset dev inode path`. The link in map_files names the very file that is mapped,
 * also when its path is gone; opening it needs CAP_CHECKPOINT_RESTORE, so the path in the process's root comes first.
 */
#include "load/tls_maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int open_file(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

int tls_maps_each(const char *procfs, uint32_t tgid, void (*tell)(void *ctx, const struct tls_mapping *mapping),
		  void *ctx)
{
	char path[64], line[4096 + 128], range[64];
	CLEANUP_FILE FILE *maps = NULL;

	snprintf(path, sizeof(path), "%s/%u/maps", procfs, tgid);
	maps = fopen(path, "re");
	if (!maps)
		return errno == ENOENT ? -ESRCH : -errno;
	while (fgets(line, sizeof(line), maps)) {
		struct tls_mapping mapping = { .range = range };
		int at = 0;

		line[strcspn(line, "\n")] = '\0';
		if (!strstr(line, " r-xp ") ||
		    sscanf(line, "%63s %*s %*s %*s %llu %n", range, &mapping.inode, &at) < 2 || !at || line[at] != '/')
			continue;
		mapping.path = line + at;
		tell(ctx, &mapping);
	}
	return 0;
}

int tls_maps_open(const char *procfs, uint32_t tgid, const struct tls_mapping *mapping)
{
	char path[4096 + 64];
	struct stat status;

	snprintf(path, sizeof(path), "%s/%u/root%s", procfs, tgid, mapping->path);
	if (!stat(path, &status) && status.st_ino == mapping->inode)
		return open_file(path);
	snprintf(path, sizeof(path), "%s/%u/map_files/%s", procfs, tgid, mapping->range);
	return open_file(path);
}

int tls_maps_open_executable(const char *procfs, uint32_t tgid)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%u/exe", procfs, tgid);
	return open_file(path);
}
