/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wires the containers: what state files know of them, and the table of cgroups.
 */
#include "agent_internal.h"
#include "identity/containers.h"

#define CONTAINERS_MAX 16384

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
	error = container_table_new(&config, &agent->cgroups);
	if (error)
		log_warn("no metrics of containers: no cgroups can be read below --path.sysfs",
			 log_text("path", agent->config->path_sysfs), log_errno(error));
}

void agent_containers_done(struct agent *agent)
{
	container_table_free(agent->cgroups);
	containers_free(agent->containers);
}
