/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libelf maps the file; only the pages of headers and symbol tables are touched.
 */
#include "symbol/elf_file.h"

#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdbool.h>
#include <string.h>

#include "symbol/elf_internal.h"

/* A symbol's address in memory is not its place in the file: the segment that holds it tells the difference. */
static uint64_t file_offset(Elf *elf, uint64_t address)
{
	size_t count = 0;

	if (elf_getphdrnum(elf, &count))
		return 0;
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr header;

		if (!gelf_getphdr(elf, (int)i, &header) || header.p_type != PT_LOAD)
			continue;
		if (address >= header.p_vaddr && address - header.p_vaddr < header.p_filesz)
			return address - header.p_vaddr + header.p_offset;
	}
	return 0;
}

#define AWS_LC "aws_lc_"

static bool is_named(const struct symbol *symbol, const char *name)
{
	size_t length = strlen(symbol->name), found;

	if (!strcmp(symbol->name, name))
		return true;
	if (!symbol->prefixed || strncmp(name, AWS_LC, strlen(AWS_LC)) != 0)
		return false;
	found = strlen(name);
	return found > length && name[found - length - 1] == '_' && !strcmp(name + found - length, symbol->name);
}

static void match(Elf *code, const GElf_Sym *found, const char *name, struct symbol *symbols, size_t count)
{
	if (GELF_ST_TYPE(found->st_info) != STT_FUNC || found->st_shndx == SHN_UNDEF || !name)
		return;
	for (size_t i = 0; i < count; i++)
		if (!symbols[i].offset && is_named(&symbols[i], name)) {
			symbols[i].offset = file_offset(code, found->st_value);
			symbols[i].size = found->st_size;
		}
}

static void search_table(Elf *elf, Elf *code, Elf_Scn *section, const GElf_Shdr *header, struct symbol *symbols,
			 size_t count)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t entries = header->sh_entsize ? header->sh_size / header->sh_entsize : 0;

	for (size_t i = 0; data && i < entries; i++) {
		GElf_Sym found;

		if (gelf_getsym(data, (int)i, &found))
			match(code, &found, elf_strptr(elf, header->sh_link, found.st_name), symbols, count);
	}
}

static bool all_found(const struct symbol *symbols, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!symbols[i].offset)
			return false;
	return true;
}

void elf_search(Elf *table, Elf *code, uint32_t type, struct symbol *symbols, size_t count)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(table, section))) {
		GElf_Shdr header;

		if (gelf_getshdr(section, &header) && header.sh_type == type)
			search_table(table, code, section, &header, symbols, count);
	}
}

Elf *elf_open(int fd)
{
	Elf *elf;

	if (elf_version(EV_CURRENT) == EV_NONE)
		return NULL;
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (elf && elf_kind(elf) == ELF_K_ELF)
		return elf;
	elf_end(elf);
	return NULL;
}

int elf_find_symbols(int fd, struct symbol *symbols, size_t count)
{
	Elf *elf = elf_open(fd);

	if (!elf)
		return -ENOEXEC;
	elf_search(elf, elf, SHT_DYNSYM, symbols, count);
	if (!all_found(symbols, count))
		elf_search(elf, elf, SHT_SYMTAB, symbols, count);
	elf_end(elf);
	return 0;
}
