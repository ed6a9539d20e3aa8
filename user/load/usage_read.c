/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The usage programs' maps into plain records. Per-CPU values are added up here; nothing is kept between two reads.
 */
#include <errno.h>
#include <string.h>

#include "load/usage_internal.h"

static const char *const loss_texts[USAGE_LOSS_COUNT] = {
	[USAGE_LOST_TASK] = "thread_without_account",  [USAGE_LOST_CGROUP] = "cgroup_without_record",
	[USAGE_LOST_RECLAIM] = "reclaims_full",        [USAGE_LOST_SOCKET] = "sockets_full",
	[USAGE_LOST_OWNER] = "socket_without_owner",   [USAGE_LOST_DETAIL] = "details_full",
	[USAGE_LOST_REQUEST] = "request_without_time",
};

static void add_cpu(struct usage_cpu *sum, const struct cpu_usage *value)
{
	sum->run_ns += value->run_ns;
	sum->involuntary += value->involuntary;
	sum->migrations += value->migrations;
	sum->fault_wait_ns += value->fault_wait_ns;
	sum->wait.sum_ns += value->wait.sum_ns;
	for (size_t i = 0; i < USAGE_LATENCY_BUCKETS; i++)
		sum->wait.counts[i] += value->wait.counts[i];
}

int usage_each_cpu(struct usage *usage, void (*visit)(void *ctx, uint64_t cgroup, const struct usage_cpu *cpu),
		   void *ctx)
{
	UNDISTURBED;
	int map = kept_map(&usage->kept, &usage->bpf->maps.cpu_usages);
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

/* A listening socket's drops are in the socket: each is asked. */
static void look_at_listeners(struct usage *usage)
{
	UNDISTURBED;
	int map = kept_map(&usage->kept, &usage->bpf->maps.listeners);
	int program = kept_program(&usage->kept, &usage->bpf->progs.listener_asked);
	uint64_t arguments[12] = { 0 }, next;
	int error = map < 0 || program < 0 ? -ENOENT : bpf_map_get_next_key(map, NULL, &next);

	while (!error) {
		LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = arguments, .ctx_size_in = sizeof(arguments));

		arguments[0] = next;
		/* One that closes meanwhile adds its own drops. */
		(void)bpf_prog_test_run_opts(program, &options);
		error = bpf_map_get_next_key(map, arguments, &next);
	}
}

static void copy_latency(struct usage_latency *to, const struct latency_value *from)
{
	to->sum_ns = from->sum_ns;
	memcpy(to->counts, from->counts, sizeof(to->counts));
}

static void copy_events(struct usage_events *to, const struct event_usage *from)
{
	memcpy(to->reclaims, from->reclaims, sizeof(to->reclaims));
	memcpy(to->reclaim_ns, from->reclaim_ns, sizeof(to->reclaim_ns));
	memcpy(to->connect_failures, from->connect_failures, sizeof(to->connect_failures));
	to->retransmits = from->retransmits;
	to->resets_sent = from->resets_sent;
	to->resets_received = from->resets_received;
	to->accept_drops = from->accept_drops;
	to->sent_bytes = from->sent_bytes;
	to->received_bytes = from->received_bytes;
	copy_latency(&to->connect, &from->connect);
	copy_latency(&to->round_trip, &from->round_trip);
	copy_latency(&to->open_round_trip, &from->open_round_trip);
}

int usage_each_events(struct usage *usage, void (*visit)(void *ctx, uint64_t cgroup, const struct usage_events *events),
		      void *ctx)
{
	UNDISTURBED;
	int map = kept_map(&usage->kept, &usage->bpf->maps.event_usages);
	uint64_t key, next;
	int error;

	look_at_listeners(usage);
	error = bpf_map_get_next_key(map, NULL, &next);
	while (!error) {
		struct usage_events events;
		struct event_usage value;

		key = next;
		error = bpf_map_get_next_key(map, &key, &next);
		if (bpf_map_lookup_elem(map, &key, &value))
			continue;
		copy_events(&events, &value);
		visit(ctx, key, &events);
	}
	return error == -ENOENT ? 0 : error;
}

