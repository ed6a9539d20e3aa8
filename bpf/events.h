/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel side tells user space, and the words both sides share: events in the ring, keys of the maps,
 * reasons of loss, kinds of system calls. The only header that both sides include; needs fixed-width types before it.
 * Every event begins with {type, length}; the receiver checks length before it reads any other field. Padding is zero.
 */
#ifndef SONDE_EVENTS_H
#define SONDE_EVENTS_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

enum event_type {
	EVENT_OPEN = 1,
	EVENT_SEGMENT,
	EVENT_END,
	EVENT_EXEC,
	EVENT_FORK,
	EVENT_EXIT,
	EVENT_SIGHT, /* an exec_event of a process that runs already */
	EVENT_PLAIN,
	EVENT_PLAIN_END,
	EVENT_PLAIN_TAIL,
	EVENT_MAPPED, /* a process_event: it maps a file with a TLS library's name */
};

/* Values equal enum direction of model/connection.h. */
enum flow_direction {
	FLOW_RECEIVE = 0,
	FLOW_SEND = 1,
};

struct event_header {
	__u32 type;
	__u32 length; /* of the whole event, this header included */
};
_Static_assert(sizeof(struct event_header) == 8, "event_header");

#define UNIX_NAME_BYTES 108

/* The first sight of a socket that moved bytes. */
struct open_event {
	struct event_header header;
	__u64 conn_id;
	__u64 time_ns;
	__u64 inode; /* of the socket: tells two unix sockets at one address apart */
	__u32 tgid;
	__u16 family;
	__u16 local_port;  /* host order */
	__u16 remote_port; /* host order */
	__u8 from_start;   /* no byte had crossed before: the connection's beginning was seen */
	__u8 name_is_remote;
	__u16 name_length; /* of unix_name; first byte 0 for the abstract name space */
	__u16 reserved;
	__u32 position[2];
	__u8 local[16];
	__u8 remote[16];
	__u64 sock; /* key of the connection in the kernel's map */
	__u8 unix_name[UNIX_NAME_BYTES];
	__u32 reserved2;
	__u64 peer; /* of a unix socket: the other end's sock, if there is one */
};
_Static_assert(sizeof(struct open_event) == 216, "open_event");

/* Bytes that crossed in one call, or a part of one. `header.length - sizeof` bytes of payload follow. */
struct segment_event {
	struct event_header header;
	__u64 conn_id;
	__u64 time_ns;
	__u32 tgid;
	__u32 tid;
	__u32 position;
	__u32 peer_position;
	__u32 full_length;     /* bytes that crossed */
	__u32 captured_offset; /* of the payload in them */
	__u32 captured_length; /* bytes of payload; the event may be padded beyond */
	__u8 direction;
	__u8 reached; /* full_length is not known: all bytes before `position` have been read */
	__u8 reserved[2];
	__u32 goroutine; /* see kernel.h; of processes that are not Go's anything */
	__u32 reserved2;
};
_Static_assert(sizeof(struct segment_event) == 64, "segment_event");

/* Values equal enum connection_end_kind and connection_end_reason of model/connection.h. */
enum end_kind {
	END_KIND_RECEIVE,
	END_KIND_SEND,
	END_KIND_CLOSED,
};

enum end_reason {
	END_REASON_NORMAL,
	END_REASON_RESET,
	END_REASON_TIMEOUT,
};

struct end_event {
	struct event_header header;
	__u64 conn_id;
	__u64 time_ns;
	__u64 skipped[2];
	__u32 position[2];
	__u8 kind;
	__u8 reason;
	__u8 positions_known;
	__u8 reserved[5];
};
_Static_assert(sizeof(struct end_event) == 56, "end_event");

#define EXEC_FILENAME_BYTES 256
#define EXEC_ARGUMENTS_BYTES 1024
#define EXEC_ENVIRONMENT_BYTES 16384 /* Kubernetes alone puts in some kilobytes */

/* Three runs of bytes follow: filename, arguments, environment. */
struct exec_event {
	struct event_header header;
	__u64 time_ns;
	__u32 tgid;
	__u16 filename_length;
	__u16 arguments_length;
	__u16 environment_length;
	__u16 reserved[3];
};
_Static_assert(sizeof(struct exec_event) == 32, "exec_event");

/* EVENT_FORK and EVENT_EXIT. */
struct process_event {
	struct event_header header;
	__u64 time_ns;
	__u32 tgid;
	__u32 parent_tgid; /* EVENT_FORK */
};
_Static_assert(sizeof(struct process_event) == 24, "process_event");

#define TLS_TAIL_BYTES 16

/* What a TLS session does its socket's I/O through, as far as the kernel side can tell. */
enum tls_channel {
	TLS_CHANNEL_OTHER,      /* the program's own functions: docs/TLS.md says how these are joined */
	TLS_CHANNEL_DESCRIPTOR, /* a descriptor */
	TLS_CHANNEL_MEMORY,     /* memory, which the program fills and empties; `tail` is set where that is known */
	TLS_CHANNEL_HALF,       /* likewise, and the session is one direction of a connection alone */
};

