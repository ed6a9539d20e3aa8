/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks directories by descriptor, so that a path is never resolved twice and a name that was replaced by a link is not
 * followed.
 */
#include "container/cgroup_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define DEPTH_MAX 64

struct walk {
	char path[CGROUP_PATH_MAX];
	size_t left;
	size_t count;
	void (*visit)(void *ctx, uint64_t id, const char *path);
	void *ctx;
};

int cgroup_tree_find(const char *mounts, const char *controller, char *ret_mount, size_t size)
{
	FILE *table = setmntent(mounts, "re");
	int error = -ENOENT;
	struct mntent entry;
	char text[8192];

	if (!table)
		return -errno;
	while (error == -ENOENT && getmntent_r(table, &entry, text, sizeof(text))) {
		size_t length = strlen(entry.mnt_dir) + 1;

		if (strcmp(entry.mnt_type, *controller ? "cgroup" : "cgroup2") ||
		    (*controller && !hasmntopt(&entry, controller)))
			continue;
		error = length > size ? -ENAMETOOLONG : 0;
		if (!error)
			memcpy(ret_mount, entry.mnt_dir, length);
	}
	endmntent(table);
	return error;
}

static void walk_into(struct walk *walk, int directory, size_t length, int depth);

static void walk_child(struct walk *walk, int directory, size_t length, const char *name, int depth)
{
	size_t name_length = strlen(name);
	struct stat status;
	int child;

	if (length + 1 + name_length >= sizeof(walk->path))
		return;
	child = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (child < 0)
		return;
	walk->path[length] = '/';
	memcpy(walk->path + length + 1, name, name_length + 1);
	if (walk->left && !fstat(child, &status)) {
		walk->left--;
		walk->count++;
		walk->visit(walk->ctx, status.st_ino, walk->path);
	}
	walk_into(walk, child, length + 1 + name_length, depth);
	walk->path[length] = '\0';
}

/* Owns `directory`. */
static void walk_into(struct walk *walk, int directory, size_t length, int depth)
{
	DIR *listing = depth < DEPTH_MAX ? fdopendir(directory) : NULL;
	const struct dirent *entry;

	if (!listing) {
		close(directory);
		return;
	}
	while (walk->left && (entry = readdir(listing)))
		if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			walk_child(walk, directory, length, entry->d_name, depth + 1);
	closedir(listing);
}

size_t cgroup_tree_walk(const char *mount, size_t limit, void (*visit)(void *ctx, uint64_t id, const char *path),
			void *ctx)
{
	struct walk walk = { .left = limit, .visit = visit, .ctx = ctx };
	int root = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat status;

	if (root < 0)
		return 0;
	if (walk.left && !fstat(root, &status)) {
		walk.left--;
		walk.count++;
		visit(ctx, status.st_ino, "/");
	}
	walk_into(&walk, root, 0, 0);
	return walk.count;
}

bool cgroup_tree_has(const char *mount, const char *path, uint64_t id)
{
	char whole[2 * CGROUP_PATH_MAX];
	struct stat status;

	if (snprintf(whole, sizeof(whole), "%s%s", mount, path) >= (int)sizeof(whole))
		return false;
	return !stat(whole, &status) && status.st_ino == id;
}
