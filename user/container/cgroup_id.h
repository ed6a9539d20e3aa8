/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The `id` label of a cgroup: its path, made text.
 */
#pragma once

#include "base/buffer.h"

/*
 * A path may hold any bytes, labels are UTF-8. What is not, and U+FFFD itself, becomes U+FFFD and two digits for each
 * byte: two different paths never become one id, which would be one series told twice. With its NUL.
 */
void cgroup_id_append(struct buffer *out, const char *path);
