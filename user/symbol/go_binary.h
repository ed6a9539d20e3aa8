/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether an executable was made by Go's linker.
 */
#pragma once

#include <stdbool.h>

/* By the section that every Go program has since 1.13, stripped or not. False also when it cannot be read. */
bool go_binary(const char *path);
