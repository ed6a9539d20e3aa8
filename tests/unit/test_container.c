/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of cgroups over trees that the test writes: v2, v1 and hybrid; what is told of whom, births and deaths that
 * a look through the tree finds, selection, limits, names that need care.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cgroup_world.h"

#define FILES_ALLOWED 76 /* for seven cgroups: half of it, 38, are kept open */
#define SECOND 1000000000ULL
#define NOW (1800000000 * SECOND)
#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

#define CHECK(world, family, labels, expected)                                                            \
	do {                                                                                              \
		double _got = world_sample(world, family, labels);                                        \
		if (_got != (expected))                                                                   \
			fail_msg("%s{%s} is %.17g, not %.17g", family, labels, _got, (double)(expected)); \
	} while (0)
#define CHECK_ABSENT(world, family, labels) assert_true(isnan(world_sample(world, family, labels)))

static void check_v2_values(const struct cgroup_world *world, const char *id)
{
	CHECK(world, "container_memory_usage_bytes", id, 300000);
	CHECK(world, "container_memory_working_set_bytes", id, 240000);
	CHECK(world, "container_memory_rss", id, 5000);
	CHECK(world, "container_memory_cache", id, 7000);
	CHECK(world, "container_memory_max_usage_bytes", id, 399999);
	CHECK(world, "container_memory_failcnt", id, 3);
	CHECK(world, "container_memory_events_max_total", id, 3);
	CHECK(world, "container_oom_events_total", id, 4);
	CHECK(world, "container_spec_memory_limit_bytes", id, 0);
	CHECK(world, "container_cpu_cfs_periods_total", id, 9);
	CHECK(world, "container_cpu_cfs_throttled_seconds_total", id, 2.5);
	CHECK(world, "container_spec_cpu_quota", id, 30000);
	CHECK(world, "container_spec_cpu_shares", id, 2597);
	CHECK(world, "container_threads", id, 3);
	CHECK(world, "container_pressure_cpu_waiting_seconds_total", id, 3e-6);
	CHECK(world, "container_last_seen", id, 1800000000);
}

static void test_unified(void **state)
{
	struct cgroup_world *world = *state;
	const char *id = "id=\"/system.slice/nginx.service\"";

	world_cgroup(world, "", "", 9);
	world_cgroup(world, "", "/system.slice", 4);
	world_cgroup(world, "", "/system.slice/nginx.service", 3);
	world_link(world, "/sys/dev/block/8:0", "../../devices/pci/block/sda");
	world_write(world, "/proc/meminfo", "MemTotal: 1000 kB\nMemFree: 400 kB\nSwapTotal: 8 kB\n");
	world_table(world, 100, NULL, 0);
	container_refresh(world->table, SECOND, NOW);
	CHECK(world, "container_cpu_usage_seconds_total", "id=\"/system.slice/nginx.service\",cpu=\"total\"", 3);
	check_v2_values(world, id);
	CHECK(world, "container_memory_failures_total",
	      "id=\"/system.slice/nginx.service\",failure_type=\"pgfault\",scope=\"container\"", 11);
	CHECK(world, "container_fs_reads_bytes_total", "id=\"/system.slice/nginx.service\",device=\"/dev/sda\"", 3);
	CHECK(world, "container_blkio_device_usage_total",
	      "id=\"/system.slice/nginx.service\",device=\"/dev/sda\",major=\"8\",minor=\"0\",operation=\"Discard\"",
	      5);
	/* v2's root tells no usage: what the host does not have free. */
	CHECK(world, "container_memory_usage_bytes", "id=\"/\"", 600 * 1024);
	CHECK(world, "machine_memory_bytes", "", 1000 * 1024);
}

