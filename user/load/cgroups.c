/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watch of cgroups.h. The kernel side needs each CPU's offset of per-CPU memory, which a program that is run on
 * that CPU finds; a CPU that comes on later is looked at when the number of those that are on has changed.
 */
#include "load/cgroups.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "load/image.h"
#include "load/kept.h"
#include "load/ring.h"

#include "bpf/cgroup_events.h"

#include "bpf/cgroup.skel.h"

IMAGE_OPENER(cgroup)

#define LINKS 2

struct cgroup_watch {
	struct cgroup_bpf *bpf;
	struct kept kept; /* all of it, once it is loaded */
	struct bpf_link *links[LINKS];
	struct ring ring;
	long cpus_online;
	void (*told)(void *ctx, const struct cgroup_life *life);
	void *ctx;
};

static void measure_cpus(struct cgroup_watch *watch, int program)
{
	for (uint32_t cpu = 0; cpu < watch->bpf->rodata->cpu_count; cpu++) {
		LIBBPF_OPTS(bpf_test_run_opts, options, .flags = BPF_F_TEST_RUN_ON_CPU, .cpu = cpu);

		/* A CPU that is off refuses: it has run nothing since it was on. */
		(void)bpf_prog_test_run_opts(program, &options);
	}
	watch->cpus_online = sysconf(_SC_NPROCESSORS_ONLN);
}

static int load(struct cgroup_watch *watch)
{
	int cpus = libbpf_num_possible_cpus();
	int error;

	watch->bpf = cgroup_image_open();
	if (!watch->bpf)
		return -errno;
	watch->bpf->rodata->cpu_count = cpus > 0 ? (uint32_t)cpus : 1;
	error = cgroup_bpf__load(watch->bpf);
	if (error)
		return error;
	measure_cpus(watch, bpf_program__fd(watch->bpf->progs.cgroup_measure));
	return ring_open(&watch->ring, bpf_map__fd(watch->bpf->maps.cgroup_ring),
			 bpf_map__max_entries(watch->bpf->maps.cgroup_ring));
}

static int attach(struct cgroup_watch *watch)
{
	struct bpf_program *const programs[LINKS] = { watch->bpf->progs.cgroup_born, watch->bpf->progs.cgroup_died };

	for (size_t i = 0; i < LINKS; i++) {
		watch->links[i] = bpf_program__attach(programs[i]);
		if (!watch->links[i])
			return -errno;
	}
	return 0;
}

int cgroup_watch_new(void (*told)(void *ctx, const struct cgroup_life *life), void *ctx,
		     struct cgroup_watch **ret_watch)
{
	struct cgroup_watch *watch = calloc(1, sizeof(*watch));
	int error;

	if (!watch)
		return -ENOMEM;
	image_say_little();
	watch->told = told;
	watch->ctx = ctx;
	error = load(watch);
	if (!error)
		error = attach(watch);
	if (!error)
		error = kept_take(&watch->kept, watch->bpf->skeleton);
	if (error) {
		cgroup_watch_free(watch);
		return error;
	}
	*ret_watch = watch;
	return 0;
}

void cgroup_watch_free(struct cgroup_watch *watch)
{
	if (!watch)
		return;
	for (size_t i = 0; i < LINKS; i++)
		bpf_link__destroy(watch->links[i]);
	ring_close(&watch->ring);
	kept_done(&watch->kept);
	cgroup_bpf__destroy(watch->bpf);
	free(watch);
}

int cgroup_watch_fd(const struct cgroup_watch *watch)
{
	return kept_map(&watch->kept, &watch->bpf->maps.cgroup_ring);
}

static void tell(void *ctx, const uint8_t *record, size_t length)
{
	struct cgroup_watch *watch = ctx;
	const struct cgroup_event *event = (const void *)record;
	char path[CGROUP_PATH_BYTES];
	struct cgroup_life life;

	if (length < sizeof(*event) || event->length > length || event->path_length >= sizeof(path) ||
	    event->length != sizeof(*event) + event->path_length)
		return;
	memcpy(path, record + sizeof(*event), event->path_length);
	path[event->path_length] = '\0';
	life = (struct cgroup_life){
		.born = event->type == CGROUP_BORN,
		.id = event->id,
		.time_ns = event->time_ns,
		.hierarchy = event->hierarchy,
		.path = path,
		.cpu_known = event->known & CGROUP_LAST_CPU,
		.memory_known = event->known & CGROUP_LAST_MEMORY,
		.cpu_ns = event->cpu_ns,
		.user_ns = event->user_ns,
		.system_ns = event->system_ns,
		.memory_peak_pages = event->memory_peak_pages,
		.oom_kills = event->oom_kills,
	};
	watch->told(watch->ctx, &life);
}

void cgroup_watch_drain(struct cgroup_watch *watch)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) != watch->cpus_online)
		measure_cpus(watch, kept_program(&watch->kept, &watch->bpf->progs.cgroup_measure));
	ring_drain(&watch->ring, tell, watch);
}

uint64_t cgroup_watch_lost(const struct cgroup_watch *watch)
{
	return watch->bpf->bss->cgroup_lost;
}
