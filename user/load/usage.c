/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads the usage programs and reads their maps. Per-CPU values are added up here; nothing is kept between two reads.
 */
#include "load/usage.h"

#include <errno.h>
#include <mntent.h>
#include <string.h>
#include <time.h>

#include "bpf/usage.h"
#include "load/internal.h"

#include "bpf/usage.skel.h"

_Static_assert(USAGE_LATENCY_BUCKETS == LATENCY_BUCKETS, "one set of buckets");

#define USAGE_LINKS_MAX 24

struct usage {
	struct usage_bpf *bpf;
	struct bpf_link *links[USAGE_LINKS_MAX];
	size_t link_count;
	struct bpf_link *iterator; /* over all threads */
	const char *controller;
	size_t cpus;
	struct cpu_usage *values; /* one for each CPU, owned */
	uint64_t repaired_losses; /* lost tasks and cgroups at the last look */
};

static const char *const loss_texts[USAGE_LOSS_COUNT] = {
	[USAGE_LOST_TASK] = "thread_without_account",
	[USAGE_LOST_CGROUP] = "cgroup_without_record",
};

/* The v1 hierarchy that containers are in, when there is one with the CPU controller; else the v2 tree. */
static const char *find_controller(void)
{
	FILE *table = setmntent("/proc/self/mounts", "re");
	const char *controller = "";
	struct mntent entry;
	char text[8192];

	while (table && getmntent_r(table, &entry, text, sizeof(text)))
		if (!strcmp(entry.mnt_type, "cgroup") && hasmntopt(&entry, "cpu"))
			controller = "cpu";
	if (table)
		endmntent(table);
	return controller;
}

static int configure(struct usage *usage, const struct config *config, struct capture_error *ret_error)
{
	struct btf *btf = btf__load_vmlinux_btf();
	struct usage_bpf *bpf = usage->bpf;
	struct timespec now;
	int error = 0;

	if (!btf) {
		capture_error_set(ret_error,
				  "usage: cannot read the kernel's BTF: %s; it needs CONFIG_DEBUG_INFO_BTF=y",
				  strerror(errno));
		return -ENOENT;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	bpf->rodata->started_ns = (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
	usage->controller = find_controller();
	bpf->rodata->hierarchy = *usage->controller ? kernel_controller_index(btf, usage->controller) : -1;
	bpf->rodata->selected_cgroup_count = (uint32_t)config->select_cgroups.count;
	for (size_t i = 0; !error && i < config->select_cgroups.count; i++)
		error = select_resolve(btf, config->select_cgroups.items[i],
				       (struct selected_cgroup *)(uintptr_t)&bpf->rodata->selected_cgroups[i],
				       ret_error);
	btf__free(btf);
	return error;
}

/* One of the two places for the threads' accounts: see usage_maps.h. */
static void choose_accounts(struct usage_bpf *bpf, bool storage)
{
	bpf->rodata->have_task_storage = storage;
	bpf_map__set_autocreate(bpf->maps.task_storage, storage);
	bpf_map__set_autocreate(bpf->maps.task_accounts, !storage);
	bpf_program__set_autoload(bpf->progs.task_freed, !storage);
}

static int open_and_load(struct usage *usage, const struct config *config, bool storage,
			 struct capture_error *ret_error)
{
	int error;

	usage->bpf = usage_bpf__open();
	if (!usage->bpf) {
		error = -errno;
		capture_error_set(ret_error, "usage: cannot open the BPF programs: %s", strerror(-error));
		return error;
	}
	error = configure(usage, config, ret_error);
	if (error)
		return error;
	choose_accounts(usage->bpf, storage);
	error = usage_bpf__load(usage->bpf);
	if (error)
		capture_error_set(ret_error, "usage: the kernel refuses the programs: %s", strerror(-error));
	return error;
}

static int attach(struct usage *usage, struct bpf_program *program, struct capture_error *ret_error)
{
	struct bpf_link *link;

	if (!bpf_program__autoload(program))
		return 0;
	link = usage->link_count < USAGE_LINKS_MAX ? bpf_program__attach(program) : NULL;
	if (link) {
		usage->links[usage->link_count++] = link;
		return 0;
	}
	capture_error_set(ret_error, "usage: cannot attach %s: %s", bpf_program__section_name(program),
			  strerror(errno));
	return errno ? -errno : -ENOSPC;
}

/* Runs the iterator: every thread gets its account, every cgroup with a thread its record. */
static int track_all(struct usage *usage)
{
	char text[16];
	CLEANUP_FD int fd = bpf_iter_create(bpf_link__fd(usage->iterator));
	ssize_t got;

	if (fd < 0)
		return -errno;
	do
		got = read(fd, text, sizeof(text));
	while (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)));
	return got < 0 ? -errno : 0;
}

