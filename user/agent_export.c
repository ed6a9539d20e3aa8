/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans and where they go: from the configuration to trace and its exporters. All of it exists only when something is
 * to be exported.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "agent_internal.h"
#include "base/clock.h"
#include "base/number.h"
#include "base/percent.h"

#define HOLD_NS (100 * NS_PER_MS) /* how long a server's span waits for the client's end of its call */
#define HELD_BYTES_MAX (4ULL << 20)
#define CALLS_MAX 65536
#define TIMEOUT_NS (10 * NS_PER_SECOND)
#define OWN_ATTRIBUTES 8
#define OVERRIDES_MAX 256
#define HEADERS_MAX 64
#define RESOURCE_MAX 48

/* What is made of the configuration for the exporters, which borrow it. */
struct agent_export {
	struct trace *trace;
	struct otlp *otlp;
	struct stdout_exporter *out;
	struct log_limit problem_limit;
	uint64_t problems; /* not yet told */
	struct utsname host;
	char host_id[AGENT_HOST_ID_BYTES];
	char *urls[OTLP_SIGNAL_COUNT];
	char *headers[OTLP_SIGNAL_COUNT][HEADERS_MAX];
	size_t header_counts[OTLP_SIGNAL_COUNT];
	struct otlp_pair resource[RESOURCE_MAX];
	char *decoded[2 * RESOURCE_MAX]; /* owned: what resource points to */
	size_t resource_count, decoded_count;
	struct trace_override overrides[2][OVERRIDES_MAX]; /* services, routes */
	char *patterns[2][OVERRIDES_MAX];
	struct agent_keep keep;
};

/* A copy of the decoded part text[0..length); NULL. config_load has refused what cannot be decoded. */
static char *decode(const char *text, size_t length)
{
	CLEANUP_FREE char *part = strndup(text, length);
	char *decoded = part ? malloc(length + 1) : NULL;

	if (decoded && !percent_decode(part, decoded, length + 1)) {
		free(decoded);
		return NULL;
	}
	return decoded;
}

static int add_headers(struct agent_export *export, enum otlp_signal signal, const struct string_list *list)
{
	for (size_t i = 0; i < list->count && export->header_counts[signal] < HEADERS_MAX; i++) {
		const char *equals = strchr(list->items[i], '=');
		CLEANUP_FREE char *name = decode(list->items[i], (size_t)(equals - list->items[i]));
		CLEANUP_FREE char *value = decode(equals + 1, strlen(equals + 1));
		char *line = NULL;

		if (!name || !value || asprintf(&line, "%s: %s", name, value) < 0)
			return -ENOMEM;
		export->headers[signal][export->header_counts[signal]++] = line;
	}
	return 0;
}

static const char *either(const char *own, const char *both)
{
	return *own ? own : both;
}

/* What stands behind the endpoint. gRPC's method belongs behind that of one signal as well: it names a server alone. */
static const char *path_of(enum otlp_signal signal, bool grpc)
{
	static const char *const paths[2][OTLP_SIGNAL_COUNT] = {
		{ "/v1/traces", "/v1/metrics" },
		{ "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
		  "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" },
	};

	return paths[grpc][signal];
}

/* The endpoint of one signal is taken as it is; to that of both the signal's path is added. */
static int make_url(struct agent_export *export, const struct config *config, enum otlp_signal signal,
		    enum config_otlp_set set, bool grpc)
{
	const char *own = config->otlp[set].endpoint, *both = config->otlp[OTLP_SET_BOTH].endpoint;
	const char *base = *own ? own : both;
	size_t length = strlen(base);

	if (!*own && (!*both || !(signal == OTLP_TRACES ? config->otlp_traces : config->otlp_metrics)))
		return 0;
	while (length > 0 && base[length - 1] == '/')
		length--;
	if (*own && !grpc)
		export->urls[signal] = strdup(own);
	else if (asprintf(&export->urls[signal], "%.*s%s", (int)length, base, path_of(signal, grpc)) < 0)
		export->urls[signal] = NULL;
	return export->urls[signal] ? 0 : -ENOMEM;
}

static enum otlp_encoding encoding_of(const char *protocol)
{
	if (!strcmp(protocol, "grpc"))
		return OTLP_GRPC;
	return strcmp(protocol, "http/json") ? OTLP_PROTOBUF : OTLP_JSON;
}

