/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Go's crypto/tls: (*Conn).Read and (*Conn).Write. A goroutine may begin a call on one thread and end it on another:
 * its calls are remembered by the goroutine. Go's ABI passes arguments and results in registers (1.17 on, amd64 and
 * arm64: src/cmd/compile/abi-internal.md), and the goroutine in one of its own.
 */
#pragma once

#include "tls_call.h"

#if defined(__TARGET_ARCH_x86)
#define GO_GOROUTINE(regs) ((regs)->r14)
#define GO_FIRST(regs) ((regs)->ax)
#define GO_SECOND(regs) ((regs)->bx)
#define GO_THIRD(regs) ((regs)->cx)
#else
#define GO_GOROUTINE(regs) (((struct user_pt_regs *)(regs))->regs[28])
#define GO_FIRST(regs) (((struct user_pt_regs *)(regs))->regs[0])
#define GO_SECOND(regs) (((struct user_pt_regs *)(regs))->regs[1])
#define GO_THIRD(regs) (((struct user_pt_regs *)(regs))->regs[2])
#endif

/* net.netFD of src/net/fd_posix.go, behind the 56 bytes of poll.FD; of the latter the descriptor is behind fdMutex. */
struct go_net_fd {
	__u64 mutex[2];
	__s64 descriptor;
	__u64 rest[4];
	__s64 family;
	__s64 type;
	__u64 connected;
	__u64 network; /* string: "tcp" */
	__u64 network_length;
};
_Static_assert(sizeof(struct go_net_fd) == 96, "go_net_fd");

struct go_call_key {
	__u64 goroutine;
	__u32 tgid;
	__u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct go_call_key);
	__type(value, struct tls_call);
} tls_go_calls SEC(".maps");

/* tls.Conn begins with the interface net.Conn {type, data}; of a *net.TCPConn data leads to the pointer to its netFD.
 * Any other connection is not one, and is told from it by what a netFD of a TCP socket must hold. */
static __always_inline void go_channel(__u64 session, struct plain_event *event)
{
	__u64 interface[2], address;
	struct go_net_fd net_fd;
	struct sock *sock;
	char network[3];

	event->channel = TLS_CHANNEL_OTHER;
	if (!read_user(interface, sizeof(interface), session) || !read_user(&address, sizeof(address), interface[1]) ||
	    !read_user(&net_fd, sizeof(net_fd), address))
		return;
	if ((net_fd.family != AF_INET && net_fd.family != AF_INET6) || net_fd.type != SOCK_STREAM ||
	    net_fd.network_length < 3 || net_fd.network_length > 4 || net_fd.descriptor < 0)
		return;
	if (!read_user(network, sizeof(network), net_fd.network) || network[0] != 't' || network[1] != 'c' ||
	    network[2] != 'p')
		return;
	event->channel = TLS_CHANNEL_DESCRIPTOR;
	event->conn_id = connection_of_descriptor(net_fd.descriptor, &sock);
}

static __always_inline struct go_call_key go_key_of(struct pt_regs *regs)
{
	return (struct go_call_key){ .goroutine = GO_GOROUTINE(regs), .tgid = bpf_get_current_pid_tgid() >> 32 };
}

/* A write's bytes are out, and perhaps answered and the answer read by another goroutine, before this one has come to
 * its return: so they take their place in the stream when the call begins, and the answer tells that they were before
 * it. Only one goroutine writes at a time. */
static __always_inline void go_take_place(struct pt_regs *regs, struct tls_call *call)
{
	struct plain_event event = {};
	struct tls_session_value *session;

	go_channel(call->session, &event);
	session = tls_session_of(call->session, event.conn_id);
	if (!session)
		return;
	call->tls_id = session->tls_id;
	call->start = session->position[FLOW_SEND];
	session->position[FLOW_SEND] = call->start + (__u32)GO_THIRD(regs);
}

/* What was not written after all. */
static __always_inline void go_give_back(const struct tls_call *call)
{
	struct tls_session_key key = tls_key_of(call->session);
	struct tls_session_value *session = bpf_map_lookup_elem(&tls_sessions, &key);

	if (session && session->tls_id == call->tls_id)
		session->position[FLOW_SEND] = call->start;
}

static __always_inline void on_go_call(struct pt_regs *regs, __u32 direction)
{
	struct go_call_key key = go_key_of(regs);
	struct tls_call *again;
	struct tls_call call = {
		.session = GO_FIRST(regs),
		.buffer = GO_SECOND(regs),
		.direction = direction,
		.library = TLS_LIBRARY_GO,
	};

	if (!process_selected(key.tgid))
		return;
	call.entered_ns = bpf_ktime_get_ns();
	/* A function whose stack has to grow begins anew. */
	again = bpf_map_lookup_elem(&tls_go_calls, &key);
	if (again && again->tls_id && again->session == call.session && again->buffer == call.buffer) {
		call.tls_id = again->tls_id;
		call.start = again->start;
	} else if (direction == FLOW_SEND) {
		go_take_place(regs, &call);
	}
	if (bpf_map_update_elem(&tls_go_calls, &key, &call, BPF_ANY))
		tls_call_lost(call.session);
}

static __always_inline void on_go_return(struct pt_regs *regs)
{
	struct go_call_key key = go_key_of(regs);
	struct tls_call *found = bpf_map_lookup_elem(&tls_go_calls, &key);
	__s64 moved = GO_FIRST(regs);
	struct tls_thread *thread;
	struct tls_call call;

	if (!found)
		return;
	call = *found;
	bpf_map_delete_elem(&tls_go_calls, &key);
	if (moved <= 0 || moved > 0x7fffffff) {
		go_give_back(&call);
		return;
	}
	/* Only to tell it. */
	thread = tls_thread_of();
	if (!thread) {
		tls_call_lost(call.session);
	} else if (!plain_fill(thread, &call, 0, moved)) {
		thread->event.goroutine = (__u32)(key.goroutine >> 5);
		plain_tell(thread);
	}
}
