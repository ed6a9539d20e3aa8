/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of usage programs: which family each belongs to, and what its tracepoint must be like. A tracepoint is
 * known to the kernel's BTF as a function type, btf_trace_NAME, whose parameters tell the releases apart.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "load/usage_internal.h"

#define FAMILY(family) (1U << USAGE_##family)
#define EVERY (~0U)
#define LOOK_NS 60000000000ULL
#define FILES_AT_A_TIME 16384

struct usage_rule {
	const char *name;
	const char *tracepoint; /* NULL: not attached to one */
	uint32_t families;
	int arguments;     /* of the tracepoint; 0: any number */
	const char *first; /* what the first argument is, "" any: "int" or the name of a structure */
	bool optional;     /* the family does without */
};

static const struct usage_rule rules[] = {
	{ "task_born", "sched_process_fork", EVERY, 0, "", false },
	{ "task_moved", "cgroup_attach_task", EVERY, 0, "", false },
	{ "task_freed", "sched_process_free", EVERY, 0, "", false },
	{ "track_tasks", NULL, EVERY, 0, "", false },
	{ "switch_done", "sched_switch", FAMILY(SCHEDULER), 0, "", false },
	{ "reclaim_begin", "mm_vmscan_direct_reclaim_begin", FAMILY(MEMORY), 0, "", false },
	{ "reclaim_end", "mm_vmscan_direct_reclaim_end", FAMILY(MEMORY), 0, "", false },
	{ "limit_begin", "mm_vmscan_memcg_reclaim_begin", FAMILY(MEMORY), 0, "", true },
	{ "limit_end", "mm_vmscan_memcg_reclaim_end", FAMILY(MEMORY), 0, "", true },
	{ "victim_marked", "mark_victim", FAMILY(MEMORY), 0, "task_struct", true },
	{ "victim_named", "mark_victim", FAMILY(MEMORY), 0, "int", true },
	{ "victim_gone", "mark_victim", FAMILY(MEMORY), 0, "int", true },
	{ "request_done", "block_rq_complete", FAMILY(BLOCK), 0, "", false },
	{ "sock_state", "inet_sock_set_state", FAMILY(TCP), 0, "", false },
	{ "retransmit", "tcp_retransmit_skb", FAMILY(TCP), 2, "", true },
	{ "retransmit_error", "tcp_retransmit_skb", FAMILY(TCP), 3, "", true },
	{ "answer_again", "tcp_retransmit_synack", FAMILY(TCP), 0, "", false },
	{ "reset_sent", "tcp_send_reset", FAMILY(TCP), 0, "", false },
	{ "reset_received", "tcp_receive_reset", FAMILY(TCP), 0, "", false },
	{ "listener_asked", NULL, FAMILY(TCP), 0, "", false },
	{ "find_sockets", NULL, FAMILY(TCP), 0, "", false },
	{ "look_at_connections", NULL, FAMILY(TCP), 0, "", false },
};

#define RULES (sizeof(rules) / sizeof(rules[0]))

/* The type of a tracepoint's handler, NULL when there is no such tracepoint. Its first parameter is not the
 * tracepoint's. */
static const struct btf_type *handler_of(const struct btf *btf, const char *tracepoint)
{
	const struct btf_type *type;
	char name[128];
	int id;

	snprintf(name, sizeof(name), "btf_trace_%s", tracepoint);
	id = btf__find_by_name_kind(btf, name, BTF_KIND_TYPEDEF);
	type = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;
	type = type ? btf__type_by_id(btf, type->type) : NULL; /* a pointer */
	return type ? btf__type_by_id(btf, type->type) : NULL;
}

static bool first_argument_is(const struct btf *btf, const struct btf_type *handler, const char *name)
{
	const struct btf_type *type;

	if (btf_vlen(handler) < 2)
		return false;
	type = btf__type_by_id(btf, btf_params(handler)[1].type);
	while (type && (btf_is_ptr(type) || btf_is_mod(type) || btf_is_typedef(type)))
		type = btf__type_by_id(btf, type->type);
	return type && !strcmp(btf__name_by_offset(btf, type->name_off), name);
}

static bool kernel_has(const struct btf *btf, const struct usage_rule *rule)
{
	const struct btf_type *handler = rule->tracepoint ? handler_of(btf, rule->tracepoint) : NULL;

	if (!rule->tracepoint)
		return true;
	if (!handler || (rule->arguments && btf_vlen(handler) != rule->arguments + 1))
		return false;
	return !*rule->first || first_argument_is(btf, handler, rule->first);
}

static const struct usage_rule *rule_of(const char *name)
{
	for (size_t i = 0; i < RULES; i++)
		if (!strcmp(rules[i].name, name))
			return &rules[i];
	return NULL;
}