static void test_v1(void **state)
{
	struct cgroup_world *world = *state;
	const char *const trees[] = { "/cpu,cpuacct", "/memory", "/blkio", "/pids", "/systemd", "/freezer" };
	const char *id = "id=\"/docker/x\"";

	for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
		world_cgroup(world, trees[i], "", 9);
		world_cgroup(world, trees[i], "/docker", 4);
		world_cgroup(world, trees[i], "/docker/x", 3);
	}
	world_link(world, "/sys/fs/cgroup/cpu", "cpu,cpuacct");
	world_link(world, "/sys/fs/cgroup/cpuacct", "cpu,cpuacct");
	world_table(world, 100, NULL, 0);
	container_refresh(world->table, SECOND, NOW);
	CHECK(world, "container_cpu_usage_seconds_total", "id=\"/docker/x\",cpu=\"total\"", 3);
	CHECK(world, "container_cpu_user_seconds_total", id, 0.03);
	CHECK(world, "container_memory_usage_bytes", id, 300000);
	CHECK(world, "container_memory_working_set_bytes", id, 240000);
	CHECK(world, "container_memory_rss", id, 5000);
	CHECK(world, "container_spec_memory_limit_bytes", id, 0);
	CHECK(world, "container_spec_cpu_quota", id, 30000);
	CHECK(world, "container_cpu_cfs_throttled_seconds_total", id, 3e-9);
	CHECK(world, "container_memory_failures_total", "id=\"/docker/x\",failure_type=\"pgfault\",scope=\"container\"",
	      3);
	CHECK(world, "container_memory_failures_total",
	      "id=\"/docker/x\",failure_type=\"pgmajfault\",scope=\"hierarchy\"", 12);
	CHECK(world, "container_fs_reads_bytes_total", "id=\"/docker/x\",device=\"8:0\"", 3);
	CHECK_ABSENT(world, "container_pressure_cpu_waiting_seconds_total", id);
	CHECK(world, "sonde_cgroups", "", 3);
	assert_false(container_is_unified(world->table, CGROUP_CPU));
}

/* Descriptors of ours of the world's files with this name. */
static size_t open_named(const struct cgroup_world *world, const char *name)
{
	size_t found = 0;

	for (int fd = 0; fd < FILES_ALLOWED; fd++) {
		char link[32], path[256];
		ssize_t length;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		length = readlink(link, path, sizeof(path) - 1);
		if (length < 0)
			continue;
		path[length] = '\0';
		found += !strncmp(path, world->root, strlen(world->root)) && !strcmp(strrchr(path, '/') + 1, name);
	}
	return found;
}