/* Plaintext that a TLS library's call took or gave, or a part of it; captured_length bytes follow. Positions count the
 * session's plaintext from 0. Ids of sessions are never those of connections: bit 63 is set. */
struct plain_event {
	struct event_header header;
	__u64 tls_id;
	__u64 conn_id;    /* of the connection whose descriptor the session uses; 0: not known */
	__u64 session;    /* the library's object: key of the session in the kernel's map */
	__u64 entered_ns; /* the call began */
	__u64 time_ns;    /* and returned */
	__u32 tgid;
	__u32 tid;
	__u32 position;
	__u32 peer_position;
	__u32 full_length;
	__u32 captured_offset;
	__u32 captured_length;
	__u32 call_length; /* of the whole call */
	__u8 direction;
	__u8 channel;
	__u8 nested; /* inside of another session's call, or not known: says nothing about the thread's system calls */
	__u8 has_tail;
	__u32 reserved;
	__u8 tail[TLS_TAIL_BYTES]; /* the last ciphertext that the call made */
	__u32 goroutine;           /* of Go's crypto/tls, else 0 */
	__u32 reserved2;
};
_Static_assert(sizeof(struct plain_event) == 112, "plain_event");

/* A session's object is freed or begins anew. */
struct plain_end_event {
	struct event_header header;
	__u64 tls_id;
	__u64 time_ns;
};
_Static_assert(sizeof(struct plain_end_event) == 24, "plain_end_event");

/* The end of the ciphertext that was made of plaintext already told. */
struct plain_tail_event {
	struct event_header header;
	__u64 tls_id;
	__u8 tail[TLS_TAIL_BYTES];
};
_Static_assert(sizeof(struct plain_tail_event) == 32, "plain_tail_event");

/* A TLS session, by its object in a process. */
struct tls_session_key {
	__u64 session;
	__u32 tgid;
	__u32 reserved;
};
_Static_assert(sizeof(struct tls_session_key) == 16, "tls_session_key");

struct tls_session_value {
	__u64 tls_id;
	__u64 conn_id;
	__u64 silent[2];
	__u32 position[2];
	__u32 sent_by; /* where the socket's stream is at least when the write told last has been taken; see tls_enter.h
			*/
	__u32 unsure;  /* it is not known to be yet */
};
_Static_assert(sizeof(struct tls_session_value) == 48, "tls_session_value");

/* What user space asks of a session. */
struct tls_request_value {
	__u32 skip_until[2];
	__u8 skip[2];
	__u8 mute;
	__u8 joined; /* its connection is known: the ends of ciphertext are not needed */
	__u32 reserved;
};
_Static_assert(sizeof(struct tls_request_value) == 16, "tls_request_value");

enum tls_library {
	TLS_LIBRARY_OPENSSL,
	TLS_LIBRARY_BORING, /* OpenSSL's names, objects of which nothing is known */
	TLS_LIBRARY_GNUTLS, /* its sessions do not tell their descriptor */
	TLS_LIBRARY_GO,
	TLS_LIBRARY_AEAD, /* no library of TLS, but the functions that encrypt its records */
};

/* The cookie of a hook on one of those; bpf/tls_aead.h. */
enum aead_form {
	AEAD_SEAL,
	AEAD_SEAL_SCATTER,
	AEAD_OPEN,
	AEAD_OPEN_GATHER,
};

/* What the cookie of a hook on a function says where one program is on all: enum tls_library, and behind it these. */
#define TLS_COOKIE_LIBRARY 0xff
#define TLS_COOKIE_SEND 0x100
#define TLS_COOKIE_EXTENDED 0x200 /* the number of bytes is written to the fourth argument */
#define TLS_COOKIE_FLAGS 0x400    /* to the fifth: the fourth is flags */
#define TLS_COOKIE_FILE 0x800     /* the plaintext is not in the process's memory */

/* Kernel-side counters. Losses first: their texts are in load/figures.c. */
enum counter {
	LOST_RING_FULL,         /* no room in the ring: a segment, open or end did not get out */
	LOST_CONNECTIONS_FULL,  /* no room in the connection map: the connection is not observed */
	LOST_PROCESSES_FULL,    /* no room in the process map: the process's verdict is computed at every call */
	LOST_READ_USER,         /* the call's buffer could not be read: its bytes are told by length only */
	LOST_COMPAT_SYSCALL,    /* a 32-bit system call: its arguments are not understood */
	LOST_IN_FLIGHT,         /* kprobe backend: the entry of a call was not remembered */
	LOST_RETURN,            /* kprobe backend: a call's return was not seen: too many were in flight (maxactive) */
	LOST_TLS_CALL,          /* a TLS library's call whose beginning, return or result was not seen */
	LOST_TLS_SESSIONS_FULL, /* no room for a TLS session */
	LOST_COUNT,
	COUNT_SEGMENTS = LOST_COUNT, /* put into the ring */
	COUNT_CAPTURED_BYTES,        /* payload bytes among them */
	COUNT_BYTES,                 /* bytes that crossed observed connections, captured or not */
	COUNT_SILENT_SEGMENTS,       /* not sent: inside a body of known length, or muted */
	COUNT_TRUNCATED_CALLS, /* moved more bytes, or more I/O vectors, than are captured: the rest is told by length
				*/
	COUNT_SCARCE_CALLS,    /* captured in part, because the ring was filling up */
	COUNT_STOOD_IN,        /* TCP's states told while perf's program for them was skipped: see lifecycle.h */
	COUNT_LOST_RECEIVED,   /* bytes of calls that found no room in the ring, by enum flow_direction */
	COUNT_LOST_SENT,
	COUNT_CUT_OPENINGS, /* connections whose opening found no room when they were first seen */
	COUNT_CUT_ENDS,     /* connections whose end found none */
	COUNTER_COUNT,
};

