/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layout of .gopclntab: Go's src/internal/abi/symtab.go and src/runtime/symtab.go (pcHeader, functab, _func),
 * unchanged in what is read here from 1.18 on; 1.16 and 1.17 have another one. Return probes of the kernel rewrite the
 * stack, which Go moves: so the return instructions themselves are probed.
 */
#include "symbol/go_file.h"

#include <elf.h>
#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "symbol/go_returns.h"
#include "symbol/x86_code.h"

#define MAGIC_1_16 0xfffffffaU
#define MAGIC_1_18 0xfffffff0U
#define MAGIC_1_20 0xfffffff1U
#define HEADER_BYTES 72 /* 8 bytes, then eight words */
#define CODE_MAX 65536

struct table {
	const uint8_t *bytes;
	size_t length;
	uint64_t text; /* address that entries count from */
	uint64_t count;
	uint64_t names;
	uint64_t steps;
	uint64_t entries;
	size_t width; /* of an address, and of an offset beside one */
	bool old;     /* 1.16 or 1.17 */
};

static uint32_t read_u32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint64_t read_u64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static Elf_Scn *find_section(Elf *elf, const char *name, GElf_Shdr *ret_header)
{
	Elf_Scn *section = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return NULL;
	while ((section = elf_nextscn(elf, section))) {
		const char *own;

		if (!gelf_getshdr(section, ret_header))
			continue;
		own = elf_strptr(elf, names, ret_header->sh_name);
		if (own && !strcmp(own, name))
			return section;
	}
	return NULL;
}

static bool in_table(const struct table *table, uint64_t at, uint64_t size)
{
	return at <= table->length && size <= table->length - at;
}

/* pcHeader: magic, two zeros, quantum, size of a pointer; number of functions, of files, text (since 1.18), offsets of
 * names, units, files, pc tables, functions. */
static int read_header(Elf *elf, struct table *table)
{
	uint32_t magic = read_u32(table->bytes);
	const uint8_t *offsets;
	GElf_Shdr text;

	table->old = magic == MAGIC_1_16;
	if ((!table->old && magic != MAGIC_1_18 && magic != MAGIC_1_20) || table->bytes[7] != 8)
		return -ENOENT;
	table->width = table->old ? 8 : 4;
	table->count = read_u64(table->bytes + 8);
	table->text = table->old ? 0 : read_u64(table->bytes + 24);
	offsets = table->bytes + (table->old ? 24 : 32);
	table->names = read_u64(offsets);
	table->steps = read_u64(offsets + 24);
	table->entries = read_u64(offsets + 32);
	/* Position-independent programs, and newer releases, leave it to the loader. */
	if (!table->old && !table->text && find_section(elf, ".text", &text))
		table->text = text.sh_addr;
	if (!in_table(table, table->names, 0) || !in_table(table, table->steps, 0) ||
	    !in_table(table, table->entries, 0) || table->count > (table->length - table->entries) / (2 * table->width))
		return -ENOENT;
	return 0;
}

static int open_table(Elf *elf, struct table *ret_table)
{
	GElf_Shdr header;
	Elf_Scn *section = find_section(elf, ".gopclntab", &header);
	Elf_Data *data;

	if (!section)
		section = find_section(elf, ".data.rel.ro.gopclntab", &header);
	data = section ? elf_rawdata(section, NULL) : NULL;
	if (!data || data->d_size < HEADER_BYTES)
		return -ENOENT;
	*ret_table = (struct table){ .bytes = data->d_buf, .length = data->d_size };
	return read_header(elf, ret_table);
}

static uint64_t read_address(const struct table *table, uint64_t at)
{
	return table->old ? read_u64(table->bytes + at) : read_u32(table->bytes + at);
}

static uint64_t entry_at(const struct table *table, uint64_t index)
{
	return table->text + read_address(table, table->entries + index * 2 * table->width);
}

/* An entry of functab is {entry, offset of _func}; _func is {entry, offset of its name, size of arguments, place of
 * deferreturn, offset of pcsp}, all but the entry of four bytes. 0: it is not in the table. */
