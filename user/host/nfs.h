/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The procedures of NFS by group of /proc/net/rpc/nfs and nfsd.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct nfs_procedures {
	const char *group, *version;
	bool counted;             /* the group's first value is how many follow */
	size_t least;             /* of them */
	const char *const *names; /* in the kernel's order; NULL: not told */
	size_t count;
};

/* Each ends with a group of NULL. */
extern const struct nfs_procedures nfs_client_procedures[], nfs_server_procedures[];
