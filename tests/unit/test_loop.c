/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: each kind of source, removal from inside handlers while the removed has an event waiting, stopping,
 * limits and errors. An alarm ends the program should a loop never stop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"

struct fixture {
	struct loop *loop;
	struct loop_source *first, *second;
	int pipes[2][2];
	unsigned int calls;
	uint32_t events;
};

static int set_up(void **state)
{
	static struct fixture fixture;

	fixture = (struct fixture){ 0 };
	if (loop_new(&fixture.loop) || pipe2(fixture.pipes[0], O_CLOEXEC) || pipe2(fixture.pipes[1], O_CLOEXEC))
		return -1;
	*state = &fixture;
	alarm(60);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	int i;

	alarm(0);
	loop_free(fixture->loop);
	for (i = 0; i < 4; i++)
		close(fixture->pipes[i / 2][i % 2]);
	return 0;
}

static int run(struct fixture *fixture)
{
	int result = -1;

	assert_int_equal(loop_run(fixture->loop, &result), 0);
	return result;
}

static void on_fd_stop(void *ctx, uint32_t events)
{
	struct fixture *fixture = ctx;

	fixture->calls++;
	fixture->events = events;
	loop_stop(fixture->loop, 5);
}

static void on_stop(void *ctx)
{
	on_fd_stop(ctx, 0);
}

static void descriptor_is_seen(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(loop_add_fd(fixture->loop, fixture->pipes[0][0], EPOLLIN, on_fd_stop, fixture, NULL), 0);
	assert_int_equal(write(fixture->pipes[0][1], "x", 1), 1);
	assert_int_equal(run(fixture), 5);
	assert_int_equal(fixture->events, EPOLLIN);
	assert_int_equal(run(fixture), 5); /* level-triggered; and a loop that was stopped runs again */
	assert_int_equal(fixture->calls, 2);
}

static void events_can_be_changed(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(loop_add_fd(fixture->loop, fixture->pipes[0][1], 0, on_fd_stop, fixture, &fixture->first), 0);
	assert_int_equal(loop_set_interval(fixture->first, 1), -EINVAL);
	assert_int_equal(loop_set_events(fixture->first, EPOLLOUT), 0);
	assert_int_equal(run(fixture), 5);
	assert_int_equal(fixture->events, EPOLLOUT);
}

static void on_third_call_stop(void *ctx)
{
	struct fixture *fixture = ctx;

	if (++fixture->calls == 3)
		loop_stop(fixture->loop, 3);
}

static void timer_repeats(void **state)
{
	struct fixture *fixture = *state;
	uint64_t start = clock_monotonic_ns();

	assert_int_equal(loop_add_timer(fixture->loop, 2 * NS_PER_MS, on_third_call_stop, fixture, NULL), 0);
	assert_int_equal(run(fixture), 3);
	assert_int_equal(fixture->calls, 3);
	/* Missed expirations make one call, so three calls lie at least two whole intervals after the start. */
	assert_true(clock_monotonic_ns() - start >= 4 * NS_PER_MS);
}

static void on_slow_down(void *ctx)
{
	struct fixture *fixture = ctx;

	fixture->calls++;
	assert_int_equal(loop_set_interval(fixture->first, 0), 0);
	assert_int_equal(loop_set_interval(fixture->second, NS_PER_MS), 0);
}

static void timer_interval_changes_from_inside(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(loop_add_timer(fixture->loop, 1, on_slow_down, fixture, &fixture->first), 0);
	assert_int_equal(loop_add_timer(fixture->loop, 0, on_stop, fixture, &fixture->second), 0);
	assert_int_equal(run(fixture), 5);
	assert_int_equal(fixture->calls, 2); /* the first stopped itself after one call, then the second came once */
	assert_int_equal(loop_set_events(fixture->first, EPOLLIN), -EINVAL);
}

static void signal_is_seen(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(loop_add_signal(fixture->loop, SIGHUP, on_stop, fixture, &fixture->first), 0);
	assert_int_equal(raise(SIGHUP), 0);
	assert_int_equal(run(fixture), 5);
	assert_int_equal(fixture->calls, 1);
	loop_remove(fixture->first);
	assert_int_equal(loop_add_signal(fixture->loop, 4000, on_stop, fixture, NULL), -EINVAL);
}