/* Births first, then the threads that are there, then what counts them: so none is missed in between. */
static int attach_all(struct usage *usage, struct capture_error *ret_error)
{
	struct bpf_program *const births[] = { usage->bpf->progs.task_born, usage->bpf->progs.task_moved,
					       usage->bpf->progs.task_freed };
	int error = 0;

	for (size_t i = 0; !error && i < sizeof(births) / sizeof(births[0]); i++)
		error = attach(usage, births[i], ret_error);
	if (error)
		return error;
	usage->iterator = bpf_program__attach_iter(usage->bpf->progs.track_tasks, NULL);
	error = usage->iterator ? track_all(usage) : -errno;
	if (error) {
		capture_error_set(ret_error, "usage: cannot iterate over tasks: %s", strerror(-error));
		return error;
	}
	return attach(usage, usage->bpf->progs.switch_done, ret_error);
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
	libbpf_set_print(NULL);
	usage = calloc(1, sizeof(*usage));
	if (usage && cpus > 0) {
		usage->cpus = (size_t)cpus;
		usage->values = calloc(usage->cpus, sizeof(*usage->values));
	}
	if (!usage || !usage->values) {
		capture_error_set(ret_error, "usage: out of memory");
		usage_free(usage);
		return error;
	}
	error = open_and_load(usage, config, true, ret_error);
	if (error) {
		usage_bpf__destroy(usage->bpf);
		error = open_and_load(usage, config, false, ret_error);
	}
	if (!error)
		error = attach_all(usage, ret_error);
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
	usage_bpf__destroy(usage->bpf);
	free(usage->values);
	free(usage);
}

const char *usage_controller(const struct usage *usage)
{
	return usage->controller;
}

static void add_cpu(struct usage_cpu *sum, const struct cpu_usage *value)
{
	sum->run_ns += value->run_ns;
	sum->involuntary += value->involuntary;
	sum->migrations += value->migrations;
	sum->wait.sum_ns += value->wait.sum_ns;
	for (size_t i = 0; i < USAGE_LATENCY_BUCKETS; i++)
		sum->wait.counts[i] += value->wait.counts[i];
}

int usage_each_cpu(struct usage *usage, void (*visit)(void *ctx, uint64_t cgroup, const struct usage_cpu *cpu),
		   void *ctx)
{
	int map = bpf_map__fd(usage->bpf->maps.cpu_usages);
	uint64_t key, next;
	int error = bpf_map_get_next_key(map, NULL, &next);

	while (!error) {
		struct usage_cpu sum = { 0 };

		key = next;
		/* The next key is asked for before the callback, which may delete this one. */
		error = bpf_map_get_next_key(map, &key, &next);
		if (bpf_map_lookup_elem(map, &key, usage->values))
			continue;
		for (size_t i = 0; i < usage->cpus; i++)
			add_cpu(&sum, &usage->values[i]);
		visit(ctx, key, &sum);
	}
	return error == -ENOENT ? 0 : error;
}

void usage_forget(struct usage *usage, uint64_t cgroup)
{
	/* Not there: nothing to forget. */
	(void)bpf_map_delete_elem(bpf_map__fd(usage->bpf->maps.cpu_usages), &cgroup);
}

int usage_read_losses(struct usage *usage, struct usage_losses *ret_losses)
{
	struct usage_losses losses = { .count = 0 };

	for (uint32_t i = 0; i < USAGE_LOSS_COUNT; i++) {
		struct capture_counter *lost = &losses.lost[losses.count++];
		int error;

		lost->reason = loss_texts[i];
		error = figures_read_counter(bpf_map__fd(usage->bpf->maps.usage_losses), i, &lost->value);
		if (error)
			return error;
	}
	*ret_losses = losses;
	return 0;
}

void usage_repair(struct usage *usage)
{
	struct usage_losses losses;
	uint64_t lost = 0;

	if (usage_read_losses(usage, &losses))
		return;
	for (size_t i = 0; i < losses.count; i++)
		lost += losses.lost[i].value;
	/* A look that fails is repeated at the next loss; each is counted. */
	if (lost != usage->repaired_losses)
		(void)track_all(usage);
	usage->repaired_losses = lost;
}

void usage_each_map(struct usage *usage, void (*visit)(void *ctx, const struct capture_map *map), void *ctx)
{
	figures_each_map(usage->bpf->obj, visit, ctx);
}

void usage_each_program(struct usage *usage, void (*visit)(void *ctx, const struct capture_program *program), void *ctx)
{
	figures_each_program(usage->bpf->obj, visit, ctx);
}
