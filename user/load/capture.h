/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel side as the agent sees it: opens, configures, loads and attaches the BPF programs of the first backend
 * that works, drains the ring into plain records, and carries requests (skip, mute) back. Chooses by trying, never by
 * version.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "model/connection.h"
#include "model/plain.h"
#include "model/process.h"
#include "model/segment.h"

struct capture;

/* Where drained records go. Called from capture_drain and capture_sweep only. */
struct capture_sink {
	void *ctx;
	void (*open)(void *ctx, const struct connection_open *open);
	void (*segment)(void *ctx, const struct segment *segment);
	void (*end)(void *ctx, const struct connection_end *end);
	void (*plain)(void *ctx, const struct plain_segment *plain);
	void (*plain_end)(void *ctx, const struct plain_end *end);
	/* The last PLAIN_TAIL_BYTES of the ciphertext that was made of plaintext already told. */
	void (*plain_tail)(void *ctx, uint64_t tls_id, const uint8_t *tail);
	/* A process maps a TLS library. */
	void (*mapped)(void *ctx, uint32_t tgid);
	void (*exec)(void *ctx, const struct process_exec *exec);
	/* A process that ran before the agent moves its first bytes. */
	void (*sight)(void *ctx, const struct process_exec *exec);
	void (*fork)(void *ctx, const struct process_fork *fork);
	void (*exit)(void *ctx, const struct process_exit *exit);
};

#define CAPTURE_MESSAGE_BYTES 512

/* What went wrong, for a person: names the object, the value and the remedy. */
struct capture_error {
	char text[CAPTURE_MESSAGE_BYTES];
};

#define CAPTURE_BACKENDS 3

/* Backends that were tried and refused, in order. */
struct capture_report {
	struct capture_error refused[CAPTURE_BACKENDS];
	size_t refused_count;
};

/* Loads and attaches. With BACKEND_AUTO tries fentry, kprobe, tracepoint in this order. `ret_report` is filled either
 * way: on failure its last entry is the reason. Needs root, or CAP_BPF, CAP_PERFMON and, for others' /proc,
 * CAP_SYS_PTRACE. */
MUST_CHECK int capture_new(const struct config *config, const struct capture_sink *sink, struct capture **ret_capture,
			   struct capture_report *ret_report);
/* Detaches and unloads: nothing is left in the kernel. Takes NULL. */
void capture_free(struct capture *capture);

/* Becomes readable when the ring fills up or bulk arrives. Drain every few milliseconds without waiting for it. */
int capture_fd(const struct capture *capture);
/* Hands on all that is in the ring; returns how many events. */
size_t capture_drain(struct capture *capture);
/* Tracepoint backend: looks after unix sockets whose end no hook tells, a few at each call. `now_ns` is
 * CLOCK_MONOTONIC. */
void capture_sweep(struct capture *capture, uint64_t now_ns);
/* Tells the kernel about a process whose executable has been looked up. */
void capture_decide(struct capture *capture, uint32_t tgid, bool executable_selected);
/* Requests of stream. `capture` is the ctx. */
struct capture_control capture_control_of(struct capture *capture);

enum config_backend capture_backend(const struct capture *capture);
const char *capture_backend_text(enum config_backend backend);
/* What a backend cannot see, one sentence; "" when it sees all. */
const char *capture_backend_limits(enum config_backend backend);

/* --- figures about itself; each is read from the kernel when called */

struct capture_counter {
	const char *reason; /* label value */
	uint64_t value;
};

#define CAPTURE_LOSSES_MAX 16

struct capture_figures {
	struct capture_counter lost[CAPTURE_LOSSES_MAX]; /* events that did not arrive, by reason */
	size_t lost_count;
	uint64_t segments;        /* put into the ring */
	uint64_t captured_bytes;  /* of payload */
	uint64_t observed_bytes;  /* that crossed observed connections */
	uint64_t silent_segments; /* not sent, as asked */
	uint64_t truncated_calls;
	uint64_t scarce_calls;
	uint64_t lost_received_bytes, lost_sent_bytes; /* of calls that found no room in the ring */
	uint64_t cut_openings, cut_ends;               /* connections of which these found none */
	uint64_t malformed_events;                     /* refused by the receiver: the two sides disagree */
};

MUST_CHECK int capture_read_figures(struct capture *capture, struct capture_figures *ret_figures);

struct capture_map {
	const char *name;
	uint64_t bytes;   /* of kernel memory, as the kernel accounts it */
	uint64_t entries; /* that it may hold */
};

struct capture_program {
	const char *name;
	const char *hook; /* "fexit/tcp_sendmsg" */
	uint64_t runs;    /* 0 unless program statistics are on */
	uint64_t run_time_ns;
	uint64_t missed; /* times that the kernel did not run it (recursion) */
	uint64_t bytes;  /* of kernel memory */
};

/* Walks maps and attached programs. */
void capture_each_map(struct capture *capture, void (*visit)(void *ctx, const struct capture_map *map), void *ctx);
void capture_each_program(struct capture *capture, void (*visit)(void *ctx, const struct capture_program *program),
			  void *ctx);

/* --- for doctor: tries one backend and lets it go again. */
MUST_CHECK int capture_try(const struct config *config, enum config_backend backend, struct capture_error *ret_error);
/* What the running kernel offers, found by looking: "" when present, else why not. */
const char *capture_missing_btf(void);
