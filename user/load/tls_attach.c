/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which functions of which library get which program. A file is hooked as a whole or not at all: reads without writes
 * would be requests without responses.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "load/tls_internal.h"
#include "load/uprobe.h"
#include "symbol/elf_file.h"
#include "symbol/go_file.h"

enum tls_program {
	SSL_READ,
	SSL_WRITE,
	SSL_READ_EX,
	SSL_WRITE_EX,
	GNUTLS_RECEIVE,
	GNUTLS_SEND,
	SESSION_GONE,
	BIO_WRITE,
};

struct tls_function {
	const char *name;
	enum tls_program entry;
	bool returns; /* its return is hooked too */
	bool required;
	bool wrapped; /* where the function before it is there, this one calls that one */
};

/* OpenSSL since 1.1.0; the _ex forms came with 1.1.1. SSL_peek is its own function and is not hooked: what it shows is
 * read again. */
static const struct tls_function openssl[] = {
	{ .name = "SSL_read", .entry = SSL_READ, .returns = true, .required = true },
	{ .name = "SSL_write", .entry = SSL_WRITE, .returns = true, .required = true },
	{ .name = "SSL_read_ex", .entry = SSL_READ_EX, .returns = true },
	{ .name = "SSL_write_ex", .entry = SSL_WRITE_EX, .returns = true },
	{ .name = "SSL_free", .entry = SESSION_GONE, .required = true },
	{ .name = "SSL_clear", .entry = SESSION_GONE },
	/* In the same file only where OpenSSL is linked into a program: event loops with BIOs of their own (Node). */
	{ .name = "BIO_write", .entry = BIO_WRITE },
};

/* GnuTLS 3: gnutls_record_send2 came with 3.6.3, and everything that sends calls it since. */
static const struct tls_function gnutls[] = {
	{ .name = "gnutls_record_recv", .entry = GNUTLS_RECEIVE, .returns = true, .required = true },
	{ .name = "gnutls_record_recv_seq", .entry = GNUTLS_RECEIVE, .returns = true },
	{ .name = "gnutls_record_send2", .entry = GNUTLS_SEND, .returns = true },
	{ .name = "gnutls_record_send", .entry = GNUTLS_SEND, .returns = true, .required = true, .wrapped = true },
	{ .name = "gnutls_deinit", .entry = SESSION_GONE, .required = true },
};

struct tls_library {
	const struct tls_function *functions;
	size_t count;
};

#define LIBRARY(functions)                                            \
	{                                                             \
		functions, sizeof(functions) / sizeof((functions)[0]) \
	}

static const struct tls_library libraries[] = { LIBRARY(openssl), LIBRARY(gnutls) };

#define LIBRARY_COUNT (sizeof(libraries) / sizeof(libraries[0]))
#define FUNCTIONS_MAX (TLS_LINKS_MAX / 2)
_Static_assert(sizeof(openssl) / sizeof(openssl[0]) <= FUNCTIONS_MAX, "links of one file");
_Static_assert(sizeof(gnutls) / sizeof(gnutls[0]) <= FUNCTIONS_MAX, "links of one file");

static struct bpf_program *program_of(struct tls_hooks *hooks, enum tls_program program)
{
	struct bpf_program *const programs[] = {
		[SSL_READ] = hooks->bpf->progs.ssl_read,
		[SSL_WRITE] = hooks->bpf->progs.ssl_write,
		[SSL_READ_EX] = hooks->bpf->progs.ssl_read_ex,
		[SSL_WRITE_EX] = hooks->bpf->progs.ssl_write_ex,
		[GNUTLS_RECEIVE] = hooks->bpf->progs.gnutls_receive,
		[GNUTLS_SEND] = hooks->bpf->progs.gnutls_send,
		[SESSION_GONE] = hooks->bpf->progs.tls_session_gone,
		[BIO_WRITE] = hooks->bpf->progs.bio_write,
	};

	return programs[program];
}

static int attach_perf(struct tls_file *file, const struct bpf_program *program, const char *path,
		       const uint64_t *offsets, uint32_t count, bool at_return)
{
	LIBBPF_OPTS(bpf_uprobe_opts, options, .retprobe = at_return);

	for (uint32_t i = 0; i < count; i++) {
		struct bpf_link *link = NULL;

		errno = ENOSPC;
		if (file->link_count < TLS_LINKS_MAX)
			link = bpf_program__attach_uprobe_opts(program, -1, path, offsets[i], &options);
		if (!link)
			return -errno;
		file->links[file->link_count++] = link;
	}
	return 0;
}

