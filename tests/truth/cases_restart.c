/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Case 5, the agent's half: connections that are older than it, and restarts under load. Here the agent's life is part
 * of the case, so each starts its own.
 */
#include "harness.h"
#include "script.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define EARLY_CONNECTIONS 6
#define EARLY_REQUESTS 5
#define LATER_REQUESTS 50
#define LOAD_THREADS 4
#define EVENT_OPENED EVENT_FREE
#define EVENT_ENOUGH (EVENT_FREE + 1)
#define BETWEEN 1000
#define SETTLE_MS 3000

#define SMALL .plans = { { .method = "GET", .response = FRAMING_LENGTH, .response_bytes = 100 } }
/* Steady, not saturating: an agent that starts on one processor must get its share. */
#define STEADY .plans = { { .method = "GET", .response = FRAMING_LENGTH, .response_bytes = 100, .think_us = 1000 } }

/* Fresh agent, and what its counters say before the case goes on. */
static int start_agent(struct truth *truth)
{
	struct scrape scrape;
	int err = sonde_start(truth);

	if (err || truth->options.dry_run)
		return err;
	err = scrape_new(truth->sonde.port, &scrape);
	if (err < 0)
		return err;
	losses_read(&scrape, &truth->before);
	scrape_done(&scrape);
	return 0;
}

static void finish_and_check(struct truth *truth, const struct truth_case *kase, enum family family, pid_t *pids)
{
	finish_actors(truth, pids);
	if (check_witness(truth, kase) && !truth->options.dry_run)
		check_case(truth, kase, family);
	if (sonde_stop(truth, SIGTERM) < 0)
		result_fail(truth->result, "sonde did not end within a second of SIGTERM");
}

/* Opens and uses connections, waits for the agent, then goes on with the same ones. */
static int early_client(struct actor *self)
{
	int fds[EARLY_CONNECTIONS];
	int err = 0;

	for (int i = 0; i < EARLY_CONNECTIONS && !err; i++) {
		fds[i] = transport_connect(self, 0);
		/* The last one is opened, but not yet used. */
		if (fds[i] < 0)
			err = fds[i];
		else if (i + 1 < EARLY_CONNECTIONS)
			err = client_converse(self, dup(fds[i]), EARLY_REQUESTS, 0);
	}
	event_post(self->world, EVENT_OPENED);
	if (!err)
		err = event_wait(self->world, EVENT_GO, 1);
	for (int i = 0; i < EARLY_CONNECTIONS && !err; i++)
		err = client_converse(self, fds[i], LATER_REQUESTS, 0);
	return err < 0 ? world_fail(self->world, "%s: %s", self->role, strerror(-err)) : 0;
}

/* Starts the agent when the workload says that it is under way; what came before is forgotten. */
static int run_with_late_agent(struct truth *truth, const struct truth_case *kase, enum family family)
{
	pid_t pids[ROLES_MAX];
	int err = start_actors(truth, kase, family, pids);

	if (!err)
		err = event_wait(truth->world, EVENT_OPENED, 1);
	if (!err)
		err = await_agreement(truth->world);
	if (!err)
		err = start_agent(truth);
	world_forget_counts(truth->world);
	if (err)
		world_fail(truth->world, "the agent was not started");
	event_post(truth->world, EVENT_GO);
	finish_and_check(truth, kase, family, pids);
	return err;
}

#define HALF_1 "GET /early HTTP/1.1\r\nHost: truth.exa"
#define HALF_2 "mple\r\nX-Rest: 1\r\n\r\n"
#define WHOLE "PUT /later HTTP/1.1\r\nHost: truth.example\r\nContent-Length: 2\r\n\r\nhi"
#define OK_5 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define AWAIT_AGENT                     \
	{ .op = OP_POST, .number = 0 }, \
	{                               \
		.op = OP_WAIT_GO        \
	}
#define LATER_CLIENT SEND(WHOLE), RECEIVE(OK_5), SEND(WHOLE), RECEIVE(OK_5)
#define LATER_SERVER                                            \
	RECEIVE(WHOLE), SEND(OK_5), RECEIVE(WHOLE), SEND(OK_5), \
	{                                                       \
		.op = OP_EOF                                    \
	}
#define MAYBE                                             \
	{ SIDE_SERVER, "GET", 200, NULL, 0, 0, true },    \
	{                                                 \
		SIDE_CLIENT, "GET", 200, NULL, 0, 0, true \
	}
#define TWICE BOTH("PUT", 200, NULL, 2, 5), BOTH("PUT", 200, NULL, 2, 5)

