/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must be seen while it is going on: an exchange is counted although its connection stays open and says nothing
 * more, and the gauge of active requests holds those that a server has read and not yet answered.
 */
#include "harness.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS 6
#define EVENT_HERE EVENT_FREE /* one more is where the runner wants it */
#define GAUGE_MS 3000

#define SMALL .plans = { { .method = "GET", .response = FRAMING_LENGTH, .response_bytes = 100 } }

/* Answers are read, connections kept until the runner has looked. */
static int lingering_client(struct actor *self)
{
	int fds[CONNECTIONS];
	int err = 0;

	for (int i = 0; i < CONNECTIONS && !err; i++) {
		fds[i] = transport_connect(self, 0);
		err = fds[i] < 0 ? fds[i] : client_converse(self, dup(fds[i]), 1, 0);
	}
	if (err < 0)
		return world_fail(self->world, "%s: %s", self->role, strerror(-err));
	event_post(self->world, EVENT_HERE);
	return event_wait(self->world, EVENT_GO, 1) ? 1 : 0;
}

static int run_looking(struct truth *truth, const struct truth_case *kase, enum family family)
{
	pid_t pids[ROLES_MAX];
	int err = start_actors(truth, kase, family, pids);

	if (!err)
		err = event_wait(truth->world, EVENT_HERE, 1);
	if (!err)
		err = await_agreement(truth->world);
	if (err)
		world_fail(truth->world, "the connections did not come to rest");
	else if (!truth->options.dry_run)
		check_case(truth, kase, family);
	event_post(truth->world, EVENT_GO);
	return finish_actors(truth, pids);
}

static int hold(struct actor *self, uint32_t plan)
{
	(void)plan;
	event_post(self->world, EVENT_HERE);
	return event_wait(self->world, EVENT_GO, 1);
}

static int holding_server(struct actor *self)
{
	self->call = hold;
	return server_actor(self);
}

static double gauge_of(struct truth *truth, const char *service)
{
	struct scrape scrape;
	double value;

	if (scrape_new(truth->sonde.port, &scrape) < 0)
		return -1;
	value = scrape_sum(&scrape, "http_server_active_requests", "service_name", service, NULL);
	scrape_done(&scrape);
	return value;
}

static int run_held(struct truth *truth, const struct truth_case *kase, enum family family)
{
	uint64_t deadline;
	char service[SERVICE_LENGTH];
	pid_t pids[ROLES_MAX];
	double gauge = 0;
	int err = start_actors(truth, kase, family, pids);

	if (!err && event_wait(truth->world, EVENT_HERE, CONNECTIONS) < 0)
		world_fail(truth->world, "not all requests were read");
	service_name(service, sizeof(service), kase, family, "server");
	deadline = clock_ns() + (uint64_t)(GAUGE_MS * truth->options.slow) * 1000000U;
	while (!truth->options.dry_run && !truth->world->failed) {
		gauge = gauge_of(truth, service);
		if (gauge == CONNECTIONS)
			break;
		if (clock_ns() > deadline) {
			result_fail(truth->result, "http_server_active_requests: expected %d got %.0f", CONNECTIONS,
				    gauge);
			break;
		}
		sleep_us(5000);
	}
	event_post(truth->world, EVENT_GO);
	return finish_actors(truth, pids);
}

const struct truth_case cases_open[] = {
	{ .name = "idle-open",
	  .number = 1,
	  .description = "connections that stay open and idle after one request: counted at once",
	  .families = EVERY,
	  .load = { .threads = CONNECTIONS, SMALL },
	  .roles = { { "server", server_actor, false }, { "client", lingering_client, false } },
	  .run = run_looking },
	{ .name = "active",
	  .number = 1,
	  .description = "6 requests read and held by the server: the gauge of active requests is 6, then 0",
	  .families = EVERY,
	  .load = { .connections = CONNECTIONS, .threads = CONNECTIONS, SMALL },
	  .roles = { { "server", holding_server, false }, { "client", client_actor, false } },
	  .run = run_held },
	{ 0 },
};
