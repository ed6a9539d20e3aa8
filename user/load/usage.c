/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads the usage programs: all of the families that are switched on, or those that this kernel lets in.
 */
#include "load/usage.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "load/image.h"
#include "load/usage_internal.h"

IMAGE_OPENER(usage)

_Static_assert(USAGE_LATENCY_BUCKETS == LATENCY_BUCKETS, "one set of buckets");

static int configure(struct usage *usage, const struct btf *btf, const struct config *config,
		     struct capture_error *ret_error)
{
	struct usage_bpf *bpf = usage->bpf;
	struct timespec now;
	int error = 0;

	if (config->select_cgroups.count > SELECT_CGROUPS_MAX) {
		capture_error_set(ret_error, "usage: --select.cgroup: given %zu times; at most %d",
				  config->select_cgroups.count, SELECT_CGROUPS_MAX);
		return -E2BIG;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	bpf->rodata->started_ns = (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
	bpf->rodata->hierarchy = *usage->controller ? kernel_controller_index(btf, usage->controller) : -1;
	bpf->rodata->selected_cgroup_count = (uint32_t)config->select_cgroups.count;
	for (size_t i = 0; !error && i < config->select_cgroups.count; i++)
		error = select_resolve(btf, config->select_cgroups.items[i],
				       (struct selected_cgroup *)(uintptr_t)&bpf->rodata->selected_cgroups[i],
				       ret_error);
	usage_select_blocks(usage, config);
	return error;
}

/* One attempt: leaves nothing behind when it fails. */
static int try_load(struct usage *usage, const struct btf *btf, const struct config *config, uint32_t families,
		    bool task_storage, struct capture_error *ret_error)
{
	int error;

	usage->bpf = usage_image_open();
	error = usage->bpf ? configure(usage, btf, config, ret_error) : -errno;
	if (!error) {
		usage_select_programs(usage, btf, families, task_storage);
		error = usage_bpf__load(usage->bpf);
		if (error)
			capture_error_set(ret_error, "usage: the kernel refuses the programs: %s", strerror(-error));
	} else if (!usage->bpf) {
		capture_error_set(ret_error, "usage: cannot open the BPF programs: %s", strerror(-error));
	}
	if (error) {
		usage_bpf__destroy(usage->bpf);
		usage->bpf = NULL;
		return error;
	}
	usage->families = families;
	return 0;
}

/* All that is wanted; else what loads alone. */
static int load_best(struct usage *usage, const struct btf *btf, const struct config *config, uint32_t wanted,
		     struct capture_error *ret_error)
{
	uint32_t sound = 0;
	bool storage = true;

	if (!try_load(usage, btf, config, wanted, true, ret_error) ||
	    !try_load(usage, btf, config, wanted, false, ret_error))
		return 0;
	for (uint32_t family = 0; family < USAGE_FAMILIES; family++) {
		bool with = !try_load(usage, btf, config, wanted & 1U << family, true, ret_error);
		int error = with ? 0 : try_load(usage, btf, config, wanted & 1U << family, false, ret_error);

		usage_bpf__destroy(usage->bpf);
		usage->bpf = NULL;
		if (error)
			usage->missing[family] = *ret_error;
		else
			sound |= wanted & 1U << family;
		storage &= with || error;
	}
	return sound ? try_load(usage, btf, config, sound, storage, ret_error) : -ENOTSUP;
}

static uint32_t wanted_families(const struct config *config)
{
	return (uint32_t)config->usage_scheduler << USAGE_SCHEDULER | (uint32_t)config->usage_memory << USAGE_MEMORY |
	       (uint32_t)config->usage_block << USAGE_BLOCK | (uint32_t)config->usage_tcp << USAGE_TCP;
}

static int load_all(struct usage *usage, const struct config *config, struct capture_error *ret_error)
{
	struct btf *btf = btf__load_vmlinux_btf();
	uint32_t wanted;
	int error;

	if (!btf) {
		capture_error_set(ret_error,
				  "usage: cannot read the kernel's BTF: %s; it needs CONFIG_DEBUG_INFO_BTF=y",
				  strerror(errno));
		return -ENOENT;
	}
	usage_find_trees(usage);
	/* As is_in_fault in bpf/fault.h. COMPAT(kernel 5.14) */
	usage->faults = kernel_has_function(btf, "bpf_task_pt_regs") ||
			kernel_has_member(btf, "task_struct", "in_user_fault");
	wanted = usage_check_families(usage, btf, wanted_families(config));
	if (wanted) {
		error = load_best(usage, btf, config, wanted, ret_error);
	} else {
		error = -ENOTSUP;
		capture_error_set(ret_error, "usage: nothing that is switched on can be counted on this host");
	}
	btf__free(btf);
	return error;
}

int usage_new(const struct config *config, struct usage **ret_usage, struct capture_error *ret_error)
{
	struct usage *usage;
	int cpus = libbpf_num_possible_cpus();
	int error = -ENOMEM;

	if (!config->select_cgroups.count &&
	    config->select_pids.count + config->select_exes.count + config->select_ports.count) {
		capture_error_set(ret_error, "usage: counts cgroups, and none is selected: say --select.cgroup");
		return -EINVAL;
	}
	image_say_little();
	usage = calloc(1, sizeof(*usage));
	if (usage)
		usage->connections_fd = -1;
	if (usage && cpus > 0) {
		usage->cpus = (size_t)cpus;
		usage->values = calloc(usage->cpus, sizeof(*usage->values));
	}
	if (!usage || !usage->values) {
		capture_error_set(ret_error, "usage: out of memory");
		usage_free(usage);
		return error;
	}
	error = load_all(usage, config, ret_error);
	if (!error)
		error = usage_attach(usage, ret_error);
	if (!error) {
		error = kept_take(&usage->kept, usage->bpf->skeleton);
		if (error)
			capture_error_set(ret_error, "usage: cannot keep the BPF programs: %s", strerror(-error));
	}
	if (error) {
		usage_free(usage);
		return error;
	}
	*ret_usage = usage;
	return 0;
}

void usage_free(struct usage *usage)
{
	if (!usage)
		return;
	for (size_t i = usage->link_count; i > 0; i--)
		bpf_link__destroy(usage->links[i - 1]);
	bpf_link__destroy(usage->iterator);
	if (usage->connections_fd >= 0)
		close(usage->connections_fd);
	bpf_link__destroy(usage->connections);
	kept_done(&usage->kept);
	usage_bpf__destroy(usage->bpf);
	free(usage->values);
	free(usage);
}

bool usage_has(const struct usage *usage, enum usage_family family)
{
	return usage->families & 1U << family;
}

bool usage_has_faults(const struct usage *usage)
{
	return usage->faults && usage_has(usage, USAGE_SCHEDULER);
}

const char *usage_missing(const struct usage *usage, enum usage_family family)
{
	return usage->missing[family].text;
}

const char *usage_controller(const struct usage *usage)
{
	return usage->controller;
}

const char *usage_block_controller(const struct usage *usage)
{
	return usage->block_controller;
}
