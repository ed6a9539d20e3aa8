/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps and the read-only configuration of the capture programs, and the counting of what happens. Nothing here
 * preallocates for a worst case: hash maps grow with what they hold, the ring has the configured size.
 */
#pragma once

#include "events.h"
#include "kernel.h"

/* Set by load before the programs are loaded. */
const volatile __u32 agent_tgid = 0;
const volatile __u8 verdict_required = 0; /* bits of enum verdict that a process must have; 0: all are observed */
const volatile __u32 selected_cgroup_count = 0;
const volatile struct selected_cgroup selected_cgroups[SELECT_CGROUPS_MAX] = {};
const volatile bool ports_selected = false; /* there are PORT_SELECTED rules */
const volatile bool ports_ruled = false;    /* there are rules at all */
const volatile bool capture_unix = true;
const volatile __u32 call_bytes_max = 131072;  /* captured of one call at most */
const volatile __u32 ring_wakeup_bytes = 0;    /* wake user space when so much is waiting */
const volatile bool wake_at_exec = false;      /* a new process is looked at before it does much */
const volatile __u32 ring_scarce_bytes = 0;    /* see scarce_limit */
const volatile __u32 ring_segment_bytes = ~0U; /* what is behind is for openings and ends of connections */
const volatile __u32 ring_look_bytes = 0;      /* a processor looks at the ring's filling after adding so much */
const volatile bool tell_goroutines = false;   /* somebody asks who made a call in a Go process */
const volatile __u8 call_kinds[CALL_NUMBERS] = {};

/* Set when the last hook is attached: before, a request could be seen whose response is not. */
__u32 capture_enabled = 0;

/* How many entries `requests` has: most hosts most of the time none, and then it is not looked at. */
__u32 request_count = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct connection_key);
	__type(value, struct connection_value);
} connections SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct connection_key);
	__type(value, struct request_value);
} requests SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, __u8);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, __u16);
	__type(value, __u8);
} ports SEC(".maps");

/* One element for each processor, set by load. User space reads it as memory: a lookup by system call would keep perf's
 * programs from running on its processor meanwhile (kernel/bpf/syscall.c, bpf_disable_instrumentation). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counts);
} counters SEC(".maps");

#define smaller(a, b) ((a) < (b) ? (a) : (b))

#define CHUNK_BYTES 4096 /* payload of one event at most */

/* One call that moved bytes, as a front end gathered it. */
struct transfer {
	struct sock *sock;
	__u64 inode;       /* of the socket, for unix sockets; 0 when the front end knows that it is alive */
	__u64 vector;      /* address of struct iovec[], 0 when there is none */
	__u64 base;        /* current buffer */
	__u32 base_left;   /* bytes of it */
	__u32 vector_left; /* iovecs not yet looked at */
	__u64 pid_tgid;    /* who moved them */
	__u32 length;      /* bytes that crossed; 0 is an end of stream that the process has read */
	__u32 after;       /* bytes that the same call moved after these */
	__u32 goroutine;   /* see kernel.h */
	__u8 direction;
	bool kernel_vector; /* the vector itself is at a kernel address */
	bool kernel_memory; /* base, and the buffers that the vector names, are */
	bool reached;       /* length is not known: the process has read up to copied_seq (see socket.h) */
};

/* How far the copying of a call has come. */
struct capture {
	__u64 waiting; /* bytes in the ring before this call */
	__u32 want;    /* bytes still to be copied */
	__u32 skip;    /* bytes to pass over before */
	__u32 told;    /* bytes of the call told in earlier events */
	__u32 filled;  /* bytes copied into the event at hand */
	__u32 limit;   /* of the event at hand, for now */
	__u32 copied;  /* bytes copied of the call */
};

/* See hint.h. */
struct head_scan {
	__u64 older; /* sixteen bytes that end at the one last read */
	__u64 newer;
	__u64 length;   /* value of Content-Length so far */
	__u32 head_end; /* bytes of the head, 0 while its end was not seen */
	__u8 in_length; /* reading its digits */
	__u8 has_length;
	__u8 encoded;    /* Transfer-Encoding is there */
	__u8 digits;     /* of a chunk's size */
	__u8 lengths;    /* how often Content-Length is there */
	__u16 length_at; /* its first digit */
};

/* What the last response's head looked like: see shape.h. */
struct head_shape {
	__u64 status[2]; /* its first 16 bytes */
	__u64 name[2];   /* the 16 before the digits of Content-Length */
	__u16 length;    /* of the head; 0: not known */
	__u16 length_at; /* of those digits */
	__u16 wait;      /* responses to let pass before looking again */
	__u16 http;      /* the connection is marked as HTTP's */
};

