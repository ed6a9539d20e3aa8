/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bpf() call for links of uprobes, and the event that perf has for one. The layout is union bpf_attr's of
 * kernel 6.6 (89ae89f53d20), link_create.
 */
#include "load/uprobe.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/number.h"

#define TRACE_UPROBE_MULTI 48
#define TRACE_UPROBE_SESSION 57
#define UPROBE_MULTI_RETURN 1U
#define PERF_UPROBE_RETURN 1U /* PERF_PROBE_CONFIG_IS_RETPROBE, kernel/events/core.c */
#define PERF_UPROBE_TYPE "/sys/bus/event_source/devices/uprobe/type"

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

static uint32_t attach_type(enum uprobe_way way)
{
	static const uint32_t types[] = {
		[UPROBE_PERF] = 0, [UPROBE_MULTI] = TRACE_UPROBE_MULTI, [UPROBE_SESSION] = TRACE_UPROBE_SESSION
	};

	return types[way];
}

void uprobe_prepare(struct bpf_program *program, enum uprobe_way way)
{
	(void)bpf_program__set_expected_attach_type(program, (enum bpf_attach_type)attach_type(way));
}

static int attach_perf(int program_fd, const struct uprobe_target *target, int *ret_fd)
{
	struct perf_event_attr attributes = { .size = sizeof(attributes) };
	char text[32];
	long fd;

	if (target->count != 1)
		return -EINVAL;
	if (file_read_start(AT_FDCWD, PERF_UPROBE_TYPE, text, sizeof(text), NULL))
		return -ENOTSUP;
	text[strcspn(text, "\n")] = '\0';
	if (number_u32(text, &attributes.type))
		return -ENOTSUP;
	attributes.config = target->at_return ? PERF_UPROBE_RETURN : 0;
	attributes.uprobe_path = (uint64_t)(uintptr_t)target->path;
	attributes.probe_offset = target->offsets[0];
	/* Every process is told on whatever processor, by an event of one. */
	fd = syscall(SYS_perf_event_open, &attributes, target->pid ? (pid_t)target->pid : -1, target->pid ? -1 : 0, -1,
		     PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ioctl((int)fd, PERF_EVENT_IOC_SET_BPF, program_fd) || ioctl((int)fd, PERF_EVENT_IOC_ENABLE, 0)) {
		int error = -errno;

		close((int)fd);
		return error;
	}
	*ret_fd = (int)fd;
	return 0;
}

int uprobe_attach(int program_fd, enum uprobe_way way, const struct uprobe_target *target, int *ret_fd)
{
	struct link_create_uprobe_multi attributes;
	long fd;

	if (way == UPROBE_PERF)
		return attach_perf(program_fd, target, ret_fd);
	memset(&attributes, 0, sizeof(attributes));
	attributes.program = (uint32_t)program_fd;
	attributes.attach_type = attach_type(way);
	attributes.path = (uint64_t)(uintptr_t)target->path;
	attributes.offsets = (uint64_t)(uintptr_t)target->offsets;
	attributes.cookies = (uint64_t)(uintptr_t)target->cookies;
	attributes.count = target->count;
	attributes.pid = target->pid;
	attributes.multi_flags = target->at_return ? UPROBE_MULTI_RETURN : 0;
	fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attributes, sizeof(attributes));
	if (fd < 0)
		return -errno;
	*ret_fd = (int)fd;
	return 0;
}

/* A program that returns 0 at once. Its descriptor, or negative. */
static int load_nothing(enum uprobe_way way, bool sleepable)
{
	const struct bpf_insn instructions[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = (enum bpf_attach_type)attach_type(way),
		    .prog_flags = sleepable ? BPF_F_SLEEPABLE : 0);

	return bpf_prog_load(BPF_PROG_TYPE_KPROBE, "sonde_try", "Dual BSD/GPL", instructions, 2, &options);
}

static bool works(enum uprobe_way way, bool sleepable)
{
	const uint64_t offset = 1;
	const struct uprobe_target folder = { .path = "/", .offsets = &offset, .count = 1 };
	int program = load_nothing(way, sleepable), link = -1, error = 0;

	if (program < 0)
		return false;
	/* A kernel that has such links looks at the path, and a folder is refused with EBADF. */
	if (way != UPROBE_PERF)
		error = uprobe_attach(program, way, &folder, &link);
	if (link >= 0)
		close(link);
	close(program);
	return way == UPROBE_PERF || error == -EBADF;
}

void uprobe_support_find(struct uprobe_support *ret_support)
{
	ret_support->best = UPROBE_PERF;
	if (works(UPROBE_SESSION, false))
		ret_support->best = UPROBE_SESSION;
	else if (works(UPROBE_MULTI, false))
		ret_support->best = UPROBE_MULTI;
	ret_support->sleepable = works(ret_support->best, true);
}
