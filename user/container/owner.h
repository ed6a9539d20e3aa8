/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose cgroup is it? Cgroups below a container's or a service's belong to it.
 */
#pragma once

#include <stddef.h>

/* How many bytes of a cgroup's path ("/system.slice/nginx.service/worker") name its container, service or scope: the
 * outermost container's, else the innermost unit's, else all of it. */
size_t owner_length(const char *path);
