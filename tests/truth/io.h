/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moving bytes over a socket in every way that Linux offers: one channel, with knobs for the system call, the sizes,
 * the vectors and the flags. Everything above it (wire, server, client, script) is unaware of which call is used.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct world;
struct uring;

enum receive_call {
	RECEIVE_READ,
	RECEIVE_READV,
	RECEIVE_PREADV2, /* with offset -1 */
	RECEIVE_RECV,
	RECEIVE_RECVFROM, /* with an address buffer */
	RECEIVE_RECVMSG,
	RECEIVE_RECVMMSG,
	RECEIVE_URING,
};

enum send_call {
	SEND_WRITE,
	SEND_WRITEV,
	SEND_PWRITEV2, /* with offset -1 */
	SEND_SEND,
	SEND_SENDTO, /* with an address, where the family takes one */
	SEND_SENDMSG,
	SEND_SENDMMSG,
	SEND_URING,
};

/* For bodies only; heads always go through the calls above. */
enum body_receive {
	BODY_RECEIVE_CALLS,
	BODY_RECEIVE_SPLICE,  /* socket to pipe to /dev/null */
	BODY_RECEIVE_TRUNC,   /* recv(MSG_TRUNC): TCP throws the bytes away */
	BODY_RECEIVE_WAITALL, /* recv(MSG_WAITALL) of the whole rest */
};

enum body_send {
	BODY_SEND_CALLS,
	BODY_SEND_SENDFILE,
	BODY_SEND_SPLICE, /* file to pipe to socket */
};

struct io {
	enum receive_call receive;
	enum send_call send;
	enum body_receive body_receive;
	enum body_send body_send;
	size_t receive_size; /* of one call at most; 0: 64 KiB */
	size_t send_size;    /* of one call at most; 0: all */
	unsigned vectors;    /* entries of an I/O vector, some of them empty; 0: 3 */
	bool peek;           /* MSG_PEEK of the same size before each receive */
	bool nonblocking;    /* O_NONBLOCK: call, EAGAIN, poll, call */
	bool more;           /* MSG_MORE on a head that a body follows */
	bool cork;           /* TCP_CORK around a message */
	bool one_send;       /* head and body in one send even when the body is large (up to 1 MiB) */
	bool dup_each;       /* another descriptor for every message, the old one closed */
	bool zerocopy;       /* MSG_ZEROCOPY; completions are read from the error queue */
	int send_buffer;     /* SO_SNDBUF; 0: default */
};

/* What a workload must have met for the case to be what it says: counted where it happens. */
enum fact {
	FACT_RECEIVE_EAGAIN,
	FACT_SEND_EAGAIN,
	FACT_SHORT_SEND,
	FACT_ONE_BYTE_RECEIVE,
	FACT_ONE_BYTE_SEND,
	FACT_PEEK,
	FACT_DISCARD,       /* bytes discarded by MSG_TRUNC */
	FACT_SENDFILE,      /* bytes */
	FACT_SPLICE_IN,     /* bytes from a socket */
	FACT_SPLICE_OUT,    /* bytes to a socket */
	FACT_MANY_RECEIVED, /* recvmmsg that returned more than one message */
	FACT_MANY_SENT,
	FACT_COALESCED, /* sends with more than one response */
	FACT_WAITALL,
	FACT_SPLIT_HEAD,     /* heads that came in more than one receive */
	FACT_SHARED_RECEIVE, /* receives that held more than one head */
	FACT_CONTINUE,       /* 100 responses seen by a client */
	FACT_INTERIM,        /* other 1xx seen by a client */
	FACT_RESET,          /* ECONNRESET or EPIPE met */
	FACT_ZEROCOPY,
	FACT_COUNT,
};

#define NEEDS(fact) (1U << (fact))

#define CHANNEL_BUFFER_BYTES (192U * 1024)

struct channel {
	int fd;
	const struct io *io;
	struct world *world;
	bool tcp;
	size_t start, end; /* received and not yet taken: buffer[start..end) */
	uint64_t received; /* bytes in all */
	uint64_t sent;
	uint64_t received_ns; /* when the last receive returned */
	uint32_t zerocopy_pending;
	int pipe[2];      /* for splice; -1 until needed */
	int file;         /* the body file for sendfile and splice; -1 until needed */
	uint8_t *scatter; /* where vectors land, with gaps between them; NULL when no call uses vectors */
	uint8_t *buffer;
	struct uring *uring; /* NULL until needed */
};

/* Takes the descriptor over. -ENOMEM closes it. */
int channel_init(struct channel *channel, int fd, const struct io *io, struct world *world, bool tcp);
/* Closes everything. */
void channel_done(struct channel *channel);
/* One receive (with the knobs' peeks and polls) that appends to the buffer. Bytes, 0 at the end, -errno. */
ssize_t channel_receive(struct channel *channel);
/* All of it. 0 or -errno. `flags` are added to calls that take flags. */
int channel_send(struct channel *channel, const void *data, size_t length, int flags);
/* Body bytes: the pattern, by the body knob. */
int channel_send_body(struct channel *channel, uint64_t length);
/* Takes `length` bytes of body and throws them away, by the body knob. -ECONNABORTED at an early end. */
int channel_discard(struct channel *channel, uint64_t length);
/* Until the end of the stream. */
int channel_discard_all(struct channel *channel, uint64_t *ret_bytes);
/* Under dup_each: replaces the descriptor by a duplicate. */
int channel_swap(struct channel *channel);
void channel_cork(struct channel *channel, bool on);

/* The bytes of every body: text that looks like HTTP, so that a parser which loses its place is caught. */
void body_pattern(uint8_t *bytes, size_t length, uint64_t offset);

/* --- io_calls.c --- one system call each; bytes or -errno. */
ssize_t call_receive(struct channel *channel, uint8_t *bytes, size_t size);
ssize_t call_send(struct channel *channel, const uint8_t *bytes, size_t size, int flags);
/* --- io_uring.c --- */
ssize_t call_uring(struct channel *channel, bool send, const uint8_t *bytes, size_t size);
void uring_free(struct uring *uring);
/* Some hosts forbid it. */
bool uring_supported(void);
/* --- io_body.c --- */
int body_send_file(struct channel *channel, uint64_t length);
int body_receive_direct(struct channel *channel, uint64_t length);
/* Polls for one direction: 0 or -errno. */
int channel_poll(struct channel *channel, short events);
