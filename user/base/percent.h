/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Percent-encoding (RFC 3986 section 2.1), as OpenTelemetry's variables have it in their values.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Decodes a NUL-terminated text. False: a "%" without two hexadecimal digits, a NUL, or no room; then `out` says
 * nothing. */
bool percent_decode(const char *text, char *out, size_t size);
