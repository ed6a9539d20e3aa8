/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of load/ share: the state of one loaded capture. For load/ only.
 */
#pragma once

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "base/hash_table.h"
#include "base/id_map.h"
#include "load/capture.h"
#include "load/kept.h"
#include "load/ring.h"

/* The skeleton needs the events' types before it. */
#include "bpf/events.h"

#include "bpf/capture.skel.h"

#define LINKS_MAX 48

/* A unix socket whose end the tracepoint backend has to look for. */
struct known_socket {
	struct hash_node node;
	uint64_t conn_id;
	uint64_t sock;
	uint64_t inode;
	bool gone;
};

/* Which two programs tell TCP's states and ends, where one may be skipped: see tcp_state_twin and tcp_state_perf. */
enum ends_watch {
	ENDS_TWINS,           /* and nothing is preempted */
	ENDS_TWINS_PREEMPTED, /* no tracefs: no perf's events */
	ENDS_PERF,
	ENDS_PERF_BESIDE, /* the one that is not perf's knows what the other one misses */
};

struct capture {
	struct capture_bpf *bpf;
	struct kept kept;             /* all of it, once it is attached */
	const struct kept *companion; /* tls.c: programs beside, which share some of the maps; NULL */
	struct bpf_link *links[LINKS_MAX];
	size_t link_count;
	struct bpf_link *blocked_link; /* blocked.c; NULL when not needed, or no longer */
	uint64_t blocked_since_ns;
	int splice_fd;       /* unix.c; a link, -1 while no unix connection is of interest */
	bool splice_refused; /* it was tried */
	enum config_backend backend;
	enum ends_watch ends_watch;
	struct ring ring;
	int epoll_fd;
	int stats_fd; /* keeps the kernel's program statistics on; -1 */
	struct capture_sink sink;
	struct id_map socks;            /* of each connection, by conn_id: the key of requests */
	struct hash_table unix_sockets; /* of known_socket, by conn_id */
	struct hash_node *sweep_next;
	uint64_t sweep_ns;
	uint64_t malformed_events;
	const struct counts *counts; /* of each possible processor; figures.c */
	size_t counts_size, cpus;
};

/* --- preempt.c: does this kernel preempt programs there? Found by trying, which takes some milliseconds. What could
 * not be seen is taken for preempted: that way costs something, but misses nothing. */
enum preemptible {
	PREEMPTIBLE_FUNCTIONS,   /* fexit */
	PREEMPTIBLE_TRACEPOINTS, /* BTF tracepoints */
};
bool preemption_seen(enum preemptible what);
/* Can a program ask whether perf's programs are skipped? See bpf/perf_depth.h. */
bool perf_depth_known(void);

/* Around system calls on maps: perf's programs are kept from running on this processor meanwhile, so no other thread is
 * to run there either. Without the right to it nothing changes. */
struct undisturbed {
	int policy;
	int priority;
	bool raised;
};
struct undisturbed undisturbed_begin(void);
void undisturbed_end(const struct undisturbed *undisturbed);
/* For the rest of a block. */
#define UNDISTURBED \
	__attribute__((cleanup(undisturbed_end), unused)) const struct undisturbed undisturbed = undisturbed_begin()

/* --- backend.c: which programs a backend has */
struct bpf_program_rule {
	const char *name;
	const char *symbol; /* the kernel function it needs, NULL for a tracepoint; absent functions are left out */
	uint8_t backends;   /* bit 1 << enum config_backend */
	bool required;
	int arity; /* parameters of `symbol` that the program is written for; 0: any */
};
void backend_select_programs(struct capture *capture, const struct btf *btf);
/* Is it worth to load all its programs? Each is verified on its own, which takes a tenth of a second. */
MUST_CHECK int backend_check(const struct btf *btf, enum config_backend backend, struct capture_error *ret_error);
MUST_CHECK int backend_attach(struct capture *capture, struct capture_error *ret_error);

/* --- probe.c: loads and attaches a program that does nothing, the way the backend would */
MUST_CHECK int backend_probe(const struct btf *btf, enum config_backend backend, struct capture_error *ret_error);

/* --- kernel.c: what the running kernel's BTF says */
bool kernel_has_function(const struct btf *btf, const char *name);
/* In the structure itself, not in one without a name inside of it. */
bool kernel_has_member(const struct btf *btf, const char *structure, const char *name);
bool kernel_has_tracepoint(const struct btf *btf, const char *name);
/* Number of parameters, or -ENOENT. */
int kernel_function_arity(const struct btf *btf, const char *name);
/* Index of a cgroup v1 controller in css_set.subsys, or -ENOENT. */
int kernel_controller_index(const struct btf *btf, const char *controller);

/* --- calls.c */
void calls_fill(volatile const uint8_t *kinds);

/* --- select.c: what the configuration selects, written into the read-only data before loading and the maps after. */
MUST_CHECK int select_configure(struct capture_bpf *bpf, const struct btf *btf, const struct config *config,
				struct capture_error *ret_error);
/* The kernel's terms for a cgroup's directory. */
MUST_CHECK int select_resolve(const struct btf *btf, const char *path, struct selected_cgroup *ret_cgroup,
			      struct capture_error *ret_error);
MUST_CHECK int select_fill_maps(struct capture_bpf *bpf, const struct config *config, struct capture_error *ret_error);

/* --- blocked.c: calls that sleep while the function hooks are attached */
void blocked_remember(struct capture *capture);
void blocked_let_go(struct capture *capture, uint64_t now_ns);

/* --- unix.c: what the tracepoint backend cannot see of unix sockets where bpf/socket.h is its front end */
/* Tells the kernel side which unix connections there are already. */
MUST_CHECK int unix_remember(struct capture *capture);
/* A unix connection is of a protocol that is read: splices out of it matter from now on. */
void unix_watch_splices(struct capture *capture);

/* --- figures.c: the kernel side's counters, mapped */
MUST_CHECK int counters_open(struct capture *capture);
void counters_close(struct capture *capture);

/* --- sockets.c */
void sockets_init(struct capture *capture, size_t connections_max);
void sockets_opened(struct capture *capture, const struct open_event *event);
void sockets_ended(struct capture *capture, const struct end_event *event);
void sockets_free(struct capture *capture);

/* --- figures.c */
void figures_each_map(const struct kept *kept, void (*visit)(void *ctx, const struct capture_map *map), void *ctx);
void figures_each_program(const struct kept *kept, void (*visit)(void *ctx, const struct capture_program *program),
			  void *ctx);
/* The sum over all CPUs of one element of a per-CPU array of 64-bit counters. */
MUST_CHECK int figures_read_counter(int map_fd, uint32_t index, uint64_t *ret_sum);

__attribute__((format(printf, 2, 3))) void capture_error_set(struct capture_error *error, const char *format, ...);
