/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table behind usage.h. A cgroup is looked up in the tree once, when its record first appears. When its directory
 * is gone its figures go over to its owner and the kernel side may forget it: a second after, because the last thread
 * leaves its CPU after the cgroup is empty.
 */
#include "container/usage.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "container/cgroup_id.h"
#include "container/owner.h"
#include "container/usage_internal.h"

#define UNNAMED "unknown"
#define DIRECTORIES_MAX 65536 /* looked at in one walk */
#define ID_BYTES_MAX (8 * CGROUP_PATH_MAX)

static bool same_cgroup(const struct hash_node *node, const void *key)
{
	return hash_entry(node, struct usage_cgroup, node)->id == *(const uint64_t *)key;
}

static struct usage_cgroup *cgroup_find(const struct usage_table *table, const struct usage_tree *tree, uint64_t id)
{
	struct hash_node *node =
		hash_table_find(&tree->cgroups, hash_u64(id, table->config.hash_seed), same_cgroup, &id);

	return node ? hash_entry(node, struct usage_cgroup, node) : NULL;
}

struct usage_cgroup *usage_cgroup_of(const struct usage_table *table, const struct usage_detail *detail)
{
	bool apart = detail->kind == USAGE_DETAIL_BLOCK && *table->blocks.mount;

	return cgroup_find(table, apart ? &table->blocks : &table->tree, detail->cgroup);
}

static void cgroup_free(struct usage_cgroup *cgroup)
{
	free(cgroup->path);
	free(cgroup);
}

static struct usage_cgroup *cgroup_get(struct usage_table *table, struct usage_tree *tree, uint64_t id)
{
	struct usage_cgroup *cgroup = cgroup_find(table, tree, id);

	if (cgroup)
		return cgroup;
	cgroup = calloc(1, sizeof(*cgroup));
	if (!cgroup)
		return NULL;
	cgroup->id = id;
	cgroup->tree = tree;
	if (hash_table_insert(&tree->cgroups, &cgroup->node, hash_u64(id, table->config.hash_seed))) {
		free(cgroup);
		return NULL;
	}
	tree->unresolved++;
	return cgroup;
}

struct owner_key {
	const char *path;
	size_t length;
};

static bool same_owner(const struct hash_node *node, const void *key)
{
	const struct usage_owner *owner = hash_entry(node, struct usage_owner, node);
	const struct owner_key *wanted = key;

	return strlen(owner->path) == wanted->length && !memcmp(owner->path, wanted->path, wanted->length);
}

static void owner_free(struct usage_owner *owner)
{
	if (!owner)
		return;
	usage_series_free(owner->series);
	free(owner->path);
	free(owner->id);
	free(owner);
}

static char *id_of(const char *path)
{
	struct buffer text;

	buffer_init(&text, ID_BYTES_MAX);
	cgroup_id_append(&text, path);
	if (!buffer_error(&text))
		return text.data;
	buffer_done(&text);
	return NULL;
}

static struct usage_owner *owner_get(struct usage_table *table, const char *path, size_t length)
{
	struct owner_key key = { path, length };
	uint64_t hash = hash_bytes(path, length, table->config.hash_seed);
	struct hash_node *node = hash_table_find(&table->owners, hash, same_owner, &key);
	struct usage_owner *owner;

	if (node)
		return hash_entry(node, struct usage_owner, node);
	owner = calloc(1, sizeof(*owner));
	if (owner)
		owner->path = strndup(path, length);
	if (owner && owner->path)
		owner->id = id_of(owner->path);
	if (owner && owner->id && !hash_table_insert(&table->owners, &owner->node, hash))
		return owner;
	owner_free(owner);
	return NULL;
}

/* A cgroup whose owner finds no room stays unresolved, and is tried again. */
static void cgroup_resolve(struct usage_table *table, struct usage_cgroup *cgroup, const char *path)
{
	const char *of = path ? path : UNNAMED;
	char *copy = path ? strdup(path) : NULL;
	struct usage_owner *owner = path && !copy ? NULL : owner_get(table, of, owner_length(of));

	if (!owner) {
		free(copy);
		return;
	}
	cgroup->path = copy;
	cgroup->owner = owner;
	owner->cgroup = cgroup->id;
	owner->of = cgroup->tree->controller;
	owner->cgroups++;
	owner->gone_ns = 0;
	cgroup->tree->unresolved--;
	table->unnamed += !path;
}

