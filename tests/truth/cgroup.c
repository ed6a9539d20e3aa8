/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cgroup of our own in the v2 tree: what selects the workload for the agent, so that nothing else on the machine is
 * observed. The runner and the agent stay outside.
 */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REMOVE_TRIES 500

int cgroup_new(char *ret_directory, size_t size)
{
	FILE *mounts = setmntent("/proc/mounts", "re");
	struct mntent *entry;
	int err = -ENODEV;

	if (!mounts)
		return -errno;
	while ((entry = getmntent(mounts)))
		if (!strcmp(entry->mnt_type, "cgroup2")) {
			snprintf(ret_directory, size, "%s/sonde-truth-%d", entry->mnt_dir, (int)getpid());
			err = mkdir(ret_directory, 0755) < 0 ? -errno : 0;
			break;
		}
	endmntent(mounts);
	return err;
}

int cgroup_enter(const char *directory)
{
	char path[300];
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/cgroup.procs", directory);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = write(fd, "0", 1);
	close(fd);
	return n == 1 ? 0 : -EIO;
}

static void kill_members(const char *directory)
{
	char path[300];
	char line[32];
	FILE *file;

	snprintf(path, sizeof(path), "%s/cgroup.procs", directory);
	file = fopen(path, "re");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		pid_t pid = (pid_t)strtoul(line, NULL, 10);

		if (pid > 1)
			kill(pid, SIGKILL);
	}
	fclose(file);
}

void cgroup_free(const char *directory)
{
	if (!*directory)
		return;
	for (int i = 0; i < REMOVE_TRIES && rmdir(directory) < 0 && errno == EBUSY; i++) {
		kill_members(directory);
		sleep_us(2000);
	}
}
