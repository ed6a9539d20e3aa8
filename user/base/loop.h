/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: descriptors, timers (timerfd) and signals (signalfd) on one epoll. One thread, handlers run one at a
 * time. A handler may add and remove any source, its own and those with an event already waiting included: a removed
 * source is never called again. Errors are returned, nothing is logged.
 */
#pragma once

#include <stdint.h>
#include <sys/epoll.h>

#include "base/cleanup.h"

#define LOOP_SOURCES_MAX 256

struct loop;
struct loop_source; /* owned by its loop: valid until it or the loop is removed */

/* `events` are epoll's: EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR. */
typedef void (*loop_fd_handler)(void *ctx, uint32_t events);
typedef void (*loop_handler)(void *ctx);

MUST_CHECK int loop_new(struct loop **ret_loop);
/* Removes every source. Not from inside a handler. Takes NULL. */
void loop_free(struct loop *loop);

/* All: -ENOSPC beyond LOOP_SOURCES_MAX sources, -ENOMEM, or what the kernel says. ret_source may be NULL for a source
 * that stays as long as the loop. */

/* The descriptor stays the caller's: remove the source before it is closed. */
MUST_CHECK int loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_handler handler, void *ctx,
			   struct loop_source **ret_source);
/* Calls after every interval; 0: not until loop_set_interval. Expirations that were missed make one call. */
MUST_CHECK int loop_add_timer(struct loop *loop, uint64_t interval_ns, loop_handler handler, void *ctx,
			      struct loop_source **ret_source);
/* Blocks the signal's default action for good (it stays blocked after the source's removal). */
MUST_CHECK int loop_add_signal(struct loop *loop, int number, loop_handler handler, void *ctx,
			       struct loop_source **ret_source);

/* Changes the events that a descriptor's source waits for. */
MUST_CHECK int loop_set_events(struct loop_source *source, uint32_t events);
/* Restarts a timer's source with another interval, counted from now; 0 stops it. */
MUST_CHECK int loop_set_interval(struct loop_source *source, uint64_t interval_ns);
/* Takes NULL. */
void loop_remove(struct loop_source *source);

/* Runs until loop_stop, whose result goes to *ret_result. A negative errno when waiting fails. */
MUST_CHECK int loop_run(struct loop *loop, int *ret_result);
/* Ends loop_run before the next handler. Before loop_run: it ends at once. */
void loop_stop(struct loop *loop, int result);