static int make_target(struct agent_export *export, const struct config *config, enum otlp_signal signal,
		       enum config_otlp_set set, struct otlp_target *target)
{
	const struct config_otlp *own = &config->otlp[set], *both = &config->otlp[OTLP_SET_BOTH];
	enum otlp_encoding encoding = encoding_of(either(own->protocol, both->protocol));
	int error = make_url(export, config, signal, set, encoding == OTLP_GRPC);

	if (!error)
		error = add_headers(export, signal, own->headers.count ? &own->headers : &both->headers);
	*target = (struct otlp_target){
		.url = export->urls[signal],
		.encoding = encoding,
		.gzip = !strcmp(either(own->compression, both->compression), "gzip"),
		.headers = (const char *const *)export->headers[signal],
		.header_count = export->header_counts[signal],
		.timeout_ns = own->timeout_ns  ? own->timeout_ns :
			      both->timeout_ns ? both->timeout_ns :
						 TIMEOUT_NS,
		.certificate = either(own->certificate, both->certificate),
		.client_certificate = either(own->client_certificate, both->client_certificate),
		.client_key = either(own->client_key, both->client_key),
	};
	return error;
}

static void add_pair(struct agent_export *export, const char *key, const char *value)
{
	if (export->resource_count < RESOURCE_MAX)
		export->resource[export->resource_count++] = (struct otlp_pair){ key, value };
}

static const char *value_of(const struct agent_export *export, const char *key)
{
	for (size_t i = 0; i < export->resource_count; i++)
		if (!strcmp(export->resource[i].key, key))
			return export->resource[i].value;
	return NULL;
}

static bool has_key(const struct agent_export *export, const char *key)
{
	return value_of(export, key);
}

/* What the user says of the host wins over what it says of itself. */
static int make_resource(struct agent_export *export, const struct config *config)
{
	const struct string_list *list = &config->otlp_resource_attributes;

	for (size_t i = 0; i < list->count && i < RESOURCE_MAX - OWN_ATTRIBUTES; i++) {
		const char *equals = strchr(list->items[i], '=');
		char *key = decode(list->items[i], (size_t)(equals - list->items[i]));
		char *value = decode(equals + 1, strlen(equals + 1));

		export->decoded[export->decoded_count++] = key;
		export->decoded[export->decoded_count++] = value;
		if (!key || !value)
			return -ENOMEM;
		if (!has_key(export, key))
			add_pair(export, key, value);
	}
	if (uname(&export->host))
		return -errno;
	if (!has_key(export, "host.name"))
		add_pair(export, "host.name", export->host.nodename);
	if (!has_key(export, "host.arch"))
		add_pair(export, "host.arch", strcmp(export->host.machine, "x86_64") ? "arm64" : "amd64");
	if (!has_key(export, "host.id") && agent_host_id(config, export->host_id))
		add_pair(export, "host.id", export->host_id);
	if (!has_key(export, "os.type"))
		add_pair(export, "os.type", "linux");
	/* Of sonde's own resource, and of metrics: otlp's frame.c knows. */
	if (!has_key(export, "service.version"))
		add_pair(export, "service.version", agent_version());
	if (!has_key(export, "service.instance.id"))
		add_pair(export, "service.instance.id", value_of(export, "host.name"));
	add_pair(export, "telemetry.distro.name", "sonde");
	add_pair(export, "telemetry.distro.version", agent_version());
	return 0;
}

static uint64_t export_now(void *ctx)
{
	(void)ctx;
	return clock_monotonic_ns();
}

static uint64_t export_realtime(void *ctx)
{
	(void)ctx;
	return clock_realtime_ns();
}

