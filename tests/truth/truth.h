/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The truth layer: workloads that count what they did, and a comparison of those counts with what sonde exports.
 * This header holds what every part shares: the shared memory in which the workload's processes count, the table row
 * that describes a case, and an actor (one workload process). No sonde code is used here: the witness is independent.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "io.h"

enum side {
	SIDE_SERVER,
	SIDE_CLIENT,
	SIDE_COUNT,
};

enum family {
	FAMILY_TCP4,
	FAMILY_TCP6,
	FAMILY_UNIX,     /* a path */
	FAMILY_ABSTRACT, /* a name of the abstract name space */
	FAMILY_COUNT,
};

#define TCP4 (1U << FAMILY_TCP4)
#define TCP6 (1U << FAMILY_TCP6)
#define UNIX (1U << FAMILY_UNIX)
#define ABSTRACT (1U << FAMILY_ABSTRACT)
#define TCP (TCP4 | TCP6)
#define EVERY (TCP4 | TCP6 | UNIX)

/* The bounds that the semantic conventions give to request durations: own histograms use the same. */
#define BOUND_COUNT 14
extern const double duration_bounds[BOUND_COUNT];

#define TALLY_ROWS_MAX 64
#define OPAQUE_ROWS_MAX 8
#define EVENT_COUNT 16
#define ROLE_LENGTH 16
#define FAILURE_LENGTH 300

/* Events are counters that only grow; waiting is for a value. The first four have a fixed meaning. */
enum event {
	EVENT_READY,    /* one more actor is ready for its peers */
	EVENT_STOP,     /* servers shall end */
	EVENT_GO,       /* the runner lets a waiting actor go on */
	EVENT_PROGRESS, /* exchanges completed by clients, for runners that wait for load to flow */
	EVENT_FREE,     /* first one that scripts use as they like */
};

/* What a process says it completed: the independent count. */
struct tally_row {
	char role[ROLE_LENGTH];
	char method[12];
	char error[24]; /* the expected error_type */
	uint32_t side;
	int32_t status; /* 0: no response */
	bool whole;     /* ended in good order: its body sizes are compared too */
	bool optional;  /* may be seen or not (half of it was before the agent), under any status */
	uint64_t count;
	uint64_t request_bytes;
	uint64_t response_bytes;
};

/* Connections that must be told as not understood. */
struct opaque_row {
	char role[ROLE_LENGTH];
	char reason[16]; /* "" any */
	uint64_t connections;
	uint64_t bytes;
};

struct own_histogram {
	uint64_t counts[BOUND_COUNT + 1];
	uint64_t count;
	double sum;
};

/* Shared by the runner and all actors of the case that runs (MAP_SHARED). */
struct world {
	_Atomic uint32_t lock;
	_Atomic uint32_t events[EVENT_COUNT];
	_Atomic uint32_t failed;
	_Atomic uint32_t interrupted; /* the runner was told to end */
	_Atomic uint64_t facts[FACT_COUNT];
	char failure[FAILURE_LENGTH];
	struct sockaddr_storage address[2]; /* 0 of the server, 1 of the upstream behind a proxy */
	socklen_t address_length[2];
	double scale;        /* multiplies the counts and sizes of the big cases */
	unsigned deadline_s; /* of everything an actor waits for */
	char directory[64];  /* for unix sockets */
	struct tally_row rows[TALLY_ROWS_MAX];
	uint32_t row_count;
	struct opaque_row opaque[OPAQUE_ROWS_MAX];
	uint32_t opaque_count;
	struct own_histogram latency[SIDE_COUNT];
	_Atomic uint64_t scratch[8];
};

enum framing {
	FRAMING_NONE,
	FRAMING_LENGTH,
	FRAMING_CHUNKED,
	FRAMING_CHUNKED_RICH, /* extensions, hexadecimal of both cases, leading zeros, trailers */
	FRAMING_CLOSE,        /* responses only */
};

