/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Considered and rejected: a resource for each process or container, with series of its own. A scrape tells each
 * service once, so every walk would have to add them up again, and a server with a process for each connection would
 * have thousands. Rejected too: the attributes of whoever added last. They would claim what others did.
 */
#include "identity/services.h"

#include <string.h>

#include "identity/lines.h"

struct service {
	struct hash_node node;
	char *lines; /* owned */
	uint32_t tgid;
	bool several; /* processes */
	bool told;
	char name[];
};

void services_init(struct services *services, size_t limit, uint64_t hash_seed)
{
	*services = (struct services){ .hash_seed = hash_seed };
	hash_table_init(&services->table, limit);
}

static bool drop(struct hash_node *node, void *all)
{
	struct service *service = hash_entry(node, struct service, node);

	if (service->told && !all) {
		service->told = false;
		return false;
	}
	free(service->lines);
	free(service);
	return true;
}

void services_done(struct services *services)
{
	hash_table_remove_if(&services->table, drop, services);
	hash_table_done(&services->table);
}

void services_forget(struct services *services)
{
	hash_table_remove_if(&services->table, drop, NULL);
}

static bool service_is(const struct hash_node *node, const void *name)
{
	return !strcmp(hash_entry(node, struct service, node)->name, name);
}

static struct service *find(const struct services *services, const char *name, uint64_t hash)
{
	struct hash_node *node = hash_table_find(&services->table, hash, service_is, name);

	return node ? hash_entry(node, struct service, node) : NULL;
}

static void add(struct services *services, const char *name, uint32_t tgid, const char *lines, uint64_t hash)
{
	size_t size = strlen(name) + 1;
	struct service *service = calloc(1, sizeof(*service) + size);

	if (!service) {
		services->overflowed = true;
		return;
	}
	memcpy(service->name, name, size);
	service->tgid = tgid;
	service->several = services->overflowed;
	service->lines = strdup(services->overflowed ? "" : lines);
	if (!service->lines || hash_table_insert(&services->table, &service->node, hash)) {
		services->overflowed = true;
		free(service->lines);
		free(service);
	}
}

void services_merge(struct services *services, const char *name, uint32_t tgid, const char *lines)
{
	uint64_t hash = hash_bytes(name, strlen(name), services->hash_seed);
	struct service *service = find(services, name, hash);
	char *copy;

	if (!service) {
		add(services, name, tgid, lines, hash);
		return;
	}
	if (service->several || service->tgid != tgid) {
		service->several = true;
		lines_intersect(service->lines, lines);
		return;
	}
	copy = strcmp(service->lines, lines) != 0 ? strdup(lines) : NULL;
	if (copy) {
		free(service->lines);
		service->lines = copy;
	}
}

const char *services_lines(struct services *services, const char *name)
{
	struct service *service = find(services, name, hash_bytes(name, strlen(name), services->hash_seed));

	if (!service)
		return "";
	service->told = true;
	return service->lines;
}
