/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts hooks on a file as planned, all of them or none, and lets them go.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "load/tls_internal.h"
#include "load/tls_plan.h"

static int program_of(const struct tls_hooks *hooks, enum tls_program program)
{
	struct bpf_program *const *const programs[] = {
		[SSL_READ] = &hooks->bpf->progs.ssl_read,
		[SSL_WRITE] = &hooks->bpf->progs.ssl_write,
		[SSL_READ_EX] = &hooks->bpf->progs.ssl_read_ex,
		[SSL_WRITE_EX] = &hooks->bpf->progs.ssl_write_ex,
		[SSL_SENDFILE] = &hooks->bpf->progs.ssl_sendfile,
		[BORING_READ] = &hooks->bpf->progs.boring_read,
		[BORING_WRITE] = &hooks->bpf->progs.boring_write,
		[GNUTLS_RECEIVE] = &hooks->bpf->progs.gnutls_receive,
		[GNUTLS_SEND] = &hooks->bpf->progs.gnutls_send,
		[SESSION_GONE] = &hooks->bpf->progs.tls_session_gone,
		[BIO_WRITE] = &hooks->bpf->progs.bio_write,
		[SSL_WRITE_EX2] = &hooks->bpf->progs.ssl_write_ex2,
		[RECORD_SEAL] = &hooks->bpf->progs.aead_seal,
		[RECORD_OPEN] = &hooks->bpf->progs.aead_open,
		[RECORD_SEAL_SCATTER] = &hooks->bpf->progs.aead_seal_scatter,
		[RECORD_OPEN_GATHER] = &hooks->bpf->progs.aead_open_gather,
	};

	return kept_program(&hooks->kept, programs[program]);
}

static int attach_link(struct tls_file *file, int program_fd, enum uprobe_way way, const struct uprobe_target *target)
{
	int error = -ENOSPC;

	if (file->link_count < TLS_LINKS_MAX)
		error = uprobe_attach(program_fd, way, target, &file->links[file->link_count]);
	file->link_count += !error;
	return error;
}

/* The descriptor names the file even where its path is another namespace's, or gone. */
static int attach_some(struct tls_hooks *hooks, struct tls_file *file, int program_fd, int fd, const uint64_t *offsets,
		       uint32_t count, bool at_return)
{
	enum uprobe_way way = hooks->way == UPROBE_PERF ? UPROBE_PERF : UPROBE_MULTI;
	uint32_t at_once = way == UPROBE_PERF ? 1 : count;
	char path[64];
	int error = 0;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (uint32_t i = 0; i < count && !error; i += at_once)
		error = attach_link(
			file, program_fd, way,
			&(struct uprobe_target){
				.path = path, .offsets = &offsets[i], .count = at_once, .at_return = at_return });
	return error;
}

/* Returns first: a call whose return is not hooked yet would be remembered in vain. */
static int attach_function(struct tls_hooks *hooks, struct tls_file *file, int fd, const struct tls_function *function,
			   uint64_t offset)
{
	int error = 0;

	if (function->returns)
		error = attach_some(hooks, file, kept_program(&hooks->kept, &hooks->bpf->progs.tls_return), fd, &offset,
				    1, true);
	if (!error)
		error = attach_some(hooks, file, program_of(hooks, function->entry), fd, &offset, 1, false);
	return error;
}

struct release {
	pthread_t thread;
	int fd;
	bool running;
};

static void *release(void *ctx)
{
	const struct release *held = ctx;

	close(held->fd);
	return NULL;
}

/* The kernel takes 50 to 90 ms to let a hook go, while it waits until no processor is inside of it: one wait for all
 * of a file's hooks, not one after the other, or the agent would need a second to stop. */
static void detach(struct tls_file *file)
{
	struct release held[TLS_LINKS_MAX];

	for (size_t i = 0; i < file->link_count; i++) {
		held[i] = (struct release){ .fd = file->links[i] };
		held[i].running = !pthread_create(&held[i].thread, NULL, release, &held[i]);
		if (!held[i].running)
			release(&held[i]);
	}
	for (size_t i = 0; i < file->link_count; i++)
		if (held[i].running)
			pthread_join(held[i].thread, NULL);
	file->link_count = 0;
}

