/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filesystem: sizes of what is mounted in the mount namespace of pid 1, which is the host's. Mounts that share device,
 * mount point and type are told once. One that does not answer in time, or with an error, is told by device_error and
 * without sizes.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "base/hash_table.h"
#include "host/internal.h"
#include "host/local_stat.h"
#include "host/mounts.h"
#include "host/stat_pool.h"

#define MOUNTS_MAX ((size_t)1 << 20)
#define VERDICTS 4096
#define LABELS 4

struct seen {
	char *device, *point, *type, *major, *minor; /* in the state's text and texts */
	char *path;                                  /* what statfs is asked for; in the state's texts */
	bool read_only;
	bool hangs;    /* was not asked: an earlier question has no answer yet */
	bool local;    /* its answer is not the pool's */
	uint64_t hash; /* of device, mount point and type */
	size_t index;  /* of its answer */
};

struct filesystem_state {
	struct host_file mountinfo;
	struct filter *points, *types;
	struct stat_pool *pool;
	struct local_stats local;
	struct seen *mounts; /* owned */
	size_t count, capacity;
	uint32_t *table; /* of places in mounts, plus one, by hash; owned */
	size_t table_size;
	char *text; /* of mountinfo, cut into words; owned */
	size_t text_size;
	struct sheet *texts; /* keeps mount points and paths from one change of mounts to the next; owned */
	bool known;          /* mounts are those of the last read */
	size_t asked;
};

enum {
	SIZE,
	FREE,
	AVAIL,
	FILES,
	FILES_FREE,
	PURGEABLE,
	READONLY,
	ERROR,
	INFO,
	FAMILIES
};

static const struct metric_family families[FAMILIES] = {
	[SIZE] = FAMILY("node_filesystem_size_bytes", METRIC_GAUGE, "bytes", "Size of the filesystem."),
	[FREE] = FAMILY("node_filesystem_free_bytes", METRIC_GAUGE, "bytes", "Space that is free for root."),
	[AVAIL] = FAMILY("node_filesystem_avail_bytes", METRIC_GAUGE, "bytes", "Space that is free for everybody."),
	[FILES] = FAMILY("node_filesystem_files", METRIC_GAUGE, "", "Inodes of the filesystem."),
	[FILES_FREE] = FAMILY("node_filesystem_files_free", METRIC_GAUGE, "", "Inodes that are free."),
	[PURGEABLE] = FAMILY("node_filesystem_purgeable_bytes", METRIC_GAUGE, "bytes",
			     "Always 0: node_exporter tells it on macOS, and as 0 elsewhere."),
	[READONLY] = FAMILY("node_filesystem_readonly", METRIC_GAUGE, "", "Whether it is mounted read-only."),
	[ERROR] = FAMILY("node_filesystem_device_error", METRIC_GAUGE, "",
			 "Whether the filesystem failed to tell its sizes; device_error says how."),
	[INFO] = FAMILY("node_filesystem_mount_info", METRIC_GAUGE, "", "Device numbers of the mount; always 1."),
};

static int start(struct host *host, void *ctx)
{
	const struct config_host *options = host->options;
	struct filesystem_state *state = ctx;
	int error;

	state->mountinfo.path = "1/mountinfo";
	error = filter_new(options->filesystem_mount_points_exclude, options->filesystem_mount_points_include, VERDICTS,
			   host->config.hash_seed, &state->points);
	if (!error)
		error = filter_new(options->filesystem_fs_types_exclude, options->filesystem_fs_types_include, 64,
				   host->config.hash_seed, &state->types);
	if (!error)
		error = sheet_new(host->config.hash_seed, &state->texts);
	if (!error)
		error = stat_pool_new((size_t)options->filesystem_stat_workers, &state->pool);
	return error;
}

static void stop(void *ctx)
{
	struct filesystem_state *state = ctx;

	host_file_close(&state->mountinfo);
	filter_free(state->points);
	filter_free(state->types);
	stat_pool_free(state->pool);
	local_stats_done(&state->local);
	sheet_free(state->texts);
	free(state->text);
	free(state->mounts);
	free(state->table);
}

/* Ends the span with a NUL in the host's own text: the byte behind it, a blank or colon, has been read. */
static char *terminate(struct span span)
{
	char *text = (char *)(uintptr_t)span.at;

	text[span.length] = '\0';
	return text;
}

/* The host's root may be mounted elsewhere in this namespace: --path.rootfs is cut off, as node_exporter does it. */
static const char *below_root(const struct host *host, const char *point)
{
	const char *root = host->config.config->path_rootfs;
	size_t length = strlen(root);

	if (!strcmp(root, "/") || strncmp(point, root, length))
		return point;
	return point[length] ? point + length : "/";
}

