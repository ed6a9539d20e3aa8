/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whoever speaks TLS 1.3 signs a text that RFC 8446 section 4.4.3 fixes, and has it among its constants, stripped or
 * not. What else is there tells whose code it is. Texts of libcrypto alone say nothing: many programs hash with it.
 */
#include "symbol/tls_marks.h"

#include <elf.h>
#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_BYTES 65536
#define OVERLAP_BYTES 64 /* longer than every mark */

struct mark {
	const char *text;
	size_t length;
	enum tls_brand brand;
};

#define MARK(text, brand)                         \
	{                                         \
		(text), sizeof(text) - 1, (brand) \
	}

/* The first that is found says whose it is; the last two say no more than that TLS is there, and are looked for first.
 * Paths are those of assertions and errors, which releases keep. */
static const struct mark marks[] = {
	MARK("/aws-lc", TLS_BRAND_AWS_LC),
	MARK("AWS-LC", TLS_BRAND_AWS_LC),
	MARK("ssl/ssl_lib.cc", TLS_BRAND_BORINGSSL),
	MARK("/src/msgs/deframer", TLS_BRAND_RUSTLS),
	MARK("GNUTLS_DEBUG_LEVEL", TLS_BRAND_GNUTLS),
	MARK("wolfSSL", TLS_BRAND_WOLFSSL),
	MARK("mbedtls_ssl_", TLS_BRAND_MBEDTLS),
	MARK("s2n_init", TLS_BRAND_S2N),
	MARK("NSS_SSL_", TLS_BRAND_NSS),
	MARK("ssl/ssl_lib.c\0", TLS_BRAND_OPENSSL),
	MARK("TLS 1.3, server CertificateVerify", TLS_BRAND_OTHER),
};

#define MARK_COUNT (sizeof(marks) / sizeof(marks[0]))
#define FIRST_MARKS 2

enum tls_brand tls_brand_of_name(const char *path)
{
	static const struct mark names[] = {
		MARK("libssl3.", TLS_BRAND_NSS),
		MARK("libssl", TLS_BRAND_OPENSSL),
		MARK("libgnutls", TLS_BRAND_GNUTLS),
		MARK("libjvm.", TLS_BRAND_JSSE),
		MARK("libmbedtls.", TLS_BRAND_MBEDTLS),
		MARK("libwolfssl.", TLS_BRAND_WOLFSSL),
		MARK("libs2n.", TLS_BRAND_S2N),
		MARK("libconscrypt", TLS_BRAND_BORINGSSL),
		MARK("libboringssl", TLS_BRAND_BORINGSSL),
	};
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strncmp(name, names[i].text, names[i].length))
			return names[i].brand;
	return TLS_BRAND_COUNT;
}

static uint32_t look_for(const uint8_t *data, size_t length, size_t from)
{
	uint32_t found = 0;

	for (size_t i = from; i < MARK_COUNT; i++)
		if (memmem(data, length, marks[i].text, marks[i].length))
			found |= 1U << i;
	return found;
}

uint32_t tls_marks_in(const uint8_t *data, size_t length)
{
	return look_for(data, length, 0);
}

bool tls_marks_have(uint32_t found, enum tls_brand brand)
{
	for (size_t i = 0; i < MARK_COUNT; i++)
		if (marks[i].brand == brand && found & 1U << i)
			return true;
	return false;
}

enum tls_brand tls_brand_of_marks(uint32_t found)
{
	uint32_t any = 0;

	for (size_t i = MARK_COUNT - FIRST_MARKS; i < MARK_COUNT; i++)
		any |= 1U << i;
	/* A path or a name alone may be about TLS without being it. */
	if (!(found & any))
		return TLS_BRAND_COUNT;
	/* Its default ciphers are AWS-LC's, of which there is more only where its libssl is, too. */
	if (tls_marks_have(found, TLS_BRAND_RUSTLS) && !tls_marks_have(found, TLS_BRAND_BORINGSSL))
		return TLS_BRAND_RUSTLS;
	for (size_t i = 0; i < MARK_COUNT; i++)
		if (found & 1U << i)
			return marks[i].brand;
	return TLS_BRAND_COUNT;
}

/* Constants: loaded, neither written nor run. */
static bool is_constant(const GElf_Shdr *header)
{
	return header->sh_type == SHT_PROGBITS && header->sh_flags & SHF_ALLOC &&
	       !(header->sh_flags & (SHF_WRITE | SHF_EXECINSTR | SHF_COMPRESSED));
}

struct search {
	int fd;
	uint8_t *room;
	uint64_t left; /* bytes that may still be read */
	size_t from;   /* the first mark that is looked for */
	uint32_t found;
};

static void search_section(struct search *search, const GElf_Shdr *header)
{
	uint64_t at = 0;

	while (at < header->sh_size && search->left) {
		uint64_t rest = header->sh_size - at;
		size_t wanted = rest < CHUNK_BYTES ? (size_t)rest : CHUNK_BYTES;
		ssize_t got;

		if (wanted > search->left)
			wanted = (size_t)search->left;
		got = pread(search->fd, search->room, wanted, (off_t)(header->sh_offset + at));
		if (got <= OVERLAP_BYTES && at)
			return;
		if (got <= 0)
			return;
		search->found |= look_for(search->room, (size_t)got, search->from);
		search->left -= (uint64_t)got;
		at += (uint64_t)got < rest ? (uint64_t)got - (got > OVERLAP_BYTES ? OVERLAP_BYTES : 0) : rest;
	}
}

static void search_sections(struct search *search, Elf *elf, uint64_t max_bytes, size_t from)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	search->left = max_bytes;
	search->from = from;
	while ((section = elf_nextscn(elf, section)))
		if (gelf_getshdr(section, &header) && is_constant(&header))
			search_section(search, &header);
}

int tls_marks_of_file(int fd, uint64_t max_bytes, uint32_t *ret_marks)
{
	CLEANUP_FREE uint8_t *room = malloc(CHUNK_BYTES);
	struct search search = { .fd = fd, .room = room };
	Elf *elf;

	if (!room)
		return -ENOMEM;
	if (elf_version(EV_CURRENT) == EV_NONE)
		return -ENOTSUP;
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (!elf || elf_kind(elf) != ELF_K_ELF) {
		elf_end(elf);
		return -ENOEXEC;
	}
	search_sections(&search, elf, max_bytes, MARK_COUNT - FIRST_MARKS);
	if (search.found)
		search_sections(&search, elf, max_bytes, 0);
	elf_end(elf);
	*ret_marks = search.found;
	return 0;
}
