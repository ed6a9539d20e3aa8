/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the agent able to do its work, and does it keep up? What /health/ready tells, and the one warning about losses.
 */
#include "agent_internal.h"

#include "base/clock.h"

#define STALL_NS 2000000000ULL /* the ring has not been drained for so long: the agent does not keep up */
#define RECENT_LOSS_NS 60000000000ULL

void agent_watch_losses(struct agent *agent)
{
	struct capture_figures figures;
	uint64_t lost = 0, held;

	if (!agent->capture || capture_read_figures(agent->capture, &figures))
		return;
	for (size_t i = 0; i < figures.lost_count; i++)
		lost += figures.lost[i].value;
	if (lost == agent->lost_before)
		return;
	stream_on_loss(agent->streams);
	agent->lost_realtime_ns = clock_realtime_ns();
	if (log_limit_pass(&agent->loss_limit, agent->now_ns, &held))
		log_warn("events were lost between the kernel and the agent: sonde_events_lost_total says why",
			 log_uint("new", lost - agent->lost_before), log_uint("total", lost));
	agent->lost_before = lost;
}

size_t agent_health(void *ctx, struct web_check *ret_checks)
{
	struct agent *agent = ctx;
	uint64_t now_ns = clock_realtime_ns();
	uint64_t since_drain = clock_monotonic_ns() - agent->drained_ns;
	bool losing = agent->lost_realtime_ns && now_ns - agent->lost_realtime_ns < RECENT_LOSS_NS;
	const char *limits = agent->capture ? capture_backend_limits(capture_backend(agent->capture)) : "";
	const char *fine = agent->capture ? "attached" : "switched off";
	size_t count = 0;

	if (agent->capture_failed)
		limits = "no backend works on this host: only its own metrics are served; see sonde doctor";
	ret_checks[count++] = (struct web_check){
		.name = "capture",
		.state = *limits ? WEB_CHECK_WARN : WEB_CHECK_PASS,
		.time_ns = agent->started_realtime_ns,
		.message = *limits ? limits : fine,
	};
	ret_checks[count++] = (struct web_check){
		.name = "ring",
		.state = since_drain > STALL_NS ? WEB_CHECK_FAIL : WEB_CHECK_PASS,
		.time_ns = now_ns,
		.message = since_drain > STALL_NS ? "not drained for over two seconds" : "drained",
	};
	ret_checks[count++] = (struct web_check){
		.name = "losses",
		.state = losing ? WEB_CHECK_WARN : WEB_CHECK_PASS,
		.time_ns = agent->lost_realtime_ns ? agent->lost_realtime_ns : agent->started_realtime_ns,
		.message = losing ? "events were lost in the last minute: see sonde_events_lost_total" :
				    "none in the last minute",
	};
	return count;
}
