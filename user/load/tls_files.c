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
#include "load/tls_maps.h"

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

struct tls_file *tls_files_offer(struct tls_hooks *hooks, int fd)
{
	struct hash_node *known;
	struct tls_file *file;
	struct file_key key;
	struct stat status;
	uint64_t hash;

	if (fstat(fd, &status) || !S_ISREG(status.st_mode))
		return NULL;
	key = (struct file_key){ status.st_dev, status.st_ino, status.st_mtime };
	hash = hash_u64(key.inode ^ key.device << 40, 0);
	known = hash_table_find(&hooks->files, hash, file_equal, &key);
	if (known)
		return hash_entry(known, struct tls_file, node);
	file = calloc(1, sizeof(*file));
	if (!file)
		return NULL;
	file->device = key.device;
	file->inode = key.inode;
	file->changed_s = key.changed_s;
	if (hash_table_insert(&hooks->files, &file->node, hash)) {
		hooks->figures.no_room++;
		free(file);
		return NULL;
	}
	tls_attach(hooks, file, fd);
	return file;
}

bool tls_files_name_fits(const char *path)
{
	const char *name = strrchr(path, '/');

	return name && (!strncmp(name, "/libssl", 7) || !strncmp(name, "/libgnutls", 10));
}

struct looking {
	struct tls_hooks *hooks;
	uint32_t tgid;
};

static void offer(struct tls_hooks *hooks, int fd)
{
	if (fd < 0)
		return;
	(void)tls_files_offer(hooks, fd);
	close(fd);
}

static void look_at_mapping(void *ctx, const struct tls_mapping *mapping)
{
	struct looking *looking = ctx;

	if (tls_files_name_fits(mapping->path))
		offer(looking->hooks, tls_maps_open(looking->hooks->procfs, looking->tgid, mapping));
}

/* What it has is remembered: it may be gone before its first connection is looked at. */
static void look_at_executable(struct tls_hooks *hooks, uint32_t tgid)
{
	int fd = tls_maps_open_executable(hooks->procfs, tgid);
	struct tls_file *file = fd < 0 ? NULL : tls_files_offer(hooks, fd);

	if (file && file->finding.state != TLS_FILE_NOTHING)
		hooks->sights[tgid & (TLS_SIGHTS - 1)] =
			(struct tls_sight){ .tgid = tgid, .brands = (tls_brands)(1U << file->finding.brand) };
	if (fd >= 0)
		close(fd);
}

static void look_at(struct tls_hooks *hooks, uint32_t tgid)
{
	struct looking looking = { hooks, tgid };

	/* It may be gone by now. */
	(void)tls_maps_each(hooks->procfs, tgid, look_at_mapping, &looking);
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
	tls_aids_forget(hooks, tgid);
	look_at_executable(hooks, tgid);
	if (!hooks->mapped)
		look_again(hooks, tgid, 0, now_ns);
}

tls_brands tls_hooks_sighted(struct tls_hooks *hooks, uint32_t tgid, uint64_t now_ns)
{
	struct tls_sight *sight = &hooks->sights[tgid & (TLS_SIGHTS - 1)];
	tls_brands known = sight->tgid == tgid ? sight->brands : 0, found;

	if (sight->tgid == tgid && now_ns < sight->due_ns)
		return known;
	found = tls_survey_brands(hooks, tgid, false);
	*sight = (struct tls_sight){ .tgid = tgid, .brands = found ? found : known, .due_ns = now_ns + SIGHT_EVERY_NS };
	return sight->brands;
}

tls_brands tls_hooks_unread(struct tls_hooks *hooks, uint32_t tgid, tls_brands brands)
{
	struct tls_sight *sight = &hooks->sights[tgid & (TLS_SIGHTS - 1)];
	tls_brands found = 0;

	if (sight->tgid == tgid && sight->searched)
		return sight->brands ? sight->brands : brands;
	found = tls_survey_brands(hooks, tgid, true);
	if (sight->tgid == tgid && found) {
		sight->searched = true;
		sight->brands = found;
	}
	return found ? found : brands;
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
	tls_aids_forget(hooks, tgid);
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
				offer(hooks, open(found.gl_pathv[j], O_RDONLY | O_CLOEXEC | O_NONBLOCK));
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
