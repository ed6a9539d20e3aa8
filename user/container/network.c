/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traffic by network namespace. A namespace is told once, by the cgroup that it belongs to: the host's by the root, a
 * pod's by its sandbox, any other by the uppermost cgroup whose first process is in it. Told by each cgroup in it, sums
 * over a host or a pod would count packets several times.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "container/internal.h"

#define NAME_BYTES 64
#define INTERFACES_MAX 256
#define HOST_PROCESS 1

static uint64_t namespace_of(const struct container_table *table, uint32_t pid)
{
	char name[NAME_BYTES];
	struct stat status;

	snprintf(name, sizeof(name), "%u/ns/net", pid);
	return fstatat(table->procfs, name, &status, 0) ? 0 : status.st_ino;
}

static struct interface_values *interface_of(struct network *network, const char *name)
{
	struct interface_values *grown;

	for (size_t i = 0; i < network->count; i++)
		if (!strcmp(network->interfaces[i].name, name))
			return &network->interfaces[i];
	if (network->count == INTERFACES_MAX)
		return NULL;
	if (network->count == network->capacity) {
		grown = reallocarray(network->interfaces, network->capacity + 4, sizeof(*grown));
		if (!grown)
			return NULL;
		network->interfaces = grown;
		network->capacity += 4;
	}
	network->interfaces[network->count] = (struct interface_values){ .name = "" };
	return &network->interfaces[network->count++];
}

/* The loopback is left out, as in cAdvisor: what it carries does not leave the container. */
static void read_interfaces(struct container_table *table, struct record *record, uint32_t pid)
{
	uint64_t counters[NETWORK_COUNTERS];
	const char *text = table->scratch;
	char file[NAME_BYTES], name[16];

	snprintf(file, sizeof(file), "%u/net/dev", pid);
	if (file_read_start(table->procfs, file, table->scratch, SCRATCH_BYTES, NULL))
		return;
	record->network.count = 0;
	while (parse_net_dev(&text, name, counters)) {
		struct interface_values *interface = strcmp(name, "lo") ? interface_of(&record->network, name) : NULL;

		if (!interface)
			continue;
		memcpy(interface->name, name, sizeof(interface->name));
		memcpy(interface->counters, counters, sizeof(interface->counters));
	}
}

/* Of two records in one namespace, does the second have the better claim? */
static bool is_better_owner(const struct record *owner, const struct record *other)
{
	bool sandbox = other->own_container && other->info->sandbox;
	size_t depth, other_depth;

	if (owner->own_container && owner->info->sandbox)
		return false;
	if (sandbox)
		return true;
	depth = strlen(owner->shown.path);
	other_depth = strlen(other->shown.path);
	return other_depth < depth || (other_depth == depth && strcmp(other->shown.path, owner->shown.path) < 0);
}

struct claim {
	struct hash_node node;
	struct record *owner;
	uint64_t namespace_id;
};

static bool claim_is(const struct hash_node *node, const void *key)
{
	return hash_entry(node, struct claim, node)->namespace_id == *(const uint64_t *)key;
}

/* Claims live in an array that the table keeps: one for each record at most. */
static void claim(struct container_table *table, struct hash_table *claims, size_t *used, struct record *record)
{
	uint64_t hash = hash_u64(record->namespace_id, table->hash_seed);
	struct hash_node *node = hash_table_find(claims, hash, claim_is, &record->namespace_id);
	struct claim *own;

	if (node) {
		own = hash_entry(node, struct claim, node);
		if (is_better_owner(own->owner, record))
			own->owner = record;
		return;
	}
	own = &table->claims[*used];
	*own = (struct claim){ .owner = record, .namespace_id = record->namespace_id };
	if (!hash_table_insert(claims, &own->node, hash))
		(*used)++;
}

static bool keep_none(struct hash_node *node, void *ctx)
{
	(void)node, (void)ctx;
	return true;
}

static void look_up_namespace(const struct container_table *table, struct record *record)
{
	if (record->first_pid && !record->namespace_id)
		record->namespace_id = namespace_of(table, record->first_pid);
}

void network_read(struct container_table *table)
{
	uint64_t host = namespace_of(table, HOST_PROCESS);
	struct record *root = record_find(table, "/");
	size_t used = 0;

	if (root)
		read_interfaces(table, root, HOST_PROCESS);
	if (!table->claims)
		table->claims = calloc(table->limit, sizeof(*table->claims));
	if (!table->claims)
		return;
	for (size_t i = 0; i < table->slot_count; i++) {
		struct record *record = table->slots[i];

		if (!record || record->shown.gone)
			continue;
		look_up_namespace(table, record);
		if (record != root && has_value(record, PROCESSES) && record->namespace_id &&
		    record->namespace_id != host)
			claim(table, &table->claim_table, &used, record);
	}
	for (size_t i = 0; i < used; i++)
		read_interfaces(table, table->claims[i].owner, table->claims[i].owner->first_pid);
	hash_table_remove_if(&table->claim_table, keep_none, NULL);
}