/* The exchange that is under way when the agent starts may be told or not; those after it must be. */
static const struct script half_head_before = {
	.repeat = 1,
	.client = { SEND(HALF_1), AWAIT_AGENT, SEND(HALF_2), RECEIVE(OK_5), LATER_CLIENT },
	.server = { RECEIVE(HALF_1), RECEIVE(HALF_2), SEND(OK_5), LATER_SERVER },
	.outcomes = { TWICE, MAYBE },
};
static const struct script request_before = {
	.repeat = 1,
	.client = { SEND(HALF_1 HALF_2), AWAIT_AGENT, { .op = OP_POST, .number = 2 }, RECEIVE(OK_5), LATER_CLIENT },
	.server = { RECEIVE(HALF_1 HALF_2), { .op = OP_WAIT, .number = 2 }, SEND(OK_5), LATER_SERVER },
	.outcomes = { TWICE, MAYBE },
};
#define OK_START "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
/* Plain: what begins like a request in the middle of a body nobody can tell from one who did not see the head. */
#define FIFTY "a plain body's text of fifty bytes, which is short"
#define HALF_BODY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY
_Static_assert(sizeof(HALF_BODY) == 501, "two halves make the Content-Length");
static const struct script response_across = {
	.repeat = 1,
	.client = { SEND(HALF_1 HALF_2),
		    RECEIVE(OK_START),
		    RECEIVE(HALF_BODY),
		    AWAIT_AGENT,
		    { .op = OP_POST, .number = 2 },
		    RECEIVE(HALF_BODY),
		    LATER_CLIENT },
	.server = { RECEIVE(HALF_1 HALF_2),
		    SEND(OK_START),
		    SEND(HALF_BODY),
		    { .op = OP_WAIT, .number = 2 },
		    SEND(HALF_BODY),
		    LATER_SERVER },
	.outcomes = { TWICE, MAYBE },
};

static int load_client(struct actor *self)
{
	struct world *world = self->world;
	bool keep = self->kase->load.requests > 1;

	for (int i = 1; i < LOAD_THREADS; i++) {
		pid_t pid = fork();

		if (!pid)
			prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (pid <= 0)
			break;
	}
	while (world->events[EVENT_ENOUGH] == 0 && !world->failed) {
		int fd = transport_connect(self, 0);
		int err = fd < 0 ? fd : client_converse(self, fd, keep ? self->kase->load.requests : 1, 0);

		if (err < 0)
			return world_fail(world, "%s: %s", self->role, strerror(-err));
	}
	return wait_for_children(self);
}

/* Bounds of what one life of the agent must have seen. */
struct life {
	uint64_t before_start; /* completed when it was executed */
	uint64_t ready;        /* when it said that it is ready */
	uint64_t end_low;      /* just before the scrape */
	uint64_t end_high;     /* just after */
	double counts[SIDE_COUNT];
	double errors;
};

static void await_progress(struct truth *truth, uint64_t more)
{
	uint64_t goal = tally_count(truth->world, SIDE_CLIENT, NULL) + more;

	while (tally_count(truth->world, SIDE_CLIENT, NULL) < goal && !truth->world->failed)
		sleep_us(2000);
}

static int measure(struct truth *truth, const char *prefix, struct life *life)
{
	static const char *const names[SIDE_COUNT] = { "http_server_request_duration_seconds_count",
						       "http_client_request_duration_seconds_count" };
	struct scrape scrape;
	char service[SERVICE_LENGTH], error[32];
	int err;

	life->end_low = tally_count(truth->world, SIDE_CLIENT, NULL);
	err = scrape_new(truth->sonde.port, &scrape);
	life->end_high = tally_count(truth->world, SIDE_CLIENT, NULL);
	if (err < 0)
		return err;
	life->errors = life->counts[0] = life->counts[1] = 0;
	for (size_t i = 0; i < scrape.count; i++)
		for (int side = 0; side < SIDE_COUNT; side++) {
			if (strcmp(scrape.samples[i].name, names[side]) ||
			    !sample_of(&scrape.samples[i], prefix, service, sizeof(service)))
				continue;
			life->counts[side] += scrape.samples[i].value;
			if (label_value(&scrape.samples[i], "error_type", error, sizeof(error)) && *error)
				life->errors += scrape.samples[i].value;
		}
	scrape_done(&scrape);
	return 0;
}

/* Exchanges that began after readiness are all there; none is that ended before the start. */
static bool within(const struct life *life)
{
	double low = (double)life->end_low - (double)life->ready - 2 * LOAD_THREADS;
	double high = (double)(life->end_high - life->before_start) + 2 * LOAD_THREADS;

	for (int side = 0; side < SIDE_COUNT; side++)
		if (life->counts[side] < low || life->counts[side] > high)
			return false;
	return life->errors == 0;
}

