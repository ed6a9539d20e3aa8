/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether an executable was made by Go's linker, and by which.
 */
#pragma once

#include <stdbool.h>

enum go_release {
	GO_NONE, /* not Go, or it cannot be read */
	GO_OLD,  /* 1.13 to 1.17 */
	GO_1_18, /* or later */
};

/* By the section that every Go program has since 1.13, stripped or not. */
enum go_release go_binary(const char *path);
