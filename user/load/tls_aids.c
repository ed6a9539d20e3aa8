/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hook on libcrypto's BIO_write for one process alone: for sessions that nothing else joins, because their program
 * takes the ciphertext from the library and sends it later (bpf/tls_call.h, on_bio_write). On the file it would be one
 * trap more for every record of every process.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load/tls_internal.h"
#include "load/tls_maps.h"
#include "load/tls_plan.h"
#include "symbol/elf_file.h"

struct search {
	struct tls_hooks *hooks;
	uint32_t tgid;
	int fd;
	uint64_t offset;
};

/* Another version may be mapped beside the one that is used; each is asked, the first that has the function counts. */
static void look_into(void *ctx, const struct tls_mapping *mapping)
{
	struct search *search = ctx;
	struct symbol symbol = { .name = "BIO_write" };
	const char *name = strrchr(mapping->path, '/');
	int fd;

	if (search->fd >= 0 || !name || strncmp(name, "/libcrypto", strlen("/libcrypto")) != 0)
		return;
	fd = tls_maps_open(search->hooks->procfs, search->tgid, mapping);
	if (fd < 0)
		return;
	if (elf_find_symbols(fd, &symbol, 1) || !symbol.offset) {
		close(fd);
		return;
	}
	search->fd = fd;
	search->offset = tls_cheap_place(fd, symbol.offset);
}

static int attach(struct tls_hooks *hooks, const struct search *search, struct tls_aid *aid)
{
	struct uprobe_target target = { .offsets = &search->offset, .count = 1, .pid = search->tgid };
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", search->fd);
	target.path = path;
	return uprobe_attach(kept_program(&hooks->kept, &hooks->bpf->progs.bio_write),
			     hooks->way == UPROBE_PERF ? UPROBE_PERF : UPROBE_MULTI, &target, &aid->fd);
}

static void *release(void *ctx)
{
	struct tls_aid *aid = ctx;

	if (aid->fd >= 0)
		close(aid->fd);
	free(aid);
	return NULL;
}

/* The kernel takes up to 90 ms for it, which nobody has to wait for. */
static void release_aside(const struct tls_aid *aid)
{
	struct tls_aid *copy = malloc(sizeof(*copy));
	pthread_t thread;

	/* Without memory the hook stays, on a process that is gone. */
	if (!copy)
		return;
	*copy = *aid;
	if (pthread_create(&thread, NULL, release, copy))
		release(copy);
	else
		pthread_detach(thread);
}

static struct tls_aid *find(struct tls_hooks *hooks, uint32_t tgid)
{
	for (size_t i = 0; i < hooks->aid_count; i++)
		if (hooks->aids[i].tgid == tgid)
			return &hooks->aids[i];
	return NULL;
}

void tls_hooks_unjoined(struct tls_hooks *hooks, uint32_t tgid)
{
	struct search search = { .hooks = hooks, .tgid = tgid, .fd = -1 };
	struct tls_aid aid = { .tgid = tgid, .fd = -1 };

	if (!tgid || find(hooks, tgid) || hooks->aid_count == TLS_AIDS_MAX)
		return;
	/* One that cannot be helped is remembered, too: it is not looked at again. */
	(void)tls_maps_each(hooks->procfs, tgid, look_into, &search);
	if (search.fd >= 0 && !attach(hooks, &search, &aid))
		hooks->figures.hooks++;
	if (search.fd >= 0)
		close(search.fd);
	hooks->aids[hooks->aid_count++] = aid;
}

void tls_aids_forget(struct tls_hooks *hooks, uint32_t tgid)
{
	struct tls_aid *aid = find(hooks, tgid);

	if (!aid)
		return;
	hooks->figures.hooks -= aid->fd >= 0;
	release_aside(aid);
	*aid = hooks->aids[--hooks->aid_count];
}

void tls_aids_free(struct tls_hooks *hooks)
{
	for (size_t i = 0; i < hooks->aid_count; i++)
		release_aside(&hooks->aids[i]);
	hooks->aid_count = 0;
}
