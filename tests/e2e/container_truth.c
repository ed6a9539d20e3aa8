/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent says of cgroups against the cgroups' own accounts and against programs that use known amounts; on v1
 * and on v2, whichever is here. Makes its own cgroups, starts the agent for them alone (--all: for the whole host, in a
 * VM), prints TAP. The witness: no line of sonde is used.
 */
#include "container_fault.h"
#include "container_io.h"
#include "container_lab.h"
#include "container_netem.h"

#define CASES_MAX 16

/* --- workloads, each in a child that has entered its cgroup */

static void burn(double seconds)
{
	struct timespec time;

	do
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	while ((double)time.tv_sec + (double)time.tv_nsec / 1e9 < seconds);
}

static void pin(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void burn_and_stop(void)
{
	pin();
	burn(0.4);
	raise(SIGSTOP);
}

static void burn_long(void)
{
	pin();
	burn(1000);
}

static void burn_short(void)
{
	burn(0.05);
}

static void touch(size_t bytes)
{
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		_exit(1);
	madvise(memory, bytes, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < bytes; i += 4096)
		memory[i] = 1;
}

static void touch_and_stop(void)
{
	touch(32 * MIB);
	raise(SIGSTOP);
}

static void touch_much(void)
{
	touch(64 * MIB);
}

/* --- cases */

static void case_cpu(struct lab *lab)
{
	double witness, told, user, system;
	pid_t child;

	make_group(lab, "burn");
	child = start(lab, "burn", burn_and_stop);
	if (!stopped(child))
		die("burner");
	witness = cpu_seconds(lab, "burn");
	scrape(lab);
	told = sample(lab, "container_cpu_usage_seconds_total", "burn", "cpu=\"total\"");
	user = sample(lab, "container_cpu_user_seconds_total", "burn", "");
	system = sample(lab, "container_cpu_system_seconds_total", "burn", "");
	report(lab, "pinned CPU burner", near(told, witness, 1e-6) && told >= 0.2 && near(user + system, told, 0.021),
	       "the cgroup says %.6f s, sonde %.6f (user %.3f, system %.3f)", witness, told, user, system);
	end(child);
	remove_group(lab, "burn");
}

static void case_throttled(struct lab *lab)
{
	double began = now(), periods, throttled = 0, held, wall, used;
	pid_t child;

	make_group(lab, "quota");
	if (lab->unified) {
		set_group(lab, "quota", "", "cpu.max", "20000 100000");
	} else {
		set_group(lab, "quota", "cpu", "cpu.cfs_period_us", "100000");
		set_group(lab, "quota", "cpu", "cpu.cfs_quota_us", "20000");
	}
	child = start(lab, "quota", burn_long);
	/* On a host that gives it less than its quota nobody holds it back. */
	for (int i = 0; i < 100 && (i < 15 || throttled < 5); i++) {
		pause_ms(100);
		throttled = group_number(lab, "quota", "cpu", "cpu.stat", "nr_throttled");
	}
	kill(child, SIGSTOP);
	wall = now() - began;
	pause_ms(300); /* the last period ends */
	periods = group_number(lab, "quota", "cpu", "cpu.stat", "nr_periods");
	throttled = group_number(lab, "quota", "cpu", "cpu.stat", "nr_throttled");
	held = lab->unified ? group_number(lab, "quota", "", "cpu.stat", "throttled_usec") / 1e6 :
			      group_number(lab, "quota", "cpu", "cpu.stat", "throttled_time") / 1e9;
	used = cpu_seconds(lab, "quota");
	scrape(lab);
	report(lab, "throttled CPU burner",
	       sample(lab, "container_cpu_cfs_periods_total", "quota", "") == periods &&
		       sample(lab, "container_cpu_cfs_throttled_periods_total", "quota", "") == throttled &&
		       near(sample(lab, "container_cpu_cfs_throttled_seconds_total", "quota", ""), held, 1e-6) &&
		       near(sample(lab, "container_cpu_usage_seconds_total", "quota", ""), used, 1e-6) &&
		       sample(lab, "container_spec_cpu_quota", "quota", "") == 20000 && throttled >= 5 &&
		       used < wall * 0.35,
	       "%.0f periods, %.0f throttled, %.3f s held back, %.3f s used of %.2f s", periods, throttled, held, used,
	       wall);
	end(child);
	remove_group(lab, "quota");
}

static void case_memory(struct lab *lab)
{
	const char *usage_file = lab->unified ? "memory.current" : "memory.usage_in_bytes";
	double usage, rss, inactive, told_usage, told_rss, told_set;
	pid_t child;

	make_group(lab, "memory");
	child = start(lab, "memory", touch_and_stop);
	if (!stopped(child))
		die("allocator");
	pause_ms(2100); /* the kernel adds memory.stat up every two seconds, or when it is read */
	usage = group_number(lab, "memory", "memory", usage_file, "");
	rss = group_number(lab, "memory", "memory", "memory.stat", lab->unified ? "anon" : "total_rss");
	inactive = group_number(lab, "memory", "memory", "memory.stat",
				lab->unified ? "inactive_file" : "total_inactive_file");
	scrape(lab);
	told_usage = sample(lab, "container_memory_usage_bytes", "memory", "");
	told_rss = sample(lab, "container_memory_rss", "memory", "");
	told_set = sample(lab, "container_memory_working_set_bytes", "memory", "");
	report(lab, "known amount of memory",
	       near(told_usage, usage, 256 * 1024) && near(told_rss, rss, 256 * 1024) &&
		       near(told_set, usage - inactive, 256 * 1024) && near(told_rss, 32 * MIB, MIB / 2),
	       "32 MiB were touched; rss %.0f (the cgroup: %.0f), usage %.0f (%.0f), working set %.0f", told_rss, rss,
	       told_usage, usage, told_set);
	end(child);
	remove_group(lab, "memory");
}

static void case_oom(struct lab *lab)
{
	double kills, other, failures, peak;
	pid_t bystander, victim;
	int status = 0;

	make_group(lab, "victim");
	make_group(lab, "bystander");
	set_group(lab, "victim", "memory", lab->unified ? "memory.max" : "memory.limit_in_bytes", "16777216");
	if (lab->unified)
		set_group(lab, "victim", "", "memory.swap.max", "0");
	bystander = start(lab, "bystander", touch_and_stop);
	victim = start(lab, "victim", touch_much);
	waitpid(victim, &status, 0);
	scrape(lab);
	kills = sample(lab, "container_oom_events_total", "victim", "");
	other = sample(lab, "container_oom_events_total", "bystander", "");
	failures = sample(lab, "container_memory_failcnt", "victim", "");
	peak = sample(lab, "container_memory_max_usage_bytes", "victim", "");
	report(lab, "out of memory, and whose victim",
	       WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && kills == 1 && other == 0 && failures > 0 &&
		       sample(lab, "container_spec_memory_limit_bytes", "victim", "") == 16 * MIB &&
		       (isnan(peak) || near(peak, 16 * MIB, 64 * 1024)),
	       "%.0f killed where the limit is, %.0f elsewhere; limit hit %.0f times, peak %.0f", kills, other,
	       failures, peak);
	end(bystander);
	remove_group(lab, "victim");
	remove_group(lab, "bystander");
}

static void case_short(struct lab *lab)
{
	double witness, told;
	pid_t child;

	make_group(lab, "short");
	child = start(lab, "short", burn_short);
	waitpid(child, NULL, 0);
	witness = cpu_seconds(lab, "short");
	remove_group(lab, "short");
	pause_ms(50);
	scrape(lab);
	told = sample(lab, "container_cpu_usage_seconds_total", "short", "cpu=\"total\"");
	report(lab, "a cgroup of 50 ms, gone before it was read", near(told, witness, 2e-6) && told >= 0.01,
	       "the cgroup said %.6f s, sonde %.6f after it was gone", witness, told);
}

static void on_bad_network(struct lab *lab, const char *group, const char *name, void (*work)(void),
			   void (*tell)(struct lab *lab))
{
	pid_t child;

	netem_result = mmap(NULL, sizeof(*netem_result), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (netem_result == MAP_FAILED)
		die("memory");
	make_group(lab, group);
	child = start(lab, group, work);
	if (!stopped(child) || !netem_result->done)
		skip(lab, name, "neither netem nor TUN devices here");
	else
		tell(lab);
	end(child);
	remove_group(lab, group);
}

static void case_netem(struct lab *lab)
{
	on_bad_network(lab, "netem", "a network that delays and loses", lose_packets, report_netem);
	on_bad_network(lab, "syn", "a network that loses handshakes", lose_handshakes, report_handshakes);
}

static double busy_seconds(void)
{
	double value[8] = { 0 };
	FILE *stream = fopen("/proc/stat", "re");

	if (!stream || fscanf(stream, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &value[0], &value[1], &value[2], &value[3],
			      &value[4], &value[5], &value[6], &value[7]) != 8)
		die("/proc/stat");
	fclose(stream);
	return (value[0] + value[1] + value[2] + value[5] + value[6] + value[7]) / 100;
}

struct instant {
	double root, one, two, before, after;
};

static double sample_of_root(struct lab *lab)
{
	char base[sizeof(lab->base)];
	double root;

	memcpy(base, lab->base, sizeof(base));
	lab->base[0] = '\0';
	root = sample(lab, "container_cpu_usage_seconds_total", "", "");
	memcpy(lab->base, base, sizeof(base));
	return root;
}

static struct instant look(struct lab *lab)
{
	struct instant instant = { .before = busy_seconds() };

	scrape(lab);
	instant.root = sample_of_root(lab);
	instant.one = sample(lab, "container_cpu_usage_seconds_total", "one", "");
	instant.two = sample(lab, "container_cpu_usage_seconds_total", "two", "");
	instant.after = busy_seconds();
	return instant;
}

/* Two burners in cgroups, one outside of all: together they are the host. */
static void case_sum(struct lab *lab)
{
	struct instant first, last;
	double root, one, two, rest, seconds = 3;
	pid_t burners[3];
	struct rusage usage;

	make_group(lab, "one");
	make_group(lab, "two");
	first = look(lab);
	burners[0] = start(lab, "one", burn_long);
	burners[1] = start(lab, "two", burn_long);
	burners[2] = fork();
	if (!burners[2]) {
		burn_long();
		_exit(0);
	}
	pause_ms((long)(seconds * 1000));
	for (int i = 0; i < 3; i++)
		kill(burners[i], SIGSTOP);
	last = look(lab);
	end(burners[0]);
	end(burners[1]);
	kill(burners[2], SIGKILL);
	wait4(burners[2], NULL, 0, &usage);
	root = last.root - first.root;
	one = last.one - first.one;
	two = last.two - first.two;
	rest = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	report(lab, "cgroups and the rest are the host",
	       root >= (last.before - first.after) * 0.99 && root <= (last.after - first.before) * 1.01 &&
		       one + two + rest <= root * 1.01 && one + two + rest >= root * 0.95,
	       "root %.3f s, /proc/stat %.3f to %.3f; two cgroups %.3f and %.3f, a process outside of them %.3f", root,
	       last.before - first.after, last.after - first.before, one, two, rest);
	remove_group(lab, "one");
	remove_group(lab, "two");
}

static void do_nothing(void)
{
}

static void case_churn(struct lab *lab)
{
	double began, before = NAN, after, known, lost, unnamed, seconds;
	char group[32];

	began = now();
	for (int i = 0; i < CHURN; i++) {
		snprintf(group, sizeof(group), "churn%d", i);
		make_group(lab, group);
		if (i % 4 == 0) /* the kernel counts for those with a process alone */
			waitpid(start(lab, group, do_nothing), NULL, 0);
		remove_group(lab, group);
		if (i == CHURN / 2) {
			scrape(lab);
			before = plain(lab, "process_resident_memory_bytes");
		}
		/* 10,000 in a minute at most. */
		while (now() - began < (double)i * 50 / CHURN)
			pause_ms(2);
	}
	seconds = now() - began;
	pause_ms(200);
	scrape(lab);
	after = plain(lab, "process_resident_memory_bytes");
	known = plain(lab, "sonde_cgroups");
	lost = plain(lab, "sonde_cgroups_untold_total{reason=\"event_lost\"}");
	unnamed = plain(lab, "sonde_usage_unnamed_cgroups_total");
	report(lab, "10,000 cgroups made and removed",
	       after - before < 4 * MIB && known < 1200 && !isnan(known) && lost == 0 && unnamed < CHURN / 400 &&
		       series_of(lab, "container_cpu_schedstat_run_seconds_total") < CHURN / 5,
	       "in %.0f s: resident %.1f MiB after half of them, %.1f at the end; %.0f cgroups kept, %.0f events lost, "
	       "%.0f without a name",
	       seconds, before / MIB, after / MIB, known, lost, unnamed);
}

static void prepare(struct lab *lab)
{
	char path[PATH_SIZE];

	lab->unified = !access("/sys/fs/cgroup/cgroup.controllers", F_OK);
	lab->trees = lab->unified ? trees_v2 : trees_v1;
	lab->port = (uint16_t)(20000 + getpid() % 20000);
	lab->text = malloc(SCRAPE_BYTES);
	snprintf(lab->base, sizeof(lab->base), "sonde-truth-%d", getpid());
	if (!lab->text)
		die("memory");
	make_group(lab, "");
	for (int i = 0; lab->unified && i < 2; i++) {
		snprintf(path, sizeof(path), "/sys/fs/cgroup/%s/cgroup.subtree_control", i ? lab->base : "");
		write_text(path, "+cpu +memory +pids +io");
	}
}

static bool is_wanted(const char *const *only, int wanted, const char *name)
{
	bool found = !wanted;

	for (int i = 0; i < wanted && i < CASES_MAX; i++)
		found |= !strcmp(only[i], name);
	return found;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(struct lab *lab);
		bool whole_host;
	} cases[] = { { "cpu", case_cpu, false },       { "throttled", case_throttled, false },
		      { "memory", case_memory, false }, { "oom", case_oom, false },
		      { "short", case_short, false },   { "io", case_io, false },
		      { "fault", case_fault, false },   { "swap", case_swap, true },
		      { "netem", case_netem, false },   { "sum", case_sum, true },
		      { "churn", case_churn, false } };
	struct lab lab = { .number = 0 };
	const char *only[CASES_MAX] = { NULL };
	int wanted = 0;

	if (argc < 2)
		die("container_truth SONDE [--all] [--json FILE] [CASE...]");
	for (int i = 2; i < argc; i++)
		if (!strcmp(argv[i], "--all"))
			lab.whole_host = true;
		else if (!strcmp(argv[i], "--json") && i + 1 < argc)
			open_json(&lab, argv[++i]);
		else
			only[wanted++ % CASES_MAX] = argv[i];
	prepare(&lab);
	start_agent(&lab, argv[1]);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (is_wanted(only, wanted, cases[i].name) && (lab.whole_host || !cases[i].whole_host))
			cases[i].run(&lab);
	kill(lab.agent, SIGTERM);
	waitpid(lab.agent, NULL, 0);
	remove_group(&lab, "");
	close_json(&lab);
	printf("1..%d\n", lab.number);
	return lab.failed > 0;
}
