/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `.go.buildinfo` (cmd/link, "buildinfo"; read by `go version FILE`) stays when symbols are stripped.
 */
#include "symbol/go_binary.h"

#include <fcntl.h>
#include <libelf.h>
#include <gelf.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"

/* debug/buildinfo: 14 bytes of magic, the size of a pointer, flags. Since 1.18 the version stands behind them as text
 * and a flag says so; before, pointers to it do. */
#define BUILDINFO_FLAGS 15
#define VERSION_INLINE 2
#define VERSION_LENGTH 32 /* one byte: versions are short */

static enum go_release release_of(Elf_Scn *section, char *version, size_t size)
{
	const Elf_Data *data = elf_rawdata(section, NULL);
	const uint8_t *bytes = data ? data->d_buf : NULL;
	size_t length;

	if (!bytes || data->d_size <= BUILDINFO_FLAGS || !(bytes[BUILDINFO_FLAGS] & VERSION_INLINE))
		return GO_OLD;
	length = data->d_size > VERSION_LENGTH ? bytes[VERSION_LENGTH] : 0;
	if (length < size && length < 0x80 && VERSION_LENGTH + 1 + length <= data->d_size) {
		memcpy(version, bytes + VERSION_LENGTH + 1, length);
		version[length] = '\0';
	}
	return GO_1_18;
}

static enum go_release find_release(Elf *elf, char *version, size_t size)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return GO_NONE;
	while ((section = elf_nextscn(elf, section))) {
		const char *name = gelf_getshdr(section, &header) ? elf_strptr(elf, names, header.sh_name) : NULL;

		if (name && !strcmp(name, ".go.buildinfo"))
			return release_of(section, version, size);
	}
	return GO_NONE;
}

enum go_release go_binary(const char *path, char *version, size_t size)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum go_release release = GO_NONE;
	Elf *elf;

	if (size > 0)
		version[0] = '\0';
	if (fd < 0 || elf_version(EV_CURRENT) == EV_NONE)
		return GO_NONE;
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf)
		return GO_NONE;
	if (elf_kind(elf) == ELF_K_ELF)
		release = find_release(elf, version, size);
	elf_end(elf);
	return release;
}
