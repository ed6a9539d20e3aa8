#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Inside of a VM: cgroup v1's controllers, each in a tree of its own, and an empty v2 tree beside them, in place of the
# v2 tree. Then the command: `sh scripts/vm/v1.sh COMMAND...`. 6.12 and later, as Debian builds them, have no memory
# controller of v1.

set -e
umount /sys/fs/cgroup
mount -t tmpfs none /sys/fs/cgroup
for controller in cpu cpuacct memory pids blkio; do
    mkdir /sys/fs/cgroup/$controller
    mount -t cgroup -o $controller none /sys/fs/cgroup/$controller
done
mkdir /sys/fs/cgroup/unified
mount -t cgroup2 none /sys/fs/cgroup/unified
exec "$@"
