/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent: makes the stages, wires them, owns the loop. One thread: the ring is drained on a timer whose interval
 * follows the load (wake-ups by the kernel side are the exception, for a ring that fills up), and before every scrape.
 */
#include "agent.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>

#include "agent_internal.h"
#include "base/clock.h"
#include "base/resident.h"
#include "exporters/prometheus/prometheus.h"

#define DRAIN_BUSY_NS 5000000ULL   /* between drains while events come */
#define DRAIN_IDLE_NS 100000000ULL /* and when none came for a while */
#define IDLE_DRAINS 40
#define HOUSEKEEPING_NS 1000000000ULL
#define EXPIRY_NS 60000000000ULL
#define HOLD_NS 20000000ULL /* how long stream waits for a segment that another one has overtaken */
#define STREAM_BYTES_MAX (64ULL << 20)
#define PROCESSES_MAX 16384
#define KEEP_DEAD_NS 30000000000ULL
#define CONNECTION_BYTES 400 /* that are held for an idle one, about */
#define GIVE_BACK_BYTES (512U << 10)

/* What many connections, or a queue that nobody took, have held goes back when they are gone: glibc keeps it, unless
 * it lies at the heap's end. */
static void give_back(struct agent *agent)
{
	size_t held = stream_table_connections(agent->streams) * CONNECTION_BYTES + agent_export_queued(agent);

	if (held >= agent->held_peak) {
		agent->held_peak = held;
	} else if (agent->held_peak - held >= GIVE_BACK_BYTES) {
		agent->held_peak = held;
		malloc_trim(0);
	}
}

static void housekeep(struct agent *agent)
{
	if (agent->now_ns - agent->housekept_ns < HOUSEKEEPING_NS)
		return;
	agent->housekept_ns = agent->now_ns;
	agent->epoch_ns = clock_epoch_ns();
	identity_tick(agent->identity, agent->now_ns);
	if (agent->cgroups)
		container_tick(agent->cgroups, agent->now_ns);
	agent_watch_losses(agent);
	agent_usage_refresh(agent, false);
	agent_export_watch(agent);
	give_back(agent);
	if (agent->now_ns - agent->expired_ns < EXPIRY_NS)
		return;
	agent->expired_ns = agent->now_ns;
	aggregate_expire(agent->aggregate, agent->now_ns);
	resident_forget_code(); /* what has run once, and tables that the loader has looked names up in */
}

static size_t drain(struct agent *agent)
{
	size_t events;

	agent->now_ns = clock_monotonic_ns();
	if (agent->trace)
		trace_tick(agent->trace, agent->now_ns, agent->epoch_ns);
	events = agent->capture ? capture_drain(agent->capture) : 0;
	if (agent->capture)
		capture_sweep(agent->capture, agent->now_ns);
	agent_tls_tick(agent);
	stream_tick(agent->streams, agent->now_ns);
	if (agent->trace)
		trace_tick(agent->trace, agent->now_ns, agent->epoch_ns);
	agent->drained_ns = agent->now_ns;
	return events;
}

static bool tls_waiting(const struct agent *agent)
{
	return agent->tls && (tls_table_waiting(agent->tls) || tls_hooks_waiting(agent->tls_hooks));
}

/* Failing to change the pace leaves the old one: nothing is lost by that. */
static void pace(struct agent *agent, size_t events)
{
	uint64_t interval;

	agent->idle_drains =
		events || stream_table_waiting(agent->streams) || tls_waiting(agent) ? 0 : agent->idle_drains + 1;
	interval = !agent->capture || agent->idle_drains > IDLE_DRAINS ? DRAIN_IDLE_NS : DRAIN_BUSY_NS;
	if (interval != agent->drain_interval_ns && !loop_set_interval(agent->drain_timer, interval))
		agent->drain_interval_ns = interval;
}

static void on_drain_timer(void *ctx)
{
	struct agent *agent = ctx;

	pace(agent, drain(agent));
	housekeep(agent);
}

static void on_ring(void *ctx, uint32_t events)
{
	(void)events;
	on_drain_timer(ctx);
}

void agent_drain(struct agent *agent)
{
	pace(agent, drain(agent));
}

static void on_web(void *ctx, uint32_t events)
{
	struct agent *agent = ctx;

	(void)events;
	web_run(agent->web);
}

static void on_stop_signal(void *ctx)
{
	struct agent *agent = ctx;

	loop_stop(agent->loop, 0);
}