/* What the hash maps answered last, on this processor: see recent.h. */
#define RECENT_SLOTS 256

struct recent_connection {
	__u64 sock;
	__u64 conn_id;
	__u32 generation;
	__u32 ports; /* see tcp_ports_differ */
	struct head_shape shape;
};

/* Servers that have a process for each connection take turns on a processor. */
#define RECENT_VERDICTS 16

struct recent_verdict {
	__u64 generation;
	__u32 tgid;
	__u32 selected;
};

struct recent {
	struct recent_verdict verdicts[RECENT_VERDICTS];
	__u64 waiting; /* bytes in the ring when it was looked at */
	__u64 added;   /* by this processor since */
	struct recent_connection connections[RECENT_SLOTS];
};

/* The state of telling one call, and the event that is being built. It is in a map and not on the stack because the
 * verifier follows what is on the stack through every turn of a loop. One per processor: the programs that use it run
 * with preemption off, or on kernels that do not preempt them (load/ sees to that), and never in an interrupt. What
 * belongs to one direction is not kept apart, so that the second call of an exchange finds it in the cache.
 */
struct scratch {
	struct recent recent;
	struct transfer transfer;
	struct capture capture;
	struct head_scan scan;
	struct open_event open;
	struct segment_event event;
	__u8 payload[2 * CHUNK_BYTES]; /* half of it is never filled: it lets the verifier see that no copy leaves it */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

/* Set where socket.h is the front end, which sees no connect: unix connections that are older than the agent are then
 * known by `unix_old`, all others began with their first bytes. */
const volatile bool unix_by_age = false;

/* The inode numbers of unix sockets that were connected when the agent came, by their addresses. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct connection_key);
	__type(value, __u64);
} unix_old SEC(".maps");

/* Unix sockets that were connected since the agent came: their first bytes are the connection's first. TCP needs none
 * of this, its sockets count bytes. Only the latest are kept: it matters until the first bytes move. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct connection_key);
	__type(value, __u8);
} unix_born SEC(".maps");

/* Threads that slept in a receiving call when the function hooks were attached: those hooks do not see that call
 * return. Filled by user space; see on_blocked_exit. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, __u8);
} blocked_calls SEC(".maps");

/* How many entries `blocked_calls` may have: 0 soon after the start, and then it is not looked at. */
__u32 blocked_count = 0;

static __always_inline struct scratch *scratch_get(void)
{
	__u32 only = 0;

	return bpf_map_lookup_elem(&scratches, &only);
}

static __always_inline struct counts *counts_get(void)
{
	__u32 processor = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&counters, &processor);
}

static __always_inline void count_add(enum counter counter, __u64 amount)
{
	struct counts *counts = counts_get();

	if (counts)
		counts->value[counter] += amount;
}

/* Wakes user space only when it would otherwise fall behind: it comes by itself every few milliseconds. */
static __always_inline __u64 ring_flags(__u64 waiting)
{
	return waiting >= ring_wakeup_bytes ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

/* 0, or negative when the ring is full (counted). */
static __always_inline int ring_put(void *event, __u64 length, __u64 waiting)
{
	int error = bpf_ringbuf_output(&events, event, length, ring_flags(waiting));

	if (error)
		count_add(LOST_RING_FULL, 1);
	return error;
}

static __always_inline void count_lost(__u32 direction, __u32 bytes)
{
	count_add(direction == FLOW_RECEIVE ? COUNT_LOST_RECEIVED : COUNT_LOST_SENT, bytes);
}

/* What a call moved. The last of the ring is left to openings and ends: while these are told, positions tell what of a
 * connection was lost. */
static __always_inline int ring_put_segment(struct segment_event *event, __u32 captured, __u64 waiting)
{
	int error = -1;

	if (waiting < ring_segment_bytes)
		error = ring_put(event, sizeof(*event) + captured, waiting);
	else
		count_add(LOST_RING_FULL, 1);
	if (error)
		count_lost(event->direction, event->full_length);
	return error;
}

static __always_inline __u64 ring_waiting(void)
{
	return bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA);
}

#define SCARCE_BYTES 512

/* What may be captured of a call of that length. Bulk is cut first: what pipelines ask, or answer in few words, is of
 * use as a whole alone, and where one direction is whole what was lost can be counted. */
static __always_inline __u32 scarce_limit(__u64 waiting, __u32 length)
{
	__u64 enough = length > CHUNK_BYTES ? ring_scarce_bytes : ring_scarce_bytes + ring_scarce_bytes / 4 * 3ULL;

	return waiting < enough ? 0xffffffff : SCARCE_BYTES;
}
