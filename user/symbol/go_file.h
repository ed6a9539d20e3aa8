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

/* -ENOENT: not a Go program of 1.18 or later. Functions that are not there keep offset 0. A function whose returns are
 * not all found is not there either: -ENOTSUP. */
MUST_CHECK int go_find_functions(int fd, struct go_function *functions, size_t count);

/* The places of return instructions in a function's code: `ret` behind the epilogue that Go writes. Pure. Returns how
 * many, or -1 when there are more than `max`. */
int go_find_returns(const uint8_t *code, size_t length, uint16_t machine, uint64_t *ret_places, size_t max);
