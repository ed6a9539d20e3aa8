/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of containers.h: an entry per cgroup that is a container or may be one, in the order in which they were
 * first asked for. What is not known yet is an entry too, so that asking again costs no file.
 */
#include "identity/containers.h"

#include <errno.h>
#include <fcntl.h>

#include "base/hash_table.h"
#include "identity/container_state.h"
#include "identity/unit.h"

#define RETRY_FIRST_NS 8000000ULL /* a container of 50 ms is named while it lives */
#define RETRY_LAST_NS 60000000000ULL
#define CANDIDATES 3 /* components from a path's end that may be a container with a name of its own */

struct entry {
	struct hash_node node;
	struct entry *newer;
	struct entry *older;
	uint64_t since_ns;
	uint64_t retry_ns;
	struct container_info *info; /* NULL: not known */
	size_t path_length;
	char path[];
};

struct containers {
	struct state_reader reader;
	struct hash_table table;
	struct entry *newest;
	struct entry *oldest;
	uint64_t hash_seed;
};

int containers_new(const struct containers_config *config, struct containers **ret_containers)
{
	struct containers *containers = calloc(1, sizeof(*containers));

	if (!containers)
		return -ENOMEM;
	containers->reader.root = open(config->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (containers->reader.root < 0) {
		int error = -errno;

		free(containers);
		return error;
	}
	containers->hash_seed = config->hash_seed;
	hash_table_init(&containers->table, config->limit);
	*ret_containers = containers;
	return 0;
}

static void entry_remove(struct containers *containers, struct entry *entry)
{
	hash_table_remove(&containers->table, &entry->node);
	*(entry->newer ? &entry->newer->older : &containers->newest) = entry->older;
	*(entry->older ? &entry->older->newer : &containers->oldest) = entry->newer;
	container_info_drop(entry->info);
	free(entry);
}

void containers_free(struct containers *containers)
{
	if (!containers)
		return;
	while (containers->oldest)
		entry_remove(containers, containers->oldest);
	hash_table_done(&containers->table);
	close(containers->reader.root);
	free(containers);
}

struct container_info *container_info_take(const struct container_info *info)
{
	/* Counting is not what const is about. */
	struct container_info *taken = (struct container_info *)(uintptr_t)info;

	if (taken)
		taken->users++;
	return taken;
}

void container_info_drop(struct container_info *info)
{
	if (info && !--info->users)
		free(info);
}

static bool entry_is(const struct hash_node *node, const void *key)
{
	const struct entry *entry = hash_entry(node, struct entry, node);
	const struct slice *path = key;

	return entry->path_length == path->length && !memcmp(entry->path, path->data, path->length);
}

static struct entry *entry_find(const struct containers *containers, struct slice path)
{
	struct hash_node *node = hash_table_find(
		&containers->table, hash_bytes(path.data, path.length, containers->hash_seed), entry_is, &path);

	return node ? hash_entry(node, struct entry, node) : NULL;
}

static struct entry *entry_add(struct containers *containers, struct slice path, uint64_t now_ns)
{
	struct entry *entry;

	if (containers->table.count >= containers->table.limit && containers->oldest)
		entry_remove(containers, containers->oldest);
	entry = calloc(1, sizeof(*entry) + path.length);
	if (!entry)
		return NULL;
	entry->since_ns = now_ns;
	entry->path_length = path.length;
	memcpy(entry->path, path.data, path.length);
	if (hash_table_insert(&containers->table, &entry->node,
			      hash_bytes(path.data, path.length, containers->hash_seed))) {
		free(entry);
		return NULL;
	}
	entry->older = containers->newest;
	*(entry->older ? &entry->older->newer : &containers->oldest) = entry;
	containers->newest = entry;
	return entry;
}

/* Copies `text` to *at and moves on. */
static const char *pack(char **at, const char *text)
{
	char *copy = *at;
	size_t size = strlen(text) + 1;

	memcpy(copy, text, size);
	*at += size;
	return copy;
}

static struct container_info *info_new(const struct container_facts *facts, const char *name, const char *service,
				       const char *lines)
{
	size_t size = strlen(name) + strlen(facts->image) + strlen(facts->container) + strlen(facts->pod) +
		      strlen(facts->name_space) + strlen(service) + strlen(lines) + 7;
	struct container_info *info = malloc(sizeof(*info) + size);
	char *at;

	if (!info)
		return NULL;
	at = info->text;
	info->users = 1;
	info->runtime = facts->runtime;
	info->sandbox = facts->sandbox;
	info->init_pid = facts->init_pid;
	info->created_ns = facts->created_ns;
	info->name = pack(&at, name);
	info->image = pack(&at, facts->image);
	info->container = pack(&at, facts->container);
	info->pod = pack(&at, facts->pod);
	info->name_space = pack(&at, facts->name_space);
	info->service = pack(&at, service);
	info->lines = pack(&at, lines);
	return info;
}

/* A machine says its name in the path alone, escaped as unit names are. */
static void name_machine(const struct cgroup_container *container, struct container_facts *facts)
{
	char text[FACT_MAX];
	size_t length = unit_unescape(container->id, text, sizeof(text) - 1);

	*facts = (struct container_facts){ .runtime = container->runtime };
	slice_clean_to(slice_make(text, length), facts->name, FACT_MAX - 1);
}

static void learn(struct containers *containers, const struct cgroup_container *container, struct entry *entry,
		  uint64_t now_ns)
{
	uint64_t age = now_ns - entry->since_ns, wait;
	struct container_facts facts;
	char service[IDENTITY_NAME_MAX + 1], id[FACT_MAX], lines[FACTS_LINES_MAX];
	int error = 0;

	wait = age / 4;
	entry->retry_ns = now_ns + (wait < RETRY_FIRST_NS ? RETRY_FIRST_NS :
				    wait > RETRY_LAST_NS  ? RETRY_LAST_NS :
							    wait);
	if (container->sure && (container->runtime == RUNTIME_LXC || container->runtime == RUNTIME_MACHINE))
		name_machine(container, &facts);
	else
		error = container_state_read(&containers->reader, container, &facts);
	if (error)
		return;
	slice_clean_to(container->id, id, sizeof(id) - 1);
	facts_service(&facts, container, service);
	if (!facts.name[0])
		memcpy(facts.name, id, sizeof(facts.name));
	facts_lines(&facts, container->id, lines);
	entry->info = info_new(&facts, facts.name, service, lines);
}

static const struct container_info *look(struct containers *containers, const struct cgroup_container *container,
					 uint64_t now_ns)
{
	struct entry *entry = entry_find(containers, container->path);

	if (!entry)
		entry = entry_add(containers, container->path, now_ns);
	if (!entry)
		return NULL;
	if (!entry->info && now_ns >= entry->retry_ns)
		learn(containers, container, entry, now_ns);
	return entry->info;
}

const struct container_info *containers_find(struct containers *containers, struct slice path, uint64_t now_ns,
					     struct slice *ret_own)
{
	const struct container_info *info = NULL;
	struct cgroup_container container;

	*ret_own = slice_of("");
	if (cgroup_path_container(path, &container)) {
		*ret_own = container.path;
		return look(containers, &container, now_ns);
	}
	for (unsigned int depth = 0; depth < CANDIDATES && !info; depth++) {
		if (!cgroup_path_candidate(path, depth, &container))
			continue;
		info = look(containers, &container, now_ns);
		if (info)
			*ret_own = container.path;
	}
	return info;
}

/* A pod's containers are the newest that lie in it: pods are asked for when they are new, or seldom. */
const struct container_info *containers_find_pod(struct containers *containers, struct slice path)
{
	if (!cgroup_path_pod(path).length)
		return NULL;
	for (struct entry *entry = containers->newest; entry; entry = entry->older)
		if (entry->info && entry->info->pod[0] && entry->path_length > path.length &&
		    entry->path[path.length] == '/' && !memcmp(entry->path, path.data, path.length))
			return entry->info;
	return NULL;
}

void containers_hurry(struct containers *containers, struct slice path)
{
	struct entry *entry = entry_find(containers, path);

	if (entry)
		entry->retry_ns = 0;
}

void containers_forget(struct containers *containers, struct slice path)
{
	struct entry *entry = entry_find(containers, path);

	if (entry)
		entry_remove(containers, entry);
}

uint64_t containers_refused(const struct containers *containers, enum state_refusal refusal)
{
	return containers->reader.refused[refusal];
}
