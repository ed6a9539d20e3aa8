#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Prints build/version.h: the version is the newest heading of CHANGELOG.md, the revision the commit if there is one.

cd "$(dirname "$0")/.." || exit 1
version=$(sed -n 's/^## \([0-9][0-9.]*[^ ]*\).*/\1/p' CHANGELOG.md 2>/dev/null | head -n 1)
revision=$(git -c safe.directory='*' describe --always --dirty --abbrev=12 --exclude='*' 2>/dev/null)
cat <<END
/* SPDX-License-Identifier: Apache-2.0 */
/* Written by scripts/version.sh. */
#pragma once

#define SONDE_VERSION "${version:-0.0.0}"
#define SONDE_REVISION "${revision:-unknown}"
END
