/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A splice out of a unix socket is seen by sys_exit alone where the agent's hooks are the sockets' own tracepoints, and
 * it attaches that one when the first unix connection that speaks HTTP has been seen: docs/KERNELS.md. This makes one,
 * before the case that needs it.
 */
#include "harness.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEEN_US 200000 /* the agent looks at what has come every few milliseconds */

static const char request[] = "GET /prime HTTP/1.1\r\nHost: prime\r\n\r\n";
static const char response[] = "HTTP/1.1 204 No Content\r\n\r\n";

static bool pass(int from, int to, const char *text)
{
	char buffer[256];
	size_t length = strlen(text);

	return write(from, text, length) == (ssize_t)length && read(to, buffer, sizeof(buffer)) == (ssize_t)length;
}

/* Never returns. */
static void exchange(const char *cgroup)
{
	int ends[2];

	if (*cgroup && cgroup_enter(cgroup) < 0)
		_exit(1);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		_exit(1);
	_exit(pass(ends[0], ends[1], request) && pass(ends[1], ends[0], response) ? 0 : 1);
}

int prime_unix(const struct truth *truth)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		return -errno;
	if (!child)
		exchange(truth->cgroup);
	if (waitpid(child, &status, 0) < 0)
		return -errno;
	sleep_us((uint64_t)(SEEN_US * truth->options.slow));
	return status ? -EIO : 0;
}
