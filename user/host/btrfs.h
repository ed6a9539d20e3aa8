/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One btrfs filesystem, as sysfs and its own devices tell it.
 */
#pragma once

#include "host/internal.h"

struct btrfs_volume {
	struct host *host;
	const char *folder; /* below /sys/fs/btrfs: its UUID */
	char uuid[64];
};

/* Tells the devices by asking the filesystem where it is mounted; false when none of its mounts answers, which needs
 * CAP_SYS_ADMIN. */
bool btrfs_tell_devices(const struct btrfs_volume *volume);
