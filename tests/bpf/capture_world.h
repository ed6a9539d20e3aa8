/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The capture programs alone, with nothing of sonde behind them: a child, the only process selected, moves bytes over
 * connections of its own, one call when it is told to; the parent looks at each record that comes out of the ring.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/config.h"
#include "load/capture.h"

#define SEEN_MAX 4096
#define SEEN_BYTES 256

/* What was told of one call, copied. */
struct seen {
	uint64_t conn_id;
	enum direction direction;
	uint32_t position, length, captured_offset, captured_length;
	uint8_t data[SEEN_BYTES]; /* the beginning */
};

/* Both ends of a connection over loopback. */
struct pair {
	int server, client;
	uint16_t server_port, client_port;
};

#define MOVE_BYTES 65536

/* One call. */
struct move {
	int fd;
	bool sends;
	size_t size;
	size_t split; /* sent by writev, of two vectors; 0: by send */
	char data[MOVE_BYTES];
};

/* What the child is to do, in memory that both have. */
struct job {
	void (*run)(struct job *job);
	struct pair pair;
	struct move move;
};

struct world {
	struct config config;
	struct capture *capture;
	struct job *job;
	pid_t child;
	int go, done; /* pipes' ends */
	struct seen seen[SEEN_MAX];
	size_t count;
	struct connection_open opens[SEEN_MAX];
	size_t open_count;
	struct connection_end ends[SEEN_MAX];
	size_t end_count;
};

/* --- in the child */

/* A check; the parent then finds the child gone. */
#define child_must(condition)                                                               \
	do {                                                                                \
		if (!(condition)) {                                                         \
			fprintf(stderr, "%s:%d: %s: %m\n", __FILE__, __LINE__, #condition); \
			_exit(1);                                                           \
		}                                                                           \
	} while (0)

static inline void child_open_pair(struct job *job)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(address);
	struct pair *pair = &job->pair;

	child_must(listener >= 0 && !bind(listener, (struct sockaddr *)&address, sizeof(address)));
	child_must(!listen(listener, 1) && !getsockname(listener, (struct sockaddr *)&address, &size));
	pair->server_port = ntohs(address.sin_port);
	pair->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	child_must(pair->client >= 0 && !connect(pair->client, (struct sockaddr *)&address, sizeof(address)));
	child_must(!getsockname(pair->client, (struct sockaddr *)&address, &size));
	pair->client_port = ntohs(address.sin_port);
	pair->server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	child_must(pair->server >= 0);
	close(listener);
}

static inline void child_close_pair(struct job *job)
{
	close(job->pair.client);
	close(job->pair.server);
}

static inline void child_move(struct job *job)
{
	struct move *move = &job->move;
	struct iovec vectors[2] = {
		{ .iov_base = move->data, .iov_len = move->split },
		{ .iov_base = move->data + move->split, .iov_len = move->size - move->split },
	};
	ssize_t moved;

	if (!move->sends)
		moved = recv(move->fd, move->data, move->size, MSG_WAITALL);
	else
		moved = move->split ? writev(move->fd, vectors, 2) :
				      send(move->fd, move->data, move->size, MSG_NOSIGNAL);
	child_must(moved == (ssize_t)move->size);
}

/* On one processor: each remembers for itself (bpf/recent.h). */
static inline void child_run(struct job *job, int go, int done)
{
	cpu_set_t one;
	char word;
	int cpu = sched_getcpu();

	child_must(cpu >= 0 && cpu < CPU_SETSIZE);
	CPU_ZERO(&one);
	CPU_SET((size_t)cpu, &one);
	child_must(!sched_setaffinity(0, sizeof(one), &one));
	while (read(go, &word, 1) == 1) {
		job->run(job);
		child_must(write(done, &word, 1) == 1);
	}
	_exit(0);
}

/* --- in the parent */

