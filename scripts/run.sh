#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# `sudo make run`: installs what is missing, builds, becomes the agent with its defaults. Arguments are the agent's:
# make run ARGS="--log.level=debug".
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" != 0 ]; then
    echo "make run: not root, and loading BPF programs needs it: run \`sudo make run\`" >&2
    exit 1
fi
scripts/setup.sh build
make --no-print-directory all
# What root built stays usable for the user who called sudo.
if [ -n "${SUDO_UID:-}" ]; then
    chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" build
fi
exec build/sonde run "$@"
