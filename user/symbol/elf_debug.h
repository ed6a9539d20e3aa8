/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Symbols that were stripped from a file and kept elsewhere: in a file of its own, found by the build-id
 * (FOLDER/ab/cdef....debug), or compressed inside of it (.gnu_debugdata, as Fedora's programs have).
 */
#pragma once

#include <stdbool.h>

#include "symbol/elf_file.h"

#define ELF_DEBUG_FOLDER "/usr/lib/debug/.build-id"

/* Is there such a place? Opens nothing but headers. */
bool elf_debug_exists(int fd, const char *folder);
/* As elf_find_symbols. What is compressed is read with libdw.so.1, where that is installed. */
MUST_CHECK int elf_debug_find_symbols(int fd, const char *folder, struct symbol *symbols, size_t count);
