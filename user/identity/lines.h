/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes of a resource as text: lines "key=value\n" of clean UTF-8, a key once. What is told of a process, its
 * container and its service stands in this form until an exporter encodes it.
 */
#pragma once

#include "identity/slice.h"

#define LINE_VALUE_MAX (2 * IDENTITY_NAME_MAX)

/* Cleans the value and appends the line behind `length` bytes of `lines`, which holds `size`; left out when the value
 * is empty or the line does not fit. Returns the new length. */
size_t lines_add(char *lines, size_t size, size_t length, const char *key, struct slice value);
/* Appends the lines of `more` whose keys are not there yet and which fit. Returns the new length. */
size_t lines_add_all(char *lines, size_t size, size_t length, const char *more);
/* Whether a text may be a key: as the names of attributes are, lower case, digits, '.', '_' and '-'. */
bool lines_key(struct slice key);
bool lines_have(const char *lines, struct slice key);
/* Takes out every line that `other` does not have just so. Returns the new length. */
size_t lines_intersect(char *lines, const char *other);