/* Not all files of all cgroups may stay open: those of cgroups at rest that are not read leave room for the others. */
static void test_files_of_cgroups_at_rest(void **state)
{
	struct cgroup_world *world = *state;
	struct rlimit before, few;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = (struct rlimit){ FILES_ALLOWED, before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (int i = 0; i < 7; i++) {
		static const char *const trees[] = { "/cpu,cpuacct", "/memory", "/blkio", "/pids" };
		char path[16] = "";

		if (i)
			snprintf(path, sizeof(path), "/c%d", i);
		for (size_t j = 0; j < sizeof(trees) / sizeof(trees[0]); j++)
			world_cgroup(world, trees[j], path, 3);
	}
	world_table(world, 100, NULL, 0);
	container_refresh(world->table, SECOND, NOW);
	assert_true(open_named(world, "cpuacct.stat") > 0);
	assert_true(open_named(world, "memory.stat") < 7);
	for (uint64_t i = 2; i < 6; i++)
		container_refresh(world->table, i * SECOND, NOW);
	assert_int_equal(open_named(world, "cpuacct.stat"), 0);
	assert_int_equal(open_named(world, "memory.stat"), 7);
	/* Nobody runs: nothing is read that work alone changes. Then somebody has run. */
	world_write(world, "/sys/fs/cgroup/blkio/c1/blkio.throttle.io_service_bytes_recursive", "8:0 Read 80\n");
	world_write(world, "/sys/fs/cgroup/cpu,cpuacct/c1/cpuacct.stat", "user 50\nsystem 0\n");
	container_refresh(world->table, 6 * SECOND, NOW);
	CHECK(world, "container_fs_reads_bytes_total", "id=\"/c1\",device=\"8:0\"", 3);
	world_write(world, "/sys/fs/cgroup/cpu,cpuacct/c1/cpuacct.usage", "4000000000\n");
	container_refresh(world->table, 7 * SECOND, NOW);
	CHECK(world, "container_fs_reads_bytes_total", "id=\"/c1\",device=\"8:0\"", 80);
	CHECK(world, "container_cpu_user_seconds_total", "id=\"/c1\"", 0.5);
	CHECK(world, "container_fs_reads_bytes_total", "id=\"/c2\",device=\"8:0\"", 3);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* v1's controllers with a v2 tree that has none: this is how systemd's hybrid mode looks. */
static void test_hybrid(void **state)
{
	struct cgroup_world *world = *state;

	world_cgroup(world, "/memory", "", 9);
	world_cgroup(world, "/memory", "/a", 3);
	world_cgroup(world, "/unified", "", 9);
	world_cgroup(world, "/unified", "/a", 7);
	world_cgroup(world, "/unified", "/b", 5);
	world_table(world, 100, NULL, 0);
	container_refresh(world->table, SECOND, NOW);
	CHECK(world, "container_memory_usage_bytes", "id=\"/a\"", 300000);
	CHECK(world, "container_cpu_usage_seconds_total", "id=\"/a\",cpu=\"total\"", 7);
	CHECK(world, "container_cpu_usage_seconds_total", "id=\"/b\",cpu=\"total\"", 5);
	CHECK(world, "container_pressure_cpu_waiting_seconds_total", "id=\"/a\"", 7e-6);
	CHECK_ABSENT(world, "container_memory_usage_bytes", "id=\"/b\"");
	assert_true(container_is_unified(world->table, CGROUP_CPU));
	assert_false(container_is_unified(world->table, CGROUP_MEMORY));
}

static void process(const struct cgroup_world *world, unsigned int pid, unsigned int descriptors, unsigned int start)
{
	char path[128], text[256];

	for (unsigned int i = 0; i < descriptors; i++) {
		snprintf(path, sizeof(path), "/proc/%u/fd/%u", pid, i);
		world_write(world, path, "");
	}
	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	snprintf(text, sizeof(text), "%u (a) b) S 1 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 %u 5 6\n", pid, start);
	world_write(world, path, text);
}

static void test_processes(void **state)
{
	struct cgroup_world *world = *state;

	world_cgroup(world, "", "", 9);
	world_cgroup(world, "", "/a", 1);
	world_cgroup(world, "", "/a/b", 1);
	process(world, 11, 3, 1000);
	process(world, 12, 4, 2000);
	world_write(world, "/sys/fs/cgroup/a/cgroup.procs", "11\n");
	world_write(world, "/sys/fs/cgroup/a/b/cgroup.procs", "12\n99\n0\n");
	world_table(world, 100, NULL, 0);
	container_refresh(world->table, SECOND, NOW);
	CHECK(world, "container_processes", "id=\"/a/b\"", 3);
	CHECK(world, "container_processes", "id=\"/a\"", 4);
	CHECK(world, "container_processes", "id=\"/\"", 4);
	CHECK(world, "container_start_time_seconds", "id=\"/a\"", 1700000010);
	/* The sums do not add up from one scrape to the next. */
	container_refresh(world->table, 2 * SECOND, NOW);
	CHECK(world, "container_processes", "id=\"/\"", 4);
}

static void test_death_and_rebirth(void **state)
{
	struct cgroup_world *world = *state;

	world_cgroup(world, "", "", 9);
	world_cgroup(world, "", "/a", 3);
	world_table(world, 100, NULL, 0);
	container_refresh(world->table, SECOND, NOW);
	world_remove(world, "/sys/fs/cgroup/a");
	container_refresh(world->table, 20 * SECOND, NOW + 20 * SECOND);
	CHECK(world, "container_cpu_usage_seconds_total", "id=\"/a\",cpu=\"total\"", 3);
	CHECK(world, "container_last_seen", "id=\"/a\"", 1800000000);
	world_cgroup(world, "", "/a", 5);
	container_refresh(world->table, 40 * SECOND, NOW + 40 * SECOND);
	CHECK(world, "container_cpu_usage_seconds_total", "id=\"/a\",cpu=\"total\"", 5);
	CHECK(world, "sonde_cgroups", "", 2);
	world_remove(world, "/sys/fs/cgroup/a");
	container_refresh(world->table, 60 * SECOND, NOW + 60 * SECOND);
	container_refresh(world->table, 181 * SECOND, NOW + 181 * SECOND);
	CHECK_ABSENT(world, "container_cpu_usage_seconds_total", "id=\"/a\",cpu=\"total\"");
	CHECK(world, "sonde_cgroups", "", 1);
	CHECK(world, "container_scrape_error", "", 0);
}

static void test_selection(void **state)
{
	struct cgroup_world *world = *state;
	char selected[128], elsewhere[128];
	const char *list[] = { selected, elsewhere };
	size_t duplicates;

	world_cgroup(world, "/memory", "", 9);
	world_cgroup(world, "/memory", "/a", 3);
	world_cgroup(world, "/memory", "/a/b", 4);
	world_cgroup(world, "/memory", "/ab", 5);
	world_cgroup(world, "/cpu", "", 9);
	world_cgroup(world, "/cpu", "/a", 3);
	snprintf(selected, sizeof(selected), "%s/sys/fs/cgroup/memory/a", world->root);
	snprintf(elsewhere, sizeof(elsewhere), "%s/proc", world->root);
	world_table(world, 100, list, 2);
	container_refresh(world->table, SECOND, NOW);
	assert_int_equal(world_count(world, "container_last_seen", &duplicates), 2);
	CHECK(world, "container_memory_usage_bytes", "id=\"/a/b\"", 400000);
	/* The same path in the other trees. */
	CHECK(world, "container_spec_cpu_quota", "id=\"/a\"", 30000);
}

/* A directory that is no cgroup selects nothing; never everything. */
static void test_selection_of_nothing(void **state)
{
	struct cgroup_world *world = *state;
	const char *list[] = { "/nowhere" };
	size_t duplicates;

	world_cgroup(world, "", "", 9);
	world_cgroup(world, "", "/a", 3);
	world_table(world, 100, list, 1);
	container_refresh(world->table, SECOND, NOW);
	assert_int_equal(world_count(world, "container_last_seen", &duplicates), 0);
}

static void test_limit(void **state)
{
	struct cgroup_world *world = *state;
	char path[64];
	size_t duplicates;

	world_cgroup(world, "", "", 9);
	for (int i = 0; i < 20; i++) {
		snprintf(path, sizeof(path), "/g%d", i);
		world_cgroup(world, "", path, 1);
	}
	world_table(world, 16, NULL, 0);
	container_refresh(world->table, SECOND, NOW);
	assert_int_equal(world_count(world, "container_last_seen", &duplicates), 16);
	CHECK(world, "sonde_cgroups_untold_total", "reason=\"no_room\"", 5);
}

/* Two paths never become one id, whatever bytes they have. */
static void test_hostile_paths(void **state)
{
	struct cgroup_world *world = *state;
	size_t duplicates;

	world_cgroup(world, "", "", 9);
	world_cgroup(world, "", "/\xff", 1);
	world_cgroup(world, "", "/\xfe", 2);
	world_cgroup(world, "", "/\xef\xbf\xbd", 3);
	world_cgroup(world, "",
		     "/\xef\xbf\xbd"
		     "ff",
		     4);
	world_cgroup(world, "", "/a\"b\\c{}", 5);
	world_cgroup(world, "", "/caf\xc3\xa9", 6);
	world_table(world, 100, NULL, 0);
	container_refresh(world->table, SECOND, NOW);
	assert_int_equal(world_count(world, "container_last_seen", &duplicates), 7);
	assert_int_equal(duplicates, 0);
	CHECK(world, "container_threads",
	      "id=\"/\xef\xbf\xbd"
	      "ff\"",
	      1);
	CHECK(world, "container_threads", "id=\"/caf\xc3\xa9\"", 6);
}

static const char pod_bundle[] =
	"{\"ociVersion\":\"1.0.2-dev\",\"annotations\":{\"io.kubernetes.cri.container-type\":\"container\","
	"\"io.kubernetes.cri.container-name\":\"server\",\"io.kubernetes.cri.image-name\":\"docker.io/library/web:1\","
	"\"io.kubernetes.cri.sandbox-name\":\"web-7d4b9c6f5d-x2x9k\",\"io.kubernetes.cri.sandbox-namespace\":\"shop\"},"
	"\"linux\":{\"cgroupsPath\":\"kubepods-podabc.slice:cri-containerd:" HEX "\"}}";

static void test_pod(void **state)
{
	struct cgroup_world *world = *state;
	const char *pod = "/kubepods.slice/kubepods-podabc.slice";
	const char *own = "/kubepods.slice/kubepods-podabc.slice/cri-containerd-" HEX ".scope";
	char labels[600], inner[512];

	world_write(world, "/run/containerd/io.containerd.runtime.v2.task/k8s.io/" HEX "/config.json", pod_bundle);
	world_cgroup(world, "", "", 9);
	world_cgroup(world, "", "/kubepods.slice", 9);
	world_cgroup(world, "", pod, 4);
	world_cgroup(world, "", own, 3);
	snprintf(inner, sizeof(inner), "%s/init.scope", own);
	world_cgroup(world, "", inner, 2);
	world_table(world, 100, NULL, 0);
	container_refresh(world->table, SECOND, NOW);
	snprintf(labels, sizeof(labels),
		 "id=\"%s\",name=\"" HEX "\",image=\"docker.io/library/web:1\",container=\"server\","
		 "pod=\"web-7d4b9c6f5d-x2x9k\",namespace=\"shop\"",
		 own);
	CHECK(world, "container_threads", labels, 3);
	/* What lies in the container is not told under its name again. */
	snprintf(labels, sizeof(labels), "id=\"%s\"", inner);
	CHECK(world, "container_threads", labels, 2);
	/* The pod's own cgroup was seen before its container was known. */
	container_refresh(world->table, 20 * SECOND, NOW);
	snprintf(labels, sizeof(labels), "id=\"%s\",pod=\"web-7d4b9c6f5d-x2x9k\",namespace=\"shop\"", pod);
	CHECK(world, "container_threads", labels, 4);
}

static void test_find(void **state)
{
	struct cgroup_world *world = *state;
	const struct container *found;
	struct stat status;
	char path[128];

	world_cgroup(world, "", "", 9);
	world_cgroup(world, "", "/a", 1);
	world_cgroup(world, "", "/a/b", 1);
	world_table(world, 100, NULL, 0);
	container_refresh(world->table, SECOND, NOW);
	snprintf(path, sizeof(path), "%s/sys/fs/cgroup/a/b", world->root);
	assert_int_equal(stat(path, &status), 0);
	found = container_find(world->table, CGROUP_MEMORY, status.st_ino);
	assert_non_null(found);
	assert_null(container_find(world->table, CGROUP_MEMORY, status.st_ino + (1ULL << 40)));
	assert_ptr_equal(container_find(world->table, CGROUP_UNIFIED, status.st_ino), found);
	assert_string_equal(found->path, "/a/b");
	assert_string_equal(found->parent->path, "/a");
	assert_string_equal(found->parent->parent->path, "/");
	assert_null(found->parent->parent->parent);
	assert_true(found->slot < container_limit(world->table));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_unified),
		TEST(test_v1),
		TEST(test_files_of_cgroups_at_rest),
		TEST(test_hybrid),
		TEST(test_processes),
		TEST(test_death_and_rebirth),
		TEST(test_selection),
		TEST(test_selection_of_nothing),
		TEST(test_limit),
		TEST(test_hostile_paths),
		TEST(test_pod),
		TEST(test_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
