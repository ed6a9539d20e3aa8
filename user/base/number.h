/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict parsing of numbers from text: the whole text or nothing. No sign, no blanks, no locale, no octal.
 * All answer 0, -EINVAL (not such a number) or -ERANGE (too large, or a port of 0); the result is untouched on failure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

MUST_CHECK int number_u64(const char *text, uint64_t *ret_value);
/* The same for text that is not NUL-terminated. */
MUST_CHECK int number_u64_span(const char *text, size_t length, uint64_t *ret_value);
MUST_CHECK int number_u32(const char *text, uint32_t *ret_value);
/* 1 to 65535. */
MUST_CHECK int number_port(const char *text, uint16_t *ret_port);
/* Bytes: a plain number, or one followed by B, KiB, MiB, GiB or TiB. */
MUST_CHECK int number_size(const char *text, uint64_t *ret_bytes);
/* Numbers each followed by ns, us, ms, s, m, h or d, from the largest unit to the smallest: "15m", "1h30m"; or "0". */
MUST_CHECK int number_duration(const char *text, uint64_t *ret_ns);
/* 0 to 1, as digits with a decimal point: "0.25". */
MUST_CHECK int number_ratio(const char *text, double *ret_ratio);
/* true, yes, on, 1; false, no, off, 0. */
MUST_CHECK int number_bool(const char *text, bool *ret_value);