static void apply_log(const struct config *config)
{
	enum log_level level = LOG_LEVEL_INFO;
	enum log_format format = LOG_FORMAT_LOGFMT;

	/* config_load has refused what these would. */
	if (!log_level_parse(config->log_level, &level) && !log_format_parse(config->log_format, &format))
		log_configure(level, format);
}

static void on_reload_signal(void *ctx)
{
	struct agent *agent = ctx;
	struct config fresh = { 0 };
	char error[512], names[512];

	if (config_load(agent->source->argc, agent->source->argv, agent->source->environment, &fresh, error,
			sizeof(error))) {
		log_error("cannot reload the configuration, the old one stays", log_text("error", error));
		config_free(&fresh);
		return;
	}
	if (config_reload_check(agent->config, &fresh, names, sizeof(names)))
		log_warn("some options change with a restart only", log_text("options", names));
	apply_log(&fresh);
	log_info("configuration reloaded");
	config_free(&fresh);
}

static uint64_t draw_seed(void)
{
	uint64_t seed = 0;

	/* Without entropy yet (early boot) the seed is 0: slower under chosen collisions, never wrong. */
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = 0;
	return seed;
}

static uint64_t web_now(void *ctx)
{
	(void)ctx;
	return clock_monotonic_ns();
}

static int make_capture(struct agent *agent)
{
	struct capture_sink sink = agent_sink(agent);
	struct capture_report report;
	bool forced = agent->config->backend != BACKEND_AUTO;
	int error;

	if (agent->config->backend == BACKEND_NONE)
		return 0;
	error = capture_new(agent->config, &sink, &agent->capture, &report);
	for (size_t i = 0; i < report.refused_count; i++)
		LOG_AT(error ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "backend not used",
		       log_text("reason", report.refused[i].text));
	if (!error)
		return 0;
	log_error(forced ? "the backend does not work on this host; `sonde doctor` says more" :
			   "no backend works on this host, serving its own metrics alone; `sonde doctor` says more");
	agent->capture = NULL;
	agent->capture_failed = true;
	return forced ? error : 0;
}

static int make_aggregate(struct agent *agent, uint64_t seed)
{
	struct aggregate_config config = {
		.series_limit = agent->config->metrics_series_limit,
		.idle_timeout_ns = agent->config->metrics_idle_timeout_ns,
		.route_values_limit = agent->config->http_route_values,
		.route_patterns = (const char *const *)agent->config->http_routes.items,
		.route_pattern_count = agent->config->http_routes.count,
		.native_histograms = agent->config->metrics_native_histograms,
		.outliers = agent->config->trace_slow_p99,
		.hash_seed = seed,
	};
	size_t bad = 0;
	int error = aggregate_new(&config, &agent->aggregate, &bad);

	if (error == -EINVAL)
		log_error("--http.route is not a template such as /users/{id}",
			  log_text("value", agent->config->http_routes.items[bad]));
	return error;
}

static int make_stages(struct agent *agent)
{
	uint64_t seed = draw_seed();
	struct stream_config streams = { .max_connections = agent->config->capture_max_connections,
					 .max_bytes = STREAM_BYTES_MAX,
					 .hold_ns = HOLD_NS,
					 .hash_seed = seed };
	struct identity_config identity = { .procfs = agent->config->path_procfs,
					    .max_processes = PROCESSES_MAX,
					    .keep_dead_ns = KEEP_DEAD_NS,
					    .services = agent_export_metrics(agent->config),
					    .go_version = agent_go_version,
					    .go_ctx = agent,
					    .hash_seed = seed };
	struct stream_callbacks callbacks;
	int error = make_aggregate(agent, seed);

	hash_table_init(&agent->executables, PROCESSES_MAX);
	if (!error)
		error = agent_containers_new(agent, seed);
	identity.containers = agent->containers;
	if (!error)
		error = identity_new(&identity, &agent->identity);
	if (!error)
		error = agent_make_host(agent, seed);
	if (!error)
		error = make_capture(agent);
	if (error)
		return error;
	error = agent_export_new(agent, seed);
	if (error)
		return error;
	callbacks = agent_stream_callbacks(agent);
	streams.keep = agent_export_keep(agent);
	error = stream_table_new(&streams, &callbacks, &agent->streams);
	if (error)
		return error;
	agent_select_running(agent);
	agent_cgroups_new(agent, seed);
	agent_usage_start(agent, seed);
	return agent_tls_begin(agent);
}

