/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runner's half: the cgroup that the workload lives in, the agent under test, scrapes of it, the comparison and the
 * report. None of it runs inside the cgroup, so none of it is observed.
 */
#pragma once

#include "truth.h"

#define SERVICE_LENGTH 96
#define TEXT_LENGTH 600
#define SONDE_ARGUMENTS_MAX 16

struct options {
	const char *sonde;   /* NULL with dry_run */
	const char *backend; /* as given: auto, fentry, kprobe, tracepoint */
	const char *pattern; /* of case names */
	const char *json;
	const char *log_level;
	const char *extra[SONDE_ARGUMENTS_MAX];
	int extra_count;
	double scale;
	double slow; /* multiplies deadlines */
	bool list;
	bool dry_run;
	bool host_wide;
	bool times;
};

struct sonde {
	pid_t pid; /* 0: not running */
	uint16_t port;
	int log; /* memory file with its standard error */
};

struct sample {
	const char *name;
	const char *labels; /* between the braces, escaped; "" */
	double value;
};

/* One scrape. Samples point into text. */
struct scrape {
	char *text;
	struct sample *samples;
	size_t count;
};

/* The counters that are asserted beside the data, read before and after a case. */
struct losses {
	double lost;
	double out_of_step;
	double captured;
	double scarce; /* calls cut short because the agent did not come to empty the ring */
	bool present;
};

enum verdict {
	VERDICT_PASS,
	VERDICT_FAIL,
	VERDICT_SKIP,
};

struct result {
	const char *name;
	const struct truth_case *kase;
	enum verdict verdict;
	char expected[TEXT_LENGTH];
	char got[TEXT_LENGTH];
	char reason[TEXT_LENGTH]; /* of failure or skip */
	double seconds;
	char backend[16];  /* in use; "" when no agent was asked */
	unsigned repeated; /* tries before this one that the machine spoilt */
};

struct report;

struct truth {
	struct options options;
	struct world *world;
	int world_fd;
	char backend[16]; /* the one that the agent says it uses; "" before the first agent */
	char cgroup[256]; /* directory; "" when host-wide */
	struct sonde sonde;
	uint64_t start_ns;    /* what the agent's start took */
	uint64_t scrape_ns;   /* what its scrapes have taken since */
	struct losses losses; /* when they were last read */
	bool settled;         /* and nothing has happened since */
	struct losses before;
	struct result *result; /* of the case that runs */
	struct report *report;
};

/* --- cgroup.c --- */

/* A child of the v2 tree's root for this run. -errno. */
int cgroup_new(char *ret_directory, size_t size);
/* Moves the calling process. */
int cgroup_enter(const char *directory);
/* Kills what is left in it (this run's own processes) and removes it. */
void cgroup_free(const char *directory);

/* --- sonde_process.c --- */

/* Starts the agent and waits until it is ready. On failure the result's reason tells the agent's last words. */
int sonde_start(struct truth *truth);
/* By the signal; waits. -ETIMEDOUT when SIGTERM took more than the second that it promises (times --slow): killed then.
 */
int sonde_stop(struct truth *truth, int signal);
bool sonde_alive(struct truth *truth);
/* The last line of its log into text. */
void sonde_last_words(const struct truth *truth, char *text, size_t size);

/* --- prime.c --- */

/* One exchange over a unix connection, which the agent has seen when this returns. -errno. */
int prime_unix(const struct truth *truth);

/* --- scrape.c --- */

/* GET path from 127.0.0.1:port. Status code or -errno; the body NUL-terminated, owned by the caller. */
int http_get(uint16_t port, const char *path, unsigned deadline_ms, char **ret_body);
int scrape_new(uint16_t port, struct scrape *ret_scrape);
void scrape_done(struct scrape *scrape);
/* The label's value, unescaped, into text: false (and "") when there is no such label. */
bool label_value(const struct sample *sample, const char *label, char *text, size_t size);
/* Sum over samples of this name whose label has this value; label NULL: all. ret_present may be NULL. */
double scrape_sum(const struct scrape *scrape, const char *name, const char *label, const char *value,
		  bool *ret_present);

/* --- check.c, check_extra.c --- */

void losses_read(const struct scrape *scrape, struct losses *ret_losses);
/* Polls the metrics until they agree with the world's counts, or the deadline. Fills the result. */
void check_case(struct truth *truth, const struct truth_case *kase, enum family family);
/* The witness alone: do server and client agree, and was everything met that the case needs. */
bool check_witness(struct truth *truth, const struct truth_case *kase);
/* Text such as "server GET 200: 1000". */
void describe_expected(struct world *world, char *text, size_t size);
/* What the agent tells of the case's services, in the same form, with its loss counters. */
void describe_seen(const struct scrape *scrape, const char *prefix, char *text, size_t size);
void service_name(char *text, size_t size, const struct truth_case *kase, enum family family, const char *role);
/* Each false with text in `why`. */
bool check_active(const struct scrape *scrape, const char *prefix, char *why, size_t size);
bool check_malformed(const struct truth *truth, const struct scrape *scrape, const char *prefix, char *why,
		     size_t size);
bool check_opaque(const struct truth *truth, const struct scrape *scrape, const char *prefix, char *why, size_t size);
bool check_latency(const struct truth *truth, const struct scrape *scrape, const char *prefix, char *why, size_t size);
bool check_labels(const struct scrape *scrape, const char *prefix, enum family family, char *why, size_t size);
/* Does this sample belong to a service of the case? */
bool sample_of(const struct sample *sample, const char *prefix, char *service, size_t size);

/* --- report.c --- */

int report_new(const struct options *options, size_t planned, struct report **ret_report);
/* Prints the TAP line and keeps the result. */
void report_add(struct report *report, const struct result *result);
/* Writes the JSON file, frees; the number of failures, or -errno. */
int report_done(struct report *report);
/* Fails the running case, unless it has failed already. */
void result_fail(struct result *result, const char *format, ...) __attribute__((format(printf, 2, 3)));
void result_skip(struct result *result, const char *format, ...) __attribute__((format(printf, 2, 3)));