/* The descriptor names the file even where its path is another namespace's, or gone. */
static int attach_some(struct tls_hooks *hooks, struct tls_file *file, const struct bpf_program *program, int fd,
		       const uint64_t *offsets, uint32_t count, bool at_return)
{
	char path[64];
	int error;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!hooks->multi)
		return attach_perf(file, program, path, offsets, count, at_return);
	if (file->link_count >= TLS_LINKS_MAX)
		return -ENOSPC;
	error = uprobe_multi_attach(program, path, offsets, count, at_return, &file->fds[file->link_count]);
	file->link_count += !error;
	return error;
}

/* Returns first: a call whose return is not hooked yet would be remembered in vain. */
static int attach_function(struct tls_hooks *hooks, struct tls_file *file, int fd, const struct tls_function *function,
			   uint64_t offset)
{
	int error = 0;

	if (function->returns)
		error = attach_some(hooks, file, hooks->bpf->progs.tls_return, fd, &offset, 1, true);
	if (!error)
		error = attach_some(hooks, file, program_of(hooks, function->entry), fd, &offset, 1, false);
	return error;
}

struct release {
	struct bpf_link *link; /* NULL: `fd` is one */
	pthread_t thread;
	int fd;
	bool running;
};

static void *release(void *ctx)
{
	struct release *held = ctx;

	if (held->link)
		bpf_link__destroy(held->link);
	else
		close(held->fd);
	return NULL;
}

/* The kernel takes 50 to 90 ms to let a hook go, while it waits until no processor is inside of it: one wait for all
 * of a file's hooks, not one after the other, or the agent would need a second to stop. */
static void detach(struct tls_file *file)
{
	struct release held[TLS_LINKS_MAX];

	for (size_t i = 0; i < file->link_count; i++) {
		held[i] = (struct release){ .link = file->links[i], .fd = file->fds[i] };
		held[i].running = !pthread_create(&held[i].thread, NULL, release, &held[i]);
		if (!held[i].running)
			release(&held[i]);
	}
	for (size_t i = 0; i < file->link_count; i++)
		if (held[i].running)
			pthread_join(held[i].thread, NULL);
	file->link_count = 0;
}

static bool has_library(const struct tls_library *library, const struct symbol *symbols)
{
	for (size_t i = 0; i < library->count; i++)
		if (library->functions[i].required && !symbols[i].offset)
			return false;
	return true;
}

static int attach_library(struct tls_hooks *hooks, struct tls_file *file, int fd, const struct tls_library *library,
			  const struct symbol *symbols)
{
	int error = 0;

	for (size_t i = 0; i < library->count && !error; i++) {
		bool wrapped = i && library->functions[i].wrapped && symbols[i - 1].offset;

		if (symbols[i].offset && !wrapped)
			error = attach_function(hooks, file, fd, &library->functions[i], symbols[i].offset);
	}
	return error;
}

/* Go's crypto/tls. Returns first, as above. */
static int attach_go(struct tls_hooks *hooks, struct tls_file *file, int fd)
{
	struct go_function functions[] = { { .name = "crypto/tls.(*Conn).Read" },
					   { .name = "crypto/tls.(*Conn).Write" } };
	const struct bpf_program *entries[] = { hooks->bpf->progs.go_read, hooks->bpf->progs.go_write };
	int error = go_find_functions(fd, functions, 2);

	if (error || !functions[0].offset || !functions[1].offset)
		return error == -ENOTSUP ? error : 0;
	for (size_t i = 0; i < 2 && !error; i++)
		error = attach_some(hooks, file, hooks->bpf->progs.go_return, fd, functions[i].returns,
				    (uint32_t)functions[i].return_count, false);
	for (size_t i = 0; i < 2 && !error; i++)
		error = attach_some(hooks, file, entries[i], fd, &functions[i].offset, 1, false);
	return error;
}

static int attach_found(struct tls_hooks *hooks, struct tls_file *file, int fd)
{
	struct symbol symbols[LIBRARY_COUNT * FUNCTIONS_MAX] = { 0 };
	const struct tls_library *found = NULL;
	size_t count = 0, first = 0;

	for (size_t i = 0; i < LIBRARY_COUNT; i++)
		for (size_t j = 0; j < libraries[i].count; j++)
			symbols[count++].name = libraries[i].functions[j].name;
	if (elf_find_symbols(fd, symbols, count))
		return 0;
	for (size_t i = 0; i < LIBRARY_COUNT && !found; i++) {
		if (has_library(&libraries[i], &symbols[first]))
			found = &libraries[i];
		else
			first += libraries[i].count;
	}
	return found ? attach_library(hooks, file, fd, found, &symbols[first]) : attach_go(hooks, file, fd);
}

void tls_attach(struct tls_hooks *hooks, struct tls_file *file, int fd)
{
	if (attach_found(hooks, file, fd)) {
		detach(file);
		hooks->figures.refused++;
		return;
	}
	if (!file->link_count)
		return;
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
