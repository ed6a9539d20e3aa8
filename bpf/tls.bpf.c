/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Entry points on the functions of TLS libraries. An object of its own, loaded beside the capture programs, whose ring,
 * connections, processes and counters it shares. load/ attaches it to files, for whoever maps them: the first act is to
 * ask whether the process is observed.
 */
#include "vmlinux.h"

#include "kernel.h"
#include "tls_call.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("uprobe")
int ssl_read(struct pt_regs *regs)
{
	on_tls_call(regs, FLOW_RECEIVE, false);
	return 0;
}

SEC("uprobe")
int ssl_write(struct pt_regs *regs)
{
	on_tls_call(regs, FLOW_SEND, false);
	return 0;
}

SEC("uprobe")
int ssl_read_ex(struct pt_regs *regs)
{
	on_tls_call(regs, FLOW_RECEIVE, true);
	return 0;
}

SEC("uprobe")
int ssl_write_ex(struct pt_regs *regs)
{
	on_tls_call(regs, FLOW_SEND, true);
	return 0;
}

SEC("uretprobe")
int ssl_return(struct pt_regs *regs)
{
	on_tls_return(regs);
	return 0;
}

SEC("uprobe")
int ssl_free(struct pt_regs *regs)
{
	on_tls_session_gone(regs);
	return 0;
}
