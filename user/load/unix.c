/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unix sockets where bpf/socket.h is the front end. No hook sees them being connected: so the connections that there
 * are already are listed once, and all others have begun under the agent's eyes. And no hook but sys_exit sees a splice
 * out of one; as that one costs every system call of the host something, it is attached when the first unix connection
 * of a protocol that sonde reads has been seen, and stays. Its twin on perf's events is attached from the start:
 * Debian's kernels let nobody open such an event but CAP_SYS_ADMIN, which the agent has given up by then.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "load/internal.h"

int unix_remember(struct capture *capture)
{
	struct bpf_program *program = capture->bpf->progs.unix_sockets;
	struct bpf_link *link;
	char nothing[64];
	int error = 0;
	ssize_t count = -1;

	if (!bpf_program__autoload(program))
		return 0;
	link = bpf_program__attach_iter(program, NULL);
	if (!link)
		return -errno;
	CLEANUP_FD int fd = bpf_iter_create(bpf_link__fd(link));

	/* The program writes nothing: reading makes it run. */
	while (fd >= 0 && ((count = read(fd, nothing, sizeof(nothing))) > 0 || (count < 0 && errno == EINTR)))
		;
	if (count < 0)
		error = -errno;
	bpf_link__destroy(link);
	return error;
}

void unix_watch_splices(struct capture *capture)
{
	int program = kept_program(&capture->kept, &capture->bpf->progs.splice_exit);

	if (capture->splice_fd >= 0 || capture->splice_refused || program < 0)
		return;
	capture->splice_fd = bpf_raw_tracepoint_open(NULL, program); /* it is known from its program's type */
	capture->splice_refused = capture->splice_fd < 0;
}