static int live(struct truth *truth, struct life *life)
{
	life->before_start = tally_count(truth->world, SIDE_CLIENT, NULL);
	if (start_agent(truth) < 0)
		return world_fail(truth->world, "the agent was not started");
	life->ready = tally_count(truth->world, SIDE_CLIENT, NULL);
	await_progress(truth, BETWEEN);
	return 0;
}

static void judge(struct truth *truth, const struct life *lives, double total)
{
	struct result *result = truth->result;

	snprintf(result->expected, sizeof(result->expected),
		 "first run %llu to %llu, second run %llu to %llu a side, no errors, both together at most %.0f",
		 (unsigned long long)(lives[0].end_low - lives[0].ready),
		 (unsigned long long)(lives[0].end_high - lives[0].before_start),
		 (unsigned long long)(lives[1].end_low - lives[1].ready),
		 (unsigned long long)(lives[1].end_high - lives[1].before_start), total);
	snprintf(result->got, sizeof(result->got), "first run %.0f and %.0f, second run %.0f and %.0f, errors %.0f",
		 lives[0].counts[0], lives[0].counts[1], lives[1].counts[0], lives[1].counts[1],
		 lives[0].errors + lives[1].errors);
	if (!within(&lives[0]) || !within(&lives[1]) || lives[0].counts[0] + lives[1].counts[0] > total ||
	    lives[0].counts[1] + lives[1].counts[1] > total)
		result_fail(result, "expected %.200s got %.200s", result->expected, result->got);
}

static int run_restart(struct truth *truth, const struct truth_case *kase, enum family family)
{
	int signal = kase->load.close_each || kase->load.requests == 1 ? SIGKILL : SIGTERM;
	struct life lives[2] = { 0 };
	char prefix[SERVICE_LENGTH];
	pid_t pids[ROLES_MAX];
	uint64_t deadline;
	int err = start_actors(truth, kase, family, pids);

	snprintf(prefix, sizeof(prefix), "%s.%s", kase->name, family_text(family));
	await_progress(truth, BETWEEN / 4);
	if (!err && !truth->options.dry_run) {
		err = live(truth, &lives[0]);
		if (!err)
			err = measure(truth, prefix, &lives[0]);
		if (sonde_stop(truth, signal) < 0)
			result_fail(truth->result, "sonde did not end within a second of SIGTERM");
		await_progress(truth, BETWEEN / 4);
		if (!err)
			err = live(truth, &lives[1]);
	}
	event_post(truth->world, EVENT_ENOUGH);
	finish_actors(truth, pids);
	if (err)
		world_fail(truth->world, "the agent could not be measured");
	if (!check_witness(truth, kase) || truth->options.dry_run)
		return 0;
	deadline = clock_ns() + SETTLE_MS * 1000000ULL;
	while (!(err = measure(truth, prefix, &lives[1])) && !within(&lives[1]) && clock_ns() < deadline)
		sleep_us(5000);
	judge(truth, lives, (double)tally_count(truth->world, SIDE_CLIENT, NULL));
	sonde_stop(truth, SIGTERM);
	return err;
}

#define LATE(title, text, conversation)                                                                       \
	{                                                                                                     \
		.name = (title), .number = 5, .description = (text), .families = TCP4,                        \
		.flags = OWN_AGENT | ALLOW_OUT_OF_STEP, .script = &(conversation), .run = run_with_late_agent \
	}
#define RESTART(title, text, which, ...)                                                                             \
	{                                                                                                            \
		.name = (title), .number = 5, .description = (text), .families = (which), .flags = OWN_AGENT,        \
		.load = { .threads = LOAD_THREADS, __VA_ARGS__, STEADY },                                            \
		.roles = { { "server", server_actor, false }, { "client", load_client, false } }, .run = run_restart \
	}

const struct truth_case cases_restart[] = {
	{ .name = "open-before",
	  .number = 5,
	  .description = "6 connections opened (5 of them used) before the agent, then 50 requests on each",
	  .families = TCP4 | UNIX,
	  .flags = OWN_AGENT,
	  .load = { .threads = EARLY_CONNECTIONS, SMALL },
	  .roles = { { "server", server_actor, false }, { "client", early_client, false } },
	  .run = run_with_late_agent },
	LATE("half-head-before", "the agent starts inside a request's head", half_head_before),
	LATE("request-before", "the agent starts between request and response", request_before),
	LATE("response-across", "the agent starts inside a response's body", response_across),
	RESTART("restart", "agent ended by SIGTERM and started again under load on kept connections", TCP4 | UNIX,
		.requests = 200),
	RESTART("restart-killed", "agent ended by SIGKILL and started again under load of short connections", TCP4,
		.requests = 1),
	{ 0 },
};
