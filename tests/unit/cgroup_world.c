/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files in a temporary directory stand for the kernel's and the runtimes'.
 */
#include "cgroup_world.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PATH_SIZE 8192

static void full_path(const struct cgroup_world *world, const char *path, char *full)
{
	assert_true(snprintf(full, PATH_SIZE, "%s%s", world->root, path) < PATH_SIZE);
}

int world_setup(void **state)
{
	struct cgroup_world *world = calloc(1, sizeof(*world));
	struct containers_config config = { .rootfs = world->root, .limit = 256 };

	assert_non_null(world);
	snprintf(world->root, sizeof(world->root), "/tmp/sonde-cgroups.XXXXXX");
	assert_non_null(mkdtemp(world->root));
	snprintf(world->procfs, sizeof(world->procfs), "%s/proc", world->root);
	snprintf(world->sysfs, sizeof(world->sysfs), "%s/sys", world->root);
	world_write(world, "/proc/stat", "cpu  1 2 3\nbtime 1700000000\n");
	world_write(world, "/proc/self/cgroup", "0::/\n");
	world_mkdir(world, "/sys/fs/cgroup");
	assert_int_equal(containers_new(&config, &world->containers), 0);
	*state = world;
	return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status, (void)type, (void)ftw;
	return remove(path);
}

int world_teardown(void **state)
{
	struct cgroup_world *world = *state;

	container_table_free(world->table);
	containers_free(world->containers);
	nftw(world->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(world);
	return 0;
}

void world_mkdir(const struct cgroup_world *world, const char *path)
{
	char full[PATH_SIZE];

	full_path(world, path, full);
	for (char *slash = full + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
		*slash = '\0';
		assert_true(!mkdir(full, 0700) || errno == EEXIST);
	}
	assert_true(!mkdir(full, 0700) || errno == EEXIST);
}

static void make_parents(const struct cgroup_world *world, const char *path)
{
	char above[PATH_SIZE];

	assert_true(snprintf(above, sizeof(above), "%s", path) < PATH_SIZE);
	*strrchr(above, '/') = '\0';
	world_mkdir(world, above);
}

void world_write_bytes(const struct cgroup_world *world, const char *path, const void *bytes, size_t length)
{
	char full[PATH_SIZE];
	int fd;

	make_parents(world, path);
	full_path(world, path, full);
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, length), length);
	close(fd);
}

void world_write(const struct cgroup_world *world, const char *path, const char *text)
{
	world_write_bytes(world, path, text, strlen(text));
}

void world_link(const struct cgroup_world *world, const char *path, const char *target)
{
	char full[PATH_SIZE];

	make_parents(world, path);
	full_path(world, path, full);
	assert_int_equal(symlink(target, full), 0);
}

