/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host of plain files. Removed when the test ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "tests/unit/host_world.h"

#define TEXT_MAX ((size_t)64 << 20)
#define FLAGS_MAX 32

int host_world_set_up(void **state)
{
	struct host_world *world = calloc(1, sizeof(*world));

	if (!world)
		return -1;
	*state = world;
	snprintf(world->directory, sizeof(world->directory), "/tmp/sonde-host-XXXXXX");
	if (!mkdtemp(world->directory))
		return -1;
	host_world_write(world, "proc/empty", "");
	host_world_write(world, "sys/empty", "");
	host_world_write(world, "root/empty", "");
	host_world_write(world, "udev/empty", "");
	return 0;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
	(void)info;
	(void)kind;
	(void)walk;
	return remove(path);
}

int host_world_tear_down(void **state)
{
	struct host_world *world = *state;
	int failed = nftw(world->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);

	if (world->host) {
		host_free(world->host);
		config_free(&world->config);
	}
	free(world->text);
	free(world);
	return failed;
}

static void on_failed(void *ctx, enum host_collector collector, int error, const char *what)
{
	struct host_world *world = ctx;

	(void)what;
	world->failures++;
	world->failed = collector;
	world->failure = error;
}

static void on_idle(void *ctx)
{
	((struct host_world *)ctx)->idles++;
}

void host_world_start(struct host_world *world, const char *const *flags)
{
	static const char *const trees[][2] = { { "path.procfs", "proc" },
						{ "path.sysfs", "sys" },
						{ "path.rootfs", "root" },
						{ "path.udev.data", "udev" } };
	char paths[4][128], error[CONFIG_ERROR_SIZE] = "", *arguments[FLAGS_MAX];
	const struct host_config config = {
		.config = &world->config,
		.version = "1",
		.revision = "2",
		.hash_seed = 3,
		.ctx = world,
		.failed = on_failed,
		.idle = on_idle,
	};
	int count = 0;

	for (; count < 4; count++) {
		snprintf(paths[count], sizeof(paths[0]), "--%s=%s/%s", trees[count][0], world->directory,
			 trees[count][1]);
		arguments[count] = paths[count];
	}
	for (; *flags && count < FLAGS_MAX; flags++)
		arguments[count++] = (char *)(uintptr_t)*flags;
	if (config_load(count, arguments, NULL, &world->config, error, sizeof(error)))
		fail_msg("%s", error);
	assert_int_equal(host_new(&config, &world->host), 0);
}

static void full_path(const struct host_world *world, const char *path, char ret_path[512])
{
	snprintf(ret_path, 512, "%s/%s", world->directory, path);
}

void host_world_write_bytes(const struct host_world *world, const char *path, const void *bytes, size_t length)
{
	char full[512];
	FILE *file;

	full_path(world, path, full);
	for (char *slash = strchr(full + strlen(world->directory) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(full, 0755) && errno != EEXIST)
			fail_msg("%s: %m", full);
		*slash = '/';
	}
	file = fopen(full, "we");
	if (!file)
		fail_msg("%s: %m", full);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

void host_world_write(const struct host_world *world, const char *path, const char *text)
{
	host_world_write_bytes(world, path, text, strlen(text));
}

void host_world_remove(const struct host_world *world, const char *path)
{
	char full[512];

	full_path(world, path, full);
	assert_int_equal(remove(full), 0);
}

struct writer {
	struct buffer out;
	char name[256];
};

static void begin(void *ctx, const struct metric_family *family)
{
	struct writer *writer = ctx;

	snprintf(writer->name, sizeof(writer->name), "%s", family->name);
}

static void labels(struct writer *writer, const struct metric_label *all, size_t count)
{
	bool any = false;

	buffer_append_string(&writer->out, writer->name);
	for (size_t i = 0; i < count; i++) {
		if (!*all[i].value)
			continue;
		buffer_printf(&writer->out, "%s%s=\"%s\"", any ? "," : "{", all[i].name, all[i].value);
		any = true;
	}
	if (any)
		buffer_append_char(&writer->out, '}');
}

static void sample(void *ctx, const struct metric_label *all, size_t count, double value)
{
	struct writer *writer = ctx;

	labels(writer, all, count);
	buffer_printf(&writer->out, " %.15g\n", value);
}

static void histogram(void *ctx, const struct metric_label *all, size_t count, const struct metric_histogram *told)
{
	struct writer *writer = ctx;

	labels(writer, all, count);
	for (uint32_t i = 0; i <= told->bound_count; i++)
		buffer_printf(&writer->out, " %llu", (unsigned long long)told->counts[i]);
	buffer_printf(&writer->out, " sum %.15g\n", told->sum);
}

static void end(void *ctx)
{
	(void)ctx;
}

void host_world_collect(struct host_world *world)
{
	const char *name = NULL;
	struct writer writer = { 0 };
	const struct metric_visitor visitor = {
		.ctx = &writer, .family_begin = begin, .sample = sample, .histogram = histogram, .family_end = end
	};
	struct snapshot_source source = host_source(world->host);

	free(world->text);
	buffer_init(&writer.out, TEXT_MAX);
	buffer_append_char(&writer.out, '\n');
	assert_int_equal(host_collect(world->host, NULL, &name), 0);
	source.visit(source.ctx, &visitor);
	buffer_append_char(&writer.out, '\0');
	assert_int_equal(buffer_error(&writer.out), 0);
	world->text = writer.out.data;
}

void host_world_has(const struct host_world *world, const char *line)
{
	char wanted[1024];

	snprintf(wanted, sizeof(wanted), "\n%s\n", line);
	if (!strstr(world->text, wanted))
		fail_msg("not found: %s\nin: %.20000s", line, world->text);
}

void host_world_has_not(const struct host_world *world, const char *part)
{
	if (strstr(world->text, part))
		fail_msg("found: %s\nin: %.20000s", part, world->text);
}
