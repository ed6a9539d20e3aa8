/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads the TLS programs into the company of the capture: they share its ring, its connections, its processes and its
 * counters, and are configured as it is. Carries requests for sessions to the kernel side.
 */
#include "load/tls.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "load/image.h"
#include "load/tls_internal.h"

IMAGE_OPENER(tls)

/* Each hook holds a descriptor. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	/* With fewer, fewer files are hooked, and counted as refused. */
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void configure(struct tls_bpf *bpf, const struct capture_bpf *capture)
{
	bpf->rodata->agent_tgid = capture->rodata->agent_tgid;
	bpf->rodata->verdict_required = capture->rodata->verdict_required;
	bpf->rodata->selected_cgroup_count = capture->rodata->selected_cgroup_count;
	memcpy((void *)(uintptr_t)bpf->rodata->selected_cgroups, (const void *)capture->rodata->selected_cgroups,
	       sizeof(bpf->rodata->selected_cgroups));
	bpf->rodata->call_bytes_max = capture->rodata->call_bytes_max;
	bpf->rodata->ring_wakeup_bytes = capture->rodata->ring_wakeup_bytes;
	bpf->rodata->ring_scarce_bytes = capture->rodata->ring_scarce_bytes;
	bpf->rodata->ring_segment_bytes = capture->rodata->ring_segment_bytes;
	bpf->rodata->have_rdonly_cast = capture->rodata->have_rdonly_cast;
}

static int share_maps(struct tls_bpf *bpf, const struct capture *capture)
{
	struct {
		struct bpf_map *mine;
		struct bpf_map *const *theirs;
	} shared[] = {
		{ bpf->maps.events, &capture->bpf->maps.events },
		{ bpf->maps.connections, &capture->bpf->maps.connections },
		{ bpf->maps.processes, &capture->bpf->maps.processes },
		{ bpf->maps.counters, &capture->bpf->maps.counters },
	};
	struct bpf_map *unused[] = { bpf->maps.requests, bpf->maps.ports, bpf->maps.scratches, bpf->maps.unix_born,
				     bpf->maps.blocked_calls };
	int error = 0;

	for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]) && !error; i++)
		error = bpf_map__reuse_fd(shared[i].mine, kept_map(&capture->kept, shared[i].theirs));
	for (size_t i = 0; i < sizeof(unused) / sizeof(unused[0]) && !error; i++)
		error = bpf_map__set_autocreate(unused[i], false);
	return error;
}

static int open_configured(struct tls_hooks *hooks, const struct config *config)
{
	/* Those of rustls take two each, one for each half: what finds no room is counted. */
	uint32_t sessions = (uint32_t)config->capture_max_connections;
	int error;

	hooks->bpf = tls_image_open();
	if (!hooks->bpf)
		return -errno;
	configure(hooks->bpf, hooks->capture->bpf);
	error = share_maps(hooks->bpf, hooks->capture);
	if (!error)
		error = bpf_map__set_max_entries(hooks->bpf->maps.tls_sessions, sessions);
	if (!error)
		error = bpf_map__set_max_entries(hooks->bpf->maps.tls_requests, sessions);
	return error;
}

/* What is loaded for one way cannot be attached by another. */
static int prepare(struct tls_bpf *bpf, enum uprobe_way way, bool sleepable)
{
	struct bpf_program *const one_each[] = {
		bpf->progs.ssl_read,     bpf->progs.ssl_write,         bpf->progs.ssl_read_ex,
		bpf->progs.ssl_write_ex, bpf->progs.ssl_sendfile,      bpf->progs.boring_read,
		bpf->progs.boring_write, bpf->progs.gnutls_receive,    bpf->progs.gnutls_send,
		bpf->progs.tls_return,   bpf->progs.ssl_write_ex2,     bpf->progs.aead_seal,
		bpf->progs.aead_open,    bpf->progs.aead_seal_scatter, bpf->progs.aead_open_gather,
	};
	struct bpf_program *const tellers[] = {
		bpf->progs.tls_function,  bpf->progs.tls_return, bpf->progs.go_return,
		bpf->progs.aead_function, bpf->progs.aead_seal,  bpf->progs.aead_seal_scatter,
	};
	struct bpf_program *program;
	int error = bpf_program__set_autoload(bpf->progs.tls_function, way == UPROBE_SESSION);

	if (!error)
		error = bpf_program__set_autoload(bpf->progs.aead_function, way == UPROBE_SESSION);

	for (size_t i = 0; i < sizeof(one_each) / sizeof(one_each[0]) && !error; i++)
		error = bpf_program__set_autoload(one_each[i], way != UPROBE_SESSION);
	bpf_object__for_each_program(program, bpf->obj)
	{
		if (program == bpf->progs.tls_function || program == bpf->progs.aead_function)
			uprobe_prepare(program, way);
		else if (program != bpf->progs.library_mapped)
			uprobe_prepare(program, way == UPROBE_PERF ? way : UPROBE_MULTI);
	}
	for (size_t i = 0; i < sizeof(tellers) / sizeof(tellers[0]) && sleepable; i++)
		(void)bpf_program__set_flags(tellers[i], bpf_program__flags(tellers[i]) | BPF_F_SLEEPABLE);
	bpf->rodata->may_sleep = sleepable;
	return error;
}

