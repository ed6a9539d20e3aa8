/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared memory of a case: events between processes, the independent count, and the first failure. It is a memory
 * file, so that it survives the re-execution of actors. Counting takes a process-shared spin lock for nanoseconds.
 */
#include "truth.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LONG_WAIT 8

/* Bodies from here on are there for their size, and follow --scale. */
#define LARGE_BODY_BYTES (16U << 20)

const double duration_bounds[BOUND_COUNT] = {
	0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10
};

uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

void sleep_us(uint64_t us)
{
	struct timespec rest = { .tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000 };

	while (us && nanosleep(&rest, &rest) < 0 && errno == EINTR)
		;
}

int world_attach(int fd, struct world **ret_world)
{
	void *memory = mmap(NULL, sizeof(struct world), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		return -errno;
	*ret_world = memory;
	return 0;
}

int world_new(struct world **ret_world, int *ret_fd)
{
	/* Without MFD_CLOEXEC: actors find it by number after their exec. */
	int fd = memfd_create("truth-world", 0);
	int err;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, sizeof(struct world)) < 0 || (err = world_attach(fd, ret_world)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

void world_forget_counts(struct world *world)
{
	memset(world->rows, 0, sizeof(world->rows));
	memset(world->opaque, 0, sizeof(world->opaque));
	memset(world->latency, 0, sizeof(world->latency));
	world->row_count = 0;
	world->opaque_count = 0;
}

void world_reset(struct world *world)
{
	world_forget_counts(world);
	world->lock = 0;
	world->failed = 0;
	world->failure[0] = '\0';
	for (int i = 0; i < EVENT_COUNT; i++)
		world->events[i] = 0;
	for (int i = 0; i < FACT_COUNT; i++)
		world->facts[i] = 0;
	for (int i = 0; i < 8; i++)
		world->scratch[i] = 0;
}

void event_post(struct world *world, enum event event)
{
	world->events[event]++;
	syscall(SYS_futex, &world->events[event], FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

int event_wait(struct world *world, enum event event, uint32_t at_least)
{
	const struct timespec slice = { .tv_nsec = 20000000 };
	/* Servers wait for the end of all that happens, agents' starts among it; the alarm is their limit. */
	uint64_t patience = event == EVENT_STOP || event == EVENT_GO ? LONG_WAIT : 1;
	uint64_t deadline = clock_ns() + patience * world->deadline_s * 1000000000U;

	for (;;) {
		uint32_t now = world->events[event];

		if (now >= at_least)
			return 0;
		if (world->failed)
			return -ECANCELED;
		if (clock_ns() > deadline)
			return -ETIMEDOUT;
		syscall(SYS_futex, &world->events[event], FUTEX_WAIT, now, &slice, NULL, 0);
	}
}

int world_fail(struct world *world, const char *format, ...)
{
	va_list arguments;

	if (world->failed++)
		return -1;
	va_start(arguments, format);
	vsnprintf(world->failure, sizeof(world->failure), format, arguments);
	va_end(arguments);
	return -1;
}

void fact_add(struct world *world, enum fact fact, uint64_t n)
{
	world->facts[fact] += n;
}

static void world_lock(struct world *world)
{
	uint32_t expected = 0;

	while (!__atomic_compare_exchange_n((uint32_t *)&world->lock, &expected, 1, false, __ATOMIC_ACQUIRE,
					    __ATOMIC_RELAXED)) {
		expected = 0;
		sched_yield();
	}
}

static void world_unlock(struct world *world)
{
	__atomic_store_n((uint32_t *)&world->lock, 0, __ATOMIC_RELEASE);
}

static bool same_key(const struct tally_row *row, const char *role, const struct completed *done, const char *error)
{
	return row->side == done->side && row->status == done->status && !strcmp(row->method, done->method) &&
	       !strcmp(row->role, role) && !strcmp(row->error, error);
}

static struct tally_row *row_of(struct world *world, const char *role, const struct completed *done, const char *error)
{
	struct tally_row *row;

	for (uint32_t i = 0; i < world->row_count; i++)
		if (same_key(&world->rows[i], role, done, error))
			return &world->rows[i];
	if (world->row_count == TALLY_ROWS_MAX)
		return NULL;
	row = &world->rows[world->row_count++];
	snprintf(row->role, sizeof(row->role), "%s", role);
	snprintf(row->method, sizeof(row->method), "%s", done->method);
	snprintf(row->error, sizeof(row->error), "%s", error);
	row->side = done->side;
	row->status = done->status;
	row->whole = !done->error && !done->optional;
	row->optional = done->optional;
	return row;
}

static void observe(struct own_histogram *own, uint64_t duration_ns)
{
	double seconds = (double)duration_ns / 1e9;
	int bucket = 0;

	while (bucket < BOUND_COUNT && seconds > duration_bounds[bucket])
		bucket++;
	own->counts[bucket]++;
	own->count++;
	own->sum += seconds;
}

void tally(struct actor *self, const struct completed *done)
{
	struct world *world = self->world;
	char error[24] = "";
	struct tally_row *row;

	/* Semantic conventions: the status code is the error, of 5xx on both sides, of 4xx on the client's only. */
	if (done->error)
		snprintf(error, sizeof(error), "%s", done->error);
	else if (done->status >= 500 || (done->status >= 400 && done->side == SIDE_CLIENT))
		snprintf(error, sizeof(error), "%d", done->status);
	world_lock(world);
	row = row_of(world, self->role, done, error);
	if (row) {
		row->count++;
		row->request_bytes += done->request_bytes;
		row->response_bytes += done->response_bytes;
		if (done->duration_ns)
			observe(&world->latency[done->side], done->duration_ns);
	}
	world_unlock(world);
	if (!row)
		world_fail(world, "more kinds of exchanges than the tally holds");
}

void tally_opaque(struct actor *self, const char *reason, uint64_t bytes)
{
	struct world *world = self->world;
	struct opaque_row *row = NULL;

	world_lock(world);
	for (uint32_t i = 0; i < world->opaque_count && !row; i++)
		if (!strcmp(world->opaque[i].role, self->role) && !strcmp(world->opaque[i].reason, reason))
			row = &world->opaque[i];
	if (!row && world->opaque_count < OPAQUE_ROWS_MAX) {
		row = &world->opaque[world->opaque_count++];
		snprintf(row->role, sizeof(row->role), "%s", self->role);
		snprintf(row->reason, sizeof(row->reason), "%s", reason);
	}
	if (row) {
		row->connections++;
		row->bytes += bytes;
	}
	world_unlock(world);
	if (!row)
		world_fail(world, "more kinds of opaque connections than the tally holds");
}

uint64_t tally_count(const struct world *world, enum side side, const char *role)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < world->row_count; i++)
		if (world->rows[i].side == side && (!role || !strcmp(world->rows[i].role, role)))
			sum += world->rows[i].count;
	return sum;
}

uint64_t scaled_count(const struct world *world, uint64_t n, bool scaled)
{
	uint64_t result = scaled ? (uint64_t)((double)n * world->scale) : n;

	return result ? result : 1;
}

uint64_t scaled_bytes(const struct world *world, uint64_t bytes)
{
	return bytes >= LARGE_BODY_BYTES ? (uint64_t)((double)bytes * world->scale) : bytes;
}
