/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records of cgroups: by path, by each hierarchy's id, by slot; and those of the gone in the order of their deaths.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "container/internal.h"

#define YOUNG_NS (2 * NS_PER_SECOND)

bool path_selected(const struct container_table *table, const char *path)
{
	for (size_t i = 0; i < table->selected_count; i++) {
		const char *selected = table->selected[i];
		size_t length = strlen(selected);

		if (length == 1 || (!strncmp(path, selected, length) && (!path[length] || path[length] == '/')))
			return true;
	}
	return !table->selected_count;
}

static bool path_is(const struct hash_node *node, const void *key)
{
	return !strcmp(hash_entry(node, struct record, by_path)->shown.path, key);
}

struct record *record_find(const struct container_table *table, const char *path)
{
	struct hash_node *node =
		hash_table_find(&table->by_path, hash_bytes(path, strlen(path), table->hash_seed), path_is, path);

	return node ? hash_entry(node, struct record, by_path) : NULL;
}

struct id_key {
	size_t hierarchy;
	uint64_t id;
};

static uint64_t id_hash(const struct container_table *table, size_t hierarchy, uint64_t id)
{
	return hash_u64(id, table->hash_seed + hierarchy);
}

static bool id_is(const struct hash_node *node, const void *key)
{
	const struct record_id *own = hash_entry(node, struct record_id, node);
	const struct id_key *wanted = key;

	return own->id == wanted->id && own->hierarchy == wanted->hierarchy;
}

struct record *record_find_id(const struct container_table *table, size_t hierarchy, uint64_t id)
{
	struct id_key key = { hierarchy, id };
	struct hash_node *node = hash_table_find(&table->by_id, id_hash(table, hierarchy, id), id_is, &key);

	return node ? hash_entry(node, struct record_id, node)->record : NULL;
}

/* The nearest record above a path. */
static struct record *find_parent(const struct container_table *table, const char *path)
{
	char above[PATH_BYTES];
	struct record *parent = NULL;
	char *slash;

	snprintf(above, sizeof(above), "%s", path);
	while (!parent && (slash = strrchr(above, '/')) && slash[1]) {
		slash[slash == above] = '\0';
		parent = record_find(table, above);
		if (slash == above)
			break;
	}
	return parent;
}

static struct record *record_of(const struct container *shown)
{
	return (struct record *)(uintptr_t)((const char *)shown - offsetof(struct record, shown));
}

/* Records that stand below another one than before: a cgroup between became known, or was forgotten. */
static void adopt(struct container_table *table, struct record *old, struct record *new)
{
	for (size_t i = 0; i < table->slot_count && old->children; i++) {
		struct record *child = table->slots[i];

		if (!child || child->shown.parent != &old->shown)
			continue;
		child->shown.parent = new ? &new->shown : NULL;
		old->children--;
		if (new)
			new->children++;
	}
}

static void gone_remove(struct container_table *table, struct record *record)
{
	*(record->newer ? &record->newer->older : &table->newest_gone) = record->older;
	*(record->older ? &record->older->newer : &table->oldest_gone) = record->newer;
	table->gone_count--;
}

static void record_free(struct record *record)
{
	container_info_drop(record->info);
	free(record->devices);
	free(record->network.interfaces);
	free(record->texts);
	free(record);
}

void record_remove(struct container_table *table, struct record *record)
{
	struct record *parent = record->shown.parent ? record_of(record->shown.parent) : NULL;

	adopt(table, record, parent);
	if (parent)
		parent->children--;
	if (record->shown.gone)
		gone_remove(table, record);
	files_close(table, record);
	for (size_t i = 0; i < HIERARCHIES_MAX; i++)
		if (record->ids[i].id)
			hash_table_remove(&table->by_id, &record->ids[i].node);
	hash_table_remove(&table->by_path, &record->by_path);
	table->slots[record->shown.slot] = NULL;
	if (record->shown.slot < table->lowest_free)
		table->lowest_free = record->shown.slot;
	record_free(record);
}

