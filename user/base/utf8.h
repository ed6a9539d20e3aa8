/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8 (RFC 3629): is it, and how long is its next character. For text of other processes that goes into formats
 * which must be UTF-8: logs, labels, YAML.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Length, 1 to 4, of the well-formed character at text[0..length); 0 when there is none. */
size_t utf8_sequence(const char *text, size_t length);
bool utf8_valid(const char *text, size_t length);