static uint64_t hash_mount(const struct host *host, const struct seen *mount)
{
	uint64_t hash = hash_bytes(mount->device, strlen(mount->device), host->config.hash_seed);

	hash = hash_bytes(mount->point, strlen(mount->point), hash);
	return hash_bytes(mount->type, strlen(mount->type), hash);
}

static bool same(const struct seen *a, const struct seen *b)
{
	return a->hash == b->hash && !strcmp(a->point, b->point) && !strcmp(a->device, b->device) &&
	       !strcmp(a->type, b->type);
}

static int make_table(struct filesystem_state *state, size_t mounts)
{
	size_t size = state->table_size ? state->table_size : 256;
	uint32_t *table = state->table;

	while (size < 2 * mounts)
		size *= 2;
	if (size != state->table_size) {
		table = reallocarray(state->table, size, sizeof(*table));
		if (!table)
			return -ENOMEM;
		state->table = table;
		state->table_size = size;
	}
	memset(table, 0, size * sizeof(*table));
	return 0;
}

/* The mount's place in the table; false when one like it is there. */
static bool enter(struct filesystem_state *state, const struct seen *mount)
{
	size_t at = mount->hash & (state->table_size - 1);

	for (; state->table[at]; at = (at + 1) & (state->table_size - 1))
		if (same(&state->mounts[state->table[at] - 1], mount))
			return false;
	state->table[at] = (uint32_t)state->count + 1;
	return true;
}

static int set_path(const struct host *host, struct filesystem_state *state, struct seen *mount, struct span escaped)
{
	const char *root = host->config.config->path_rootfs, *below;
	char point[PATH_MAX], path[2 * PATH_MAX];

	mount_unescape(escaped, false, point, sizeof(point));
	below = below_root(host, point);
	text_join(path, sizeof(path), (struct span[]){ span_of(strcmp(root, "/") ? root : ""), span_of(below) }, 2);
	mount->path = sheet_text(state->texts, path, strlen(path));
	return mount->path ? 0 : -ENOMEM;
}

static int add_mount(struct host *host, struct filesystem_state *state, const struct mount *found)
{
	struct seen mount = { .read_only = found->read_only };
	char point[PATH_MAX];
	const char *stripped;

	mount_unescape(found->point, true, point, sizeof(point));
	stripped = below_root(host, point);
	if (!filter_passes(state->points, span_of(stripped)) || !filter_passes(state->types, found->type))
		return 0;
	mount.point = sheet_text(state->texts, stripped, strlen(stripped));
	mount.device = terminate(found->device);
	mount.type = terminate(found->type);
	mount.major = terminate(found->major);
	mount.minor = terminate(found->minor);
	if (!mount.point)
		return -ENOMEM;
	mount.hash = hash_mount(host, &mount);
	if (state->count == state->capacity) {
		struct seen *grown = host_grow(state->mounts, &state->capacity, sizeof(mount), MOUNTS_MAX);

		if (!grown)
			return -ENOMEM;
		state->mounts = grown;
	}
	if (!enter(state, &mount))
		return 0;
	state->mounts[state->count] = mount;
	return set_path(host, state, &state->mounts[state->count++], found->point);
}

static size_t count_lines(struct span text)
{
	size_t count = 1;

	for (; text.length; count++) {
		const char *end = memchr(text.at, '\n', text.length);

		if (!end)
			break;
		text = span_skip(text, (size_t)(end - text.at) + 1);
	}
	return count;
}

static int open_mounts(struct host *host, struct filesystem_state *state, struct span *ret_text)
{
	int error = host_read(host, host->proc_fd, &state->mountinfo, ret_text);

	/* With hidepid pid 1 is not to be seen; this process' own mounts are the next best. */
	if (error == -ENOENT && !strcmp(state->mountinfo.path, "1/mountinfo")) {
		state->mountinfo.path = "self/mountinfo";
		error = host_read(host, host->proc_fd, &state->mountinfo, ret_text);
	}
	return error;
}

/* The text is cut into words where it is, so it is the state's own. */
static int take_text(struct filesystem_state *state, struct span *text)
{
	if (state->text_size < text->length + 1) {
		char *grown = realloc(state->text, text->length + 1);

		if (!grown)
			return -ENOMEM;
		state->text = grown;
		state->text_size = text->length + 1;
	}
	memcpy(state->text, text->at, text->length);
	state->text[text->length] = '\0';
	text->at = state->text;
	return 0;
}

static int parse_mounts(struct host *host, struct filesystem_state *state, struct span text)
{
	struct mount mount;
	struct span line;
	int error = make_table(state, count_lines(text));

	state->count = 0;
	sheet_reset(state->texts);
	while (!error && scan_line(&text, &line)) {
		if (!line.length)
			continue;
		error = mount_parse(line, &mount);
		if (!error)
			error = add_mount(host, state, &mount);
	}
	return error;
}

