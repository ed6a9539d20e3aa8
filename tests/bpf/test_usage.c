/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler's figures against the kernel's own account of the same threads, on the running kernel.
 */
#include "usage_world.h"

#define SPINNERS_MAX 3

struct spinner {
	pid_t pid;
	int go, tell; /* ends of pipes */
	struct witness witness;
};

static void spin_until(uint64_t end_ns)
{
	while (wall_ns() < end_ns)
		;
}

/* The child: waits for the start, burns its CPU until the time that it is told, tells what the kernel says of it. */
static void spinner_run(const struct world *world, int cpu, int go, int tell)
{
	struct witness before, after;
	cpu_set_t set;
	uint64_t end_ns;

	enter_world(world);
	before = read_witness();
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) || write(tell, "", 1) != 1 ||
	    read(go, &end_ns, sizeof(end_ns)) != sizeof(end_ns))
		_exit(103);
	spin_until(end_ns);
	after = read_witness();
	after.run_ns -= before.run_ns;
	after.wait_ns -= before.wait_ns;
	after.runs -= before.runs;
	after.involuntary -= before.involuntary;
	_exit(write(tell, &after, sizeof(after)) == sizeof(after) ? 0 : 104);
}

static void spinner_start(const struct world *world, struct spinner *spinner, int cpu)
{
	int go[2], tell[2];
	char ready;

	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	assert_int_equal(pipe2(tell, O_CLOEXEC), 0);
	spinner->pid = fork();
	assert_true(spinner->pid >= 0);
	if (!spinner->pid)
		spinner_run(world, cpu, go[0], tell[1]);
	close(go[0]);
	close(tell[1]);
	spinner->go = go[1];
	spinner->tell = tell[0];
	assert_int_equal(read(spinner->tell, &ready, 1), 1);
}

static void spinner_end(struct spinner *spinner)
{
	int status;

	assert_int_equal(read(spinner->tell, &spinner->witness, sizeof(spinner->witness)), sizeof(spinner->witness));
	assert_int_equal(waitpid(spinner->pid, &status, 0), spinner->pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(spinner->go);
	close(spinner->tell);
}

struct found {
	uint64_t id;
	struct usage_cpu cpu;
};

static void find(void *ctx, uint64_t cgroup, const struct usage_cpu *cpu)
{
	struct found *found = ctx;

	if (cgroup == found->id)
		found->cpu = *cpu;
}

static struct usage_cpu usage_now(const struct world *world)
{
	struct found found = { .id = world->id };

	assert_int_equal(usage_each_cpu(world->usage, find, &found), 0);
	return found.cpu; /* zeros before the first thread */
}

static uint64_t observations(const struct usage_latency *latency)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < USAGE_LATENCY_BUCKETS; i++)
		sum += latency->counts[i];
	return sum;
}

/* Within one in `part`, and `slack` in absolute terms. */
static void assert_near(const char *what, uint64_t got, uint64_t expected, uint64_t part, uint64_t slack)
{
	uint64_t difference = got > expected ? got - expected : expected - got;

	if (difference > expected / part + slack)
		fail_msg("%s: %llu, the witness says %llu", what, (unsigned long long)got,
			 (unsigned long long)expected);
}

/* The last of a process comes after it was reaped: waits until both accounts agree, or for two seconds. */
static struct usage_cpu settled(const struct world *world, const struct usage_cpu *before, uint64_t *accounted)
{
	uint64_t start_ns = *accounted, end_ns = wall_ns() + 2000 * NS_PER_MS;
	struct usage_cpu now;

	do {
		now = usage_now(world);
		*accounted = accounted_ns(world) - start_ns;
	} while (llabs((long long)(now.run_ns - before->run_ns - *accounted)) > (long long)*accounted / 200 &&
		 wall_ns() < end_ns && !usleep(1000));
	return now;
}

/* Spinners on one CPU: the sums of what is counted equal the kernel's account of each; a thread of n waits for n-1 of
 * n parts of the time, or longer where others want the CPU as well. */
static void run_spinners(struct world *world, int count, uint64_t duration_ns)
{
	struct spinner spinners[SPINNERS_MAX];
	struct usage_cpu before, after;
	struct witness sum = { 0 };
	uint64_t accounted = accounted_ns(world), end_ns, waited, share;

	before = usage_now(world);
	for (int i = 0; i < count; i++)
		spinner_start(world, &spinners[i], 0);
	end_ns = wall_ns() + duration_ns;
	for (int i = 0; i < count; i++)
		assert_int_equal(write(spinners[i].go, &end_ns, sizeof(end_ns)), sizeof(end_ns));
	for (int i = 0; i < count; i++) {
		spinner_end(&spinners[i]);
		sum.run_ns += spinners[i].witness.run_ns;
		sum.wait_ns += spinners[i].witness.wait_ns;
		sum.runs += spinners[i].witness.runs;
		sum.involuntary += spinners[i].witness.involuntary;
	}
	after = settled(world, &before, &accounted);
	waited = after.wait.sum_ns - before.wait.sum_ns;
	assert_near("CPU time", after.run_ns - before.run_ns, accounted, 100, 0);
	/* Start and end of a process are outside of what it can say of itself. */
	assert_near("waited", waited, sum.wait_ns, 100, 20 * NS_PER_MS);
	assert_near("runs", observations(&after.wait) - observations(&before.wait), sum.runs, 50, 10 * (uint64_t)count);
	assert_near("involuntary", after.involuntary - before.involuntary, sum.involuntary, 50, 10 * (uint64_t)count);
	share = waited * 1000 / ((uint64_t)count * duration_ns);
	print_message("# %d spinners: %llu of 1000 parts of the time waiting, CPU %llu ms, witness %llu ms\n", count,
		      (unsigned long long)share, (unsigned long long)((after.run_ns - before.run_ns) / NS_PER_MS),
		      (unsigned long long)(accounted / NS_PER_MS));
	assert_true(share + 40 >= 1000 * (uint64_t)(count - 1) / (uint64_t)count);
	if (in_test_vm())
		assert_true(share <= 1000 * (uint64_t)(count - 1) / (uint64_t)count + 60);
}

static void test_spinners(void **state)
{
	struct world world;

	(void)state;
	world_open(&world);
	for (int count = 1; count <= SPINNERS_MAX; count++)
		run_spinners(&world, count, 600 * NS_PER_MS);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spinners),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