static int load_as(struct tls_hooks *hooks, const struct config *config, enum uprobe_way way, bool sleepable)
{
	int error;

	tls_bpf__destroy(hooks->bpf);
	hooks->bpf = NULL;
	hooks->way = way;
	error = open_configured(hooks, config);
	if (!error)
		error = prepare(hooks->bpf, way, sleepable);
	return error ? error : tls_bpf__load(hooks->bpf);
}

static int load(struct tls_hooks *hooks, const struct config *config)
{
	struct uprobe_support support;
	int error;

	uprobe_support_find(&support);
	error = load_as(hooks, config, support.best, support.sleepable);
	/* 6.0 refuses programs that may sleep our maps. */
	return error && support.sleepable ? load_as(hooks, config, support.best, false) : error;
}

int tls_hooks_new(struct capture *capture, const struct config *config, struct tls_hooks **ret_hooks,
		  struct capture_error *ret_error)
{
	struct tls_hooks *hooks = calloc(1, sizeof(*hooks));
	int error = -ENOMEM;

	if (hooks) {
		hooks->capture = capture;
		hooks->procfs = config->path_procfs;
		hash_table_init(&hooks->files, TLS_FILES_MAX);
		error = load(hooks, config);
	}
	if (!error) {
		hooks->mapped = bpf_program__attach(hooks->bpf->progs.library_mapped);
		error = kept_take(&hooks->kept, hooks->bpf->skeleton);
	}
	if (error) {
		capture_error_set(ret_error, "TLS libraries: the kernel refuses the programs: %s", strerror(-error));
		tls_hooks_free(hooks);
		return error;
	}
	raise_file_limit();
	capture->companion = &hooks->kept;
	*ret_hooks = hooks;
	return 0;
}

int tls_hooks_try(const struct config *config, struct capture_error *ret_error)
{
	/* The sink is never called: nothing is drained. */
	struct capture_sink sink = { 0 };
	struct capture_report report;
	struct capture *capture = NULL;
	struct tls_hooks *hooks = NULL;
	int error = capture_new(config, &sink, &capture, &report);

	if (error)
		capture_error_set(ret_error, "no backend works");
	else
		error = tls_hooks_new(capture, config, &hooks, ret_error);
	tls_hooks_free(hooks);
	capture_free(capture);
	return error;
}

void tls_hooks_free(struct tls_hooks *hooks)
{
	if (!hooks)
		return;
	tls_files_free(hooks);
	tls_aids_free(hooks);
	bpf_link__destroy(hooks->mapped);
	hooks->capture->companion = NULL;
	kept_done(&hooks->kept);
	tls_bpf__destroy(hooks->bpf);
	free(hooks);
}

bool tls_hooks_need_admin(const struct tls_hooks *hooks)
{
	return hooks->way == UPROBE_PERF;
}

bool tls_hooks_waiting(const struct tls_hooks *hooks)
{
	return hooks->look_count > 0;
}

uint64_t tls_hooks_attached_ns(const struct tls_hooks *hooks)
{
	return hooks->attached_ns;
}

void tls_hooks_figures(const struct tls_hooks *hooks, struct tls_figures *ret_figures)
{
	*ret_figures = hooks->figures;
}

/* --- requests of stream */

static struct tls_request_value request_of(struct tls_hooks *hooks, uint64_t tls_id)
{
	struct undisturbed undisturbed = undisturbed_begin();
	struct tls_request_value value;

	if (bpf_map_lookup_elem(kept_map(&hooks->kept, &hooks->bpf->maps.tls_requests), &tls_id, &value))
		value = (struct tls_request_value){ 0 };
	undisturbed_end(&undisturbed);
	return value;
}

/* A hint that is not taken costs copying, nothing else. */
static void request_put(struct tls_hooks *hooks, uint64_t tls_id, const struct tls_request_value *value)
{
	struct undisturbed undisturbed = undisturbed_begin();

	(void)bpf_map_update_elem(kept_map(&hooks->kept, &hooks->bpf->maps.tls_requests), &tls_id, value, BPF_ANY);
	undisturbed_end(&undisturbed);
}

static void control_skip(void *ctx, uint64_t tls_id, enum direction direction, uint32_t position)
{
	struct tls_request_value value = request_of(ctx, tls_id);

	value.skip[direction] = 1;
	value.skip_until[direction] = position;
	request_put(ctx, tls_id, &value);
}

static void control_mute(void *ctx, uint64_t tls_id)
{
	struct tls_request_value value = request_of(ctx, tls_id);

	value.mute = 1;
	request_put(ctx, tls_id, &value);
}

struct capture_control tls_hooks_control(struct tls_hooks *hooks)
{
	return (struct capture_control){ .ctx = hooks, .skip_until = control_skip, .mute = control_mute };
}

void tls_hooks_joined(struct tls_hooks *hooks, uint64_t tls_id)
{
	struct tls_request_value value = request_of(hooks, tls_id);

	value.joined = 1;
	request_put(hooks, tls_id, &value);
}

void tls_hooks_forget(struct tls_hooks *hooks, uint64_t tls_id)
{
	struct undisturbed undisturbed = undisturbed_begin();

	(void)bpf_map_delete_elem(kept_map(&hooks->kept, &hooks->bpf->maps.tls_requests), &tls_id);
	undisturbed_end(&undisturbed);
}