static int make_otlp(struct agent *agent, uint64_t seed)
{
	const struct config *config = agent->config;
	struct agent_export *export = agent->export;
	struct otlp_config otlp = {
		.proxy = config->otlp_proxy,
		.version = agent_version(),
		.resource = export->resource,
		.queue_bytes = config->otlp_queue_bytes,
		.queue_spans = config->otlp_queue_spans,
		.batch_spans = config->otlp_batch_spans,
		.batch_delay_ns = config->otlp_batch_delay_ns,
		.shutdown_ns = config->otlp_shutdown_timeout_ns,
		.own_service = config->otlp_service_name,
		.resources = agent_resources(agent),
		.metric_interval_ns = config->otlp_metrics_interval_ns,
		.delta = config->otlp_temporality != TEMPORALITY_CUMULATIVE,
		.cumulative_sums = config->otlp_temporality == TEMPORALITY_LOW_MEMORY,
		.exponential = config->otlp_histograms == HISTOGRAMS_EXPONENTIAL,
		.snapshot = &agent->snapshot,
		.started_ns = agent->started_realtime_ns,
		.seed = seed,
		.now_ns = export_now,
		.realtime_ns = export_realtime,
	};
	struct exporter_error message;
	int error = make_target(export, config, OTLP_TRACES, OTLP_SET_TRACES, &otlp.targets[OTLP_TRACES]);

	if (!error)
		error = make_target(export, config, OTLP_METRICS, OTLP_SET_METRICS, &otlp.targets[OTLP_METRICS]);
	if (!error)
		error = make_resource(export, config);
	otlp.resource_count = export->resource_count;
	/* "OTEL_SERVICE_NAME takes precedence over service.name in OTEL_RESOURCE_ATTRIBUTES". */
	if (!error && !strcmp(otlp.own_service, "sonde") && has_key(export, "service.name"))
		otlp.own_service = value_of(export, "service.name");
	if (error || (!otlp.targets[OTLP_TRACES].url && !otlp.targets[OTLP_METRICS].url))
		return error;
	error = otlp_new(&otlp, &export->otlp, &message);
	if (error)
		log_error("cannot export", log_text("error", message.text));
	return error;
}

static int make_overrides(struct agent_export *export, int which, const struct string_list *list)
{
	for (size_t i = 0; i < list->count && i < OVERRIDES_MAX; i++) {
		const char *equals = strrchr(list->items[i], '=');
		struct trace_override *override = &export->overrides[which][i];

		export->patterns[which][i] = strndup(list->items[i], (size_t)(equals - list->items[i]));
		override->pattern = export->patterns[which][i];
		if (!override->pattern)
			return -ENOMEM;
		if (number_ratio(equals + 1, &override->ratio))
			return -EINVAL;
	}
	return 0;
}

static bool export_traces(const struct agent_export *export)
{
	return export->otlp && export->urls[OTLP_TRACES];
}

/* To each exporter that there is. */
static void on_span(void *ctx, const struct span *span)
{
	const struct agent_export *export = ctx;

	if (export_traces(export)) {
		struct span_sink sink = otlp_span_sink(export->otlp);

		sink.span(sink.ctx, span);
	}
	if (export->out) {
		struct span_sink sink = stdout_span_sink(export->out);

		sink.span(sink.ctx, span);
	}
}

static void on_told(void *ctx, const char *service, const struct exchange *exchange, const struct span *span)
{
	struct agent *agent = ctx;
	struct metric_exemplar exemplar = { .time_ns = span->end_ns };

	memcpy(exemplar.trace_id, span->trace_id, sizeof(exemplar.trace_id));
	memcpy(exemplar.span_id, span->span_id, sizeof(exemplar.span_id));
	aggregate_exemplar(agent->aggregate, service, exchange, &exemplar);
}

static void on_open_requests(void *ctx, uint32_t tgid)
{
	struct agent *agent = ctx;

	stream_each_open(agent->streams, tgid);
}

static double ratio_of(const struct config *config)
{
	double ratio = 1;

	switch (config->trace_sampler) {
	case SAMPLER_ALWAYS_OFF:
	case SAMPLER_PARENT_ALWAYS_OFF:
		return 0;
	case SAMPLER_RATIO:
	case SAMPLER_PARENT_RATIO:
		return number_ratio(config->trace_sampler_arg, &ratio) ? 1 : ratio; /* config_load has checked it */
	default:
		return 1;
	}
}

static int make_trace(struct agent *agent, uint64_t seed)
{
	const struct config *config = agent->config;
	struct agent_export *export = agent->export;
	int error = make_overrides(export, 0, &config->trace_service_ratios);
	struct trace_config trace = {
		.ratio = ratio_of(config),
		.parent_based = config->trace_sampler >= SAMPLER_PARENT_ALWAYS_ON,
		.slow_ns = config->trace_slow_ns,
		.rate = config->trace_rate,
		.services = export->overrides[0],
		.service_count = config->trace_service_ratios.count,
		.routes = export->overrides[1],
		.route_count = config->trace_route_ratios.count,
		.excluded = (const char *const *)config->trace_excluded.items,
		.excluded_count = config->trace_excluded.count,
		.remote_parents = config->trace_remote_parents,
		.calls_max = CALLS_MAX,
		.held_bytes_max = HELD_BYTES_MAX,
		.hold_ns = HOLD_NS,
		.hash_seed = seed,
		.sink = { .ctx = export, .span = on_span },
		.told = on_told,
		.told_ctx = agent,
		.runtime_ctx = agent,
		.runtime = agent_trace_runtime,
		.open_ctx = agent,
		.open_requests = on_open_requests,
	};

	if (!error)
		error = make_overrides(export, 1, &config->trace_route_ratios);
	if (!error)
		error = agent_keep_make(config, &export->keep);
	trace.keep = &export->keep.keep;
	if (!error)
		error = trace_new(&trace, &export->trace);
	if (!error)
		agent->trace = export->trace;
	return error;
}

