/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the usage programs cost at a switch from one thread to another: two processes that hand a byte to and fro on one
 * CPU, with the programs attached and without, in turns, many times. In a VM whose clock counts instructions the
 * figures are instructions. Prints JSON: medians and minima of nanoseconds per switch, off and on. With `hold` in place
 * of rounds it attaches them, prints "ready" and waits until its input ends: for other loads. With STATS set it prints
 * for each program then how often it ran and how long a run took, the kernel's reading of the clock included.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "config/config.h"
#include "load/usage.h"

#define ROUNDS_MAX 1000

static void die(const char *what)
{
	fprintf(stderr, "usage_cost: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void pass(int from, int to)
{
	char byte;

	if (read(from, &byte, 1) != 1 || write(to, &byte, 1) != 1)
		exit(0);
}

/* Each hand-over is a switch: both processes are on one CPU, and the one that reads sleeps. */
static double ns_per_switch(int in, int out, int count)
{
	double start = now_ns();

	for (int i = 0; i < count; i++) {
		if (write(out, "", 1) != 1)
			die("write");
		if (read(in, &(char){ 0 }, 1) != 1)
			die("read");
	}
	return (now_ns() - start) / (2.0 * count);
}

static int compare(const void *a, const void *b)
{
	double one = *(const double *)a, other = *(const double *)b;

	return (one > other) - (one < other);
}

static void enter(const char *cgroup)
{
	char path[500];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		die(path);
	close(fd);
}

static pid_t start_partner(int *ret_in, int *ret_out)
{
	int there[2], back[2];
	pid_t pid;

	if (pipe2(there, O_CLOEXEC) || pipe2(back, O_CLOEXEC))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		close(there[1]);
		close(back[0]);
		for (;;)
			pass(there[0], back[1]);
	}
	close(there[0]);
	close(back[1]);
	*ret_in = back[0];
	*ret_out = there[1];
	return pid;
}

struct run_time {
	uint64_t runs, ns;
};

static void add_run_time(void *ctx, const struct capture_program *program)
{
	struct run_time *sum = ctx;

	if (strcmp(program->name, "switch_done"))
		return;
	sum->runs += program->runs;
	sum->ns += program->run_time_ns;
}

struct figures {
	double off, on; /* ns per switch */
	double bpf;     /* of the program at the switch, by the kernel's own clock: its reading is in it */
};

/* What the kernel lets go of after the programs, it frees on this CPU, later. */
static void settle(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 200000000 }, NULL);
}

static struct figures measure(const struct config *config, int in, int out, int count)
{
	struct capture_error error = { "" };
	struct run_time sum = { 0, 0 };
	struct usage *usage = NULL;
	struct figures figures;
	int stats;

	settle();
	figures.off = ns_per_switch(in, out, count);
	if (usage_new(config, &usage, &error)) {
		fprintf(stderr, "usage_cost: %s\n", error.text);
		exit(1);
	}
	settle();
	ns_per_switch(in, out, count / 10 + 1);
	figures.on = ns_per_switch(in, out, count);
	stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	ns_per_switch(in, out, count);
	usage_each_program(usage, add_run_time, &sum);
	figures.bpf = sum.runs ? (double)sum.ns / (double)sum.runs : 0;
	close(stats);
	usage_free(usage);
	return figures;
}

static void run(const struct config *config, int rounds, int count, int in, int out)
{
	static double off[ROUNDS_MAX], on[ROUNDS_MAX], added[ROUNDS_MAX], bpf[ROUNDS_MAX];

	for (int i = 0; i < rounds; i++) {
		struct figures figures = measure(config, in, out, count);

		off[i] = figures.off;
		on[i] = figures.on;
		bpf[i] = figures.bpf;
		added[i] = on[i] - off[i];
	}
	qsort(off, (size_t)rounds, sizeof(off[0]), compare);
	qsort(on, (size_t)rounds, sizeof(on[0]), compare);
	qsort(added, (size_t)rounds, sizeof(added[0]), compare);
	qsort(bpf, (size_t)rounds, sizeof(bpf[0]), compare);
	printf("{\"off\": %.1f, \"on\": %.1f, \"added\": %.1f, \"added_by_minima\": %.1f, \"bpf\": %.1f, "
	       "\"bpf_minimum\": %.1f}\n",
	       off[rounds / 2], on[rounds / 2], added[rounds / 2], on[0] - off[0], bpf[rounds / 2], bpf[0]);
}

static void print_run_time(void *ctx, const struct capture_program *program)
{
	(void)ctx;
	if (program->runs)
		printf("program %s %llu %.0f\n", program->name, (unsigned long long)program->runs,
		       (double)program->run_time_ns / (double)program->runs);
}

static void hold(const struct config *config)
{
	int stats = getenv("STATS") ? bpf_enable_stats(BPF_STATS_RUN_TIME) : -1;
	struct capture_error error = { "" };
	struct usage *usage = NULL;
	char byte;

	if (usage_new(config, &usage, &error)) {
		fprintf(stderr, "usage_cost: %s\n", error.text);
		exit(1);
	}
	for (int i = 0; i < USAGE_FAMILIES; i++)
		if (*usage_missing(usage, (enum usage_family)i))
			fprintf(stderr, "usage_cost: %s\n", usage_missing(usage, (enum usage_family)i));
	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	if (stats >= 0)
		usage_each_program(usage, print_run_time, NULL);
	usage_free(usage);
}

int main(int argc, char **argv)
{
	struct config config = {
		.usage_scheduler = true, .usage_memory = true, .usage_block = true, .usage_tcp = true
	};
	bool holds = argc > 2 && !strcmp(argv[2], "hold");
	int rounds = argc > 2 && !holds ? (int)strtoul(argv[2], NULL, 10) : 5;
	int count = argc > 3 ? (int)strtoul(argv[3], NULL, 10) : 2000;
	char *selected[1];
	cpu_set_t set;
	int in, out;
	pid_t partner;

	if (argc < 2 || rounds < 1 || rounds > ROUNDS_MAX || count < 1) {
		fprintf(stderr, "usage_cost CGROUP [ROUNDS [COUNT] | hold]\n");
		return 2;
	}
	selected[0] = argv[1];
	config.select_cgroups.items = selected;
	config.select_cgroups.count = getenv("ALL") ? 0 : 1; /* all: in a VM, which is ours */
	if (holds) {
		hold(&config);
		return 0;
	}
	if (mkdir(argv[1], 0755) && errno != EEXIST)
		die(argv[1]);
	enter(argv[1]);
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
	partner = start_partner(&in, &out);
	run(&config, rounds, count, in, out);
	close(out);
	kill(partner, SIGKILL);
	waitpid(partner, NULL, 0);
	return 0;
}
