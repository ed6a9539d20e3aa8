/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A debug file has the addresses of the file that it was made from, and none of its bytes: the places come from the
 * latter's segments. elfutils' libdw opens compressed ELF files; it is loaded when one is met, because that is rare and
 * the library is large.
 */
#include "symbol/elf_debug.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "symbol/elf_internal.h"

#define COMPRESSED_MAX (16U << 20)
#define BUILD_ID_MAX 64
#define MINIMAL_SECTION ".gnu_debugdata"

/* elfutils/libdwelf.h, since 0.177: "Returns a new Elf handle for the given file descriptor", uncompressed. */
typedef Elf *dwelf_begin(int fd);

static Elf_Data *find_section(Elf *elf, const char *name)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return NULL;
	while ((section = elf_nextscn(elf, section))) {
		const char *own = gelf_getshdr(section, &header) ? elf_strptr(elf, names, header.sh_name) : NULL;

		if (own && !strcmp(own, name))
			return elf_rawdata(section, NULL);
	}
	return NULL;
}

/* The note {name "GNU", type 3}: its bytes in hexadecimal, the first apart. */
static bool debug_path(Elf *elf, const char *folder, char *path, size_t room)
{
	Elf_Data *notes = find_section(elf, ".note.gnu.build-id");
	size_t name, text, at = 0;
	GElf_Nhdr note;
	int used;

	while (notes && (at = gelf_getnote(notes, at, &note, &name, &text))) {
		const uint8_t *id = (const uint8_t *)notes->d_buf + text;

		if (note.n_type != NT_GNU_BUILD_ID || note.n_descsz < 2 || note.n_descsz > BUILD_ID_MAX)
			continue;
		used = snprintf(path, room, "%s/%02x/", folder, id[0]);
		for (size_t i = 1; i < note.n_descsz && used > 0 && (size_t)used < room; i++)
			used += snprintf(path + used, room - (size_t)used, "%02x", id[i]);
		if (used > 0 && (size_t)used < room)
			used += snprintf(path + used, room - (size_t)used, ".debug");
		return used > 0 && (size_t)used < room;
	}
	return false;
}

bool elf_debug_exists(int fd, const char *folder)
{
	Elf *elf = elf_open(fd);
	char path[512];
	bool found;

	if (!elf)
		return false;
	found = find_section(elf, MINIMAL_SECTION) ||
		(debug_path(elf, folder, path, sizeof(path)) && !access(path, R_OK));
	elf_end(elf);
	return found;
}

static void search_debug_file(Elf *code, const char *folder, struct symbol *symbols, size_t count)
{
	CLEANUP_FD int fd = -1;
	char path[512];
	Elf *table;

	if (!debug_path(code, folder, path, sizeof(path)))
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	table = fd < 0 ? NULL : elf_open(fd);
	if (!table)
		return;
	elf_search(table, code, SHT_SYMTAB, symbols, count);
	elf_end(table);
}

static int copy_to_memory(const Elf_Data *data)
{
	int fd = memfd_create("debugdata", MFD_CLOEXEC);

	if (fd >= 0 && write(fd, data->d_buf, data->d_size) == (ssize_t)data->d_size)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static void search_minimal(Elf *code, struct symbol *symbols, size_t count)
{
	Elf_Data *data = find_section(code, MINIMAL_SECTION);
	CLEANUP_FD int fd = -1;
	dwelf_begin *begin = NULL;
	void *library, *found;
	Elf *table;

	if (!data || data->d_size > COMPRESSED_MAX)
		return;
	library = dlopen("libdw.so.1", RTLD_NOW | RTLD_LOCAL);
	found = library ? dlsym(library, "dwelf_elf_begin") : NULL;
	memcpy(&begin, &found, sizeof(begin));
	fd = begin ? copy_to_memory(data) : -1;
	table = fd < 0 ? NULL : begin(fd);
	if (table)
		elf_search(table, code, SHT_SYMTAB, symbols, count);
	elf_end(table);
	if (library)
		dlclose(library);
}

int elf_debug_find_symbols(int fd, const char *folder, struct symbol *symbols, size_t count)
{
	Elf *elf = elf_open(fd);

	if (!elf)
		return -ENOEXEC;
	search_debug_file(elf, folder, symbols, count);
	search_minimal(elf, symbols, count);
	elf_end(elf);
	return 0;
}
