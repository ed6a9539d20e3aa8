/* SPDX-License-Identifier: Apache-2.0 */
/*
 * textfile: *.prom files that others leave in directories, told as they are. A file is read twice: once to see that all
 * of it is sound, then to tell it, so that a file is told whole or not at all. Files that cannot be told make
 * node_textfile_scrape_error 1.
 */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "host/internal.h"
#include "host/prom_text.h"
#include "host/textfile_internal.h"

#define FILES_MAX 1024
#define PATH_SIZE 1024

static const struct metric_family mtime_family = FAMILY("node_textfile_mtime_seconds", METRIC_GAUGE, "seconds",
							"When each file that was told was last changed.");

static int compare_paths(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_files(struct textfile_state *state)
{
	for (size_t i = 0; i < state->file_count; i++)
		free(state->files[i]);
	state->file_count = 0;
}

static void stop(void *ctx)
{
	struct textfile_state *state = ctx;

	free_files(state);
	free(state->files);
	free(state->types);
	free(state->histogram);
}

static bool is_prom(const char *name)
{
	size_t length = strlen(name);

	return length > 5 && !strcmp(name + length - 5, ".prom");
}

struct directory_walk {
	struct textfile_state *state;
	const char *path;
};

static int add_file(void *ctx, int directory, const char *name)
{
	struct directory_walk *walk = ctx;
	struct textfile_state *state = walk->state;
	char **grown;

	(void)directory;
	if (!is_prom(name))
		return 0;
	if (state->file_count == state->file_capacity) {
		grown = host_grow(state->files, &state->file_capacity, sizeof(*grown), FILES_MAX);
		if (!grown)
			return -ENOSPC;
		state->files = grown;
	}
	if (asprintf(&state->files[state->file_count], "%s/%s", walk->path, name) < 0)
		return -ENOMEM;
	state->file_count++;
	return 0;
}

static void look_into(struct host *host, struct textfile_state *state, const char *path)
{
	struct directory_walk walk = { .state = state, .path = path };
	int error = host_each(AT_FDCWD, path, add_file, &walk);

	if (!error)
		return;
	state->failed = true;
	host->config.failed(host->config.ctx, COLLECTOR_textfile, error, path);
}

static void find_files(struct host *host, struct textfile_state *state)
{
	const struct string_list *directories = &host->options->textfile_directories;

	free_files(state);
	for (size_t i = 0; i < directories->count; i++) {
		const char *pattern = directories->items[i];
		glob_t found = { 0 };

		if (!*pattern)
			continue;
		if (!strpbrk(pattern, "*?[") || glob(pattern, GLOB_NOSORT, NULL, &found) || !found.gl_pathc)
			look_into(host, state, pattern);
		for (size_t j = 0; j < found.gl_pathc; j++)
			look_into(host, state, found.gl_pathv[j]);
		globfree(&found);
	}
	if (state->file_count)
		qsort(state->files, state->file_count, sizeof(*state->files), compare_paths);
}

static int tell_file(struct host *host, struct textfile_state *state, const char *path)
{
	struct span text;
	struct stat info;
	int error;

	if (stat(path, &info))
		return -errno;
	if (!S_ISREG(info.st_mode))
		return -EINVAL;
	error = host_read_once(host, AT_FDCWD, path, &text);
	if (!error)
		error = textfile_check(state, text);
	if (!error)
		error = textfile_tell(host, state, text, path);
	if (!error)
		host_tell_of(host, &mtime_family, "file", path, (double)info.st_mtime);
	return error;
}

static int update(struct host *host, void *ctx)
{
	static const struct metric_family failed = FAMILY("node_textfile_scrape_error", METRIC_GAUGE, "",
							  "Whether a file or directory could not be told.");
	struct textfile_state *state = ctx;
	int error;

	state->failed = false;
	find_files(host, state);
	for (size_t i = 0; i < state->file_count; i++) {
		error = tell_file(host, state, state->files[i]);
		if (!error)
			error = sheet_take_error(host->sheet);
		if (!error)
			continue;
		state->failed = true;
		host->config.failed(host->config.ctx, COLLECTOR_textfile, error, state->files[i]);
	}
	host_tell(host, &failed, state->failed);
	return 0;
}

const struct collector host_textfile = {
	.state_size = sizeof(struct textfile_state),
	.update = update,
	.stop = stop,
};
