/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel tells of a process's life. Plain records, made by load, handed on to identity. All pointers are
 * borrowed for the call. Process ids are of the initial pid namespace.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct process_exec {
	uint32_t tgid;
	uint64_t time_ns;
	const char *filename;  /* as given to execve, NUL-terminated, maybe cut; "" when it ran before the agent */
	const char *arguments; /* NUL-separated, maybe cut */
	size_t arguments_length;
	const char *environment; /* NUL-separated, maybe cut; may hold secrets: never kept whole */
	size_t environment_length;
};

struct process_fork {
	uint32_t parent_tgid;
	uint32_t child_tgid;
	uint64_t time_ns;
};

struct process_exit {
	uint32_t tgid;
	uint64_t time_ns;
};
