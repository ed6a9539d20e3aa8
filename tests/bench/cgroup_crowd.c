/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A crowd for the benchmark of container metrics: cgroups below given directories, some sleeping processes in each.
 * `cgroup_crowd GROUPS PROCESSES DIRECTORY...`: prints "ready" when all stand, removes them when standard input ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATH_SIZE 512

static int enter(char **directories, int count, int group)
{
	char path[PATH_SIZE];

	for (int i = 0; i < count; i++) {
		int fd;

		snprintf(path, sizeof(path), "%s/crowd%d", directories[i], group);
		if (mkdir(path, 0755) && errno != EEXIST)
			return -errno;
		snprintf(path, sizeof(path), "%s/crowd%d/cgroup.procs", directories[i], group);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "0", 1) != 1)
			return -errno;
		close(fd);
	}
	return 0;
}

/* The first process of a cgroup enters it and makes the others there. */
static pid_t start_group(char **directories, int count, int group, int processes)
{
	pid_t leader = fork();

	if (leader)
		return leader;
	if (enter(directories, count, group))
		_exit(1);
	for (int i = 1; i < processes && fork(); i++)
		;
	pause();
	_exit(0);
}

static void remove_groups(char **directories, int count, int groups)
{
	char path[PATH_SIZE];

	for (int group = 0; group < groups; group++)
		for (int i = 0; i < count; i++) {
			snprintf(path, sizeof(path), "%s/crowd%d", directories[i], group);
			for (int attempt = 0; rmdir(path) && errno == EBUSY && attempt < 500; attempt++)
				usleep(2000);
		}
}

int main(int argc, char **argv)
{
	int groups = argc > 3 ? (int)strtol(argv[1], NULL, 10) : 0;
	int processes = argc > 3 ? (int)strtol(argv[2], NULL, 10) : 0;
	char byte;

	if (groups <= 0 || processes <= 0)
		return 2;
	setpgid(0, 0);
	for (int group = 0; group < groups; group++)
		if (start_group(argv + 3, argc - 3, group, processes) < 0)
			return 1;
	sleep(3); /* the last ones fork */
	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM);
	while (wait(NULL) > 0)
		;
	remove_groups(argv + 3, argc - 3, groups);
	return 0;
}
