/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From a descriptor to its socket, by the process's file table: what a system call or a TLS library names a socket by.
 */
#pragma once

#include "kernel.h"

/* The socket behind a descriptor of the current process; NULL when it is something else. */
static __always_inline struct sock *sock_of_descriptor(struct task_struct *task, __u32 descriptor, __u64 *ret_inode)
{
	struct fdtable *table = kernel_read(kernel_read(task, files), fdt);
	struct file **files = kernel_read(table, fd);
	struct file *file = NULL;
	struct inode *inode;

	if (descriptor >= kernel_read(table, max_fds))
		return NULL;
	if (bpf_probe_read_kernel(&file, sizeof(file), files + descriptor) || !file)
		return NULL;
	inode = kernel_read(file, f_inode);
	if ((kernel_read(inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	*ret_inode = kernel_read(inode, i_ino);
	return kernel_read((struct socket *)kernel_read(file, private_data), sk);
}
