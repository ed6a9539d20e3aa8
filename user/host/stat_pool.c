/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list of paths is a batch on the heap. Workers take one path of it after the other under the pool's lock; a batch
 * whose worker hangs is set aside, belongs to that worker, and is freed by it if it ever comes back. Answers are copied
 * out for the caller, so that a late worker changes nothing that is being read.
 *
 * The pool itself is counted like a batch: it may go while workers hang in it.
 */
#include "host/stat_pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "host/internal.h"

#define WORKERS_MAX 64
#define PATHS_MAX ((size_t)1 << 20)
#define PATHS_BYTES_MAX ((size_t)256 << 20)
#define STACK_BYTES ((size_t)64 << 10)
#define SLICE_NS (5 * NS_PER_MS)
#define PATIENCE_NS (20 * NS_PER_MS) /* without an answer for so long, another worker helps */

struct item {
	size_t path; /* where it begins in the batch's text */
	struct stat_answer answer;
};

struct batch {
	struct item *items;
	size_t count, capacity;
	char *text;
	size_t text_length, text_capacity;
	size_t taken, answered;
	size_t users; /* workers inside, and one for the pool while it is the current batch */
};

struct stat_pool {
	pthread_mutex_t lock;
	pthread_cond_t work, answers;
	struct batch *current; /* NULL: between runs */
	struct batch *filling; /* owned by the caller's thread */
	struct batch *aside[WORKERS_MAX];
	size_t workers, workers_max, idle, users;
	bool ending;
};

static void batch_free(struct batch *batch)
{
	if (!batch)
		return;
	free(batch->items);
	free(batch->text);
	free(batch);
}

int stat_pool_new(size_t workers, struct stat_pool **ret_pool)
{
	struct stat_pool *pool = calloc(1, sizeof(*pool));
	pthread_condattr_t attributes;

	if (!pool)
		return -ENOMEM;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&pool->answers, &attributes);
	pthread_condattr_destroy(&attributes);
	pool->workers_max = workers < WORKERS_MAX ? workers : WORKERS_MAX;
	pool->users = 1;
	*ret_pool = pool;
	return 0;
}

/* The lock is held, and let go; the last one out frees. */
static void leave(struct stat_pool *pool)
{
	bool last = !--pool->users;

	pthread_mutex_unlock(&pool->lock);
	if (!last)
		return;
	batch_free(pool->filling);
	pthread_mutex_destroy(&pool->lock);
	pthread_cond_destroy(&pool->work);
	pthread_cond_destroy(&pool->answers);
	free(pool);
}

void stat_pool_free(struct stat_pool *pool)
{
	if (!pool)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->ending = true;
	pthread_cond_broadcast(&pool->work);
	leave(pool);
}

/* The lock is held. A batch that was set aside goes with its last worker. */
static void batch_leave(struct stat_pool *pool, struct batch *batch)
{
	if (--batch->users)
		return;
	for (size_t i = 0; i < WORKERS_MAX; i++)
		if (pool->aside[i] == batch)
			pool->aside[i] = NULL;
	if (batch != pool->filling)
		batch_free(batch);
}

/* The lock is held; it is let go while the kernel is asked. */
static void work_through(struct stat_pool *pool, struct batch *batch)
{
	batch->users++;
	while (pool->current == batch && batch->taken < batch->count) {
		struct item *item = &batch->items[batch->taken++];
		const char *path = batch->text + item->path;
		struct statfs info;
		int error;

		item->answer.state = STAT_STUCK;
		pthread_mutex_unlock(&pool->lock);
		error = statfs(path, &info) ? -errno : 0;
		pthread_mutex_lock(&pool->lock);
		item->answer = (struct stat_answer){ .state = STAT_DONE, .error = error, .info = info };
		batch->answered++;
	}
	if (batch->answered == batch->count)
		pthread_cond_signal(&pool->answers);
	batch_leave(pool, batch);
}

static void *worker(void *ctx)
{
	struct stat_pool *pool = ctx;

	pthread_mutex_lock(&pool->lock);
	while (!pool->ending) {
		if (pool->current && pool->current->taken < pool->current->count) {
			work_through(pool, pool->current);
			continue;
		}
		pool->idle++;
		pthread_cond_wait(&pool->work, &pool->lock);
		pool->idle--;
	}
	leave(pool);
	return NULL;
}

/* The lock is held. Wakes an idle worker, or makes one. */
static int more_hands(struct stat_pool *pool)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int error;

	if (pool->idle) {
		pthread_cond_signal(&pool->work);
		return 0;
	}
	if (pool->workers == pool->workers_max)
		return 0;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	error = pthread_create(&thread, &attributes, worker, pool);
	pthread_attr_destroy(&attributes);
	if (error)
		return -EAGAIN;
	pool->workers++;
	pool->users++;
	return 0;
}

void stat_pool_begin(struct stat_pool *pool)
{
	struct batch *batch;

	pthread_mutex_lock(&pool->lock);
	batch = pool->filling;
	if (batch) {
		batch->count = batch->text_length = batch->taken = batch->answered = 0;
	}
	pthread_mutex_unlock(&pool->lock);
}

