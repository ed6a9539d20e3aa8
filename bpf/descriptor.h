/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From a descriptor to its socket, by the process's file table: what a system call or a TLS library names a socket by.
 */
#pragma once

#include "kernel.h"

/* The file operations of sockets, once one was seen: looking there spares an inode that is in no cache. */
__u64 socket_operations = 0;

/* The socket behind a descriptor of the current process; NULL when it is something else. A unix socket's inode comes
 * with it. */
static __always_inline struct sock *sock_of_descriptor(struct task_struct *task, __u32 descriptor, __u64 *ret_inode)
{
	struct fdtable *table = kernel_read(kernel_read(task, files), fdt);
	struct file **files = kernel_read(table, fd);
	__u64 operations;
	struct file *file;
	struct sock *sock;

	if (descriptor >= kernel_read(table, max_fds))
		return NULL;
	file = kernel_read_pointer(files + descriptor);
	if (!file)
		return NULL;
	operations = (__u64)kernel_read(file, f_op);
	if (operations != socket_operations) {
		if ((kernel_read(kernel_read(file, f_inode), i_mode) & S_IFMT) != S_IFSOCK)
			return NULL;
		/* A descriptor opened with O_PATH is one of a socket, too, but has no socket behind it. */
		if (kernel_read(file, private_data))
			socket_operations = operations;
	}
	sock = kernel_read((struct socket *)kernel_read(file, private_data), sk);
	if (sock && kernel_read(sock, __sk_common.skc_family) == AF_UNIX)
		*ret_inode = kernel_read(kernel_read(file, f_inode), i_ino);
	return sock;
}
