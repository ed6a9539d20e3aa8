/* SPDX-License-Identifier: Apache-2.0 */
/*
 * truth: runs every case that matches, against a running agent of its own, and compares. Cases share an agent as long
 * as its scrapes stay cheap; those about the agent's life start their own.
 */
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEADLINE_S 20
#define EXIT_USAGE 2
#define REPEATS_MAX 2

enum {
	OPTION_SONDE = 256,
	OPTION_BACKEND,
	OPTION_CASE,
	OPTION_JSON,
	OPTION_SCALE,
	OPTION_SLOW,
	OPTION_ARG,
	OPTION_LOG,
	OPTION_LIST,
	OPTION_DRY,
	OPTION_HOST,
	OPTION_TIMES,
};

static const struct option long_options[] = {
	{ "sonde", required_argument, NULL, OPTION_SONDE },
	{ "backend", required_argument, NULL, OPTION_BACKEND },
	{ "case", required_argument, NULL, OPTION_CASE },
	{ "json", required_argument, NULL, OPTION_JSON },
	{ "scale", required_argument, NULL, OPTION_SCALE },
	{ "slow", required_argument, NULL, OPTION_SLOW },
	{ "sonde-arg", required_argument, NULL, OPTION_ARG },
	{ "log-level", required_argument, NULL, OPTION_LOG },
	{ "list", no_argument, NULL, OPTION_LIST },
	{ "dry-run", no_argument, NULL, OPTION_DRY },
	{ "host-wide", no_argument, NULL, OPTION_HOST },
	{ "times", no_argument, NULL, OPTION_TIMES },
	{ NULL, 0, NULL, 0 },
};

static int usage(void)
{
	fputs("usage: truth --sonde PATH [--backend auto|fentry|kprobe|tracepoint] [--case GLOB] [--json FILE]\n"
	      "             [--scale X] [--slow X] [--host-wide] [--times] [--log-level LEVEL] [--sonde-arg ARG]...\n"
	      "       truth --dry-run | --list [--case GLOB]\n"
	      "--scale multiplies the big counts and sizes, --slow the deadlines (both 1).\n",
	      stderr);
	return EXIT_USAGE;
}

static bool parse_factor(const char *text, double *ret_factor)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value > 0 && value <= 1000))
		return false;
	*ret_factor = value;
	return true;
}

static bool parse_option(struct options *options, int option)
{
	switch (option) {
	case OPTION_SONDE:
		options->sonde = optarg;
		return true;
	case OPTION_BACKEND:
		options->backend = optarg;
		return true;
	case OPTION_CASE:
		options->pattern = optarg;
		return true;
	case OPTION_JSON:
		options->json = optarg;
		return true;
	case OPTION_LOG:
		options->log_level = optarg;
		return true;
	case OPTION_SCALE:
		return parse_factor(optarg, &options->scale);
	case OPTION_SLOW:
		return parse_factor(optarg, &options->slow);
	case OPTION_ARG:
		if (options->extra_count == SONDE_ARGUMENTS_MAX)
			return false;
		options->extra[options->extra_count++] = optarg;
		return true;
	case OPTION_LIST:
		return options->list = true;
	case OPTION_DRY:
		return options->dry_run = true;
	case OPTION_TIMES:
		return options->times = true;
	case OPTION_HOST:
		return options->host_wide = true;
	default:
		return false;
	}
}

static bool parse_options(int argc, char **argv, struct options *ret_options)
{
	struct options options = { .backend = "auto", .pattern = "*", .log_level = "warn", .scale = 1, .slow = 1 };
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		if (!parse_option(&options, option))
			return false;
	if (optind != argc || (!options.sonde && !options.dry_run && !options.list))
		return false;
	*ret_options = options;
	return true;
}

static bool wanted(const struct options *options, const struct truth_case *kase, enum family family, char *name,
		   size_t size)
{
	snprintf(name, size, "%s.%s", kase->name, family_text(family));
	return kase->families & 1U << family && !fnmatch(options->pattern, name, FNM_EXTMATCH);
}

/* Calls visit for every test. */
static size_t each_test(struct truth *truth, void (*visit)(struct truth *truth, const struct truth_case *kase,
							   enum family family, const char *name))
{
	char name[SERVICE_LENGTH];
	size_t count = 0;

	for (int t = 0; case_tables[t]; t++)
		for (const struct truth_case *kase = case_tables[t]; kase->name; kase++)
			for (int family = 0; family < FAMILY_COUNT; family++) {
				if (!wanted(&truth->options, kase, (enum family)family, name, sizeof(name)))
					continue;
				count++;
				if (visit)
					visit(truth, kase, (enum family)family, name);
			}
	return count;
}

static void list_test(struct truth *truth, const struct truth_case *kase, enum family family, const char *name)
{
	(void)truth;
	(void)family;
	printf("%d\t%s\t%s\n", kase->number, name, kase->description);
}

static int read_before(struct truth *truth)
{
	struct scrape scrape;
	int err = scrape_new(truth->sonde.port, &scrape);

	if (err < 0)
		return err;
	losses_read(&scrape, &truth->losses);
	for (size_t i = 0; i < scrape.count; i++)
		if (!strcmp(scrape.samples[i].name, "sonde_backend_info"))
			label_value(&scrape.samples[i], "backend", truth->backend, sizeof(truth->backend));
	scrape_done(&scrape);
	return 0;
}

