/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tries a kind of hook with a program of two instructions: a host that refuses it says so at once, before the real
 * programs are verified for nothing.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>

#include "load/internal.h"

/* r0 = 0; exit */
static const struct bpf_insn nothing[] = {
	{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
	{ .code = BPF_JMP | BPF_EXIT },
};

static int refuse(enum config_backend backend, const char *what, struct capture_error *ret_error)
{
	int error = errno ? errno : ENOTSUP;

	capture_error_set(ret_error, "backend %s: the kernel refuses %s: %s", capture_backend_text(backend), what,
			  strerror(error));
	return -error;
}

static int probe_fentry(const struct btf *btf, struct capture_error *ret_error)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_TRACE_FEXIT);
	CLEANUP_FD int program = -1;
	CLEANUP_FD int link = -1;

	options.attach_btf_id = (uint32_t)btf__find_by_name_kind(btf, "tcp_sendmsg", BTF_KIND_FUNC);
	program = bpf_prog_load(BPF_PROG_TYPE_TRACING, "probe", "GPL", nothing, 2, &options);
	if (program < 0)
		return refuse(BACKEND_FENTRY, "to load an fexit program", ret_error);
	link = bpf_raw_tracepoint_open(NULL, program);
	return link < 0 ? refuse(BACKEND_FENTRY, "to attach an fexit program", ret_error) : 0;
}

static int probe_kprobe(struct capture_error *ret_error)
{
	/* The kernel's own interface to kprobes without files that would be left behind. */
	if (access("/sys/bus/event_source/devices/kprobe/type", R_OK))
		return refuse(BACKEND_KPROBE, "kprobes (CONFIG_KPROBES, CONFIG_KPROBE_EVENTS)", ret_error);
	return 0;
}

int backend_probe(const struct btf *btf, enum config_backend backend, struct capture_error *ret_error)
{
	if (backend == BACKEND_FENTRY)
		return probe_fentry(btf, ret_error);
	return backend == BACKEND_KPROBE ? probe_kprobe(ret_error) : 0;
}
