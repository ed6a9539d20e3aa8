/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where TLS libraries are: in the usual folders, and in what processes map, through each process's own root. A file is
 * looked into once, whoever maps it.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/number.h"
#include "load/tls_internal.h"

#define SIGHT_EVERY_NS 1000000000ULL
#define LOOK_ROUNDS 4
#define LOOK_ROUNDS_TOLD 2

/* When a process is looked at again: dynamic loaders take milliseconds, some programs load late. With the kernel's word
 * for it the first two are enough: the file is mapped a moment after it is told. */
static const uint64_t look_after_ns[LOOK_ROUNDS] = { 2000000, 20000000, 200000000, 2000000000 };

struct file_key {
	uint64_t device;
	uint64_t inode;
	int64_t changed_s;
};

static bool file_equal(const struct hash_node *node, const void *ctx)
{
	const struct tls_file *file = hash_entry(node, const struct tls_file, node);
	const struct file_key *key = ctx;

	return file->inode == key->inode && file->device == key->device && file->changed_s == key->changed_s;
}

void tls_files_offer(struct tls_hooks *hooks, int fd)
{
	struct tls_file *file;
	struct file_key key;
	struct stat status;
	uint64_t hash;

	if (fstat(fd, &status) || !S_ISREG(status.st_mode))
		return;
	key = (struct file_key){ status.st_dev, status.st_ino, status.st_mtime };
	hash = hash_u64(key.inode ^ key.device << 40, 0);
	if (hash_table_find(&hooks->files, hash, file_equal, &key))
		return;
	file = calloc(1, sizeof(*file));
	if (!file)
		return;
	file->device = key.device;
	file->inode = key.inode;
	file->changed_s = key.changed_s;
	if (hash_table_insert(&hooks->files, &file->node, hash)) {
		hooks->figures.no_room++;
		free(file);
		return;
	}
	tls_attach(hooks, file, fd);
}

static void offer_path(struct tls_hooks *hooks, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return;
	tls_files_offer(hooks, fd);
	close(fd);
}

bool tls_files_name_fits(const char *path)
{
	const char *name = strrchr(path, '/');

	return name && (!strncmp(name, "/libssl", 7) || !strncmp(name, "/libgnutls", 10));
}

/* One line of maps: `start-end perms offset dev inode path`. The link in map_files names the very file that is mapped,
 * also when its path is gone; opening it needs CAP_CHECKPOINT_RESTORE, so the path in the process's root comes first.
 */
static void look_at_mapping(struct tls_hooks *hooks, uint32_t tgid, const char *line)
{
	char range[64], path[4096 + 64], link[128];
	unsigned long long inode;
	struct stat status;
	int at = 0;

	if (sscanf(line, "%63s %*s %*s %*s %llu %n", range, &inode, &at) < 2 || !at || line[at] != '/' ||
	    !tls_files_name_fits(line + at))
		return;
	snprintf(path, sizeof(path), "%s/%u/root%s", hooks->procfs, tgid, line + at);
	if (!stat(path, &status) && status.st_ino == inode) {
		offer_path(hooks, path);
		return;
	}
	snprintf(link, sizeof(link), "%s/%u/map_files/%s", hooks->procfs, tgid, range);
	offer_path(hooks, link);
}

static void look_at_executable(struct tls_hooks *hooks, uint32_t tgid)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%u/exe", hooks->procfs, tgid);
	offer_path(hooks, path);
}

static void look_at(struct tls_hooks *hooks, uint32_t tgid)
{
	char path[64], line[4096 + 128];
	CLEANUP_FILE FILE *maps = NULL;

	snprintf(path, sizeof(path), "%s/%u/maps", hooks->procfs, tgid);
	maps = fopen(path, "re");
	while (maps && fgets(line, sizeof(line), maps)) {
		line[strcspn(line, "\n")] = '\0';
		if (strstr(line, " r-xp "))
			look_at_mapping(hooks, tgid, line);
	}
}

static void look_again(struct tls_hooks *hooks, uint32_t tgid, uint32_t round, uint64_t now_ns)
{
	if (round >= (hooks->mapped ? LOOK_ROUNDS_TOLD : LOOK_ROUNDS) || hooks->look_count >= TLS_LOOKS_MAX)
		return;
	hooks->looks[hooks->look_count++] =
		(struct tls_look){ .tgid = tgid, .round = round, .due_ns = now_ns + look_after_ns[round] };
}

void tls_hooks_look(struct tls_hooks *hooks, uint32_t tgid, uint64_t now_ns)
{
	look_at(hooks, tgid);
	look_again(hooks, tgid, 0, now_ns);
}

void tls_hooks_executed(struct tls_hooks *hooks, uint32_t tgid, uint64_t now_ns)
{
	look_at_executable(hooks, tgid);
	if (!hooks->mapped)
		look_again(hooks, tgid, 0, now_ns);
}

void tls_hooks_sighted(struct tls_hooks *hooks, uint32_t tgid, uint64_t now_ns)
{
	struct tls_look *sight = &hooks->sights[tgid & (TLS_SIGHTS - 1)];

	if (sight->tgid == tgid && now_ns < sight->due_ns)
		return;
	*sight = (struct tls_look){ .tgid = tgid, .due_ns = now_ns + SIGHT_EVERY_NS };
	look_at(hooks, tgid);
}

void tls_hooks_tick(struct tls_hooks *hooks, uint64_t now_ns)
{
	tls_sweep(hooks, now_ns);
	for (size_t i = 0; i < hooks->look_count;) {
		struct tls_look look = hooks->looks[i];

		if (look.due_ns > now_ns) {
			i++;
			continue;
		}
		hooks->looks[i] = hooks->looks[--hooks->look_count];
		look_at(hooks, look.tgid);
		look_again(hooks, look.tgid, look.round + 1, now_ns);
	}
}

void tls_hooks_exited(struct tls_hooks *hooks, uint32_t tgid)
{
	for (size_t i = 0; i < hooks->look_count;)
		if (hooks->looks[i].tgid == tgid)
			hooks->looks[i] = hooks->looks[--hooks->look_count];
		else
			i++;
}

static void offer_folders(struct tls_hooks *hooks)
{
	static const char *const folders[] = { "/lib/*-linux-gnu", "/usr/lib/*-linux-gnu", "/usr/lib64",
					       "/usr/lib",         "/usr/local/lib",       "/usr/local/lib64" };
	static const char *const names[] = { "libssl.so*", "libgnutls.so*" };

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]) * 2; i++) {
		char pattern[128];
		glob_t found;

		snprintf(pattern, sizeof(pattern), "%s/%s", folders[i / 2], names[i % 2]);
		if (!glob(pattern, GLOB_NOSORT, NULL, &found))
			for (size_t j = 0; j < found.gl_pathc; j++)
				offer_path(hooks, found.gl_pathv[j]);
		globfree(&found);
	}
}

void tls_hooks_scan(struct tls_hooks *hooks)
{
	DIR *directory = opendir(hooks->procfs);
	struct dirent *entry;

	offer_folders(hooks);
	while (directory && (entry = readdir(directory))) {
		uint32_t tgid;

		if (!number_u32(entry->d_name, &tgid) && tgid != (uint32_t)getpid()) {
			look_at_executable(hooks, tgid);
			look_at(hooks, tgid);
		}
	}
	if (directory)
		closedir(directory);
}