int usage_each_detail(struct usage *usage, void (*visit)(void *ctx, const struct usage_detail *detail), void *ctx)
{
	UNDISTURBED;
	int map = kept_map(&usage->kept, &usage->bpf->maps.details);
	struct detail_key key, next;
	int error = bpf_map_get_next_key(map, NULL, &next);

	while (!error) {
		struct usage_detail detail;
		struct detail_value value;

		key = next;
		error = bpf_map_get_next_key(map, &key, &next);
		if (bpf_map_lookup_elem(map, &key, &value))
			continue;
		detail = (struct usage_detail){ .cgroup = key.cgroup,
						.kind = (enum usage_detail_kind)key.kind,
						.operation = key.operation,
						.major = key.major,
						.minor = key.minor,
						.errors = value.errors };
		memcpy(detail.name, key.name, sizeof(key.name));
		copy_latency(&detail.latency, &value.latency);
		visit(ctx, &detail);
	}
	return error == -ENOENT ? 0 : error;
}

bool usage_take_path(struct usage *usage, uint64_t cgroup, char ret_path[USAGE_PATH_MAX])
{
	int map = kept_map(&usage->kept, &usage->bpf->maps.cgroup_names);
	struct cgroup_name name;

	_Static_assert(sizeof(name.path) == USAGE_PATH_MAX, "a whole path");
	if (bpf_map_lookup_elem(map, &cgroup, &name))
		return false;
	(void)bpf_map_delete_elem(map, &cgroup);
	memcpy(ret_path, name.path, USAGE_PATH_MAX);
	ret_path[USAGE_PATH_MAX - 1] = '\0';
	return ret_path[0] == '/';
}

static void forget_details(struct usage *usage, uint64_t cgroup, bool blocks, bool others)
{
	UNDISTURBED;
	int map = kept_map(&usage->kept, &usage->bpf->maps.details);
	struct detail_key key, next;
	int error = bpf_map_get_next_key(map, NULL, &next);

	while (!error) {
		key = next;
		error = bpf_map_get_next_key(map, &key, &next);
		if (key.cgroup == cgroup && (key.kind == DETAIL_BLOCK ? blocks : others))
			(void)bpf_map_delete_elem(map, &key);
	}
}

void usage_forget(struct usage *usage, uint64_t cgroup)
{
	UNDISTURBED;
	/* Not there: nothing to forget. */
	(void)bpf_map_delete_elem(kept_map(&usage->kept, &usage->bpf->maps.cpu_usages), &cgroup);
	(void)bpf_map_delete_elem(kept_map(&usage->kept, &usage->bpf->maps.event_usages), &cgroup);
	forget_details(usage, cgroup, !usage->blocks_apart, true);
}

void usage_forget_block(struct usage *usage, uint64_t cgroup)
{
	forget_details(usage, cgroup, true, false);
}

int usage_read_losses(struct usage *usage, struct usage_losses *ret_losses)
{
	UNDISTURBED;
	struct usage_losses losses = { .count = 0 };

	for (uint32_t i = 0; i < USAGE_LOSS_COUNT; i++) {
		struct capture_counter *lost = &losses.lost[losses.count++];
		int error;

		lost->reason = loss_texts[i];
		error = figures_read_counter(kept_map(&usage->kept, &usage->bpf->maps.usage_losses), i, &lost->value);
		if (error)
			return error;
	}
	*ret_losses = losses;
	return 0;
}

void usage_repair(struct usage *usage)
{
	struct usage_losses losses;
	uint64_t lost;

	if (usage_read_losses(usage, &losses))
		return;
	lost = losses.lost[USAGE_LOST_TASK].value + losses.lost[USAGE_LOST_CGROUP].value;
	if (lost != usage->repaired_losses && !usage_iterate(usage->iterator))
		usage->repaired_losses = lost;
}

void usage_each_map(struct usage *usage, void (*visit)(void *ctx, const struct capture_map *map), void *ctx)
{
	figures_each_map(&usage->kept, visit, ctx);
}

void usage_each_program(struct usage *usage, void (*visit)(void *ctx, const struct capture_program *program), void *ctx)
{
	figures_each_program(&usage->kept, visit, ctx);
}
