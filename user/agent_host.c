/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's collectors in the agent: made at start, run before every walk of a scrape, their failures told in the log
 * at most once a minute each.
 */
#include <errno.h>
#include <stdio.h>

#include "agent_internal.h"
#include "base/clock.h"

static void on_failed(void *ctx, enum host_collector collector, int error, const char *what)
{
	struct agent *agent = ctx;
	uint64_t held;

	if (log_limit_pass(&agent->host_limits[collector], clock_monotonic_ns(), &held))
		log_warn("a collector of the host failed: node_scrape_collector_success",
			 log_text("collector", collector_name(collector)), log_text("at", what), log_errno(error),
			 log_uint("held_back", held));
}

/* While a scrape waits for filesystems, what the kernel side sends is taken as ever. */
static void on_idle(void *ctx)
{
	agent_drain(ctx);
}

int agent_make_host(struct agent *agent, uint64_t hash_seed)
{
	const struct host_config config = {
		.config = agent->config,
		.version = agent_version(),
		.revision = agent_revision(),
		.hash_seed = hash_seed,
		.ctx = agent,
		.failed = on_failed,
		.idle = on_idle,
	};

	return host_new(&config, &agent->host);
}

int agent_refresh(void *ctx, const struct snapshot_filter *filter, char *ret_error, size_t error_size)
{
	struct agent *agent = ctx;
	const char *name = "";
	int error = host_collect(agent->host, filter, &name);

	if (error == -ENOENT)
		snprintf(ret_error, error_size, "there is no collector \"%.64s\"\n", name);
	else if (error)
		snprintf(ret_error, error_size, "the collector \"%.64s\" is switched off\n", name);
	if (error)
		return error;
	agent->snapshot.only_collectors = filter->count && !filter->exclude;
	agent_drain(agent);
	agent_count_sessions(agent);
	agent_cgroups_drain(agent);
	if (agent->cgroups && !agent->snapshot.only_collectors)
		container_refresh(agent->cgroups, agent->now_ns, agent->now_ns + agent->epoch_ns);
	agent_usage_refresh(agent, true);
	return 0;
}
