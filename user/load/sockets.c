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

static struct known_socket *socket_find(struct capture *capture, uint64_t conn_id)
{
	struct hash_node *node = hash_table_find(&capture->sockets, hash_u64(conn_id, 0), socket_equal, &conn_id);

	return node ? hash_entry(node, struct known_socket, node) : NULL;
}

void sockets_opened(struct capture *capture, const struct open_event *event)
{
	struct known_socket *known = calloc(1, sizeof(*known));

	if (!known)
		return;
	known->conn_id = event->conn_id;
	known->sock = event->sock;
	known->inode = event->family == 1 /* AF_UNIX */ ? event->inode : 0;
	if (socket_find(capture, event->conn_id) ||
	    hash_table_insert(&capture->sockets, &known->node, hash_u64(event->conn_id, 0)))
		free(known);
}

static void socket_forget(struct capture *capture, struct known_socket *known)
{
	if (capture->sweep_next == &known->node)
		capture->sweep_next = hash_table_next(&capture->sockets, &known->node);
	hash_table_remove(&capture->sockets, &known->node);
	free(known);
}

void sockets_ended(struct capture *capture, const struct end_event *event)
{
	struct known_socket *known = event->kind == END_KIND_CLOSED ? socket_find(capture, event->conn_id) : NULL;

	if (known)
		socket_forget(capture, known);
}

static bool drop_socket(struct hash_node *node, void *ctx)
{
	(void)ctx;
	free(hash_entry(node, struct known_socket, node));
	return true;
}

void sockets_free(struct capture *capture)
{
	hash_table_remove_if(&capture->sockets, drop_socket, NULL);
	hash_table_done(&capture->sockets);
}

/* --- requests of stream */

static void request_put(struct capture *capture, uint64_t sock, const struct request_value *value, bool is_new)
{
	struct connection_key key = { .sock = sock };

	if (bpf_map_update_elem(bpf_map__fd(capture->bpf->maps.requests), &key, value, BPF_ANY))
		return; /* a hint that is not taken costs copying, nothing else */
	if (is_new)
		__atomic_fetch_add(&capture->bpf->bss->request_count, 1, __ATOMIC_RELAXED);
}

static struct request_value request_of(struct capture *capture, const struct known_socket *known, bool *ret_new)
{
	struct connection_key key = { .sock = known->sock };
	struct request_value value;

	*ret_new = bpf_map_lookup_elem(bpf_map__fd(capture->bpf->maps.requests), &key, &value) != 0;
	if (*ret_new || value.conn_id != known->conn_id)
		value = (struct request_value){ .conn_id = known->conn_id };
	return value;
}

static void control_skip(void *ctx, uint64_t conn_id, enum direction direction, uint32_t position)
{
	struct capture *capture = ctx;
	struct known_socket *known = socket_find(capture, conn_id);
	struct request_value value;
	bool is_new;

	if (!known)
		return;
	value = request_of(capture, known, &is_new);
	value.skip[direction] = 1;
	value.skip_until[direction] = position;
	request_put(capture, known->sock, &value, is_new);
}

static void control_mute(void *ctx, uint64_t conn_id)
{
	struct capture *capture = ctx;
	struct known_socket *known = socket_find(capture, conn_id);
	struct request_value value;
	bool is_new;

	if (!known)
		return;
	value = request_of(capture, known, &is_new);
	value.mute = 1;
	request_put(capture, known->sock, &value, is_new);
}

struct capture_control capture_control_of(struct capture *capture)
{
	return (struct capture_control){ .ctx = capture, .skip_until = control_skip, .mute = control_mute };
}

/* --- ends of unix sockets in the tracepoint backend */

static bool socket_is_alive(struct capture *capture, const struct known_socket *known)
{
	uint64_t arguments[2] = { known->sock, known->inode };
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = arguments, .ctx_size_in = sizeof(arguments));

	if (bpf_prog_test_run_opts(bpf_program__fd(capture->bpf->progs.socket_alive), &options))
		return true; /* not known: it stays until it is */
	return options.retval != 0;
}

static void socket_tell_gone(struct capture *capture, struct known_socket *known, uint64_t now_ns)
{
	int map = bpf_map__fd(capture->bpf->maps.connections);
	int requests = bpf_map__fd(capture->bpf->maps.requests);
	struct connection_key key = { .sock = known->sock };
	struct connection_end end = { .conn_id = known->conn_id, .time_ns = now_ns, .kind = END_CLOSED };
	struct connection_value value;

	if (!bpf_map_lookup_elem(map, &key, &value) && value.conn_id == known->conn_id) {
		end.positions_known = true;
		for (int i = 0; i < 2; i++) {
			end.position[i] = value.unix_position[i];
			end.skipped[i] = value.silent[i];
		}
		(void)bpf_map_delete_elem(map, &key);
		if (!bpf_map_delete_elem(requests, &key))
			__atomic_fetch_sub(&capture->bpf->bss->request_count, 1, __ATOMIC_RELAXED);
	}
	capture->sink.end(capture->sink.ctx, &end);
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
	socket_tell_gone(sweep->capture, known, sweep->now_ns);
	free(known);
	return true;
}

static void sweep_gone(struct capture *capture, uint64_t now_ns)
{
	struct sweep sweep = { capture, now_ns };

	hash_table_remove_if(&capture->sockets, drop_gone, &sweep);
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
		node = hash_table_next(&capture->sockets, NULL);
	for (int i = 0; node && i < SWEEP_MAX; i++) {
		struct known_socket *known = hash_entry(node, struct known_socket, node);

		node = hash_table_next(&capture->sockets, node);
		capture->sweep_next = node;
		known->gone = known->inode && !socket_is_alive(capture, known);
		gone |= known->gone;
	}
	if (!gone)
		return;
	/* What these sockets moved last is in the ring by now: it goes first. */
	capture_drain(capture);
	sweep_gone(capture, now_ns);
}
