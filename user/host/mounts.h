/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/PID/mountinfo (Documentation/filesystems/proc.rst, 3.5), line by line. Pure.
 */
#pragma once

#include "host/scan.h"

struct mount {
	struct span device; /* the source, as the kernel escaped it */
	struct span point;  /* the mount point, as the kernel escaped it */
	struct span type;
	struct span major, minor;
	bool read_only;
};

/* -EINVAL. */
MUST_CHECK int mount_parse(struct span line, struct mount *ret_mount);
/* Undoes the kernel's octal escapes: all of them, or with `blanks_only` those of space and tab. Cut to size. */
void mount_unescape(struct span text, bool blanks_only, char *ret_text, size_t size);
