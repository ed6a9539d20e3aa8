/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that a process runs code from, opened whatever its root is and also when they are deleted. For load/ only.
 */
#pragma once

#include <stdint.h>

#include "base/cleanup.h"

struct tls_mapping {
	const char *path; /* as the process knows it; of a file that is gone it ends in ` (deleted)` */
	const char *range;
	unsigned long long inode;
};

/* A mapping of code, one call for each; a file has several perhaps. -ESRCH, -EACCES. */
int tls_maps_each(const char *procfs, uint32_t tgid, void (*tell)(void *ctx, const struct tls_mapping *mapping),
		  void *ctx);
/* A descriptor, or -1. */
int tls_maps_open(const char *procfs, uint32_t tgid, const struct tls_mapping *mapping);
int tls_maps_open_executable(const char *procfs, uint32_t tgid);