static int read_mounts(struct host *host, struct filesystem_state *state)
{
	struct span text;
	int error;

	if (host_mounts_same(&state->mountinfo) && state->known)
		return 0;
	state->known = false;
	error = open_mounts(host, state, &text);
	if (!error)
		error = take_text(state, &text);
	if (!error)
		error = parse_mounts(host, state, text);
	state->known = !error;
	return error;
}

static int ask(struct host *host, struct filesystem_state *state)
{
	int error = 0;

	state->asked = state->local.count = 0;
	stat_pool_begin(state->pool);
	for (size_t i = 0; i < state->count && !error; i++) {
		struct seen *mount = &state->mounts[i];

		mount->local = local_stat_knows(mount->type) &&
			       !local_stat_ask(&state->local, mount->path, mount->major, mount->minor, &mount->index);
		if (mount->local)
			continue;
		mount->hangs = stat_pool_hangs(state->pool, mount->path);
		if (mount->hangs)
			continue;
		mount->index = state->asked++;
		error = stat_pool_add(state->pool, mount->path);
	}
	return error ? error :
		       stat_pool_run(state->pool, clock_monotonic_ns() + host->options->filesystem_mount_timeout_ns,
				     host->config.idle, host->config.ctx);
}

/* What Go calls the error, since dashboards and silences have its words: glibc's with a small letter, but for these. */
static const char *error_text(int error, char ret_text[64])
{
	if (error == -ESTALE)
		return "stale NFS file handle";
	snprintf(ret_text, 64, "%s", strerrordesc_np(-error));
	ret_text[0] = (char)tolower((unsigned char)ret_text[0]);
	return ret_text;
}

static void tell_sizes(struct sheet *sheet, struct sheet_family *const *found, const struct sheet_labels *labels,
		       const struct statfs *info)
{
	double unit = (double)info->f_bsize;

	sheet_add(sheet, found[SIZE], labels, (double)info->f_blocks * unit);
	sheet_add(sheet, found[FREE], labels, (double)info->f_bfree * unit);
	sheet_add(sheet, found[AVAIL], labels, (double)info->f_bavail * unit);
	sheet_add(sheet, found[FILES], labels, (double)info->f_files);
	sheet_add(sheet, found[FILES_FREE], labels, (double)info->f_ffree);
	sheet_add(sheet, found[PURGEABLE], labels, 0);
}

static void tell_mount(struct host *host, const struct filesystem_state *state, struct sheet_family *const *found,
		       const struct seen *mount)
{
	const struct stat_answer *answer = mount->local ? &state->local.answers[mount->index] : NULL;
	const char *problem = "";
	char text[64];

	if (!mount->local && !mount->hangs)
		answer = stat_pool_answer(state->pool, mount->index);
	if (!answer || answer->state != STAT_DONE)
		problem = "mountpoint timeout";
	else if (answer->error)
		problem = error_text(answer->error, text);
	const struct metric_label labels[LABELS] = { { "device", mount->device },
						     { "mountpoint", mount->point },
						     { "fstype", mount->type },
						     { "device_error", problem } };
	const struct metric_label info[LABELS] = { { "device", mount->device },
						   { "major", mount->major },
						   { "minor", mount->minor },
						   { "mountpoint", mount->point } };
	const struct sheet_labels *shared = sheet_labels(host->sheet, labels, LABELS);

	if (!shared)
		return;
	sheet_add(host->sheet, found[ERROR], shared, *problem != '\0');
	/* node_exporter does not look at a mount that hangs, and so calls it writable. */
	sheet_add(host->sheet, found[READONLY], shared, mount->read_only && answer && answer->state == STAT_DONE);
	if (*problem)
		return;
	tell_sizes(host->sheet, found, shared, &answer->info);
	sheet_add_labelled(host->sheet, found[INFO], info, LABELS, 1);
}

static int update(struct host *host, void *ctx)
{
	struct filesystem_state *state = ctx;
	struct sheet_family *found[FAMILIES];
	int error = read_mounts(host, state);

	if (!error)
		error = ask(host, state);
	if (error)
		return error;
	for (size_t i = 0; i < FAMILIES; i++)
		found[i] = sheet_family(host->sheet, &families[i]);
	for (size_t i = 0; i < state->count; i++)
		tell_mount(host, state, found, &state->mounts[i]);
	return 0;
}

const struct collector host_filesystem = {
	.state_size = sizeof(struct filesystem_state),
	.start = start,
	.update = update,
	.stop = stop,
};
