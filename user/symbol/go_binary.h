/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether an executable was made by Go's linker, and by which.
 */
#pragma once

#include <stddef.h>

enum go_release {
	GO_NONE, /* not Go, or it cannot be read */
	GO_OLD,  /* 1.13 to 1.17 */
	GO_1_18, /* or later */
};

/* By the section that every Go program has since 1.13, stripped or not. `version` gets what it says of itself
 * since 1.18, "go1.22.3", else "", NUL-terminated within `size`; 0: nobody asks. Not cleaned. */
enum go_release go_binary(const char *path, char *version, size_t size);
