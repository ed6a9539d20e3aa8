/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a block device is called: its name in /dev, by its number in sysfs.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "container/usage_internal.h"

#define NAME_MAX_BYTES 48

void usage_device_name(const char *sysfs, uint32_t major, uint32_t minor, char *ret_name, size_t size)
{
	char link[CGROUP_PATH_MAX], target[CGROUP_PATH_MAX];
	const char *base;
	ssize_t length = -1;

	if (snprintf(link, sizeof(link), "%s/dev/block/%u:%u", sysfs, major, minor) < (int)sizeof(link))
		length = readlink(link, target, sizeof(target) - 1);
	if (length <= 0) {
		snprintf(ret_name, size, "%u:%u", major, minor);
		return;
	}
	target[length] = '\0';
	base = strrchr(target, '/');
	snprintf(ret_name, size, "/dev/%.*s", NAME_MAX_BYTES, base ? base + 1 : target);
	/* A '/' of a name in /dev is '!' in sysfs. */
	for (char *c = ret_name; *c; c++)
		if (*c == '!')
			*c = '/';
}
