/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `.go.buildinfo` (cmd/link, "buildinfo"; read by `go version FILE`) stays when symbols are stripped.
 */
#include "symbol/go_binary.h"

#include <fcntl.h>
#include <libelf.h>
#include <gelf.h>
#include <string.h>

#include "base/cleanup.h"

static bool has_section(Elf *elf, const char *wanted)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return false;
	while ((section = elf_nextscn(elf, section))) {
		const char *name = gelf_getshdr(section, &header) ? elf_strptr(elf, names, header.sh_name) : NULL;

		if (name && !strcmp(name, wanted))
			return true;
	}
	return false;
}

bool go_binary(const char *path)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf *elf;
	bool found;

	if (fd < 0 || elf_version(EV_CURRENT) == EV_NONE)
		return false;
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf)
		return false;
	found = elf_kind(elf) == ELF_K_ELF && has_section(elf, ".go.buildinfo");
	elf_end(elf);
	return found;
}