/* Born since the start: the kernel side knows the path, whatever has become of it. */
static void resolve_newborn(struct usage_table *table, struct usage_cgroup *cgroup)
{
	const struct usage_source *source = &table->config.source;
	char path[CGROUP_PATH_MAX];

	if (source->take_path(source->ctx, cgroup->id, path, sizeof(path)))
		cgroup_resolve(table, cgroup, path);
}

static void on_cpu(void *ctx, uint64_t id, const struct usage_cpu *cpu)
{
	struct usage_table *table = ctx;
	struct usage_cgroup *cgroup = cgroup_get(table, &table->tree, id);

	if (cgroup && !cgroup->owner && !cgroup->asked) {
		cgroup->asked = true;
		resolve_newborn(table, cgroup);
	}
	if (cgroup)
		cgroup->sums.cpu = *cpu;
	else
		table->refused++;
}

static void on_events(void *ctx, uint64_t id, const struct usage_events *events)
{
	struct usage_table *table = ctx;
	struct usage_cgroup *cgroup = cgroup_get(table, &table->tree, id);

	if (cgroup)
		cgroup->sums.events = *events; /* else on_cpu has counted it: cgroups have both or none */
}

/* Only these make a cgroup of the block controller's known: it has no threads. */
static void on_block(void *ctx, const struct usage_detail *detail)
{
	struct usage_table *table = ctx;

	if (detail->kind == USAGE_DETAIL_BLOCK && !cgroup_get(table, &table->blocks, detail->cgroup))
		table->refused++;
}

struct walk {
	struct usage_table *table;
	struct usage_tree *tree;
};

static void on_directory(void *ctx, uint64_t id, const char *path)
{
	struct walk *walk = ctx;
	struct usage_cgroup *cgroup = cgroup_find(walk->table, walk->tree, id);

	if (cgroup && !cgroup->owner)
		cgroup_resolve(walk->table, cgroup, path);
}

/* One that is gone may still be known by the table of cgroups. */
static const char *known_path(const struct usage_table *table, const struct usage_cgroup *cgroup)
{
	const struct container *container =
		table->config.cgroups ? container_find(table->config.cgroups, cgroup->tree->controller, cgroup->id) :
					NULL;

	return container ? container->path : NULL;
}

static void resolve_all(struct usage_table *table, struct usage_tree *tree)
{
	struct hash_node *node = NULL;

	if (!tree->unresolved)
		return;
	cgroup_tree_walk(tree->mount, DIRECTORIES_MAX, on_directory, &(struct walk){ table, tree });
	while (tree->unresolved && (node = hash_table_next(&tree->cgroups, node))) {
		struct usage_cgroup *cgroup = hash_entry(node, struct usage_cgroup, node);

		if (!cgroup->owner)
			cgroup_resolve(table, cgroup, known_path(table, cgroup));
	}
}

/* Adds a cgroup to its owner; true when it is gone for good, and was handed over. */
static bool settle(struct hash_node *node, void *ctx)
{
	struct usage_cgroup *cgroup = hash_entry(node, struct usage_cgroup, node);
	struct usage_table *table = ctx;
	const struct usage_source *source = &table->config.source;

	if (!cgroup->owner)
		return false;
	usage_sums_add(&cgroup->owner->now, &cgroup->sums);
	if (cgroup->path && cgroup_tree_has(cgroup->tree->mount, cgroup->path, cgroup->id))
		return false;
	if (!cgroup->gone_ns)
		cgroup->gone_ns = table->now_ns;
	if (table->now_ns - cgroup->gone_ns < NS_PER_SECOND)
		return false;
	usage_sums_add(&cgroup->owner->retired, &cgroup->sums);
	usage_series_retire(table, cgroup);
	cgroup->owner->gone_ns = table->now_ns;
	cgroup->owner->cgroups--;
	(cgroup->tree == &table->tree ? source->forget : source->forget_block)(source->ctx, cgroup->id);
	cgroup_free(cgroup);
	return true;
}

static bool owner_is_past(struct hash_node *node, void *ctx)
{
	struct usage_owner *owner = hash_entry(node, struct usage_owner, node);
	const struct usage_table *table = ctx;

	if (owner->cgroups || table->now_ns - owner->gone_ns < table->config.keep_gone_ns)
		return false;
	owner_free(owner);
	return true;
}

