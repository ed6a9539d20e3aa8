/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Selection: the configuration's cgroups, ports, executables and pids in the kernel side's terms. A cgroup is known to
 * the kernel by its directory's inode number, its depth, and which hierarchy it is in: the v2 tree or a v1
 * controller's.
 */
#include <errno.h>
#include <mntent.h>
#include <string.h>
#include <sys/stat.h>

#include "load/internal.h"

struct cgroup_mount {
	char directory[4096];
	char controller[64]; /* "" for the v2 tree */
};

/* The first v1 controller among a mount's options that the kernel knows, else "". */
static void mount_controller(const struct btf *btf, const char *options, char *controller, size_t size)
{
	char list[1024];
	char *rest = list, *word;

	controller[0] = '\0';
	snprintf(list, sizeof(list), "%s", options);
	while ((word = strsep(&rest, ","))) {
		/* The memory controller's directory is `memory`, block I/O's option is `blkio`, the kernel says `io`.
		 */
		const char *name = !strcmp(word, "blkio") ? "io" : word;

		if (kernel_controller_index(btf, name) >= 0) {
			snprintf(controller, size, "%s", name);
			return;
		}
	}
}

/* The cgroup mount with the longest directory that `path` lies in. */
static int find_cgroup_mount(const struct btf *btf, const char *path, struct cgroup_mount *ret_mount)
{
	FILE *table = setmntent("/proc/self/mounts", "re");
	struct mntent entry;
	char text[8192];
	size_t longest = 0;

	if (!table)
		return -errno;
	while (getmntent_r(table, &entry, text, sizeof(text))) {
		size_t length = strlen(entry.mnt_dir);
		bool second = !strcmp(entry.mnt_type, "cgroup2");

		if (!second && strcmp(entry.mnt_type, "cgroup"))
			continue;
		if (strncmp(path, entry.mnt_dir, length) || (path[length] && path[length] != '/') || length < longest)
			continue;
		longest = length;
		snprintf(ret_mount->directory, sizeof(ret_mount->directory), "%s", entry.mnt_dir);
		ret_mount->controller[0] = '\0';
		if (!second)
			mount_controller(btf, entry.mnt_opts, ret_mount->controller, sizeof(ret_mount->controller));
		if (!second && !ret_mount->controller[0])
			longest = 0; /* a named hierarchy without a controller: the kernel keeps no short way to it */
	}
	endmntent(table);
	return longest ? 0 : -ENOENT;
}

static uint32_t depth_below(const char *path, const char *root)
{
	const char *at = path + strlen(root);
	uint32_t depth = 0;

	while (*at) {
		while (*at == '/')
			at++;
		if (*at)
			depth++;
		while (*at && *at != '/')
			at++;
	}
	return depth;
}

int select_resolve(const struct btf *btf, const char *path, struct selected_cgroup *ret_cgroup,
		   struct capture_error *ret_error)
{
	CLEANUP_FREE char *resolved = realpath(path, NULL);
	struct cgroup_mount mount = { .directory = "" };
	struct stat status;
	int controller = -1;

	if (!resolved || stat(resolved, &status) || !S_ISDIR(status.st_mode)) {
		capture_error_set(ret_error,
				  "--select.cgroup=%s: no such cgroup directory; name one below a cgroup mount", path);
		return -ENOENT;
	}
	if (find_cgroup_mount(btf, resolved, &mount)) {
		capture_error_set(
			ret_error,
			"--select.cgroup=%s: not in a cgroup2 tree or a v1 controller's; name a directory of one",
			path);
		return -EINVAL;
	}
	if (mount.controller[0])
		controller = kernel_controller_index(btf, mount.controller);
	ret_cgroup->id = status.st_ino;
	ret_cgroup->level = depth_below(resolved, mount.directory);
	ret_cgroup->controller = controller;
	return 0;
}

int select_configure(struct capture_bpf *bpf, const struct btf *btf, const struct config *config,
		     struct capture_error *ret_error)
{
	uint8_t required = 0;

	if (config->select_cgroups.count > SELECT_CGROUPS_MAX) {
		capture_error_set(ret_error, "--select.cgroup: given %zu times; at most %d",
				  config->select_cgroups.count, SELECT_CGROUPS_MAX);
		return -E2BIG;
	}
	for (size_t i = 0; i < config->select_cgroups.count; i++) {
		struct selected_cgroup *slot = (struct selected_cgroup *)(uintptr_t)&bpf->rodata->selected_cgroups[i];
		int error = select_resolve(btf, config->select_cgroups.items[i], slot, ret_error);

		if (error)
			return error;
	}
	required |= config->select_cgroups.count ? VERDICT_CGROUP : 0;
	required |= config->select_pids.count ? VERDICT_PID : 0;
	required |= config->select_exes.count ? VERDICT_EXE : 0;
	bpf->rodata->selected_cgroup_count = (uint32_t)config->select_cgroups.count;
	bpf->rodata->verdict_required = required;
	bpf->rodata->ports_selected = config->select_ports.count > 0;
	bpf->rodata->ports_ruled = config->select_ports.count + config->ignore_ports.count > 0;
	return 0;
}

static int put_ports(int map, const struct number_list *list, uint8_t rule)
{
	for (size_t i = 0; i < list->count; i++) {
		uint16_t port = (uint16_t)list->items[i];

		if (bpf_map_update_elem(map, &port, &rule, BPF_ANY))
			return -errno;
	}
	return 0;
}

int select_fill_maps(struct capture_bpf *bpf, const struct config *config, struct capture_error *ret_error)
{
	int ports = bpf_map__fd(bpf->maps.ports);
	int processes = bpf_map__fd(bpf->maps.processes);
	int error = put_ports(ports, &config->select_ports, PORT_SELECTED);

	if (!error)
		error = put_ports(ports, &config->ignore_ports, PORT_IGNORED);
	for (size_t i = 0; !error && i < config->select_pids.count; i++) {
		uint32_t tgid = (uint32_t)config->select_pids.items[i];
		uint8_t verdict = VERDICT_PID;

		/* Executables of processes that run already are decided by the agent, which looks through /proc. */
		if (bpf_map_update_elem(processes, &tgid, &verdict, BPF_ANY))
			error = -errno;
	}
	if (error)
		capture_error_set(ret_error, "cannot write the selection into the kernel's maps: %s", strerror(-error));
	return error;
}
