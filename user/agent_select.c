/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --select.exe: globs over executables' paths. The kernel side captures a new process until user space has decided; the
 * exec event comes before the process's segments, so that they are dropped here, unparsed, when the answer is no.
 */
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "agent_internal.h"
#include "base/number.h"

struct looked_at {
	struct hash_node node;
	uint32_t tgid;
	bool selected;
};

static bool tgid_equal(const struct hash_node *node, const void *key)
{
	return hash_entry(node, struct looked_at, node)->tgid == *(const uint32_t *)key;
}

static struct looked_at *look(struct agent *agent, uint32_t tgid)
{
	struct hash_node *node = hash_table_find(&agent->executables, hash_u64(tgid, 0), tgid_equal, &tgid);

	return node ? hash_entry(node, struct looked_at, node) : NULL;
}

static bool globs_match(const struct agent *agent, const char *path)
{
	for (size_t i = 0; i < agent->config->select_exes.count; i++)
		if (!fnmatch(agent->config->select_exes.items[i], path, 0))
			return true;
	return false;
}

/* The executable as /proc names it, else as execve was given it: the process may be gone. */
static bool executable_selected(const struct agent *agent, uint32_t tgid, const char *filename)
{
	char link[PATH_MAX], path[PATH_MAX];
	ssize_t length;

	snprintf(link, sizeof(link), "%s/%u/exe", agent->config->path_procfs, tgid);
	length = readlink(link, path, sizeof(path) - 1);
	if (length > 0) {
		path[length] = '\0';
		return globs_match(agent, path);
	}
	return filename && globs_match(agent, filename);
}

static void remember(struct agent *agent, uint32_t tgid, bool selected)
{
	struct looked_at *known = look(agent, tgid);

	if (!known) {
		known = calloc(1, sizeof(*known));
		if (known && hash_table_insert(&agent->executables, &known->node, hash_u64(tgid, 0))) {
			free(known);
			known = NULL;
		}
		if (!known)
			return; /* at the limit: the process is not observed, the kernel side counts it */
		known->tgid = tgid;
	}
	known->selected = selected;
}

void agent_select_exec(struct agent *agent, uint32_t tgid, const char *filename)
{
	bool selected;

	if (!agent->config->select_exes.count)
		return;
	selected = executable_selected(agent, tgid, filename);
	remember(agent, tgid, selected);
	capture_decide(agent->capture, tgid, selected);
}

void agent_select_fork(struct agent *agent, uint32_t parent, uint32_t child)
{
	struct looked_at *known = agent->config->select_exes.count ? look(agent, parent) : NULL;

	if (known)
		remember(agent, child, known->selected);
}

void agent_select_exit(struct agent *agent, uint32_t tgid)
{
	struct looked_at *known = agent->config->select_exes.count ? look(agent, tgid) : NULL;

	if (!known)
		return;
	hash_table_remove(&agent->executables, &known->node);
	free(known);
}

bool agent_selects(struct agent *agent, uint32_t tgid)
{
	struct looked_at *known;

	if (!agent->config->select_exes.count)
		return true;
	known = look(agent, tgid);
	if (!known) {
		agent_select_exec(agent, tgid, NULL);
		known = look(agent, tgid);
	}
	return known && known->selected;
}

void agent_select_running(struct agent *agent)
{
	bool look = agent->capture && agent->config->select_exes.count;
	DIR *directory = look ? opendir(agent->config->path_procfs) : NULL;
	struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		uint32_t tgid;

		if (!number_u32(entry->d_name, &tgid))
			agent_select_exec(agent, tgid, NULL);
	}
	if (directory)
		closedir(directory);
}

static bool drop(struct hash_node *node, void *ctx)
{
	(void)ctx;
	free(hash_entry(node, struct looked_at, node));
	return true;
}

void agent_select_done(struct agent *agent)
{
	hash_table_remove_if(&agent->executables, drop, NULL);
	hash_table_done(&agent->executables);
}
