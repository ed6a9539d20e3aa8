/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wires the usage programs (load/usage.h) to the table of containers (container/usage.h). A host that refuses the
 * programs is told so once; the rest of the agent goes on.
 */
#include "agent_internal.h"

#include <stdio.h>

#define REFRESH_NS 10000000000ULL /* without a scrape: so that records of cgroups that are gone do not pile up */
#define CGROUPS_MAX 8192          /* as max_entries in bpf/usage_maps.h */
#define KEEP_GONE_NS 120000000000ULL
#define GONE_MAX 1024

static int each_cpu(void *ctx, void (*visit)(void *visit_ctx, uint64_t cgroup, const struct usage_cpu *cpu),
		    void *visit_ctx)
{
	return usage_each_cpu(ctx, visit, visit_ctx);
}

static int each_events(void *ctx, void (*visit)(void *visit_ctx, uint64_t cgroup, const struct usage_events *events),
		       void *visit_ctx)
{
	return usage_each_events(ctx, visit, visit_ctx);
}

static int each_detail(void *ctx, void (*visit)(void *visit_ctx, const struct usage_detail *detail), void *visit_ctx)
{
	return usage_each_detail(ctx, visit, visit_ctx);
}

static bool is_told(const struct agent *agent, enum usage_family family, bool wanted)
{
	static const char *const options[USAGE_FAMILIES] = {
		[USAGE_SCHEDULER] = "usage.scheduler",
		[USAGE_MEMORY] = "usage.memory",
		[USAGE_BLOCK] = "usage.block",
		[USAGE_TCP] = "usage.tcp",
	};
	const char *missing = usage_missing(agent->usage, family);

	if (wanted && *missing)
		log_info("some of what only the kernel knows of containers is missing",
			 log_text("option", options[family]), log_text("reason", missing));
	return wanted && usage_has(agent->usage, family);
}

static bool take_path(void *ctx, uint64_t cgroup, char *ret_path, size_t size)
{
	return size >= USAGE_PATH_MAX && usage_take_path(ctx, cgroup, ret_path);
}

static void forget(void *ctx, uint64_t cgroup)
{
	usage_forget(ctx, cgroup);
}

static void forget_block(void *ctx, uint64_t cgroup)
{
	usage_forget_block(ctx, cgroup);
}

static int make_table(struct agent *agent, uint64_t seed)
{
	struct usage_table_config config = {
		.controller = usage_controller(agent->usage),
		.block_controller = usage_block_controller(agent->usage),
		.source = { .ctx = agent->usage,
			    .each_cpu = each_cpu,
			    .each_events = each_events,
			    .each_detail = each_detail,
			    .take_path = take_path,
			    .forget = forget,
			    .forget_block = forget_block },
		.sysfs = agent->config->path_sysfs,
		.cgroups = agent->cgroups,
		.scheduler = is_told(agent, USAGE_SCHEDULER, agent->config->usage_scheduler),
		.memory = is_told(agent, USAGE_MEMORY, agent->config->usage_memory),
		.block = is_told(agent, USAGE_BLOCK, agent->config->usage_block),
		.tcp = is_told(agent, USAGE_TCP, agent->config->usage_tcp),
		.faults = agent->config->usage_scheduler && usage_has_faults(agent->usage),
		.limit = CGROUPS_MAX,
		.keep_gone_ns = KEEP_GONE_NS,
		.gone_max = GONE_MAX,
		.hash_seed = seed,
		.native_histograms = agent->config->metrics_native_histograms,
	};
	char mounts[4096];

	snprintf(mounts, sizeof(mounts), "%s/self/mounts", agent->config->path_procfs);
	config.mounts = mounts;
	return usage_table_new(&config, &agent->usage_table);
}

void agent_usage_start(struct agent *agent, uint64_t seed)
{
	const struct config *config = agent->config;
	struct capture_error message;
	int error;

	if (config->backend == BACKEND_NONE ||
	    !(config->usage_scheduler || config->usage_memory || config->usage_block || config->usage_tcp))
		return;
	if (usage_new(agent->config, &agent->usage, &message)) {
		log_info("what only the kernel knows of containers is not told", log_text("reason", message.text));
		return;
	}
	error = make_table(agent, seed);
	if (!error)
		return;
	log_warn("what only the kernel knows of containers is not told: no tree of cgroups", log_errno(error));
	agent_usage_done(agent);
}

void agent_usage_done(struct agent *agent)
{
	usage_table_free(agent->usage_table);
	usage_free(agent->usage);
	agent->usage_table = NULL;
	agent->usage = NULL;
}

void agent_usage_refresh(struct agent *agent, bool now)
{
	if (agent->usage && !now)
		usage_look_at_connections(agent->usage, agent->now_ns);
	if (!agent->usage_table || (!now && agent->now_ns - agent->usage_refreshed_ns < REFRESH_NS))
		return;
	agent->usage_refreshed_ns = agent->now_ns;
	usage_repair(agent->usage);
	usage_table_refresh(agent->usage_table, agent->now_ns);
}

static void add_missed(void *ctx, const struct capture_program *program)
{
	*(uint64_t *)ctx += program->missed;
}

void agent_usage_visit_losses(const struct agent *agent, const struct metric_visitor *out)
{
	struct usage_losses losses;
	uint64_t missed = 0;

	if (!agent->usage || usage_read_losses(agent->usage, &losses))
		return;
	usage_each_program(agent->usage, add_missed, &missed);
	out->family_begin(out->ctx,
			  &(struct metric_family){ .name = "sonde_usage_lost_total",
						   .help = "What the usage programs could not count, by reason.",
						   .unit = "",
						   .type = METRIC_COUNTER });
	for (size_t i = 0; i < losses.count; i++)
		out->sample(out->ctx, &(struct metric_label){ "reason", losses.lost[i].reason }, 1,
			    (double)losses.lost[i].value);
	out->sample(out->ctx, &(struct metric_label){ "reason", "program_missed" }, 1, (double)missed);
	out->family_end(out->ctx);
}