/* One kind of exchange. Request number i of a connection follows plan i modulo the number of plans. */
struct plan {
	const char *method; /* NULL ends the list */
	const char *target; /* NULL: "/truth" */
	enum framing request;
	enum framing response;
	uint64_t request_bytes;
	uint64_t response_bytes;
	int status; /* 0: 200 */
	bool version_10;
	bool interim;             /* 102 and two 103 before the final response */
	bool expect;              /* Expect: 100-continue, and the server says 100 */
	unsigned request_padding; /* bytes of header fields added to the head */
	unsigned response_padding;
	unsigned delay_us; /* of the server, before it answers */
	unsigned drip_us;  /* of the server, before each of five parts of the response's body */
	unsigned think_us; /* of the client, before this request, on a connection that is open */
};

#define PLANS_MAX 8

/* The plan-driven server and client: see server.c, client.c. Zero means one, or the default. */
struct load {
	unsigned connections; /* in all */
	unsigned threads;     /* of the client, each with one connection at a time */
	unsigned requests;    /* per connection */
	unsigned depth;       /* pipelined: so many requests in one send */
	bool coalesce;        /* the server answers a pipelined batch in one send */
	bool close_each;      /* Connection: close, the server closes */
	bool other_thread;    /* the server answers from another thread than the one that read */
	bool scaled;          /* connections or requests follow --scale; body sizes of 16 MiB and more always do */
	struct io server;
	struct io client;
	struct plan plans[PLANS_MAX];
};

struct actor;
struct truth;
struct truth_case;

struct actor_role {
	const char *role; /* NULL ends the list */
	int (*main)(struct actor *self);
	bool spawned; /* not by the runner: by another actor */
};

#define ROLES_MAX 5

enum check_flags {
	CHECK_LATENCY = 1U << 0,  /* bucket counts within one bucket of the workload's own */
	CHECK_CAPTURED = 1U << 1, /* bytes copied below 1 % of the bytes moved */
	ALLOW_OUT_OF_STEP =
		1U << 2, /* malformed traffic: the counters may, and unless exact rows say it all, must move */
	ALLOW_ONE_EXCHANGE =
		1U << 3,     /* malformed traffic: a server may have one exchange with the answer's status, or none */
	OWN_AGENT = 1U << 4, /* `run` starts and stops the agent itself */
	CHECK_LABELS = 1U << 5,         /* the labels that do not vary are there and right */
	ONE_SIDED = 1U << 7,            /* only one side has the exchanges, by the nature of the case */
	NEEDS_URING = 1U << 8,          /* skipped where io_uring is forbidden */
	NEEDS_FUNCTION_HOOKS = 1U << 6, /* skipped by the tracepoint backend, which cannot see it by design */
};

/* One row of the tables in cases_*.c. Expanded to one test for each family. */
struct truth_case {
	const char *name;
	int number; /* of the list, 1 to 9; 10 is latency */
	const char *description;
	uint32_t families;
	uint32_t flags;
	uint32_t needs;     /* bits of enum fact: each must be above zero, or the workload did not do what it says */
	struct load load;   /* used by the plan-driven actors */
	const void *script; /* used by the script actors */
	struct actor_role roles[ROLES_MAX]; /* empty: server and client by plan. The last one ends the case */
	int (*run)(struct truth *truth, const struct truth_case *kase, enum family family); /* NULL: run_actors */
};

/* One process of a workload. */
struct actor {
	struct world *world;
	int world_fd; /* stays open over exec, for actors that start actors */
	const struct truth_case *kase;
	enum family family;
	const char *role;
	/* A proxy's: what the server does between request and answer. 0 or -errno. */
	int (*call)(struct actor *self, uint32_t plan);
	void *context;
};

/* --- world.c --- */