/* Of one processor: three cache lines that no other one writes. */
struct counts {
	__u64 value[24];
};
_Static_assert(COUNTER_COUNT <= 24, "counts");

/* A connection, keyed by the address of its struct sock. Written by the kernel side alone: see ask.h. */
struct connection_key {
	__u64 sock;
};

enum connection_state {
	CONNECTION_OBSERVED = 1,
	CONNECTION_IGNORED, /* its port is not selected */
};

struct connection_value {
	__u64 conn_id;
	__u64 inode;
	__u64 silent[2]; /* bytes that crossed while muted */
	union {
		__u32 unix_position[2];
		__u32 tcp_ports; /* skc_portpair: tells that the address is another socket's now */
	};
	__u32 end_position[2]; /* when TCP_CLOSE was reached: what may still be read lies before receive_end */
	__u32 receive_end;
	__u8 state;
	__u8 announced; /* the open event got out */
	__u8 family_unix;
	__u8 end_reason;
	__u8 closed;      /* TCP_CLOSE was reached */
	__u8 recent_slot; /* see recent.h: the verifier lets nobody reckon with the address of a socket */
	__u16 states;     /* of TCP, that were reached: bits */
	__u8 http;        /* a call began with an HTTP message: chunks may follow */
	__u8 cut;         /* among COUNT_CUT_OPENINGS */
	__u8 reserved[2];
};
_Static_assert(sizeof(struct connection_value) == 64, "connection_value");

/* What user space asks of one connection. A map of its own, so that the two sides never write one value. */
struct request_value {
	__u64 conn_id; /* the request is for this life of the socket only */
	__u32 skip_until[2];
	__u32 ends_until; /* position of the other direction */
	__u8 skip[2];
	__u8 ends; /* 1 + the direction of which only the ends of calls are told, until the other one moves; 0: none */
	__u8 mute;
};
_Static_assert(sizeof(struct request_value) == 24, "request_value"); /* no more has room on a stack */

#define ENDS_BYTES 512       /* captured of a call of which its end is enough */
#define ENDS_CALL_BYTES 1024 /* of a call that is no longer, all is */

/* What a request is for. */
enum request_kind {
	REQUEST_SKIP_RECEIVE = FLOW_RECEIVE,
	REQUEST_SKIP_SEND = FLOW_SEND,
	REQUEST_MUTE,
	REQUEST_ENDS_RECEIVE,
	REQUEST_ENDS_SEND,
};

/* What is said of a unix socket that user space asks for. */
enum socket_answer {
	SOCKET_ALIVE,
	SOCKET_ENDED,   /* its end is in the ring */
	SOCKET_UNKNOWN, /* it is gone, and its end has been told already, or was lost */
};

/* Why a process is observed. It is, when every bit that the configuration demands is set. */
enum verdict {
	VERDICT_CGROUP = 1,
	VERDICT_PID = 2,
	VERDICT_EXE = 4,
	VERDICT_EXE_PENDING = 8,   /* user space has not decided yet: captured, but dropped unless it decides for it */
	VERDICT_CGROUP_KNOWN = 16, /* VERDICT_CGROUP has been computed */
	VERDICT_TOLD = 32,         /* user space has been told who the process is */
};

#define SELECT_CGROUPS_MAX 16

struct selected_cgroup {
	__u64 id;         /* kernfs id: the directory's inode number */
	__u32 level;      /* depth below the hierarchy's root */
	__s32 controller; /* index in css_set.subsys; -1: the v2 hierarchy */
};

enum port_rule {
	PORT_SELECTED = 1,
	PORT_IGNORED = 2,
};

/* How a system call moves bytes, by its number: filled by load for the machine's system call table. */
enum call_kind {
	CALL_NONE,
	CALL_READ, /* (fd, buffer, size) */
	CALL_WRITE,
	CALL_READV, /* (fd, vector, count) */
	CALL_WRITEV,
	CALL_RECVFROM, /* (fd, buffer, size, flags) */
	CALL_SENDTO,
	CALL_RECVMSG, /* (fd, msghdr, flags) */
	CALL_SENDMSG,
	CALL_RECVMMSG, /* (fd, mmsghdr, count, flags) */
	CALL_SENDMMSG,
	CALL_SENDFILE,   /* (out, in, ...) */
	CALL_SPLICE,     /* (in, offset, out, ...) */
	CALL_CONNECT,    /* (fd, ...) */
	CALL_SOCKETPAIR, /* (family, type, protocol, fds) */
};

#define CALL_NUMBERS 512

#endif
