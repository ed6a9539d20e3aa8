/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wires the containers: what state files know of them, and the table of cgroups.
 */
#include <errno.h>
#include <sys/resource.h>

#include "agent_internal.h"
#include "base/clock.h"
#include "identity/containers.h"

#define CONTAINERS_MAX 16384
#define FILES_WANTED 65536
#define YOUNG_TICK_NS 10000000ULL

int agent_containers_new(struct agent *agent, uint64_t seed)
{
	struct containers_config config = { .rootfs = agent->config->path_rootfs,
					    .limit = CONTAINERS_MAX,
					    .hash_seed = seed };
	int error = containers_new(&config, &agent->containers);

	if (error)
		log_error("cannot open the host's root directory; name it by --path.rootfs",
			  log_text("path", agent->config->path_rootfs), log_errno(error));
	return error;
}

/* Files of cgroups stay open: the soft limit, 1,024 for most services, is meant for programs that use select(). */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= FILES_WANTED)
		return;
	limit.rlim_cur = limit.rlim_max < FILES_WANTED ? limit.rlim_max : FILES_WANTED;
	/* Refused, the table keeps fewer open. */
	if (setrlimit(RLIMIT_NOFILE, &limit))
		log_debug("the limit of open files stays");
}

void agent_cgroups_new(struct agent *agent, uint64_t seed)
{
	struct container_config config = {
		.procfs = agent->config->path_procfs,
		.sysfs = agent->config->path_sysfs,
		.limit = agent->config->container_limit,
		.keep_gone_ns = agent->config->container_keep_ns,
		.hash_seed = seed,
		.selected = (const char *const *)agent->config->select_cgroups.items,
		.selected_count = agent->config->select_cgroups.count,
		.containers = agent->containers,
	};
	bool processes = agent->config->select_pids.count || agent->config->select_exes.count;
	int error;

	if (!agent->config->container_enabled)
		return;
	if (processes && !config.selected_count) {
		log_info("no metrics of containers: processes are selected, not cgroups");
		return;
	}
	raise_file_limit();
	error = container_table_new(&config, &agent->cgroups);
	if (error)
		log_warn("no metrics of containers: no cgroups can be read below --path.sysfs",
			 log_text("path", agent->config->path_sysfs), log_errno(error));
}

static void on_life(void *ctx, const struct cgroup_life *life)
{
	struct agent *agent = ctx;
	container_on_life(agent->cgroups, life, life->time_ns + agent->epoch_ns);
}

void agent_cgroups_drain(struct agent *agent)
{
	if (!agent->births)
		return;
	cgroup_watch_drain(agent->births);
	container_on_loss(agent->cgroups, cgroup_watch_lost(agent->births));
}

static void on_births(void *ctx, uint32_t events)
{
	struct agent *agent = ctx;

	(void)events;
	agent_cgroups_drain(agent);
	if (!agent->young_ticks && container_young(agent->cgroups, clock_monotonic_ns()))
		agent->young_ticks = !loop_set_interval(agent->young_timer, YOUNG_TICK_NS);
}

/* Containers write who they are a moment after their cgroups are made. */
static void on_young(void *ctx)
{
	struct agent *agent = ctx;
	uint64_t now_ns = clock_monotonic_ns();

	container_tick(agent->cgroups, now_ns);
	if (!container_young(agent->cgroups, now_ns))
		agent->young_ticks = loop_set_interval(agent->young_timer, 0) != 0;
}

int agent_cgroups_watch(struct agent *agent)
{
	int error;

	if (!agent->cgroups)
		return 0;
	error = agent->config->backend == BACKEND_NONE ? -ENOTSUP : cgroup_watch_new(on_life, agent, &agent->births);
	if (error) {
		log_info("births and deaths of cgroups are not told: the tree is looked through every ten seconds",
			 log_errno(error));
		return 0;
	}
	container_watched(agent->cgroups, true);
	error = loop_add_timer(agent->loop, 0, on_young, agent, &agent->young_timer);
	return error ? error :
		       loop_add_fd(agent->loop, cgroup_watch_fd(agent->births), EPOLLIN, on_births, agent, NULL);
}

void agent_containers_done(struct agent *agent)
{
	cgroup_watch_free(agent->births);
	container_table_free(agent->cgroups);
	containers_free(agent->containers);
}
