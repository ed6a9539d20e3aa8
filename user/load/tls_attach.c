/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which functions of which library get which program. A file is hooked as a whole or not at all: reads without writes
 * would be requests without responses.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "load/tls_internal.h"
#include "symbol/elf_file.h"

enum tls_program {
	SSL_READ,
	SSL_WRITE,
	SSL_READ_EX,
	SSL_WRITE_EX,
	SSL_FREE,
};

struct tls_function {
	const char *name;
	enum tls_program entry;
	bool returns; /* its return is hooked too */
	bool required;
};

/* OpenSSL since 1.1.0; the _ex forms came with 1.1.1. SSL_peek is its own function and is not hooked: what it shows is
 * read again. */
static const struct tls_function openssl[] = {
	{ "SSL_read", SSL_READ, true, true },        { "SSL_write", SSL_WRITE, true, true },
	{ "SSL_read_ex", SSL_READ_EX, true, false }, { "SSL_write_ex", SSL_WRITE_EX, true, false },
	{ "SSL_free", SSL_FREE, false, true },       { "SSL_clear", SSL_FREE, false, false },
};
#define OPENSSL_COUNT (sizeof(openssl) / sizeof(openssl[0]))
_Static_assert(2 * OPENSSL_COUNT <= TLS_LINKS_MAX, "links of one file");

static struct bpf_program *program_of(struct tls_hooks *hooks, enum tls_program program)
{
	struct bpf_program *const programs[] = {
		[SSL_READ] = hooks->bpf->progs.ssl_read,       [SSL_WRITE] = hooks->bpf->progs.ssl_write,
		[SSL_READ_EX] = hooks->bpf->progs.ssl_read_ex, [SSL_WRITE_EX] = hooks->bpf->progs.ssl_write_ex,
		[SSL_FREE] = hooks->bpf->progs.ssl_free,
	};

	return programs[program];
}

/* The descriptor names the file even where its path is another namespace's, or gone. */
static int attach_one(struct tls_file *file, const struct bpf_program *program, int fd, uint64_t offset, bool at_return)
{
	LIBBPF_OPTS(bpf_uprobe_opts, options, .retprobe = at_return);
	struct bpf_link *link;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	link = bpf_program__attach_uprobe_opts(program, -1, path, offset, &options);
	if (!link)
		return -errno;
	file->links[file->link_count++] = link;
	return 0;
}

/* Returns first: a call whose return is not hooked yet would be remembered in vain. */
static int attach_function(struct tls_hooks *hooks, struct tls_file *file, int fd, const struct tls_function *function,
			   uint64_t offset)
{
	int error = 0;

	if (function->returns)
		error = attach_one(file, hooks->bpf->progs.ssl_return, fd, offset, true);
	if (!error)
		error = attach_one(file, program_of(hooks, function->entry), fd, offset, false);
	return error;
}

static void detach(struct tls_file *file)
{
	while (file->link_count)
		bpf_link__destroy(file->links[--file->link_count]);
}

void tls_attach(struct tls_hooks *hooks, struct tls_file *file, int fd)
{
	struct symbol symbols[OPENSSL_COUNT];
	int error = 0;

	for (size_t i = 0; i < OPENSSL_COUNT; i++)
		symbols[i] = (struct symbol){ .name = openssl[i].name };
	if (elf_find_symbols(fd, symbols, OPENSSL_COUNT))
		return;
	for (size_t i = 0; i < OPENSSL_COUNT; i++)
		if (openssl[i].required && !symbols[i].offset)
			return;
	for (size_t i = 0; i < OPENSSL_COUNT && !error; i++)
		if (symbols[i].offset)
			error = attach_function(hooks, file, fd, &openssl[i], symbols[i].offset);
	if (error) {
		detach(file);
		hooks->figures.refused++;
		return;
	}
	hooks->figures.files++;
	hooks->figures.hooks += file->link_count;
	hooks->attached_ns = clock_monotonic_ns();
}

static bool drop_file(struct hash_node *node, void *ctx)
{
	struct tls_file *file = hash_entry(node, struct tls_file, node);

	(void)ctx;
	detach(file);
	free(file);
	return true;
}

void tls_files_free(struct tls_hooks *hooks)
{
	hash_table_remove_if(&hooks->files, drop_file, NULL);
	hash_table_done(&hooks->files);
}
