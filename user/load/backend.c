/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of programs: what each backend loads, and what of it this kernel must have. A function that a kernel does
 * not have (tcp_sendpage went away in 6.5) leaves its program out; a missing required one fails the backend.
 */
#include <errno.h>
#include <string.h>

#include "load/internal.h"

#define FENTRY (1 << BACKEND_FENTRY)
#define KPROBE (1 << BACKEND_KPROBE)
#define TRACEPOINT (1 << BACKEND_TRACEPOINT)
#define ALL (FENTRY | KPROBE | TRACEPOINT)

static const struct bpf_program_rule rules[] = {
	{ "tcp_state", NULL, ALL, true, 0 },
	{ "tcp_state_twin", NULL, ALL, true, 0 },
	{ "tcp_state_perf", NULL, ALL, true, 0 },
	{ "tcp_state_beside", NULL, ALL, true, 0 },
	{ "tcp_destroy", NULL, ALL, true, 0 },
	{ "tcp_destroy_twin", NULL, ALL, true, 0 },
	{ "tcp_destroy_perf", NULL, ALL, true, 0 },
	{ "tcp_destroy_beside", NULL, ALL, true, 0 },
	{ "process_exec", NULL, ALL, true, 0 },
	{ "process_exec_perf", NULL, ALL, true, 0 },
	{ "process_exit", NULL, ALL, true, 0 },
	{ "process_exit_perf", NULL, ALL, true, 0 },
	{ "process_fork", NULL, ALL, true, 0 },
	{ "process_fork_perf", NULL, ALL, true, 0 },
	{ "cgroup_attach", NULL, ALL, false, 0 },
	{ "cgroup_attach_perf", NULL, ALL, false, 0 },
	{ "call_exit", NULL, TRACEPOINT, true, 0 },
	{ "call_exit_perf", NULL, TRACEPOINT, true, 0 },
	{ "socket_moved", NULL, TRACEPOINT, true, 0 },
	{ "socket_moved_perf", NULL, TRACEPOINT, true, 0 },
	{ "socket_adjusted", NULL, TRACEPOINT, true, 0 },
	{ "socket_adjusted_perf", NULL, TRACEPOINT, true, 0 },
	{ "splice_exit", NULL, TRACEPOINT, true, 0 },
	{ "splice_exit_perf", NULL, TRACEPOINT, true, 0 },
	{ "unix_sockets", NULL, TRACEPOINT, true, 0 },
	{ "ask_socket", NULL, TRACEPOINT, true, 0 },
	{ "ask_request", NULL, ALL, true, 0 },
	{ "ask_verdict", NULL, ALL, true, 0 },
	{ "blocked_exit", NULL, FENTRY | KPROBE, false, 0 },
	{ "blocked_exit_perf", NULL, FENTRY | KPROBE, false, 0 },
	{ "tcp_sendmsg_exit", "tcp_sendmsg", FENTRY, true, 0 },
	{ "tcp_recvmsg_exit", "tcp_recvmsg", FENTRY, true, 5 },
	{ "tcp_recvmsg_5_18_exit", "tcp_recvmsg", FENTRY, true, 6 },
	{ "tcp_recvmsg_four_exit", "tcp_recvmsg", FENTRY, true, 4 },
	{ "tcp_sendpage_exit", "tcp_sendpage", FENTRY, false, 0 },
	{ "tcp_splice_read_exit", "tcp_splice_read", FENTRY, false, 0 },
	{ "unix_sendmsg_exit", "unix_stream_sendmsg", FENTRY, false, 0 },
	{ "unix_recvmsg_exit", "unix_stream_recvmsg", FENTRY, false, 0 },
	{ "unix_sendpage_exit", "unix_stream_sendpage", FENTRY, false, 0 },
	{ "unix_splice_read_exit", "unix_stream_splice_read", FENTRY, false, 0 },
	{ "unix_connect_entry", "unix_stream_connect", FENTRY, false, 0 },
	{ "unix_pair_entry", "unix_socketpair", FENTRY, false, 0 },
	{ "unix_release_entry", "unix_release", FENTRY, false, 0 },
	{ "tcp_sendmsg_call", "tcp_sendmsg", KPROBE, true, 0 },
	{ "tcp_sendmsg_return", "tcp_sendmsg", KPROBE, true, 0 },
	{ "tcp_recvmsg_call", "tcp_recvmsg", KPROBE, true, 0 },
	{ "tcp_copied_call", "tcp_cleanup_rbuf", KPROBE, true, 0 },
	{ "tcp_splice_read_call", "tcp_splice_read", KPROBE, false, 0 },
	{ "tcp_sendpage_call", "tcp_sendpage", KPROBE, false, 0 },
	{ "tcp_sendpage_return", "tcp_sendpage", KPROBE, false, 0 },
	{ "unix_sendmsg_call", "unix_stream_sendmsg", KPROBE, false, 0 },
	{ "unix_sendmsg_return", "unix_stream_sendmsg", KPROBE, false, 0 },
	{ "unix_copy_call", "unix_stream_read_actor", KPROBE, false, 0 },
	{ "unix_copy_return", "unix_stream_read_actor", KPROBE, false, 0 },
	{ "unix_splice_call", "unix_stream_splice_actor", KPROBE, false, 0 },
	{ "unix_splice_return", "unix_stream_splice_actor", KPROBE, false, 0 },
	{ "unix_sendpage_call", "unix_stream_sendpage", KPROBE, false, 0 },
	{ "unix_sendpage_return", "unix_stream_sendpage", KPROBE, false, 0 },
	{ "unix_connect_call", "unix_stream_connect", KPROBE, false, 0 },
	{ "unix_pair_call", "unix_socketpair", KPROBE, false, 0 },
	{ "unix_release_call", "unix_release", KPROBE, false, 0 },
};

