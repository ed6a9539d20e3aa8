/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a Go function returns. Pure: bytes to places.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* amd64: by the compiler's own table of how far the stack pointer has moved at which place (`steps`: _func.pcsp and
 * what is behind it). Where it is back, the function returns; so nothing inside of another instruction is taken for a
 * return, and none is missed, whatever the epilogue of the release looks like. Returns how many places there are, or
 * -1: more than `max`, or a place where the stack pointer is back and the code neither returns nor begins anew. */
int go_returns_amd64(const uint8_t *code, size_t length, const uint8_t *steps, size_t steps_length,
		     uint64_t *ret_places, size_t max);
/* arm64, whose instructions have one size: each `ret`. The same results. */
int go_returns_arm64(const uint8_t *code, size_t length, uint64_t *ret_places, size_t max);
