/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What symbol/elf_file.c and symbol/elf_debug.c share.
 */
#pragma once

#include <libelf.h>

#include "symbol/elf_file.h"

/* Looks in the tables of one type of `table`; where the functions lie is told by the segments of `code`. */
void elf_search(Elf *table, Elf *code, uint32_t type, struct symbol *symbols, size_t count);
/* NULL: not an ELF file that can be read. */
Elf *elf_open(int fd);
