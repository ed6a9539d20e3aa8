/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the host's files. Those of the kernel are opened once and read again with pread; one whose maker went away (a
 * module was unloaded, a device removed) answers with an error then, and is opened anew. A plain file, of a fixture, is
 * opened anew when it was replaced.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "host/internal.h"

#define TEXT_SIZE ((size_t)16 << 10)
#define RECORDS_END 3072 /* of a page of 4096 */

void host_at(struct host *host, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(host->at, sizeof(host->at), format, arguments);
	va_end(arguments);
}

static int grow(struct host *host)
{
	size_t size = host->text_size ? host->text_size * 2 : TEXT_SIZE;
	char *text;

	if (size > HOST_FILE_MAX)
		return -EFBIG;
	text = realloc(host->text, size);
	if (!text)
		return -ENOMEM;
	host->text = text;
	host->text_size = size;
	return 0;
}

/* How short a read must be to have met the file's end, so that the read that would say so is spared; for some files it
 * costs as much as the first. What the kernel writes in one piece (single_open, sysctl, sysfs) ends where a read is
 * short at all. Other files of procfs come record by record, as many as fit into a page (fs/seq_file.c): where there
 * was room for two more of their records, there was none. 0: the file says nothing of the kind. */
static size_t short_read(const char *path)
{
	static const struct {
		const char *path; /* with a slash at its end: all below it */
		size_t most;
	} files[] = {
		{ "stat", SIZE_MAX },
		{ "loadavg", SIZE_MAX },
		{ "meminfo", SIZE_MAX },
		{ "net/netstat", SIZE_MAX },
		{ "net/snmp", SIZE_MAX },
		{ "net/snmp6", SIZE_MAX },
		{ "net/sockstat", SIZE_MAX },
		{ "net/sockstat6", SIZE_MAX },
		{ "pressure/", SIZE_MAX },
		{ "sys/", SIZE_MAX },
		{ "net/udp", RECORDS_END },
		{ "net/udp6", RECORDS_END },
		{ "net/arp", RECORDS_END },
		{ "net/softnet_stat", RECORDS_END },
		{ "devices/system/", SIZE_MAX },
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		size_t length = strlen(files[i].path);

		if (!strncmp(path, files[i].path, length) && (!path[length] || files[i].path[length - 1] == '/'))
			return files[i].most;
	}
	return 0;
}

