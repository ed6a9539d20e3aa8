/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of Go programs, stripped or not: by the table of functions that Go's runtime itself needs (.gopclntab), and
 * the places where they return.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define GO_RETURNS_MAX 32

struct go_function {
	const char *name;
	uint64_t offset; /* in the file, of its beginning or where it is the same; 0: not there */
	uint64_t returns[GO_RETURNS_MAX];
	size_t return_count;
};

/* -ENOENT: not a Go program of 1.17 (amd64) or 1.18 or later. Functions that are not there keep offset 0. A function
 * whose returns cannot be told for certain: -ENOTSUP. */
MUST_CHECK int go_find_functions(int fd, struct go_function *functions, size_t count);