static const struct bpf_program_rule *rule_of(const char *name)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (!strcmp(rules[i].name, name))
			return &rules[i];
	return NULL;
}

/* A required function whose parameters no program is written for: loading would succeed and see nothing of it. */
static bool has_variant(const struct btf *btf, const char *symbol, uint8_t backends)
{
	int arity = kernel_function_arity(btf, symbol);

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].symbol && !strcmp(rules[i].symbol, symbol) && rules[i].backends == backends &&
		    (!rules[i].arity || rules[i].arity == arity))
			return true;
	return false;
}

int backend_check(const struct btf *btf, enum config_backend backend, struct capture_error *ret_error)
{
	int error;

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (!(rules[i].backends & (1 << backend)) || !rules[i].required || !rules[i].symbol)
			continue;
		if (kernel_has_function(btf, rules[i].symbol) && has_variant(btf, rules[i].symbol, rules[i].backends))
			continue;
		capture_error_set(ret_error, "backend %s: this kernel's %s is not one that sonde knows",
				  capture_backend_text(backend), rules[i].symbol);
		return -ENOTSUP;
	}
	error = backend_probe(btf, backend, ret_error);
	if (!error && backend == BACKEND_FENTRY && preemption_seen(PREEMPTIBLE_FUNCTIONS)) {
		capture_error_set(ret_error, "backend fentry: this kernel preempts fexit programs and skips them then: "
					     "exchanges would be missed; kprobe and tracepoint are exact here");
		return -ENOTSUP;
	}
	return error;
}

/* Perf's events need it. */
static bool tracefs_is_mounted(void)
{
	return !access("/sys/kernel/tracing/events/raw_syscalls", X_OK) ||
	       !access("/sys/kernel/debug/tracing/events/raw_syscalls", X_OK);
}

/* Perf's programs are told of threads by their numbers, which a kernel before 6.2 (bpf_task_from_pid) cannot look up.
 */
static enum ends_watch choose_ends_watch(const struct btf *btf)
{
	if (!preemption_seen(PREEMPTIBLE_TRACEPOINTS))
		return ENDS_TWINS;
	if (!tracefs_is_mounted() || !kernel_has_function(btf, "bpf_task_from_pid"))
		return ENDS_TWINS_PREEMPTED;
	return perf_depth_known() ? ENDS_PERF_BESIDE : ENDS_PERF;
}

/* One of each pair, see call_exit_perf; and two that tell TCP's states and ends. */
static void select_tracepoints(struct capture_bpf *bpf, enum ends_watch watch)
{
	struct bpf_program *const pairs[][2] = {
		{ bpf->progs.process_exec, bpf->progs.process_exec_perf },
		{ bpf->progs.process_fork, bpf->progs.process_fork_perf },
		{ bpf->progs.process_exit, bpf->progs.process_exit_perf },
		{ bpf->progs.cgroup_attach, bpf->progs.cgroup_attach_perf },
		{ bpf->progs.call_exit, bpf->progs.call_exit_perf },
		{ bpf->progs.socket_moved, bpf->progs.socket_moved_perf },
		{ bpf->progs.socket_adjusted, bpf->progs.socket_adjusted_perf },
		{ bpf->progs.splice_exit, bpf->progs.splice_exit_perf },
		{ bpf->progs.blocked_exit, bpf->progs.blocked_exit_perf },
		{ bpf->progs.tcp_state_twin, bpf->progs.tcp_state_perf },
		{ bpf->progs.tcp_destroy_twin, bpf->progs.tcp_destroy_perf },
	};
	bool perf = watch == ENDS_PERF || watch == ENDS_PERF_BESIDE, beside = watch == ENDS_PERF_BESIDE;

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (bpf_program__autoload(pairs[i][0]))
			bpf_program__set_autoload(pairs[i][perf ? 0 : 1], false);
	bpf_program__set_autoload(beside ? bpf->progs.tcp_state : bpf->progs.tcp_state_beside, false);
	bpf_program__set_autoload(beside ? bpf->progs.tcp_destroy : bpf->progs.tcp_destroy_beside, false);
}

