/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openat2 where the kernel and the sandbox allow it (5.6), else component by component with O_NOFOLLOW: slower, and the
 * same promise.
 */
#include "identity/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"

#define NAME_BYTES 1024

const char *state_refusal_text(enum state_refusal refusal)
{
	static const char *const texts[STATE_REFUSAL_COUNT] = {
		[STATE_LINK] = "symbolic_link",    [STATE_IRREGULAR] = "not_a_file", [STATE_TOO_LARGE] = "too_large",
		[STATE_UNREADABLE] = "unreadable", [STATE_MALFORMED] = "malformed",  [STATE_FOREIGN] = "foreign",
	};

	return texts[refusal];
}

static int open_how(int directory, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = resolve };
	long fd = syscall(SYS_openat2, directory, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* Kernels before 5.6 and seccomp filters that do not know the call. */
static bool is_unsupported(int error)
{
	return error == -ENOSYS || error == -EPERM;
}

static int open_folder(int root, const char *folder)
{
	const char *path = folder + (folder[0] == '/');
	int fd = open_how(root, *path ? path : ".", O_PATH | O_DIRECTORY, RESOLVE_IN_ROOT);

	if (!is_unsupported(fd))
		return fd;
	fd = openat(root, *path ? path : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_by_component(int folder, const char *name)
{
	CLEANUP_FD int directory = -1;
	struct slice rest = slice_of(name), component;

	while (slice_next(&rest, '/', &component)) {
		char text[NAME_BYTES];
		int flags = rest.length ? O_PATH | O_DIRECTORY : O_RDONLY | O_NONBLOCK | O_NOCTTY;
		int fd;

		if (!component.length || component.length >= sizeof(text) || slice_is(component, ".."))
			return -EXDEV;
		memcpy(text, component.data, component.length);
		text[component.length] = '\0';
		fd = openat(directory < 0 ? folder : directory, text, flags | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return errno == ENOTDIR ? -ELOOP : -errno;
		if (!rest.length)
			return fd;
		cleanup_close_fd(&directory);
		directory = fd;
	}
	return -ENOENT;
}

static int open_below(int folder, const char *name)
{
	int fd = open_how(folder, name, O_RDONLY | O_NONBLOCK | O_NOCTTY,
			  RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);

	return is_unsupported(fd) ? open_by_component(folder, name) : fd;
}

static int refuse(struct state_reader *reader, enum state_refusal refusal, int error)
{
	reader->refused[refusal]++;
	return error;
}

static int refuse_open(struct state_reader *reader, int error)
{
	if (error == -ENOENT || error == -ENAMETOOLONG)
		return -ENOENT;
	if (error == -ENOTDIR || error == -ENXIO)
		return refuse(reader, STATE_IRREGULAR, error);
	return refuse(reader, error == -ELOOP || error == -EXDEV ? STATE_LINK : STATE_UNREADABLE, error);
}

/* Up to `size` bytes; a file that grows while being read is cut, which its reader sees as malformed. */
static int read_all(int fd, char *text, size_t size, size_t *ret_length)
{
	size_t length = 0;

	while (length < size) {
		ssize_t got = read(fd, text + length, size - length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			break;
		length += (size_t)got;
	}
	*ret_length = length;
	return 0;
}

int state_folder_open(struct state_reader *reader, const char *folder)
{
	int fd = open_folder(reader->root, folder);

	if (fd >= 0)
		return fd;
	return fd == -ENOTDIR ? -ENOENT : refuse_open(reader, fd);
}

int state_file_read(struct state_reader *reader, int folder, const char *name, char **ret_text, size_t *ret_length)
{
	CLEANUP_FD int fd = open_below(folder, name);
	CLEANUP_FREE char *text = NULL;
	struct stat status;
	int error;

	if (fd < 0)
		return refuse_open(reader, fd);
	if (fstat(fd, &status))
		return refuse(reader, STATE_UNREADABLE, -errno);
	if (!S_ISREG(status.st_mode))
		return refuse(reader, STATE_IRREGULAR, -EINVAL);
	if (status.st_size > STATE_FILE_MAX)
		return refuse(reader, STATE_TOO_LARGE, -EFBIG);
	text = malloc((size_t)status.st_size + 1);
	if (!text)
		return -ENOMEM;
	error = read_all(fd, text, (size_t)status.st_size, ret_length);
	if (error)
		return refuse(reader, STATE_UNREADABLE, error);
	text[*ret_length] = '\0';
	*ret_text = STEAL_POINTER(text);
	return 0;
}