static void on_fd_remove_both(void *ctx, uint32_t events)
{
	struct fixture *fixture = ctx;

	(void)events;
	fixture->calls++;
	loop_remove(fixture->first);
	loop_remove(fixture->second);
	loop_stop(fixture->loop, 1);
}

/* Both descriptors are ready in one batch; whichever handler comes first removes both, itself included. */
static void removal_from_inside_a_handler(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(
		loop_add_fd(fixture->loop, fixture->pipes[0][0], EPOLLIN, on_fd_remove_both, fixture, &fixture->first),
		0);
	assert_int_equal(
		loop_add_fd(fixture->loop, fixture->pipes[1][0], EPOLLIN, on_fd_remove_both, fixture, &fixture->second),
		0);
	assert_int_equal(write(fixture->pipes[0][1], "x", 1), 1);
	assert_int_equal(write(fixture->pipes[1][1], "x", 1), 1);
	assert_int_equal(run(fixture), 1);
	assert_int_equal(fixture->calls, 1);
	/* Neither is called again: only the timer ends this run. */
	assert_int_equal(loop_add_timer(fixture->loop, NS_PER_MS, on_stop, fixture, NULL), 0);
	assert_int_equal(run(fixture), 5);
	assert_int_equal(fixture->calls, 2);
}

static void on_fd_replace(void *ctx, uint32_t events)
{
	struct fixture *fixture = ctx;

	(void)events;
	fixture->calls++;
	loop_remove(fixture->first);
	loop_remove(fixture->second);
	/* Other sources on the same descriptors: the old events of this batch must not reach them as theirs twice. */
	assert_int_equal(loop_add_fd(fixture->loop, fixture->pipes[0][0], EPOLLIN, on_fd_stop, fixture, NULL), 0);
}

static void removal_without_stop_skips_the_dead(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(
		loop_add_fd(fixture->loop, fixture->pipes[0][0], EPOLLIN, on_fd_replace, fixture, &fixture->first), 0);
	assert_int_equal(
		loop_add_fd(fixture->loop, fixture->pipes[1][0], EPOLLIN, on_fd_replace, fixture, &fixture->second), 0);
	assert_int_equal(write(fixture->pipes[0][1], "x", 1), 1);
	assert_int_equal(write(fixture->pipes[1][1], "x", 1), 1);
	assert_int_equal(run(fixture), 5);
	assert_int_equal(fixture->calls, 2);
	loop_remove(NULL);
}

static void stop_before_run(void **state)
{
	struct fixture *fixture = *state;

	loop_stop(fixture->loop, 9);
	assert_int_equal(run(fixture), 9);
}

static void table_has_a_limit(void **state)
{
	struct fixture *fixture = *state;
	struct loop_source *source = NULL;
	int i;

	for (i = 0; i < LOOP_SOURCES_MAX; i++)
		assert_int_equal(loop_add_timer(fixture->loop, 0, on_stop, fixture, &fixture->first), 0);
	assert_int_equal(loop_add_timer(fixture->loop, 0, on_stop, fixture, &source), -ENOSPC);
	assert_int_equal(loop_add_fd(fixture->loop, fixture->pipes[0][0], EPOLLIN, on_fd_stop, fixture, &source),
			 -ENOSPC);
	assert_null(source);
	loop_remove(fixture->first);
	assert_int_equal(loop_add_timer(fixture->loop, 0, on_stop, fixture, &source), 0);
	assert_non_null(source);
}

static void kernel_errors_are_told(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(loop_add_fd(fixture->loop, -1, EPOLLIN, on_fd_stop, fixture, NULL), -EBADF);
	assert_int_equal(loop_add_fd(fixture->loop, fixture->pipes[0][0], EPOLLIN, on_fd_stop, fixture, NULL), 0);
	assert_int_equal(loop_add_fd(fixture->loop, fixture->pipes[0][0], EPOLLIN, on_fd_stop, fixture, NULL), -EEXIST);
	loop_free(NULL);
}

#define LOOP_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(descriptor_is_seen),
		LOOP_TEST(events_can_be_changed),
		LOOP_TEST(timer_repeats),
		LOOP_TEST(timer_interval_changes_from_inside),
		LOOP_TEST(signal_is_seen),
		LOOP_TEST(removal_from_inside_a_handler),
		LOOP_TEST(removal_without_stop_skips_the_dead),
		LOOP_TEST(stop_before_run),
		LOOP_TEST(table_has_a_limit),
		LOOP_TEST(kernel_errors_are_told),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