static uint64_t function_at(const struct table *table, uint64_t index)
{
	uint64_t at = table->entries + read_address(table, table->entries + (index * 2 + 1) * table->width);

	return in_table(table, at, table->width + 16) ? at + table->width : 0;
}

static const char *name_at(const struct table *table, uint64_t index)
{
	uint64_t function = function_at(table, index);
	uint64_t name = function ? table->names + read_u32(table->bytes + function) : table->length;

	if (name >= table->length || !memchr(table->bytes + name, '\0', table->length - name))
		return "";
	return (const char *)table->bytes + name;
}

static uint64_t file_offset(Elf *elf, uint64_t address)
{
	size_t count = 0;

	if (elf_getphdrnum(elf, &count))
		return 0;
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr header;

		if (gelf_getphdr(elf, (int)i, &header) && header.p_type == PT_LOAD && (header.p_flags & PF_X) &&
		    address >= header.p_vaddr && address - header.p_vaddr < header.p_filesz)
			return address - header.p_vaddr + header.p_offset;
	}
	return 0;
}

/* Before 1.17 arguments were on the stack: nothing of what the kernel side reads would be where it looks. From then on
 * a function looks for room on its stack by the register that has its goroutine. */
static bool has_registers(const struct table *table, uint16_t machine, const uint8_t *code, size_t size)
{
	return !table->old || (machine == EM_X86_64 && x86_go_entry(code, size));
}

static int find_returns(const struct table *table, uint64_t index, uint16_t machine, const uint8_t *code, size_t size,
			struct go_function *function)
{
	uint64_t steps = table->steps + read_u32(table->bytes + function_at(table, index) + 12);

	if (machine == EM_AARCH64)
		return go_returns_arm64(code, size, function->returns, GO_RETURNS_MAX);
	if (machine != EM_X86_64 || !in_table(table, steps, 0))
		return -1;
	return go_returns_amd64(code, size, table->bytes + steps, table->length - steps, function->returns,
				GO_RETURNS_MAX);
}

static int find_code(int fd, Elf *elf, const struct table *table, uint64_t index, struct go_function *function)
{
	CLEANUP_FREE uint8_t *code = NULL;
	uint64_t address = entry_at(table, index), size = entry_at(table, index + 1) - address;
	uint64_t offset = file_offset(elf, address);
	GElf_Ehdr header;
	int count;

	if (!offset || !size || size > CODE_MAX || !gelf_getehdr(elf, &header))
		return -ENOTSUP;
	code = malloc(size);
	if (!code)
		return -ENOMEM;
	if (pread(fd, code, size, (off_t)offset) != (ssize_t)size)
		return -EIO;
	if (!has_registers(table, header.e_machine, code, size))
		return -ENOENT;
	count = find_returns(table, index, header.e_machine, code, size, function);
	if (count <= 0)
		return -ENOTSUP;
	for (int i = 0; i < count; i++)
		function->returns[i] += offset;
	function->return_count = (size_t)count;
	function->offset = offset + (header.e_machine == EM_X86_64 ? x86_go_entry(code, size) : 0);
	return 0;
}

static int search(int fd, Elf *elf, const struct table *table, struct go_function *functions, size_t count)
{
	for (uint64_t i = 0; i + 1 < table->count; i++) {
		const char *name = name_at(table, i);

		for (size_t j = 0; j < count; j++) {
			int error;

			if (strcmp(name, functions[j].name))
				continue;
			error = find_code(fd, elf, table, i, &functions[j]);
			if (error)
				return error;
		}
	}
	return 0;
}

int go_find_functions(int fd, struct go_function *functions, size_t count)
{
	struct table table;
	Elf *elf;
	int error = -ENOENT;

	if (elf_version(EV_CURRENT) == EV_NONE)
		return -ENOTSUP;
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (elf && elf_kind(elf) == ELF_K_ELF)
		error = open_table(elf, &table);
	if (!error)
		error = search(fd, elf, &table, functions, count);
	elf_end(elf);
	return error;
}
