/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bpf() call for links of uprobes. The layout is union bpf_attr's of kernel 6.6 (89ae89f53d20), link_create.
 */
#include "load/uprobe.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TRACE_UPROBE_MULTI 48
#define UPROBE_MULTI_RETURN 1U

struct link_create_uprobe_multi {
	uint32_t program;
	uint32_t target;
	uint32_t attach_type;
	uint32_t flags;
	uint64_t path;
	uint64_t offsets;
	uint64_t ref_counter_offsets;
	uint64_t cookies;
	uint32_t count;
	uint32_t multi_flags;
	uint32_t pid; /* 0: every process */
	uint32_t reserved;
};

void uprobe_multi_prepare(struct bpf_program *program)
{
	(void)bpf_program__set_expected_attach_type(program, (enum bpf_attach_type)TRACE_UPROBE_MULTI);
}

int uprobe_multi_attach(const struct bpf_program *program, const char *path, const uint64_t *offsets, uint32_t count,
			bool at_return, int *ret_fd)
{
	struct link_create_uprobe_multi attributes;
	long fd;

	memset(&attributes, 0, sizeof(attributes));
	attributes.program = (uint32_t)bpf_program__fd(program);
	attributes.attach_type = TRACE_UPROBE_MULTI;
	attributes.path = (uint64_t)(uintptr_t)path;
	attributes.offsets = (uint64_t)(uintptr_t)offsets;
	attributes.count = count;
	attributes.multi_flags = at_return ? UPROBE_MULTI_RETURN : 0;
	fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attributes, sizeof(attributes));
	if (fd < 0)
		return -errno;
	*ret_fd = (int)fd;
	return 0;
}

/* A kernel that has such links looks at the path, and a folder is refused with EBADF. */
bool uprobe_multi_works(const struct bpf_program *program)
{
	int fd = -1;
	uint64_t offset = 1;
	int error = uprobe_multi_attach(program, "/", &offset, 1, false, &fd);

	if (!error)
		close(fd);
	return error == -EBADF;
}
