/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Entry points on the functions of TLS libraries. An object of its own, loaded beside the capture programs, whose ring,
 * connections, processes and counters it shares. load/ attaches it to files, for whoever maps them: the first act is to
 * ask whether the process is observed.
 */
#include "vmlinux.h"

#include "kernel.h"
#include "tls_aead.h"
#include "tls_enter.h"
#include "tls_go.h"
#include "tls_mapped.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("kprobe/security_mmap_file")
int BPF_KPROBE(library_mapped, struct file *file, unsigned long protection)
{
	if (file && protection & PROTECTION_EXECUTE)
		on_file_mapped(file);
	return 0;
}

/*
 * Since 6.13 a program of this type has its stack in memory of its processor, on the grounds that it
 * does not run twice there. Those on uprobes do, as soon as the kernel preempts one for a process that comes to a hook
 * as well: each then writes into the other's variables. A program with a tail call keeps the thread's own stack, also
 * when the call is never made.
 */
const volatile bool never = false;
#define OWN_STACK(regs)                               \
	do {                                          \
		if (never)                            \
			bpf_tail_call(regs, NULL, 0); \
	} while (0)

/* In place of the next ten and tls_return, where the kernel has sessions. */
SEC("uprobe")
int tls_function(struct pt_regs *regs)
{
	OWN_STACK(regs);
	return on_tls_function(regs);
}

SEC("uprobe")
int ssl_read(struct pt_regs *regs)
{
	OWN_STACK(regs);
	on_tls_call(regs, TLS_LIBRARY_OPENSSL, FLOW_RECEIVE, false);
	return 0;
}

SEC("uprobe")
int ssl_write(struct pt_regs *regs)
{
	OWN_STACK(regs);
	on_tls_call(regs, TLS_LIBRARY_OPENSSL, FLOW_SEND, false);
	return 0;
}

SEC("uprobe")
int ssl_read_ex(struct pt_regs *regs)
{
	OWN_STACK(regs);
	on_tls_call(regs, TLS_LIBRARY_OPENSSL, FLOW_RECEIVE, true);
	return 0;
}

SEC("uprobe")
int ssl_write_ex(struct pt_regs *regs)
{
	OWN_STACK(regs);
	on_tls_call(regs, TLS_LIBRARY_OPENSSL, FLOW_SEND, true);
	return 0;
}

/* Its fourth argument is flags. */
SEC("uprobe")
int ssl_write_ex2(struct pt_regs *regs)
{
	OWN_STACK(regs);
	on_tls_call_of(regs, TLS_LIBRARY_OPENSSL, FLOW_SEND, PT_REGS_PARM2(regs), PT_REGS_PARM5(regs));
	return 0;
}

/* The library tells the kernel to encrypt a file's bytes: known by length. */
SEC("uprobe")
int ssl_sendfile(struct pt_regs *regs)
{
	OWN_STACK(regs);
	on_tls_call_of(regs, TLS_LIBRARY_OPENSSL, FLOW_SEND, 0, 0);
	return 0;
}

SEC("uprobe")
int boring_read(struct pt_regs *regs)
{
	OWN_STACK(regs);
	on_tls_call(regs, TLS_LIBRARY_BORING, FLOW_RECEIVE, false);
	return 0;
}

SEC("uprobe")
int boring_write(struct pt_regs *regs)
{
	OWN_STACK(regs);
	on_tls_call(regs, TLS_LIBRARY_BORING, FLOW_SEND, false);
	return 0;
}

SEC("uprobe")
int gnutls_receive(struct pt_regs *regs)
{
	OWN_STACK(regs);
	on_tls_call(regs, TLS_LIBRARY_GNUTLS, FLOW_RECEIVE, false);
	return 0;
}

SEC("uprobe")
int gnutls_send(struct pt_regs *regs)
{
	OWN_STACK(regs);
	on_tls_call(regs, TLS_LIBRARY_GNUTLS, FLOW_SEND, false);
	return 0;
}

SEC("uprobe")
int bio_write(struct pt_regs *regs)
{
	OWN_STACK(regs);
	on_bio_write(regs);
	return 0;
}

/* In place of the next four, as tls_function is. */
SEC("uprobe")
int aead_function(struct pt_regs *regs)
{
	OWN_STACK(regs);
	return on_aead_function(regs);
}

SEC("uprobe")
int aead_seal(struct pt_regs *regs)
{
	OWN_STACK(regs);
	(void)on_aead_enter(regs, AEAD_SEAL);
	return 0;
}

SEC("uprobe")
int aead_seal_scatter(struct pt_regs *regs)
{
	OWN_STACK(regs);
	(void)on_aead_enter(regs, AEAD_SEAL_SCATTER);
	return 0;
}

SEC("uprobe")
int aead_open(struct pt_regs *regs)
{
	OWN_STACK(regs);
	(void)on_aead_enter(regs, AEAD_OPEN);
	return 0;
}

SEC("uprobe")
int aead_open_gather(struct pt_regs *regs)
{
	OWN_STACK(regs);
	(void)on_aead_enter(regs, AEAD_OPEN_GATHER);
	return 0;
}

SEC("uprobe")
int go_read(struct pt_regs *regs)
{
	OWN_STACK(regs);
	on_go_call(regs, FLOW_RECEIVE);
	return 0;
}

SEC("uprobe")
int go_write(struct pt_regs *regs)
{
	OWN_STACK(regs);
	on_go_call(regs, FLOW_SEND);
	return 0;
}

SEC("uprobe")
int go_return(struct pt_regs *regs)
{
	OWN_STACK(regs);
	on_go_return(regs);
	return 0;
}

SEC("uretprobe")
int tls_return(struct pt_regs *regs)
{
	OWN_STACK(regs);
	on_tls_return(regs, true);
	return 0;
}

SEC("uprobe")
int tls_session_gone(struct pt_regs *regs)
{
	OWN_STACK(regs);
	on_tls_session_gone(regs);
	return 0;
}
