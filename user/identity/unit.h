/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The systemd unit that a process runs in, read from its cgroup membership. Only services name a service: scopes
 * (login sessions, containers) and the user manager itself do not.
 */
#pragma once

#include "identity/slice.h"

/*
 * `cgroup` is the text of /proc/PID/cgroup (v1, hybrid or v2). `name` holds IDENTITY_NAME_MAX + 1 bytes and gets the
 * unit's name, unescaped, without ".service", with the instance of a template. Returns its length, 0 when the process
 * is in no service (name is then "").
 */
size_t unit_service(struct slice cgroup, char *name);
/* A unit's name with its \xNN undone, cut at `size` bytes; not cleaned, not terminated. Returns its length. */
size_t unit_unescape(struct slice unit, char *text, size_t size);