static inline void child_start(struct world *world)
{
	int go[2], done[2];

	world->job = mmap(NULL, sizeof(*world->job), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(world->job, MAP_FAILED);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	assert_int_equal(pipe2(done, O_CLOEXEC), 0);
	world->child = fork();
	assert_true(world->child >= 0);
	if (!world->child) {
		close(go[1]);
		child_run(world->job, go[0], done[1]);
	}
	close(go[0]);
	close(done[1]);
	world->go = go[1];
	world->done = done[0];
}

static inline void child_do(struct world *world, void (*run)(struct job *job))
{
	char word = 0;

	world->job->run = run;
	assert_int_equal(write(world->go, &word, 1), 1);
	assert_int_equal(read(world->done, &word, 1), 1);
}

static inline void on_open(void *ctx, const struct connection_open *open)
{
	struct world *world = ctx;

	assert_in_range(world->open_count, 0, SEEN_MAX - 1);
	world->opens[world->open_count++] = *open;
}

static inline void on_segment(void *ctx, const struct segment *segment)
{
	struct world *world = ctx;
	struct seen *seen = &world->seen[world->count];
	size_t length = segment->captured_length < SEEN_BYTES ? segment->captured_length : SEEN_BYTES;

	assert_in_range(world->count, 0, SEEN_MAX - 1);
	world->count++;
	*seen = (struct seen){
		.conn_id = segment->conn_id,
		.direction = segment->direction,
		.position = segment->position,
		.length = segment->length,
		.captured_offset = segment->captured_offset,
		.captured_length = segment->captured_length,
	};
	if (length)
		memcpy(seen->data, segment->data, length);
}

static inline void on_end(void *ctx, const struct connection_end *end)
{
	struct world *world = ctx;

	assert_in_range(world->end_count, 0, SEEN_MAX - 1);
	world->ends[world->end_count++] = *end;
}

static inline void on_mapped(void *ctx, uint32_t tgid)
{
	(void)ctx, (void)tgid;
}

static inline void on_exec(void *ctx, const struct process_exec *exec)
{
	(void)ctx, (void)exec;
}

static inline void on_fork(void *ctx, const struct process_fork *process)
{
	(void)ctx, (void)process;
}

static inline void on_exit_seen(void *ctx, const struct process_exit *process)
{
	(void)ctx, (void)process;
}

static inline int world_open(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct capture_report report;
	char pid[32], error[CONFIG_ERROR_SIZE];
	char *const flags[] = { pid, NULL }, *const nothing[] = { NULL };
	struct capture_sink sink = { .ctx = world,
				     .open = on_open,
				     .segment = on_segment,
				     .end = on_end,
				     .mapped = on_mapped,
				     .exec = on_exec,
				     .sight = on_exec,
				     .fork = on_fork,
				     .exit = on_exit_seen };

	assert_non_null(world);
	*state = world;
	child_start(world);
	snprintf(pid, sizeof(pid), "--select.pid=%d", (int)world->child);
	if (config_load(1, flags, nothing, &world->config, error, sizeof(error)))
		fail_msg("%s", error);
	if (capture_new(&world->config, &sink, &world->capture, &report))
		fail_msg("%s", report.refused[report.refused_count - 1].text);
	return 0;
}

static inline int world_close(void **state)
{
	struct world *world = *state;

	capture_free(world->capture);
	close(world->go);
	close(world->done);
	waitpid(world->child, NULL, 0);
	munmap(world->job, sizeof(*world->job));
	config_free(&world->config);
	free(world);
	return 0;
}

/* Forgets what was seen so far. */
static inline void world_clear(struct world *world)
{
	capture_drain(world->capture);
	world->count = world->open_count = world->end_count = 0;
}

static inline void pair_open(struct world *world, struct pair *pair)
{
	child_do(world, child_open_pair);
	*pair = world->job->pair;
}

static inline void pair_close(struct world *world, const struct pair *pair)
{
	world->job->pair = *pair;
	child_do(world, child_close_pair);
}

static inline void send_split(struct world *world, int fd, const void *data, size_t size, size_t split)
{
	struct move *move = &world->job->move;

	assert_in_range(size, 1, sizeof(move->data));
	move->fd = fd;
	move->sends = true;
	move->size = size;
	move->split = split;
	memcpy(move->data, data, size);
	child_do(world, child_move);
}

static inline void send_bytes(struct world *world, int fd, const void *data, size_t size)
{
	send_split(world, fd, data, size, 0);
}

/* In one call: it is there already. */
static inline void receive_bytes(struct world *world, int fd, size_t size)
{
	struct move *move = &world->job->move;

	assert_in_range(size, 1, sizeof(move->data));
	move->fd = fd;
	move->sends = false;
	move->size = size;
	child_do(world, child_move);
}

/* The connection that this end of the pair is, by its ports; 0 when it was not told. */
static inline uint64_t conn_id_of(const struct world *world, uint16_t local, uint16_t remote)
{
	for (size_t i = world->open_count; i > 0; i--)
		if (world->opens[i - 1].local.port == local && world->opens[i - 1].remote.port == remote)
			return world->opens[i - 1].conn_id;
	return 0;
}

/* The n-th call told of one direction of a connection since the last world_clear; NULL: there are fewer. */
static inline const struct seen *seen_call(const struct world *world, uint64_t conn_id, enum direction direction,
					   size_t n)
{
	for (size_t i = 0; i < world->count; i++)
		if (world->seen[i].conn_id == conn_id && world->seen[i].direction == direction && !n--)
			return &world->seen[i];
	return NULL;
}

static inline size_t seen_calls(const struct world *world, uint64_t conn_id)
{
	size_t count = 0;

	for (size_t i = 0; i < world->count; i++)
		count += world->seen[i].conn_id == conn_id;
	return count;
}
