/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which socket a connection id stands for: requests of stream go to the kernel by the socket's address, and in the
 * tracepoint backend the ends of unix sockets, which no hook tells, are found by asking (a small BPF program looks
 * whether the socket still has the inode it had). A few at each sweep, all of them about once a second.
 */
#include <errno.h>

#include "load/internal.h"

#define SWEEP_INTERVAL_NS 100000000ULL
#define SWEEP_MAX 512

static bool socket_equal(const struct hash_node *node, const void *key)
{
	return hash_entry(node, struct known_socket, node)->conn_id == *(const uint64_t *)key;
}

static struct known_socket *unix_find(struct capture *capture, uint64_t conn_id)
{
	struct hash_node *node = hash_table_find(&capture->unix_sockets, hash_u64(conn_id, 0), socket_equal, &conn_id);

	return node ? hash_entry(node, struct known_socket, node) : NULL;
}

void sockets_init(struct capture *capture, size_t connections_max)
{
	id_map_init(&capture->socks, connections_max);
	hash_table_init(&capture->unix_sockets, connections_max);
}

static void unix_opened(struct capture *capture, const struct open_event *event)
{
	struct known_socket *known = calloc(1, sizeof(*known));

	if (!known)
		return;
	known->conn_id = event->conn_id;
	known->sock = event->sock;
	known->inode = event->inode;
	if (hash_table_insert(&capture->unix_sockets, &known->node, hash_u64(event->conn_id, 0)))
		free(known);
}

void sockets_opened(struct capture *capture, const struct open_event *event)
{
	bool is_unix = event->family == 1 /* AF_UNIX */ && event->inode;

	if (id_map_insert(&capture->socks, event->conn_id, event->sock) == 0 && is_unix)
		unix_opened(capture, event);
}

static void unix_forget(struct capture *capture, struct known_socket *known)
{
	if (capture->sweep_next == &known->node)
		capture->sweep_next = hash_table_next(&capture->unix_sockets, &known->node);
	hash_table_remove(&capture->unix_sockets, &known->node);
	free(known);
}

void sockets_ended(struct capture *capture, const struct end_event *event)
{
	struct known_socket *known;

	if (event->kind != END_KIND_CLOSED || !id_map_remove(&capture->socks, event->conn_id))
		return;
	known = unix_find(capture, event->conn_id);
	if (known)
		unix_forget(capture, known);
}

static bool drop_socket(struct hash_node *node, void *ctx)
{
	(void)ctx;
	free(hash_entry(node, struct known_socket, node));
	return true;
}

void sockets_free(struct capture *capture)
{
	id_map_done(&capture->socks);
	hash_table_remove_if(&capture->unix_sockets, drop_socket, NULL);
	hash_table_done(&capture->unix_sockets);
}

/* --- requests of stream */

/* Runs one of the programs of bpf/ask.h; a negative errno, or what it answers. */
static int ask(const struct capture *capture, struct bpf_program *const *program, const uint64_t *arguments,
	       size_t count)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = arguments,
		    .ctx_size_in = (uint32_t)(count * sizeof(*arguments)));
	int error = bpf_prog_test_run_opts(kept_program(&capture->kept, program), &options);

	return error ? error : (int)options.retval;
}

static void request(struct capture *capture, uint64_t conn_id, enum request_kind kind, uint32_t position)
{
	uint64_t sock;

	/* Failing, it is a hint that is not taken: that costs copying, nothing else. */
	if (id_map_find(&capture->socks, conn_id, &sock))
		(void)ask(capture, &capture->bpf->progs.ask_request, (uint64_t[]){ sock, conn_id, kind, position }, 4);
}

static void control_skip(void *ctx, uint64_t conn_id, enum direction direction, uint32_t position)
{
	request(ctx, conn_id, (enum request_kind)direction, position);
}

static void control_ends(void *ctx, uint64_t conn_id, enum direction direction, uint32_t other)
{
	request(ctx, conn_id, direction == DIRECTION_SEND ? REQUEST_ENDS_SEND : REQUEST_ENDS_RECEIVE, other);
}

static void control_mute(void *ctx, uint64_t conn_id)
{
	request(ctx, conn_id, REQUEST_MUTE, 0);
}

static void control_recognised(void *ctx, uint64_t conn_id)
{
	struct capture *capture = ctx;

	if (capture->splice_fd < 0 && unix_find(capture, conn_id))
		unix_watch_splices(capture);
}

void capture_decide(struct capture *capture, uint32_t tgid, bool executable_selected)
{
	/* Failing, the process stays as it is: captured, and dropped by the agent. */
	(void)ask(capture, &capture->bpf->progs.ask_verdict, (uint64_t[]){ tgid, executable_selected }, 2);
}

struct capture_control capture_control_of(struct capture *capture)
{
	return (struct capture_control){
		.ctx = capture,
		.skip_until = control_skip,
		.ends_only = control_ends,
		.mute = control_mute,
		.recognised = control_recognised,
	};
}

/* --- ends of unix sockets in the tracepoint backend */

/* Gone, and its end has not been told. What cannot be asked stays until it can. */
static bool socket_is_lost(struct capture *capture, const struct known_socket *known)
{
	uint64_t arguments[] = { known->sock, known->inode, known->conn_id };

	return ask(capture, &capture->bpf->progs.ask_socket, arguments, 3) == SOCKET_UNKNOWN;
}

struct sweep {
	struct capture *capture;
	uint64_t now_ns;
};

static bool drop_gone(struct hash_node *node, void *ctx)
{
	struct known_socket *known = hash_entry(node, struct known_socket, node);
	struct sweep *sweep = ctx;

	if (!known->gone)
		return false;
	sweep->capture->sink.end(
		sweep->capture->sink.ctx,
		&(struct connection_end){ .conn_id = known->conn_id, .time_ns = sweep->now_ns, .kind = END_CLOSED });
	(void)id_map_remove(&sweep->capture->socks, known->conn_id);
	free(known);
	return true;
}

static void sweep_gone(struct capture *capture, uint64_t now_ns)
{
	struct sweep sweep = { capture, now_ns };

	hash_table_remove_if(&capture->unix_sockets, drop_gone, &sweep);
	capture->sweep_next = NULL;
}

void capture_sweep(struct capture *capture, uint64_t now_ns)
{
	struct hash_node *node = capture->sweep_next;
	bool gone = false;

	blocked_let_go(capture, now_ns);
	if (capture->backend != BACKEND_TRACEPOINT || now_ns - capture->sweep_ns < SWEEP_INTERVAL_NS)
		return;
	capture->sweep_ns = now_ns;
	if (!node)
		node = hash_table_next(&capture->unix_sockets, NULL);
	for (int i = 0; node && i < SWEEP_MAX; i++) {
		struct known_socket *known = hash_entry(node, struct known_socket, node);

		node = hash_table_next(&capture->unix_sockets, node);
		capture->sweep_next = node;
		known->gone = socket_is_lost(capture, known);
		gone |= known->gone;
	}
	if (!gone)
		return;
	/* Their ends may be in the ring by now: what is still there after that was lost. */
	capture_drain(capture);
	sweep_gone(capture, now_ns);
}