static int read_from_start(struct host *host, int fd, size_t ends_below, struct span *ret_text)
{
	size_t length = 0;
	ssize_t got;
	int error;

	for (;;) {
		if (host->text_size < length + 2) {
			error = grow(host);
			if (error)
				return error;
		}
		got = pread(fd, host->text + length, host->text_size - 1 - length, (off_t)length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			break;
		length += (size_t)got;
		if (length < host->text_size - 1 && (size_t)got < ends_below)
			break;
	}
	host->text[length] = '\0';
	*ret_text = (struct span){ host->text, length };
	return 0;
}

void host_file_close(struct host_file *file)
{
	if (file->fd)
		close(file->fd - 1);
	file->fd = 0;
}

static bool is_plain(int fd)
{
	struct statfs info;

	return fstatfs(fd, &info) || (info.f_type != PROC_SUPER_MAGIC && info.f_type != SYSFS_MAGIC);
}

static uint64_t changed_ns(const struct stat *info)
{
	return (uint64_t)info->st_mtim.tv_sec * NS_PER_SECOND + (uint64_t)info->st_mtim.tv_nsec;
}

static bool was_replaced(struct host_file *file)
{
	struct stat info;

	if (!file->plain)
		return false;
	if (fstat(file->fd - 1, &info) || !info.st_nlink)
		return true;
	file->changed_ns = changed_ns(&info);
	file->size = (uint64_t)info.st_size;
	return false;
}

static int open_file(int directory, struct host_file *file)
{
	int fd = openat(directory, file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	file->fd = fd + 1;
	file->plain = is_plain(fd);
	file->ends_below = file->plain ? SIZE_MAX : short_read(file->path);
	return 0;
}

/* fs/proc_namespace.c, mounts_poll: POLLERR and POLLPRI when the namespace's mounts changed since the last poll. */
bool host_mounts_same(const struct host_file *file)
{
	struct pollfd poll_fd = { .fd = file->fd - 1, .events = POLLPRI };
	struct stat info;

	if (!file->fd)
		return false;
	if (!file->plain)
		return poll(&poll_fd, 1, 0) == 0;
	return !fstat(file->fd - 1, &info) && info.st_nlink && changed_ns(&info) == file->changed_ns &&
	       (uint64_t)info.st_size == file->size;
}

int host_read(struct host *host, int directory, struct host_file *file, struct span *ret_text)
{
	int error = 0;

	host_at(host, "%s", file->path);
	if (file->fd && was_replaced(file))
		host_file_close(file);
	if (file->fd) {
		error = read_from_start(host, file->fd - 1, file->ends_below, ret_text);
		if (!error)
			return 0;
		host_file_close(file);
	}
	error = open_file(directory, file);
	if (!error && was_replaced(file))
		error = -ENOENT;
	if (!error)
		error = read_from_start(host, file->fd - 1, file->ends_below, ret_text);
	if (error)
		host_file_close(file);
	return error;
}

static void swap_texts(struct host *host)
{
	char *text = host->text;
	size_t size = host->text_size;

	host->text = host->stat.text;
	host->text_size = host->stat.size;
	host->stat.text = text;
	host->stat.size = size;
}

int host_read_stat(struct host *host, struct span *ret_text)
{
	struct span text = { 0 };
	int error;

	host->stat.file.path = "stat";
	if (host->stat.scrape != host->scrape) {
		swap_texts(host);
		error = host_read(host, host->proc_fd, &host->stat.file, &text);
		swap_texts(host);
		if (error)
			return error;
		host->stat.length = text.length;
		host->stat.scrape = host->scrape;
	}
	*ret_text = (struct span){ host->stat.text, host->stat.length };
	return 0;
}

static struct host_file *find_kept(struct host *host, int directory, const char *path)
{
	for (size_t i = 0; i < host->kept_count; i++) {
		size_t at = (host->kept_next + i) % host->kept_count;

		if (host->kept[at].directory != directory || strcmp(host->kept[at].file.path, path))
			continue;
		host->kept_next = at + 1;
		return &host->kept[at].file;
	}
	return NULL;
}

int host_read_kept(struct host *host, int directory, const char *path, struct span *ret_text)
{
	struct host_file *file = find_kept(host, directory, path);

	if (!file && host->kept_count == HOST_KEPT_MAX)
		return host_read_once(host, directory, path, ret_text);
	if (!file) {
		host->kept[host->kept_count].directory = directory;
		file = &host->kept[host->kept_count++].file;
		file->path = path;
	}
	return host_read(host, directory, file, ret_text);
}

int host_read_number(struct host *host, int directory, const char *path, uint64_t *ret_value)
{
	struct span text = { 0 };
	int error = host_read_kept(host, directory, path, &text);

	return error ? error : span_u64(span_trim(text), ret_value);
}

int host_read_once(struct host *host, int directory, const char *path, struct span *ret_text)
{
	CLEANUP_FD int fd = -1;

	host_at(host, "%s", path);
	fd = openat(directory, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	return read_from_start(host, fd, 0, ret_text);
}

/* One read: files of sysfs come whole, and end where the read was short. */
int host_reread_small(int fd, char *buffer, size_t size, struct span *ret_text)
{
	ssize_t got;

	do
		got = pread(fd, buffer, size - 1, 0);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	if ((size_t)got == size - 1)
		return -EFBIG;
	buffer[got] = '\0';
	*ret_text = span_trim((struct span){ buffer, strlen(buffer) });
	buffer[ret_text->at - buffer + (ptrdiff_t)ret_text->length] = '\0';
	return 0;
}

int host_read_small(int directory, const char *path, char *buffer, size_t size, struct span *ret_text)
{
	CLEANUP_FD int fd = openat(directory, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	return fd < 0 ? -errno : host_reread_small(fd, buffer, size, ret_text);
}

int host_read_u64(int directory, const char *path, uint64_t *ret_value)
{
	char buffer[64];
	struct span text = { buffer, 0 };
	int error = host_read_small(directory, path, buffer, sizeof(buffer), &text);

	return error ? error : span_u64(text, ret_value);
}

int host_read_i64(int directory, const char *path, int64_t *ret_value)
{
	char buffer[64];
	struct span text = { buffer, 0 };
	int error = host_read_small(directory, path, buffer, sizeof(buffer), &text);

	return error ? error : span_i64(text, ret_value);
}

/* getdents64 instead of readdir, which allocates. */
int host_each(int directory, const char *path, int (*each)(void *ctx, int directory, const char *name), void *ctx)
{
	CLEANUP_FD int fd = openat(directory, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_Alignas(struct dirent64) char buffer[8192];
	ssize_t got;
	int error = 0;

	if (fd < 0)
		return -errno;
	while (!error && (got = getdents64(fd, buffer, sizeof(buffer))) != 0) {
		if (got < 0)
			return -errno;
		for (ssize_t at = 0; at < got && !error;) {
			const struct dirent64 *entry = (const struct dirent64 *)(const void *)(buffer + at);

			if (entry->d_name[0] != '.')
				error = each(ctx, fd, entry->d_name);
			at += entry->d_reclen;
		}
	}
	return error;
}

int host_each_class(struct host *host, const char *name, int (*each)(void *ctx, int directory, const char *device),
		    void *ctx)
{
	int error;

	host_at(host, "class/%s", name);
	error = host_each(host->sys_fd, host->at, each, ctx);
	return error == -ENOENT ? -ENODATA : error;
}

void *host_grow(void *items, size_t *capacity, size_t size, size_t limit)
{
	size_t wanted = *capacity ? *capacity * 2 : 16;
	void *grown = wanted <= limit ? reallocarray(items, wanted, size) : NULL;

	if (grown)
		*capacity = wanted;
	return grown;
}