/* The shared agent: running afterwards unless the result says why not. */
static void prepare_agent(struct truth *truth, const struct truth_case *kase, enum family family)
{
	int err = 0;
	/* Services stay in the exposition: a fresh agent when scrapes have cost more than its start would. */
	bool stale = kase->flags & OWN_AGENT || truth->scrape_ns > truth->start_ns || !sonde_alive(truth);

	if (truth->options.dry_run)
		return;
	if (stale)
		sonde_stop(truth, SIGTERM);
	if (kase->flags & OWN_AGENT)
		return;
	if (stale && sonde_start(truth) < 0)
		return;
	if (family == FAMILY_UNIX && kase->load.client.body_receive == BODY_RECEIVE_SPLICE) {
		err = prime_unix(truth);
		truth->settled = false;
	}
	/* The last look at a test that went well is the first at the next one. */
	if (!err && (stale || !truth->settled))
		err = read_before(truth);
	if (err < 0)
		result_fail(truth->result, "cannot scrape sonde, or prime it: %s", strerror(-err));
	truth->before = truth->losses;
	truth->settled = false;
}

static void run_once(struct truth *truth, const struct truth_case *kase, enum family family)
{
	struct result *result = truth->result;

	world_reset(truth->world);
	memset(truth->world->address_length, 0, sizeof(truth->world->address_length));
	if (kase->flags & NEEDS_URING && !uring_supported())
		result_skip(result, "io_uring is not available on this host");
	else
		prepare_agent(truth, kase, family);
	if (result->verdict == VERDICT_PASS && kase->flags & NEEDS_FUNCTION_HOOKS &&
	    !strcmp(truth->backend, "tracepoint"))
		result_skip(result, "hooks of system calls do not see it, by design");
	if (result->verdict != VERDICT_PASS)
		return;
	if (kase->run)
		kase->run(truth, kase, family);
	else
		run_actors(truth, kase, family);
	if (check_witness(truth, kase) && !truth->options.dry_run && !(kase->flags & OWN_AGENT))
		check_case(truth, kase, family);
}

/* Did the agent get no processor for so long that the kernel side had to cut calls short? What is missing then is
 * counted, as sonde promises, but says nothing about the case. */
static bool machine_spoilt(struct truth *truth, const struct truth_case *kase)
{
	struct losses before = truth->before;

	if (truth->options.dry_run || kase->flags & OWN_AGENT || !sonde_alive(truth) || read_before(truth) < 0)
		return false;
	return truth->losses.scarce > before.scarce;
}

/* A case that fails by that is run again, under a new agent, and said to be. */
static void run_test(struct truth *truth, const struct truth_case *kase, enum family family, const char *name)
{
	struct result result;
	uint64_t start = clock_ns();
	unsigned repeated = 0;

	for (;;) {
		if (truth->world->interrupted)
			return;
		result = (struct result){ .name = name, .kase = kase, .repeated = repeated };
		truth->result = &result;
		run_once(truth, kase, family);
		if (result.verdict != VERDICT_FAIL || repeated == REPEATS_MAX || !machine_spoilt(truth, kase))
			break;
		printf("# %s: again, the agent was starved: %s\n", name, result.reason);
		sonde_stop(truth, SIGTERM);
		repeated++;
	}
	truth->settled = result.verdict == VERDICT_PASS && !(kase->flags & ALLOW_OUT_OF_STEP);
	snprintf(result.backend, sizeof(result.backend), "%s", truth->backend);
	result.seconds = (double)(clock_ns() - start) / 1e9;
	report_add(truth->report, &result);
	truth->result = NULL;
}

static int set_up(struct truth *truth)
{
	int err = world_new(&truth->world, &truth->world_fd);

	if (err < 0)
		return err;
	truth->world->scale = truth->options.scale;
	truth->world->deadline_s = (unsigned)(DEADLINE_S * truth->options.slow + 1);
	mkdir("/tmp", 01777);
	snprintf(truth->world->directory, sizeof(truth->world->directory), "/tmp/sonde-truth-XXXXXX");
	if (!mkdtemp(truth->world->directory))
		return -errno;
	/* Also for a dry run: the workload is what it will be. Not being root is no error then. */
	if (!truth->options.host_wide) {
		err = cgroup_new(truth->cgroup, sizeof(truth->cgroup));
		if (err < 0) {
			*truth->cgroup = '\0';
			return truth->options.dry_run ? 0 : err;
		}
	}
	return 0;
}

/* Unix sockets stay behind when their server ends. */
static void remove_directory(const char *directory)
{
	char path[300];
	DIR *entries = opendir(directory);
	struct dirent *entry;

	while (entries && (entry = readdir(entries))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		unlink(path);
	}
	if (entries)
		closedir(entries);
	rmdir(directory);
}

/* For the handler alone. */
static struct world *interrupted_world;

static void on_interrupt(int number)
{
	(void)number;
	interrupted_world->interrupted = 1;
	interrupted_world->failed = 1;
}

static void catch_interrupts(struct world *world)
{
	/* Without SA_RESTART: waits end early. */
	const struct sigaction action = { .sa_handler = on_interrupt };

	interrupted_world = world;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

int main(int argc, char **argv)
{
	static struct truth truth = { .sonde.log = -1 };
	int failed = -1;
	int err;

	if (argc > 1 && !strcmp(argv[1], "--actor"))
		return actor_main(argc, argv);
	if (!parse_options(argc, argv, &truth.options))
		return usage();
	if (truth.options.list) {
		each_test(&truth, list_test);
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	err = set_up(&truth);
	if (!err)
		catch_interrupts(truth.world);
	if (!err)
		err = report_new(&truth.options, each_test(&truth, NULL), &truth.report);
	if (err < 0) {
		printf("Bail out! %s%s\n", strerror(-err), err == -EACCES ? " (not root?)" : "");
	} else {
		each_test(&truth, run_test);
		failed = report_done(truth.report);
	}
	sonde_stop(&truth, SIGTERM);
	cgroup_free(truth.cgroup);
	remove_directory(truth.world->directory);
	return failed || truth.world->interrupted ? 1 : 0;
}