/* Does the tracepoint backend use bpf/socket.h here? */
static bool has_socket_hooks(const struct btf *btf, enum config_backend backend)
{
	return backend == BACKEND_TRACEPOINT && kernel_has_tracepoint(btf, "sock_send_length") &&
	       kernel_has_tracepoint(btf, "sock_recv_length") && kernel_has_tracepoint(btf, "tcp_rcv_space_adjust") &&
	       !kernel_has_function(btf, "tcp_sendpage");
}

/* The tracepoint backend has two front ends: bpf/socket.h and bpf/syscall.h. */
static void select_front_end(struct capture_bpf *bpf, bool sockets)
{
	struct bpf_program *const by_socket[] = {
		bpf->progs.socket_moved,         bpf->progs.socket_moved_perf, bpf->progs.socket_adjusted,
		bpf->progs.socket_adjusted_perf, bpf->progs.splice_exit,       bpf->progs.splice_exit_perf,
		bpf->progs.unix_sockets,
	};

	if (sockets) {
		bpf_program__set_autoload(bpf->progs.call_exit, false);
		bpf_program__set_autoload(bpf->progs.call_exit_perf, false);
		bpf->rodata->unix_by_age = true;
		return;
	}
	for (size_t i = 0; i < sizeof(by_socket) / sizeof(by_socket[0]); i++)
		bpf_program__set_autoload(by_socket[i], false);
}

void backend_select_programs(struct capture *capture, const struct btf *btf)
{
	enum config_backend backend = capture->backend;
	struct capture_bpf *bpf = capture->bpf;
	struct bpf_program *program;

	bpf_object__for_each_program(program, bpf->obj)
	{
		const struct bpf_program_rule *rule = rule_of(bpf_program__name(program));
		bool wanted = rule && rule->backends & (1 << backend);

		if (wanted && rule->symbol && !rule->required)
			wanted = kernel_has_function(btf, rule->symbol);
		if (wanted && rule->arity)
			wanted = kernel_function_arity(btf, rule->symbol) == rule->arity;
		bpf_program__set_autoload(program, wanted);
	}
	select_front_end(bpf, has_socket_hooks(btf, backend));
	capture->ends_watch = choose_ends_watch(btf);
	select_tracepoints(bpf, capture->ends_watch);
	/* Maps that other hooks use. */
	if (backend == BACKEND_TRACEPOINT)
		bpf_map__set_autocreate(bpf->maps.blocked_calls, false);
	if (backend != BACKEND_KPROBE)
		bpf_map__set_autocreate(bpf->maps.calls_in_flight, false);
}

static bool is_run_later(const struct capture_bpf *bpf, const struct bpf_program *program)
{
	return program == bpf->progs.ask_socket || program == bpf->progs.ask_request ||
	       program == bpf->progs.ask_verdict || program == bpf->progs.unix_sockets ||
	       program == bpf->progs.splice_exit;
}

/* The one program that two hooks have. */
static int attach_moved(struct capture *capture)
{
	static const char *const hooks[] = { "sock_send_length", "sock_recv_length" };
	struct capture_bpf *bpf = capture->bpf;

	for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++) {
		struct bpf_link *link;

		if (capture->link_count == LINKS_MAX)
			return -ENOSPC;
		link = bpf_program__autoload(bpf->progs.socket_moved) ?
			       bpf_program__attach_raw_tracepoint(bpf->progs.socket_moved, hooks[i]) :
			       bpf_program__attach_tracepoint(bpf->progs.socket_moved_perf, "sock", hooks[i]);
		if (!link)
			return -errno;
		capture->links[capture->link_count++] = link;
	}
	return 0;
}

/* Keeps the link; negative when the program cannot be attached. */
static int attach(struct capture *capture, struct bpf_program *program)
{
	struct capture_bpf *bpf = capture->bpf;
	struct bpf_link *link;

	if (program == bpf->progs.socket_moved || program == bpf->progs.socket_moved_perf)
		return attach_moved(capture);
	if (capture->link_count == LINKS_MAX)
		return -ENOSPC;
	link = bpf_program__attach(program);
	if (!link)
		return errno ? -errno : -EINVAL;
	if (program == bpf->progs.blocked_exit || program == bpf->progs.blocked_exit_perf)
		capture->blocked_link = link;
	else
		capture->links[capture->link_count++] = link;
	return 0;
}

int backend_attach(struct capture *capture, struct capture_error *ret_error)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, capture->bpf->obj)
	{
		const struct bpf_program_rule *rule = rule_of(bpf_program__name(program));
		int error;

		if (!bpf_program__autoload(program) || is_run_later(capture->bpf, program))
			continue;
		error = attach(capture, program);
		/* No room for a link is a mistake of ours, whatever the program is for. */
		if (!error || (error != -ENOSPC && (!rule || !rule->required)))
			continue;
		capture_error_set(ret_error, "backend %s: cannot attach %s: %s", capture_backend_text(capture->backend),
				  bpf_program__name(program), strerror(-error));
		return error;
	}
	return 0;
}