struct leaving {
	uint64_t gone_ns;
	size_t count;
};

static bool owner_leaves(struct hash_node *node, void *ctx)
{
	struct usage_owner *owner = hash_entry(node, struct usage_owner, node);
	struct leaving *leaving = ctx;

	if (owner->cgroups || owner->gone_ns != leaving->gone_ns || !leaving->count)
		return false;
	leaving->count--;
	owner_free(owner);
	return true;
}

/* Of thousands that live for a moment only some are kept. Each round takes those of one refresh. */
static void make_room(struct usage_table *table)
{
	for (;;) {
		struct leaving leaving = { .gone_ns = UINT64_MAX };
		struct hash_node *node = NULL;
		size_t gone = 0, before;

		while ((node = hash_table_next(&table->owners, node))) {
			const struct usage_owner *owner = hash_entry(node, struct usage_owner, node);

			gone += !owner->cgroups;
			if (!owner->cgroups && owner->gone_ns < leaving.gone_ns)
				leaving.gone_ns = owner->gone_ns;
		}
		if (gone <= table->config.gone_max)
			return;
		before = leaving.count = gone - table->config.gone_max;
		(void)hash_table_remove_if(&table->owners, owner_leaves, &leaving);
		table->made_room += before - leaving.count;
	}
}

void usage_table_refresh(struct usage_table *table, uint64_t now_ns)
{
	const struct usage_source *source = &table->config.source;
	struct hash_node *node = NULL;

	table->now_ns = now_ns;
	/* A read that fails leaves the figures of the last one. */
	(void)source->each_cpu(source->ctx, on_cpu, table);
	(void)source->each_events(source->ctx, on_events, table);
	if (*table->blocks.mount)
		(void)source->each_detail(source->ctx, on_block, table);
	resolve_all(table, &table->tree);
	resolve_all(table, &table->blocks);
	while ((node = hash_table_next(&table->owners, node))) {
		struct usage_owner *owner = hash_entry(node, struct usage_owner, node);

		owner->now = owner->retired;
	}
	usage_series_refresh(table);
	(void)hash_table_remove_if(&table->tree.cgroups, settle, table);
	(void)hash_table_remove_if(&table->blocks.cgroups, settle, table);
	(void)hash_table_remove_if(&table->owners, owner_is_past, table);
	make_room(table);
}

static int find_trees(struct usage_table *table, const struct usage_table_config *config)
{
	struct usage_tree *blocks = &table->blocks;
	int error = cgroup_tree_find(config->mounts, config->controller, table->tree.mount, sizeof(table->tree.mount));

	table->tree.controller = CGROUP_CPU;
	blocks->controller = CGROUP_IO;
	if (cgroup_tree_find(config->mounts, config->block_controller, blocks->mount, sizeof(blocks->mount)) ||
	    !strcmp(blocks->mount, table->tree.mount))
		blocks->mount[0] = '\0';
	return error;
}

int usage_table_new(const struct usage_table_config *config, struct usage_table **ret_table)
{
	struct usage_table *table = calloc(1, sizeof(*table));
	int error = table ? find_trees(table, config) : -ENOMEM;

	if (error) {
		free(table);
		return error;
	}
	table->config = *config;
	hash_table_init(&table->tree.cgroups, config->limit);
	hash_table_init(&table->blocks.cgroups, config->limit);
	hash_table_init(&table->owners, config->limit);
	*ret_table = table;
	return 0;
}

static bool drop_cgroup(struct hash_node *node, void *ctx)
{
	(void)ctx;
	cgroup_free(hash_entry(node, struct usage_cgroup, node));
	return true;
}

static bool drop_owner(struct hash_node *node, void *ctx)
{
	struct usage_owner *owner = hash_entry(node, struct usage_owner, node);

	(void)ctx;
	owner_free(owner);
	return true;
}

void usage_table_free(struct usage_table *table)
{
	if (!table)
		return;
	(void)hash_table_remove_if(&table->tree.cgroups, drop_cgroup, NULL);
	(void)hash_table_remove_if(&table->blocks.cgroups, drop_cgroup, NULL);
	(void)hash_table_remove_if(&table->owners, drop_owner, NULL);
	hash_table_done(&table->tree.cgroups);
	hash_table_done(&table->blocks.cgroups);
	hash_table_done(&table->owners);
	free(table);
}
