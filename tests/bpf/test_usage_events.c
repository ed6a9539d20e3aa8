/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to memory, against what the processes saw.
 */
#include "usage_lab.h"

#include <signal.h>
#include <sys/prctl.h>

static bool write_text(const char *directory, const char *name, const char *text)
{
	char path[500];
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	length = write(fd, text, strlen(text));
	close(fd);
	return length == (ssize_t)strlen(text);
}

static char limited[300]; /* the group that has the limit; "" when it is the world's */

static bool limit_memory(const struct world *world)
{
	char hierarchy[200];

	find_hierarchy("memory", hierarchy, sizeof(hierarchy));
	limited[0] = '\0';
	if (!strncmp(world->directory, hierarchy, strlen(hierarchy))) {
		write_text(hierarchy, "cgroup.subtree_control", "+memory");
		return write_text(world->directory, "memory.max", "20M");
	}
	snprintf(limited, sizeof(limited), "%s/sonde-usage-%d", hierarchy, (int)getpid());
	return !mkdir(limited, 0755) && write_text(limited, "memory.limit_in_bytes", "20M");
}

static void eat(void)
{
	size_t size = 60 << 20;
	char *memory = malloc(size);

	if (limited[0])
		enter_cgroup(limited);
	prctl(PR_SET_NAME, VICTIM);
	for (size_t i = 0; memory && i < size; i += 4096)
		((volatile char *)memory)[i] = 1;
	_exit(105);
}

static void test_oom_kill(void **state)
{
	struct world world;
	struct found found;
	int status;

	(void)state;
	world_open(&world);
	if (!limit_memory(&world)) {
		world_close(&world);
		skip();
	}
	status = run_inside(&world, eat);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	found = usage_now(&world);
	if (limited[0])
		remove_cgroup(limited);
	assert_int_equal(found.kills, 1);
	print_message("# %llu reclaims for the cgroup, %llu us\n",
		      (unsigned long long)found.events.reclaims[USAGE_RECLAIM_CGROUP],
		      (unsigned long long)found.events.reclaim_ns[USAGE_RECLAIM_CGROUP] / 1000);
	assert_true(found.events.reclaims[USAGE_RECLAIM_CGROUP] > 0);
	assert_true(found.events.reclaim_ns[USAGE_RECLAIM_CGROUP] > 0);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_oom_kill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