void world_remove(const struct cgroup_world *world, const char *path)
{
	char full[PATH_SIZE];

	full_path(world, path, full);
	assert_int_equal(nftw(full, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

struct cgroup_text {
	const char *tree; /* the folder; NULL: v2 */
	const char *file;
	const char *form; /* #: the cgroup's number, once */
};

static const struct cgroup_text texts[] = {
	{ NULL, "cgroup.controllers", "cpu io memory pids\n" },
	{ NULL, "cpu.stat",
	  "usage_usec #000000\nuser_usec 3\nsystem_usec 4\nnr_periods 9\nnr_throttled 5\n"
	  "throttled_usec 2500000\nnr_bursts 0\nburst_usec 0\n" },
	{ NULL, "cpu.max", "#0000 100000\n" },
	{ NULL, "cpu.weight", "100\n" },
	{ NULL, "memory.current", "#00000\n" },
	{ NULL, "memory.stat",
	  "anon 5000\nfile 7000\nkernel 300\nfile_mapped 20\ninactive_file 60000\nactive_file #\n"
	  "pgfault 11\npgmajfault 12\nworkingset_refault_file 13\n" },
	{ NULL, "memory.events", "low 0\nhigh 1\nmax #\noom 3\noom_kill 4\noom_group_kill 0\n" },
	{ NULL, "memory.max", "max\n" },
	{ NULL, "memory.peak", "#99999\n" },
	{ NULL, "io.stat", "8:0 rbytes=# rios=2 wbytes=3 wios=4 dbytes=5 dios=6\n" },
	{ NULL, "pids.current", "#\n" },
	{ NULL, "cpu.pressure",
	  "some avg10=0.00 avg60=0.00 avg300=0.00 total=#\n"
	  "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n" },
	{ NULL, "cgroup.procs", "" },
	{ "cpuacct", "cpuacct.usage", "#000000000\n" },
	{ "cpuacct", "cpuacct.stat", "user 3\nsystem #\n" },
	{ "cpu", "cpu.stat", "nr_periods 9\nnr_throttled 5\nthrottled_time #\n" },
	{ "cpu", "cpu.cfs_quota_us", "#0000\n" },
	{ "cpu", "cpu.cfs_period_us", "100000\n" },
	{ "memory", "memory.usage_in_bytes", "#00000\n" },
	{ "memory", "memory.limit_in_bytes", "9223372036854771712\n" },
	{ "memory", "memory.stat",
	  "cache 1\nrss 2\npgfault 3\npgmajfault 4\ntotal_cache 7000\ntotal_rss 5000\n"
	  "total_inactive_file 60000\ntotal_pgfault #\ntotal_pgmajfault 12\n" },
	{ "blkio", "blkio.throttle.io_service_bytes_recursive", "8:0 Read #\n8:0 Write 3\n8:0 Total 9\nTotal 9\n" },
	{ "pids", "pids.current", "#\n" },
};

static void fill_form(const char *form, unsigned int number, char *text, size_t size)
{
	int before = (int)strcspn(form, "#");

	if (form[before])
		snprintf(text, size, "%.*s%u%s", before, form, number, form + before + 1);
	else
		snprintf(text, size, "%s", form);
}

void world_cgroup(const struct cgroup_world *world, const char *tree, const char *path, unsigned int number)
{
	char file[PATH_SIZE], text[512];
	bool unified = !*tree || !strcmp(tree, "/unified");

	snprintf(file, sizeof(file), "/sys/fs/cgroup%s%s/cgroup.procs", tree, path);
	world_write(world, file, "");
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (unified ? texts[i].tree != NULL : !texts[i].tree || !strstr(tree, texts[i].tree))
			continue;
		/* A v2 tree beside v1's has no controllers: neither their files. */
		if (*tree && unified && strncmp(texts[i].file, "c", 1))
			continue;
		snprintf(file, sizeof(file), "/sys/fs/cgroup%s%s/%s", tree, path, texts[i].file);
		fill_form(texts[i].form, number, text, sizeof(text));
		if (*tree && unified && !strcmp(texts[i].file, "cgroup.controllers"))
			text[0] = '\0';
		world_write(world, file, text);
	}
}

void world_table(struct cgroup_world *world, size_t limit, const char *const *selected, size_t selected_count)
{
	struct container_config config = { .procfs = world->procfs,
					   .sysfs = world->sysfs,
					   .limit = limit,
					   .keep_gone_ns = 120000000000ULL,
					   .selected = selected,
					   .selected_count = selected_count,
					   .containers = world->containers };

	assert_int_equal(container_table_new(&config, &world->table), 0);
}

#define SAMPLES_MAX 20000
#define LABELS_SIZE 1024

struct gathering {
	const char *family;
	const char *labels; /* NULL: all of the family */
	bool inside;
	double value;
	size_t count;
	char (*seen)[LABELS_SIZE];
};

static void gather_begin(void *ctx, const struct metric_family *family)
{
	struct gathering *gathering = ctx;

	gathering->inside = !strcmp(family->name, gathering->family);
}

static void gather_sample(void *ctx, const struct metric_label *labels, size_t label_count, double value)
{
	struct gathering *gathering = ctx;
	char text[LABELS_SIZE];
	size_t length = 0;

	if (!gathering->inside)
		return;
	text[0] = '\0';
	for (size_t i = 0; i < label_count && length < sizeof(text); i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s=\"%s\"", i ? "," : "",
					   labels[i].name, labels[i].value);
	if (gathering->labels && !strcmp(text, gathering->labels))
		gathering->value = value;
	if (gathering->seen && gathering->count < SAMPLES_MAX)
		memcpy(gathering->seen[gathering->count], text, sizeof(text));
	gathering->count++;
}

static void gather_end(void *ctx)
{
	(void)ctx;
}

static void gather(const struct cgroup_world *world, struct gathering *gathering)
{
	struct metric_visitor out = {
		.ctx = gathering, .family_begin = gather_begin, .sample = gather_sample, .family_end = gather_end
	};
	struct snapshot_source source = container_source(world->table);

	source.visit(source.ctx, &out);
}

double world_sample(const struct cgroup_world *world, const char *family, const char *labels)
{
	struct gathering gathering = { .family = family, .labels = labels, .value = NAN };

	gather(world, &gathering);
	return gathering.value;
}

static int compare(const void *left, const void *right)
{
	return strcmp(left, right);
}

size_t world_count(const struct cgroup_world *world, const char *family, size_t *ret_duplicates)
{
	struct gathering gathering = { .family = family };

	gathering.seen = malloc(sizeof(*gathering.seen) * SAMPLES_MAX);
	assert_non_null(gathering.seen);
	gather(world, &gathering);
	qsort(gathering.seen, gathering.count, sizeof(*gathering.seen), compare);
	*ret_duplicates = 0;
	for (size_t i = 1; i < gathering.count; i++)
		*ret_duplicates += !strcmp(gathering.seen[i], gathering.seen[i - 1]);
	free(gathering.seen);
	return gathering.count;
}

const struct container_info *world_find(const struct cgroup_world *world, const char *path, uint64_t now_ns)
{
	struct slice own;

	return containers_find(world->containers, slice_of(path), now_ns, &own);
}
