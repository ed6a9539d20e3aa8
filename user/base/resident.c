/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The constructors of libraries run through a lot of code once: GnuTLS, which comes with libmicrohttpd, with all that
 * it needs is 2 MB. A segment that may not be written is the file's own pages, so to drop it loses nothing; what the
 * loader relocated is in other segments.
 */
#include "base/resident.h"

#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static int forget(struct dl_phdr_info *info, size_t size, void *ctx)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)size;
	(void)ctx;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uintptr_t begin = info->dlpi_addr + segment->p_vaddr, end = begin + segment->p_filesz;

		if (segment->p_type != PT_LOAD || segment->p_flags & PF_W)
			continue;
		begin &= ~(page - 1);
		end &= ~(page - 1); /* the last page may be the next segment's too */
		if (end > begin)
			(void)madvise((void *)begin, end - begin, MADV_DONTNEED);
	}
	return 0;
}

void resident_forget_code(void)
{
	dl_iterate_phdr(forget, NULL);
}