static int make_web(struct agent *agent)
{
	struct web_config config = {
		.listen_addresses = (const char *const *)agent->config->web_listen_addresses.items,
		.listen_address_count = agent->config->web_listen_addresses.count,
		.telemetry_path = agent->config->web_telemetry_path,
		.max_requests = agent->config->web_max_requests,
		.version = agent_version(),
		.exposition = &prometheus_exposition,
		.snapshot = &agent->snapshot,
		.ctx = agent,
		.health = agent_health,
		.now_ns = web_now,
	};
	struct exporter_error message;
	int error = web_new(&config, &agent->web, &message);

	if (error) {
		log_error("cannot serve", log_text("error", message.text));
	}
	return error;
}

static void fill_snapshot(struct agent *agent)
{
	struct snapshot *snapshot = &agent->snapshot;
	bool own = !agent->config->web_disable_exporter_metrics;

	if (own) {
		snapshot->sources[snapshot->source_count++] = agent_source(agent);
		snapshot->sources[snapshot->source_count++] = agent_process_source(agent);
	}
	snapshot->sources[snapshot->source_count++] = aggregate_source(agent->aggregate);
	snapshot->sources[snapshot->source_count++] = host_source(agent->host);
	if (agent->cgroups)
		snapshot->sources[snapshot->source_count++] = container_source(agent->cgroups);
	if (agent->usage_table)
		snapshot->sources[snapshot->source_count++] = usage_table_source(agent->usage_table);
	if (own && agent->tls)
		snapshot->sources[snapshot->source_count++] = agent_tls_source(agent);
	if (own) {
		snapshot->sources[snapshot->source_count++] = web_source(agent->web);
		agent_export_sources(agent);
	}
	snapshot->hide_own = !own;
	snapshot->refresh = agent_refresh;
	snapshot->refresh_ctx = agent;
}

static int fill_loop(struct agent *agent)
{
	struct loop *loop = agent->loop;
	int error = loop_add_signal(loop, SIGTERM, on_stop_signal, agent, NULL);

	agent->drain_interval_ns = DRAIN_BUSY_NS;
	if (!error)
		error = loop_add_signal(loop, SIGINT, on_stop_signal, agent, NULL);
	if (!error)
		error = loop_add_signal(loop, SIGHUP, on_reload_signal, agent, NULL);
	if (!error)
		error = loop_add_timer(loop, DRAIN_BUSY_NS, on_drain_timer, agent, &agent->drain_timer);
	if (!error && agent->capture)
		error = loop_add_fd(loop, capture_fd(agent->capture), EPOLLIN, on_ring, agent, NULL);
	if (!error)
		error = loop_add_fd(loop, web_fd(agent->web), EPOLLIN, on_web, agent, NULL);
	if (!error)
		error = agent_cgroups_watch(agent);
	return error ? error : agent_export_loop(agent);
}

static void announce(const struct agent *agent)
{
	const char *limits;

	for (size_t i = 0; i < web_address_count(agent->web); i++)
		log_info("serving metrics", log_text("address", web_address(agent->web, i)),
			 log_text("path", agent->config->web_telemetry_path));
	if (!agent->capture)
		return;
	limits = capture_backend_limits(capture_backend(agent->capture));
	log_info("observing", log_text("backend", capture_backend_text(capture_backend(agent->capture))),
		 log_text("not_seen", *limits ? limits : "nothing known"));
}

static void done(struct agent *agent)
{
	loop_free(agent->loop);
	web_free(agent->web);
	agent_tls_done(agent);
	agent_export_free(agent);
	stream_table_free(agent->streams);
	agent_usage_done(agent);
	capture_free(agent->capture);
	identity_free(agent->identity);
	agent_containers_done(agent);
	aggregate_free(agent->aggregate);
	host_free(agent->host);
	agent_select_done(agent);
}

int agent_run(struct config *config, const struct config_source *source)
{
	struct agent agent = { .config = config,
			       .source = source,
			       .started_realtime_ns = clock_realtime_ns(),
			       .epoch_ns = clock_epoch_ns() };
	int result = 1;
	int error = loop_new(&agent.loop);

	agent.now_ns = agent.drained_ns = agent.expired_ns = clock_monotonic_ns();
	if (!error)
		error = make_web(&agent);
	if (!error)
		error = make_stages(&agent);
	if (!error)
		error = fill_loop(&agent);
	if (!error)
		error = agent_drop_privileges(agent.tls_hooks && tls_hooks_need_admin(agent.tls_hooks));
	if (error) {
		log_error("cannot start", log_errno(error));
	} else {
		fill_snapshot(&agent);
		malloc_trim(0);
		announce(&agent);
		resident_forget_code();
		error = loop_run(agent.loop, &result);
		if (error)
			log_error("the event loop failed", log_errno(error));
		(void)drain(&agent);
		agent_export_end(&agent);
	}
	done(&agent);
	return error ? 1 : result;
}