static bool batch_hangs(const struct batch *batch, const char *path)
{
	for (size_t i = 0; i < batch->taken; i++)
		if (batch->items[i].answer.state == STAT_STUCK && !strcmp(batch->text + batch->items[i].path, path))
			return true;
	return false;
}

bool stat_pool_hangs(struct stat_pool *pool, const char *path)
{
	bool hangs = false;

	pthread_mutex_lock(&pool->lock);
	for (size_t i = 0; i < WORKERS_MAX && !hangs; i++)
		hangs = pool->aside[i] && batch_hangs(pool->aside[i], path);
	pthread_mutex_unlock(&pool->lock);
	return hangs;
}

static int make_room(struct batch *batch, size_t length)
{
	size_t wanted = batch->text_capacity ? batch->text_capacity : 4096;
	char *grown;

	if (batch->count == batch->capacity) {
		struct item *items = host_grow(batch->items, &batch->capacity, sizeof(*items), PATHS_MAX);

		if (!items)
			return -ENOMEM;
		batch->items = items;
	}
	while (wanted < batch->text_length + length)
		wanted *= 2;
	if (wanted == batch->text_capacity)
		return 0;
	grown = wanted <= PATHS_BYTES_MAX ? realloc(batch->text, wanted) : NULL;
	if (!grown)
		return -ENOMEM;
	batch->text = grown;
	batch->text_capacity = wanted;
	return 0;
}

int stat_pool_add(struct stat_pool *pool, const char *path)
{
	size_t length = strlen(path) + 1;
	struct batch *batch = pool->filling;
	int error;

	if (!batch)
		batch = pool->filling = calloc(1, sizeof(*batch));
	if (!batch)
		return -ENOMEM;
	error = make_room(batch, length);
	if (error)
		return error;
	memcpy(batch->text + batch->text_length, path, length);
	batch->items[batch->count++] = (struct item){ .path = batch->text_length };
	batch->text_length += length;
	return 0;
}

static void wait_slice(struct stat_pool *pool, uint64_t until_ns)
{
	struct timespec until = { .tv_sec = (time_t)(until_ns / NS_PER_SECOND),
				  .tv_nsec = (long)(until_ns % NS_PER_SECOND) };

	pthread_cond_timedwait(&pool->answers, &pool->lock, &until);
}

/* The lock is held, and let go while `idle` runs. */
static int wait_for_answers(struct stat_pool *pool, struct batch *batch, uint64_t deadline_ns, void (*idle)(void *ctx),
			    void *ctx)
{
	uint64_t now = clock_monotonic_ns(), answer_ns = now;
	size_t answered = 0;
	int error = more_hands(pool);

	while (!error && batch->answered < batch->count && now < deadline_ns) {
		wait_slice(pool, now + SLICE_NS < deadline_ns ? now + SLICE_NS : deadline_ns);
		now = clock_monotonic_ns();
		if (batch->answered == batch->count)
			break;
		if (batch->answered != answered)
			answer_ns = now;
		else if (now - answer_ns > PATIENCE_NS)
			error = more_hands(pool);
		answered = batch->answered;
		pthread_mutex_unlock(&pool->lock);
		if (idle)
			idle(ctx);
		pthread_mutex_lock(&pool->lock);
	}
	return error;
}

/* The lock is held. The caller goes on with a copy; what hangs in the batch keeps the batch. */
static int set_aside(struct stat_pool *pool, struct batch *batch)
{
	struct batch *copy = calloc(1, sizeof(*copy));
	size_t free_place = 0;

	pool->filling = copy;
	while (free_place < WORKERS_MAX && pool->aside[free_place])
		free_place++;
	if (free_place < WORKERS_MAX)
		pool->aside[free_place] = batch;
	if (!copy)
		return -ENOMEM;
	copy->items = reallocarray(NULL, batch->count, sizeof(*copy->items));
	if (!copy->items)
		return -ENOMEM;
	memcpy(copy->items, batch->items, batch->count * sizeof(*copy->items));
	copy->count = copy->capacity = batch->count;
	return 0;
}

int stat_pool_run(struct stat_pool *pool, uint64_t deadline_ns, void (*idle)(void *ctx), void *ctx)
{
	struct batch *batch = pool->filling;
	int error;

	if (!batch || !batch->count)
		return 0;
	pthread_mutex_lock(&pool->lock);
	pool->current = batch;
	batch->users++;
	error = wait_for_answers(pool, batch, deadline_ns, idle, ctx);
	pool->current = NULL;
	if (batch->users > 1 && batch->answered < batch->taken) {
		int set = set_aside(pool, batch);

		error = error ? error : set;
	}
	batch_leave(pool, batch);
	pthread_mutex_unlock(&pool->lock);
	return error;
}

const struct stat_answer *stat_pool_answer(const struct stat_pool *pool, size_t index)
{
	return &pool->filling->items[index].answer;
}