static uint64_t cookie_of(enum tls_program program)
{
	static const uint64_t cookies[] = {
		[SSL_READ] = TLS_LIBRARY_OPENSSL,
		[SSL_WRITE] = TLS_LIBRARY_OPENSSL | TLS_COOKIE_SEND,
		[SSL_READ_EX] = TLS_LIBRARY_OPENSSL | TLS_COOKIE_EXTENDED,
		[SSL_WRITE_EX] = TLS_LIBRARY_OPENSSL | TLS_COOKIE_EXTENDED | TLS_COOKIE_SEND,
		[SSL_WRITE_EX2] = TLS_LIBRARY_OPENSSL | TLS_COOKIE_EXTENDED | TLS_COOKIE_FLAGS | TLS_COOKIE_SEND,
		[SSL_SENDFILE] = TLS_LIBRARY_OPENSSL | TLS_COOKIE_FILE | TLS_COOKIE_SEND,
		[BORING_READ] = TLS_LIBRARY_BORING,
		[BORING_WRITE] = TLS_LIBRARY_BORING | TLS_COOKIE_SEND,
		[GNUTLS_RECEIVE] = TLS_LIBRARY_GNUTLS,
		[GNUTLS_SEND] = TLS_LIBRARY_GNUTLS | TLS_COOKIE_SEND,
		[RECORD_SEAL] = AEAD_SEAL,
		[RECORD_SEAL_SCATTER] = AEAD_SEAL_SCATTER,
		[RECORD_OPEN] = AEAD_OPEN,
		[RECORD_OPEN_GATHER] = AEAD_OPEN_GATHER,
	};

	return cookies[program];
}

/* One link for the entries and returns of all functions. */
static int attach_session(struct tls_hooks *hooks, struct tls_file *file, int fd, const struct tls_planned *plan,
			  const bool *wanted)
{
	struct bpf_program *const *program = plan->library->records ? &hooks->bpf->progs.aead_function :
								      &hooks->bpf->progs.tls_function;
	uint64_t offsets[TLS_FUNCTIONS_MAX], cookies[TLS_FUNCTIONS_MAX];
	struct uprobe_target target = { .offsets = offsets, .cookies = cookies };
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	target.path = path;
	for (size_t i = 0; i < plan->library->count; i++) {
		if (!wanted[i] || !plan->library->functions[i].returns)
			continue;
		offsets[target.count] = plan->symbols[i].offset;
		cookies[target.count++] = cookie_of(plan->library->functions[i].entry);
	}
	return attach_link(file, kept_program(&hooks->kept, program), UPROBE_SESSION, &target);
}

static int attach_library(struct tls_hooks *hooks, struct tls_file *file, int fd, const struct tls_planned *plan)
{
	const struct tls_function *functions = plan->library->functions;
	bool sessions = hooks->way == UPROBE_SESSION, wanted[TLS_FUNCTIONS_MAX];
	int error = 0;

	for (size_t i = 0; i < plan->library->count; i++)
		wanted[i] = plan->symbols[i].offset && !(i && functions[i].wrapped && plan->symbols[i - 1].offset);
	if (sessions)
		error = attach_session(hooks, file, fd, plan, wanted);
	for (size_t i = 0; i < plan->library->count && !error; i++)
		if (wanted[i] && !(sessions && functions[i].returns))
			error = attach_function(hooks, file, fd, &functions[i], plan->symbols[i].offset);
	return error;
}

/* Go's crypto/tls. Returns first, as above. */
static int attach_go(struct tls_hooks *hooks, struct tls_file *file, int fd, const struct go_function *functions)
{
	const struct kept *kept = &hooks->kept;
	int entries[] = { kept_program(kept, &hooks->bpf->progs.go_read),
			  kept_program(kept, &hooks->bpf->progs.go_write) };
	int error = 0;

	for (size_t i = 0; i < 2 && !error; i++)
		error = attach_some(hooks, file, kept_program(kept, &hooks->bpf->progs.go_return), fd,
				    functions[i].returns, (uint32_t)functions[i].return_count, false);
	for (size_t i = 0; i < 2 && !error; i++)
		error = attach_some(hooks, file, entries[i], fd, &functions[i].offset, 1, false);
	return error;
}

void tls_attach(struct tls_hooks *hooks, struct tls_file *file, int fd)
{
	struct tls_plan plan;
	int error = 0;

	tls_plan_make(fd, false, &plan);
	file->finding = plan.finding;
	if (plan.finding.state == TLS_FILE_READ && !plan.count)
		error = attach_go(hooks, file, fd, plan.go);
	for (size_t i = 0; i < plan.count && !error; i++)
		error = attach_library(hooks, file, fd, &plan.planned[i]);
	if (error) {
		detach(file);
		file->finding.state = TLS_FILE_REFUSED;
	}
	if (error || plan.finding.state == TLS_FILE_GO_RETURNS)
		hooks->figures.refused++;
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
