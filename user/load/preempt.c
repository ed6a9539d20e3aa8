/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does this kernel preempt BPF programs? Then it does not run a program where a preempted task is inside of it (the
 * guard against recursion is one per program and processor), and what that run would have told is missed. Found by
 * trying: a program spins for some milliseconds, and a real-time thread on the same processor is to wake up meanwhile.
 * When it runs before the program has ended, it has preempted it. No version tells this, nor does the configuration:
 * the model of preemption is chosen at boot.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/clock.h"
#include "load/internal.h"

#include "bpf/preempt.skel.h"

#define WAKE_NS 1000000ULL /* of the program's three milliseconds */
#define STEP_NS (1U << 19) /* a program that took so long for one of its steps was held up, by a hypervisor */
#define TRIES 64           /* four milliseconds each; on a quiet host the first three do */
#define WITNESSES 3        /* tries that saw none, for there to be none: a timer may be late */

struct waker {
	uint64_t at_ns;
	uint64_t ran_ns;
};

static void *wake_up(void *ctx)
{
	struct waker *waker = ctx;
	struct timespec at = { .tv_sec = (time_t)(waker->at_ns / 1000000000),
			       .tv_nsec = (long)(waker->at_ns % 1000000000) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		;
	waker->ran_ns = clock_monotonic_ns();
	return NULL;
}

/* A thread of the highest class, on the processors of its creator: one. */
static int waker_start(struct waker *waker, pthread_t *ret_thread)
{
	struct sched_param parameters = { .sched_priority = 1 };
	pthread_attr_t attributes;
	int error = pthread_attr_init(&attributes);

	if (error)
		return -error;
	error = pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
	if (!error)
		error = pthread_attr_setschedpolicy(&attributes, SCHED_FIFO);
	if (!error)
		error = pthread_attr_setschedparam(&attributes, &parameters);
	waker->at_ns = clock_monotonic_ns() + WAKE_NS;
	if (!error)
		error = pthread_create(ret_thread, &attributes, wake_up, waker);
	pthread_attr_destroy(&attributes);
	return -error;
}

/* Makes the program run, in this thread. */
static int spin(struct preempt_bpf *bpf, enum preemptible what)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);
	int error = 0;

	__atomic_store_n(&bpf->bss->spin_thread, (uint32_t)gettid(), __ATOMIC_RELEASE);
	if (what == PREEMPTIBLE_FUNCTIONS)
		error = bpf_prog_test_run_opts(bpf_program__fd(bpf->progs.spin_function), &options);
	else
		syscall(SYS_getppid); /* any call: its exit is the tracepoint */
	__atomic_store_n(&bpf->bss->spin_thread, 0, __ATOMIC_RELEASE);
	return error;
}

/* 1, 0, or negative when it could not be seen. */
static int try_once(struct preempt_bpf *bpf, enum preemptible what)
{
	struct waker waker = { 0 };
	pthread_t thread = 0;
	int error = waker_start(&waker, &thread);

	if (error)
		return error;
	error = spin(bpf, what);
	pthread_join(thread, NULL);
	if (error)
		return -EIO;
	if (waker.ran_ns <= bpf->bss->spin_begin_ns || waker.at_ns >= bpf->bss->spin_end_ns)
		return -EAGAIN; /* woken beside the program */
	if (waker.ran_ns < bpf->bss->spin_end_ns)
		return 1;
	return bpf->bss->spin_steps_ns >= STEP_NS ? -EAGAIN : 0;
}

static int try_on_one_processor(struct preempt_bpf *bpf, enum preemptible what)
{
	cpu_set_t before, here;
	int processor = sched_getcpu();
	int seen = -EAGAIN, unseen = 0;

	if (processor < 0 || processor >= CPU_SETSIZE || sched_getaffinity(0, sizeof(before), &before))
		return -ENOTSUP;
	CPU_ZERO(&here);
	CPU_SET((size_t)processor, &here);
	if (sched_setaffinity(0, sizeof(here), &here))
		return -errno;
	for (int i = 0; i < TRIES && unseen < WITNESSES && (seen == -EAGAIN || seen == 0); i++) {
		seen = try_once(bpf, what);
		unseen += seen == 0;
	}
	(void)sched_setaffinity(0, sizeof(before), &before);
	return seen == 0 && unseen < WITNESSES ? -EAGAIN : seen;
}

bool preemption_seen(enum preemptible what)
{
	struct preempt_bpf *bpf = preempt_bpf__open();
	struct bpf_link *link = NULL;
	struct bpf_program *program;
	int seen = -ENOTSUP;

	if (bpf) {
		bpf_program__set_autoload(bpf->progs.ask_perf_depth, false);
		bpf_program__set_autoload(bpf->progs.spin_function, what == PREEMPTIBLE_FUNCTIONS);
		bpf_program__set_autoload(bpf->progs.spin_exit, what == PREEMPTIBLE_TRACEPOINTS);
		program = what == PREEMPTIBLE_FUNCTIONS ? bpf->progs.spin_function : bpf->progs.spin_exit;
		if (!preempt_bpf__load(bpf))
			link = bpf_program__attach(program);
		if (link)
			seen = try_on_one_processor(bpf, what);
	}
	bpf_link__destroy(link);
	preempt_bpf__destroy(bpf);
	return seen != 0;
}

bool perf_depth_known(void)
{
	struct preempt_bpf *bpf = preempt_bpf__open();
	bool known;

	if (bpf) {
		bpf_program__set_autoload(bpf->progs.spin_function, false);
		bpf_program__set_autoload(bpf->progs.spin_exit, false);
	}
	known = bpf && !preempt_bpf__load(bpf);
	preempt_bpf__destroy(bpf);
	return known;
}

struct undisturbed undisturbed_begin(void)
{
	struct sched_param before, highest = { .sched_priority = 1 };
	struct undisturbed undisturbed = { .policy = sched_getscheduler(0) };

	if (undisturbed.policy < 0 || sched_getparam(0, &before))
		return undisturbed;
	undisturbed.priority = before.sched_priority;
	undisturbed.raised = !sched_setscheduler(0, SCHED_FIFO, &highest);
	return undisturbed;
}

void undisturbed_end(const struct undisturbed *undisturbed)
{
	struct sched_param before = { .sched_priority = undisturbed->priority };

	/* Giving up a priority is always allowed. */
	if (undisturbed->raised)
		(void)sched_setscheduler(0, undisturbed->policy, &before);
}
