/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a small file (of /proc, /sys, the configuration) into the caller's buffer: never more than it holds, always
 * NUL-terminated, descriptors closed on exec from birth.
 */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"

/*
 * Reads the whole of `path` (relative to `directory`, a descriptor or AT_FDCWD) into buffer[0..size) and terminates it.
 * 0; -EFBIG when contents and NUL do not fit; else the negative errno of open or read. The buffer's contents are
 * undefined on failure. *ret_length, without the NUL, may be NULL when the caller does not need it.
 */
MUST_CHECK int file_read(int directory, const char *path, char *buffer, size_t size, size_t *ret_length);
/* The same, but a file that is too long is cut, without a word. */
MUST_CHECK int file_read_start(int directory, const char *path, char *buffer, size_t size, size_t *ret_length);
