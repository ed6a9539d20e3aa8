/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A process maps the code of a file that is named like a TLS library: user space is woken to look at it. That is at the
 * loading of the library, long before its first call.
 */
#pragma once

#include "select.h"

#define PROTECTION_EXECUTE 0x4 /* PROT_EXEC */
#define LIBRARY_NAME_BYTES 10

static __always_inline bool name_begins(const char *name, const char *with, __u32 length)
{
	for (__u32 i = 0; i < length; i++)
		if (name[i] != with[i])
			return false;
	return true;
}

static __always_inline void on_file_mapped(struct file *file)
{
	struct process_event event = {};
	char name[LIBRARY_NAME_BYTES + 2] = {};

	if (bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(file, f_path.dentry, d_name.name)) < 0)
		return;
	if (!name_begins(name, "libssl", 6) && !name_begins(name, "libgnutls", 9))
		return;
	event.tgid = bpf_get_current_pid_tgid() >> 32;
	if (!process_selected(event.tgid))
		return;
	event.header.type = EVENT_MAPPED;
	event.header.length = sizeof(event);
	event.time_ns = bpf_ktime_get_ns();
	ring_put(&event, sizeof(event), ring_wakeup_bytes);
}
