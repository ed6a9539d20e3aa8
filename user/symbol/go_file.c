/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layout of .gopclntab: Go's src/internal/abi/symtab.go and src/runtime/symtab.go (pcHeader, functab, _func),
 * unchanged in what is read here from 1.18 on. Return probes of the kernel rewrite the stack, which Go moves: so the
 * return instructions themselves are probed. A Go function that calls others has a frame, and each of its returns is
 * the same epilogue: add to rsp, pop rbp, ret (amd64); arm64 has instructions of one size.
 */
#include "symbol/go_file.h"

#include <elf.h>
#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "symbol/x86_code.h"

#define MAGIC_1_18 0xfffffff0U
#define MAGIC_1_20 0xfffffff1U
#define HEADER_BYTES 72 /* 8 bytes, then eight words */
#define CODE_MAX 65536
#define ARM64_RET 0xd65f03c0U

struct table {
	const uint8_t *bytes;
	size_t length;
	uint64_t text; /* address that entries count from */
	uint64_t count;
	uint64_t names;
	uint64_t entries;
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

/* pcHeader: magic, two zeros, quantum, size of a pointer; number of functions, of files, text, offsets of names, units,
 * files, pc tables, functions. */
static int open_table(Elf *elf, struct table *ret_table)
{
	GElf_Shdr header, text;
	Elf_Scn *section = find_section(elf, ".gopclntab", &header);
	Elf_Data *data;
	uint32_t magic;

	if (!section)
		section = find_section(elf, ".data.rel.ro.gopclntab", &header);
	data = section ? elf_rawdata(section, NULL) : NULL;
	if (!data || data->d_size < HEADER_BYTES)
		return -ENOENT;
	*ret_table = (struct table){ .bytes = data->d_buf, .length = data->d_size };
	magic = read_u32(ret_table->bytes);
	if ((magic != MAGIC_1_18 && magic != MAGIC_1_20) || ret_table->bytes[7] != 8)
		return -ENOENT;
	ret_table->count = read_u64(ret_table->bytes + 8);
	ret_table->text = read_u64(ret_table->bytes + 24);
	ret_table->names = read_u64(ret_table->bytes + 32);
	ret_table->entries = read_u64(ret_table->bytes + 64);
	/* Position-independent programs, and newer releases, leave it to the loader. */
	if (!ret_table->text && find_section(elf, ".text", &text))
		ret_table->text = text.sh_addr;
	if (ret_table->names >= ret_table->length || ret_table->entries >= ret_table->length ||
	    ret_table->count > (ret_table->length - ret_table->entries) / 8)
		return -ENOENT;
	return 0;
}

/* An entry of functab is {entry, offset of _func}; _func begins with {entry, offset of its name}. */
static const char *name_at(const struct table *table, uint64_t index)
{
	uint64_t function = table->entries + read_u32(table->bytes + table->entries + index * 8 + 4);
	uint64_t name;

	if (function + 8 > table->length)
		return "";
	name = table->names + read_u32(table->bytes + function + 4);
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

static bool is_epilogue(const uint8_t *code, size_t at)
{
	/* add rsp, imm8 / imm32 (48 83 c4, 48 81 c4); pop rbp (5d); ret (c3) at `at`. */
	if (at >= 5 && code[at - 1] == 0x5d && code[at - 5] == 0x48 && code[at - 4] == 0x83 && code[at - 3] == 0xc4)
		return true;
	return at >= 8 && code[at - 1] == 0x5d && code[at - 8] == 0x48 && code[at - 7] == 0x81 && code[at - 6] == 0xc4;
}

int go_find_returns(const uint8_t *code, size_t length, uint16_t machine, uint64_t *ret_places, size_t max)
{
	size_t step = machine == EM_AARCH64 ? 4 : 1, count = 0;

	for (size_t at = 0; at + step <= length; at += step) {
		bool returns = machine == EM_AARCH64 ? read_u32(code + at) == ARM64_RET :
						       code[at] == 0xc3 && is_epilogue(code, at);

		if (!returns)
			continue;
		if (count == max)
			return -1;
		ret_places[count++] = at;
	}
	return (int)count;
}

static int find_code(int fd, Elf *elf, uint16_t machine, uint64_t address, uint64_t size, struct go_function *function)
{
	CLEANUP_FREE uint8_t *code = NULL;
	uint64_t offset = file_offset(elf, address);
	int count;

	if (!offset || !size || size > CODE_MAX)
		return -ENOTSUP;
	code = malloc(size);
	if (!code)
		return -ENOMEM;
	if (pread(fd, code, size, (off_t)offset) != (ssize_t)size)
		return -EIO;
	count = go_find_returns(code, size, machine, function->returns, GO_RETURNS_MAX);
	if (count <= 0)
		return -ENOTSUP;
	for (int i = 0; i < count; i++)
		function->returns[i] += offset;
	function->return_count = (size_t)count;
	function->offset = offset + (machine == EM_X86_64 ? x86_go_entry(code, size) : 0);
	return 0;
}

static int search(int fd, Elf *elf, const struct table *table, struct go_function *functions, size_t count)
{
	GElf_Ehdr header;

	if (!gelf_getehdr(elf, &header))
		return -ENOENT;
	for (uint64_t i = 0; i + 1 < table->count; i++) {
		const char *name = name_at(table, i);
		uint64_t entry = read_u32(table->bytes + table->entries + i * 8);
		uint64_t next = read_u32(table->bytes + table->entries + (i + 1) * 8);

		for (size_t j = 0; j < count; j++) {
			int error;

			if (strcmp(name, functions[j].name))
				continue;
			error = find_code(fd, elf, header.e_machine, table->text + entry, next - entry, &functions[j]);
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