uint32_t usage_check_families(struct usage *usage, const struct btf *btf, uint32_t wanted)
{
	for (size_t i = 0; i < RULES; i++)
		for (uint32_t family = 0; family < USAGE_FAMILIES; family++) {
			if (!(rules[i].families & wanted & 1U << family) || rules[i].optional ||
			    kernel_has(btf, &rules[i]))
				continue;
			capture_error_set(&usage->missing[family], "this kernel has no tracepoint %s",
					  rules[i].tracepoint);
			wanted &= ~(1U << family);
		}
	/* COMPAT(kernel 5.10) */
	if (*usage->controller && wanted & FAMILY(TCP) && !kernel_has_function(btf, "bpf_sk_storage_get_tracing")) {
		capture_error_set(&usage->missing[USAGE_TCP],
				  "containers are in cgroup v1, where it needs kernel 5.11 or later");
		wanted &= ~FAMILY(TCP);
	}
	return wanted;
}

void usage_select_programs(struct usage *usage, const struct btf *btf, uint32_t families, bool task_storage)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, usage->bpf->obj)
	{
		const struct usage_rule *rule = rule_of(bpf_program__name(program));

		bpf_program__set_autoload(program, rule && rule->families & families && kernel_has(btf, rule));
	}
	usage->bpf->rodata->have_task_storage = task_storage;
	bpf_map__set_autocreate(usage->bpf->maps.task_storage, task_storage);
	bpf_map__set_autocreate(usage->bpf->maps.task_accounts, !task_storage);
	if (task_storage)
		bpf_program__set_autoload(usage->bpf->progs.task_freed, false);
	bpf_map__set_autocreate(usage->bpf->maps.connects, families & FAMILY(TCP));
	bpf_map__set_autocreate(usage->bpf->maps.listeners, families & FAMILY(TCP));
	bpf_map__set_autocreate(usage->bpf->maps.socket_owners, families & FAMILY(TCP) && *usage->controller);
	bpf_map__set_autocreate(usage->bpf->maps.reclaim_starts, families & FAMILY(MEMORY));
	bpf_map__set_autocreate(usage->bpf->maps.victims, families & FAMILY(MEMORY));
}

void usage_look_at_connections(struct usage *usage, uint64_t now_ns)
{
	char text[FILES_AT_A_TIME];
	ssize_t got;

	if (!(usage->families & FAMILY(TCP)))
		return;
	if (usage->connections_fd < 0 && usage->connections && now_ns >= usage->look_ns) {
		usage->connections_fd = bpf_iter_create(bpf_link__fd(usage->connections));
		usage->look_ns = now_ns + LOOK_NS;
	}
	if (usage->connections_fd < 0)
		return;
	got = read(usage->connections_fd, text, sizeof(text));
	if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	close(usage->connections_fd);
	usage->connections_fd = -1;
}

static int attach(struct usage *usage, struct bpf_program *program, struct capture_error *ret_error)
{
	struct bpf_link *link = usage->link_count < USAGE_LINKS_MAX ? bpf_program__attach(program) : NULL;

	if (link) {
		usage->links[usage->link_count++] = link;
		return 0;
	}
	capture_error_set(ret_error, "usage: cannot attach %s: %s", bpf_program__section_name(program),
			  strerror(errno));
	return errno ? -errno : -ENOSPC;
}

int usage_iterate(const struct bpf_link *iterator)
{
	char text[16];
	CLEANUP_FD int fd = bpf_iter_create(bpf_link__fd(iterator));
	ssize_t got;

	if (fd < 0)
		return -errno;
	do
		got = read(fd, text, sizeof(text));
	while (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)));
	return got < 0 ? -errno : 0;
}

/* Those that are there already. Without them their figures are missing, no more: never fatal. */
static void find_sockets(struct usage *usage)
{
	struct bpf_link *iterator;

	if (!(usage->families & FAMILY(TCP)))
		return;
	iterator = bpf_program__attach_iter(usage->bpf->progs.find_sockets, NULL);
	if (!iterator || usage_iterate(iterator))
		capture_error_set(&usage->missing[USAGE_TCP], "sockets that are there already are not known: %s",
				  strerror(errno));
	bpf_link__destroy(iterator);
	usage->connections = bpf_program__attach_iter(usage->bpf->progs.look_at_connections, NULL);
}

/* Births first, then the threads that are there, then what counts them: so none is missed in between. */
int usage_attach(struct usage *usage, struct capture_error *ret_error)
{
	struct bpf_program *program;
	int error;

	for (int births = 1; births >= 0; births--) {
		bpf_object__for_each_program(program, usage->bpf->obj)
		{
			const struct usage_rule *rule = rule_of(bpf_program__name(program));

			if (!bpf_program__autoload(program) || !rule->tracepoint || (rule->families == EVERY) != births)
				continue;
			error = attach(usage, program, ret_error);
			if (error)
				return error;
		}
		if (!births)
			break;
		usage->iterator = bpf_program__attach_iter(usage->bpf->progs.track_tasks, NULL);
		error = usage->iterator ? usage_iterate(usage->iterator) : -errno;
		if (error) {
			capture_error_set(ret_error, "usage: cannot iterate over tasks: %s", strerror(-error));
			return error;
		}
	}
	find_sockets(usage);
	return 0;
}
