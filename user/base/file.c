/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small files into the caller's buffer. Reads until the end is seen: files of /proc come in pieces and say nothing
 * useful by fstat.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

/* Fills bytes[0..size), fewer only at the end of the file. */
static int read_fully(int fd, char *bytes, size_t size, size_t *ret_length)
{
	size_t length = 0;

	while (length < size) {
		ssize_t got = read(fd, bytes + length, size - length);

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

static int read_file(int directory, const char *path, char *buffer, size_t size, bool cut, size_t *ret_length)
{
	CLEANUP_FD int fd = -1;
	size_t length = 0;
	int error;

	if (!size)
		return -EFBIG;
	fd = openat(directory, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	error = read_fully(fd, buffer, size, &length);
	if (error)
		return error;
	if (length == size) {
		if (!cut)
			return -EFBIG;
		length--;
	}
	buffer[length] = '\0';
	if (ret_length)
		*ret_length = length;
	return 0;
}

int file_read(int directory, const char *path, char *buffer, size_t size, size_t *ret_length)
{
	return read_file(directory, path, buffer, size, false, ret_length);
}

int file_read_start(int directory, const char *path, char *buffer, size_t size, size_t *ret_length)
{
	return read_file(directory, path, buffer, size, true, ret_length);
}