int agent_export_new(struct agent *agent, uint64_t seed)
{
	const struct config *config = agent->config;
	bool wanted = *config->otlp[OTLP_SET_BOTH].endpoint || *config->otlp[OTLP_SET_TRACES].endpoint ||
		      *config->otlp[OTLP_SET_METRICS].endpoint;
	int error;

	if (!wanted && !config->stdout_spans)
		return 0;
	agent->export = calloc(1, sizeof(*agent->export));
	if (!agent->export)
		return -ENOMEM;
	error = make_otlp(agent, seed);
	if (!error && config->stdout_spans)
		error = stdout_new(STDOUT_FILENO, &agent->export->out);
	/* Without anyone to take spans, none are made. */
	if (error || (!export_traces(agent->export) && !agent->export->out))
		return error;
	return make_trace(agent, seed);
}

static void on_otlp(void *ctx, uint32_t events)
{
	(void)events;
	otlp_run(ctx);
}

static void on_stdout(void *ctx, uint32_t events)
{
	(void)events;
	stdout_run(ctx);
}

const struct keep *agent_export_keep(const struct agent *agent)
{
	return agent->trace && agent_keep_any(&agent->export->keep) ? &agent->export->keep.keep : NULL;
}

int agent_export_loop(struct agent *agent)
{
	struct agent_export *export = agent->export;
	int error = 0;

	if (export && export->otlp)
		error = loop_add_fd(agent->loop, otlp_fd(export->otlp), EPOLLIN, on_otlp, export->otlp, NULL);
	if (!error && export && export->out)
		error = loop_add_fd(agent->loop, stdout_fd(export->out), EPOLLIN, on_stdout, export->out, NULL);
	return error;
}

void agent_export_sources(struct agent *agent)
{
	struct agent_export *export = agent->export;
	struct snapshot *snapshot = &agent->snapshot;

	if (!export)
		return;
	if (export->trace)
		snapshot->sources[snapshot->source_count++] = trace_source(export->trace);
	if (export->otlp)
		snapshot->sources[snapshot->source_count++] = otlp_source(export->otlp);
	if (export->out)
		snapshot->sources[snapshot->source_count++] = stdout_source(export->out);
}

size_t agent_export_queued(const struct agent *agent)
{
	return agent->export && agent->export->otlp ? otlp_queued_bytes(agent->export->otlp) : 0;
}

void agent_export_watch(struct agent *agent)
{
	struct agent_export *export = agent->export;
	uint64_t count = 0, held;
	const char *problem = export && export->otlp ? otlp_problem(export->otlp, &count) : NULL;

	if (!problem)
		return;
	export->problems += count;
	if (!log_limit_pass(&export->problem_limit, agent->now_ns, &held))
		return;
	log_warn("export had problems; sonde_otlp_* count what was lost", log_text("last", problem),
		 log_uint("problems", export->problems));
	export->problems = 0;
}

void agent_export_end(struct agent *agent)
{
	struct agent_export *export = agent->export;
	uint64_t left;

	if (!export)
		return;
	if (export->trace)
		trace_flush(export->trace);
	left = export->otlp ? otlp_flush(export->otlp) : 0;
	if (left)
		log_warn("not everything was exported before the end; --otlp.shutdown-timeout gives it longer",
			 log_uint("left", left));
}

void agent_export_free(struct agent *agent)
{
	struct agent_export *export = agent->export;

	if (!export)
		return;
	trace_free(export->trace);
	otlp_free(export->otlp);
	stdout_free(export->out);
	for (int signal = 0; signal < OTLP_SIGNAL_COUNT; signal++) {
		free(export->urls[signal]);
		for (size_t i = 0; i < export->header_counts[signal]; i++)
			free(export->headers[signal][i]);
	}
	for (size_t i = 0; i < export->decoded_count; i++)
		free(export->decoded[i]);
	for (size_t i = 0; i < OVERRIDES_MAX; i++) {
		free(export->patterns[0][i]);
		free(export->patterns[1][i]);
	}
	agent_keep_done(&export->keep);
	free(export);
	agent->export = NULL;
}