/* A shared world behind a memory file whose descriptor survives exec. -errno. */
int world_new(struct world **ret_world, int *ret_fd);
int world_attach(int fd, struct world **ret_world);
/* Back to nothing counted; configuration stays. */
void world_reset(struct world *world);
/* Forgets what was counted, not what happened (events, addresses). */
void world_forget_counts(struct world *world);
void event_post(struct world *world, enum event event);
/* 0, or -ETIMEDOUT after the world's deadline, -ECANCELED when an actor failed. */
int event_wait(struct world *world, enum event event, uint32_t at_least);
/* Keeps the first failure's text. Returns -1, so that `return world_fail(...)` reads well. */
int world_fail(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fact_add(struct world *world, enum fact fact, uint64_t n);

struct completed {
	enum side side;
	const char *method;
	int status;
	const char *error; /* NULL: by status and side, and the exchange was whole */
	uint64_t request_bytes;
	uint64_t response_bytes;
	uint64_t duration_ns; /* 0: not measured */
	bool optional;
};

void tally(struct actor *self, const struct completed *done);
void tally_opaque(struct actor *self, const char *reason, uint64_t bytes);
/* Sum of counts of a side; role NULL: all. */
uint64_t tally_count(const struct world *world, enum side side, const char *role);
uint64_t clock_ns(void);
void sleep_us(uint64_t us);
/* n, or n times the scale when `scaled`, at least 1. */
uint64_t scaled_count(const struct world *world, uint64_t n, bool scaled);
/* Bodies of 16 MiB and more follow the scale. */
uint64_t scaled_bytes(const struct world *world, uint64_t bytes);

/* --- transport.c --- */

const char *family_text(enum family family);
bool family_is_tcp(enum family family);
/* Listens on a free address and publishes it in world->address[slot]. Descriptor or -errno. */
int transport_listen(struct actor *self, int slot, bool reuse_port);
int transport_connect(struct actor *self, int slot);
/* After a successful accept or connect: no delay, socket buffers. */
int transport_tune(int fd, enum family family, const struct io *io);
/* RST instead of FIN. */
int transport_reset(int fd);
int transport_send_fd(int channel, int fd);
int transport_receive_fd(int channel);

/* --- server.c, client.c, script.c: the actors' main functions --- */

int server_actor(struct actor *self);
int client_actor(struct actor *self);
/* Parts of them, for special actors. */
int server_accept_loop(struct actor *self, int listen_fd, unsigned threads);
int server_serve(struct actor *self, int fd, unsigned limit);
/* One server thread and one client thread over two connected sockets of this process. */
int pair_converse(struct actor *self, int server_fd, int client_fd);
int client_converse(struct actor *self, int fd, unsigned requests, unsigned first);
int script_server_actor(struct actor *self);
int script_client_actor(struct actor *self);

/* --- process.c --- */

/* Starts one actor in the cgroup, re-executed, with its service name. pid or -errno. */
pid_t actor_start(struct truth *truth, const struct truth_case *kase, enum family family,
		  const struct actor_role *role);
/* Like it from inside an actor: the child is already in the cgroup. `service_role` names the service. */
pid_t actor_spawn(struct actor *self, const char *role, const char *service_role);
/* 0 when it ended with status 0 before the deadline. */
int actor_wait(struct truth *truth, pid_t pid);
/* Inside an actor: waits for all of its own children, which must end well. 0 or -1. */
int wait_for_children(struct actor *self);
int actor_main(int argc, char **argv);
/* Starts the case's actors in order, waits for the last, stops the others. */
int run_actors(struct truth *truth, const struct truth_case *kase, enum family family);
/* The same in two halves, with time between them. pids has ROLES_MAX entries. */
int start_actors(struct truth *truth, const struct truth_case *kase, enum family family, pid_t *pids);
int finish_actors(struct truth *truth, pid_t *pids);
/* The server counts after its last send has returned, which may be later than the client: waits until they agree. */
int await_agreement(const struct world *world);
const struct actor_role *case_roles(const struct truth_case *kase);

/* --- cases_*.c --- */

extern const struct truth_case cases_load[], cases_open[], cases_framing[], cases_calls[], cases_life[],
	cases_restart[], cases_abort[], cases_size[], cases_hops[], cases_foreign[], cases_latency[];
/* Every table, NULL-terminated. */
extern const struct truth_case *const case_tables[];
const struct truth_case *case_find(const char *name);
