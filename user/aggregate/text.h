/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes from the network made fit for a label: valid UTF-8 without control characters, bounded. Sits under everything
 * in this folder that keeps text.
 */
#pragma once

#include <stddef.h>

/* Copies to `out` (capacity >= 1, NUL-terminated), each invalid byte or control character as U+FFFD, and stops before
 * a character that would not fit. Returns the length written. */
size_t text_sanitise(const char *bytes, size_t length, char *out, size_t capacity);