static bool take_slot(struct container_table *table, struct record *record)
{
	while (table->lowest_free < table->slot_count && table->slots[table->lowest_free])
		table->lowest_free++;
	if (table->lowest_free == table->limit)
		return false;
	if (table->lowest_free == table->slot_count)
		table->slot_count++;
	record->shown.slot = (uint32_t)table->lowest_free;
	table->slots[record->shown.slot] = record;
	return true;
}

static struct record *record_new(struct container_table *table, const char *path, uint64_t now_ns)
{
	struct record *record = calloc(1, sizeof(*record));

	if (!record)
		return NULL;
	record->texts = strdup(path);
	record->shown.path = record->texts;
	record->born_ns = now_ns;
	files_init(record);
	if (!record->texts || labels_make(record) ||
	    hash_table_insert(&table->by_path, &record->by_path, hash_bytes(path, strlen(path), table->hash_seed))) {
		record_free(record);
		return NULL;
	}
	if (!take_slot(table, record)) {
		hash_table_remove(&table->by_path, &record->by_path);
		record_free(record);
		return NULL;
	}
	return record;
}

static struct record *record_add(struct container_table *table, const char *path, uint64_t now_ns)
{
	struct record *record, *parent;

	if (strlen(path) >= PATH_BYTES) {
		table->drops.long_path++;
		return NULL;
	}
	/* The living come first. */
	if (table->by_path.count >= table->limit && table->oldest_gone) {
		table->drops.untold++;
		record_remove(table, table->oldest_gone);
	}
	if (table->by_path.count >= table->limit) {
		table->drops.no_room++;
		return NULL;
	}
	record = record_new(table, path, now_ns);
	if (!record) {
		table->drops.no_memory++;
		return NULL;
	}
	parent = find_parent(table, path);
	if (parent) {
		record->shown.parent = &parent->shown;
		parent->children++;
	}
	table->young_until_ns = now_ns + YOUNG_NS;
	labels_renew(table, record, now_ns);
	return record;
}

struct record *record_see(struct container_table *table, const char *path, size_t hierarchy, uint64_t id,
			  uint64_t now_ns)
{
	struct record *record = record_find(table, path);
	struct record_id *own;

	/* Gone, or another one by now: made anew under the same path, as a service's is when it restarts. */
	if (record && (record->shown.gone || (record->ids[hierarchy].id && record->ids[hierarchy].id != id))) {
		record_remove(table, record);
		record = NULL;
	}
	if (!record)
		record = record_add(table, path, now_ns);
	if (!record)
		return NULL;
	own = &record->ids[hierarchy];
	if (!own->id) {
		*own = (struct record_id){ .record = record, .id = id, .hierarchy = hierarchy };
		if (!id || hash_table_insert(&table->by_id, &own->node, id_hash(table, hierarchy, id))) {
			own->id = 0;
			table->drops.no_memory++;
		}
	}
	record->in |= 1U << hierarchy;
	record->seen = true;
	return record;
}

void record_leave(struct container_table *table, struct record *record, size_t hierarchy, uint64_t now_ns)
{
	struct slice path = slice_of(record->shown.path);

	record->in &= ~(1U << hierarchy);
	if (record->in || record->shown.gone)
		return;
	files_close(table, record);
	containers_forget(table->containers, path);
	record->shown.gone = true;
	record->gone_ns = now_ns;
	record->newer = NULL;
	record->older = table->newest_gone;
	*(record->older ? &record->older->newer : &table->oldest_gone) = record;
	table->newest_gone = record;
	if (++table->gone_count > GONE_MAX) {
		table->drops.untold++;
		record_remove(table, table->oldest_gone);
	}
}

void records_expire(struct container_table *table, uint64_t now_ns)
{
	while (table->oldest_gone && now_ns - table->oldest_gone->gone_ns > table->keep_gone_ns)
		record_remove(table, table->oldest_gone);
}

void records_free(struct container_table *table)
{
	for (size_t i = 0; i < table->slot_count; i++)
		if (table->slots[i])
			record_remove(table, table->slots[i]);
	hash_table_done(&table->by_path);
	hash_table_done(&table->by_id);
}
