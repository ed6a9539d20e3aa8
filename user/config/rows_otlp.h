/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of the option table for traces and OTLP, which come in three sets alike: for both signals and for each. Included
 * inside the table of options.c, and by nothing else.
 */
/* clang-format off */

#define OTLP_TEXT(NAME, INDEX, MEMBER, PLACEHOLDER, HELP)                                                    \
	{                                                                                                    \
		.name = (NAME), .kind = OPTION_TEXT, FIELD(otlp[INDEX].MEMBER), .placeholder = (PLACEHOLDER), \
		.fallback = "", .may_be_empty = true, .allowed = "a path, or empty", .help = (HELP),         \
	}

#define HEADER_NAME_ALLOWED                                                                                \
	"a header field's name that begins with a letter and stands for no credentials (authorization, "   \
	"proxy-authorization, cookie, set-cookie, x-api-key, x-auth-token, x-amz-security-token and the "  \
	"like are refused)"

/* SET: "" or "traces-"; OF: " of traces"; ELSE: what the option says when it is empty. */
#define OTLP_ROWS(SET, INDEX, OF, ELSE)                                                                            \
	{                                                                                                          \
		.name = "otlp." SET "protocol", .kind = OPTION_TEXT, FIELD(otlp[INDEX].protocol),                  \
		.placeholder = "NAME", .fallback = "", .choices = otlp_protocols, .may_be_empty = true,            \
		.help = "Form of requests" OF ": http/protobuf, http/json, grpc. Empty: " ELSE "http/protobuf.",       \
	},                                                                                                         \
	{                                                                                                          \
		.name = "otlp." SET "header", .kind = OPTION_TEXT_LIST, FIELD(otlp[INDEX].headers),                \
		.placeholder = "NAME=VALUE", .fallback = "", .list_limit = 32, .check = check_key_value,           \
		.allowed = "NAME=VALUE, percent-encoded", .help = "Header field of requests" OF ".",               \
	},                                                                                                         \
	{                                                                                                          \
		.name = "otlp." SET "compression", .kind = OPTION_TEXT, FIELD(otlp[INDEX].compression),            \
		.placeholder = "NAME", .fallback = "", .choices = otlp_compressions, .may_be_empty = true,         \
		.help = "Compression of requests" OF ": none or gzip. Empty: " ELSE "none.",                       \
	},                                                                                                         \
	{                                                                                                          \
		.name = "otlp." SET "timeout", .kind = OPTION_DURATION, FIELD(otlp[INDEX].timeout_ns),             \
		.placeholder = "TIME", .fallback = "0", RANGE(0, 10 * NS_PER_MINUTE),                              \
		.help = "Time for one request" OF "; 0: " ELSE "10s.",                                             \
	},                                                                                                         \
	OTLP_TEXT("otlp." SET "certificate", INDEX, certificate, "FILE",                                           \
		  "PEM file of the certificates to trust" OF ". Empty: " ELSE "the system's."),                    \
	OTLP_TEXT("otlp." SET "client-certificate", INDEX, client_certificate, "FILE",                             \
		  "PEM file of the certificate to show" OF ". Empty: " ELSE "none."),                              \
	OTLP_TEXT("otlp." SET "client-key", INDEX, client_key, "FILE",                                             \
		  "PEM file of that certificate's key" OF ". Empty: " ELSE "none.")

#define OTLP_ENDPOINT(SET, INDEX, HELP)                                                                          \
	{                                                                                                        \
		.name = "otlp." SET "endpoint", .kind = OPTION_TEXT, FIELD(otlp[INDEX].endpoint),                \
		.placeholder = "URL", .fallback = "", .check = check_url, .may_be_empty = true,                  \
		.allowed = "a URL that begins with http:// or https://", .help = (HELP),                         \
	}

	{
		.name = "trace.sampler",
		.kind = OPTION_CHOICE,
		FIELD(trace_sampler),
		.placeholder = "NAME",
		.fallback = "parentbased_always_on",
		.choices = samplers,
		.help = "Which traces become spans; errors and slow exchanges always do.",
	},
	{
		.name = "trace.sampler-arg",
		.kind = OPTION_TEXT,
		FIELD(trace_sampler_arg),
		.placeholder = "RATIO",
		.fallback = "1.0",
		.check = check_ratio,
		.allowed = "a number from 0 to 1",
		.help = "Ratio of the samplers with traceidratio in their name.",
	},
	{
		.name = "trace.slow",
		.kind = OPTION_DURATION,
		FIELD(trace_slow_ns),
		.placeholder = "TIME",
		.fallback = "1s",
		RANGE(0, DAY),
		.help = "Exchanges that take so long become spans whatever the sampler says; 0: none.",
	},
	{
		.name = "trace.slow-p99",
		.kind = OPTION_BOOL,
		FIELD(trace_slow_p99),
		.fallback = "false",
		.help = "So do those that take longer than 99 of 100 of their own series: about one in a hundred more.",
	},
	{
		.name = "trace.rate",
		.kind = OPTION_NUMBER,
		FIELD(trace_rate),
		.placeholder = "N",
		.fallback = "0",
		RANGE(0, 10000000),
		.help = "Spans in a second at most; what is above is counted. 0: no cap.",
	},
	{
		.name = "trace.service-ratio",
		.kind = OPTION_TEXT_LIST,
		FIELD(trace_service_ratios),
		.placeholder = "GLOB=RATIO",
		.fallback = "",
		.list_limit = 256,
		.check = check_pattern_ratio,
		.allowed = "a pattern with *, ? and [...], \"=\", and a number from 0 to 1",
		.help = "Ratio of traces that begin in a service whose name matches; the first that matches wins.",
	},
	{
		.name = "trace.route-ratio",
		.kind = OPTION_TEXT_LIST,
		FIELD(trace_route_ratios),
		.placeholder = "GLOB=RATIO",
		.fallback = "",
		.list_limit = 256,
		.check = check_pattern_ratio,
		.allowed = "a pattern with *, ? and [...], \"=\", and a number from 0 to 1",
		.help = "Ratio of traces that begin with a request whose path matches; before the services'.",
	},
	{
		.name = "trace.exclude",
		.kind = OPTION_TEXT_LIST,
		FIELD(trace_excluded),
		.placeholder = "GLOB",
		.fallback = "",
		.list_limit = 256,
		.allowed = "a pattern of a path, with *, ? and [...]",
		.help = "Requests whose path matches, and the calls made for them, never become spans: /health*.",
	},
	{
		.name = "trace.query-key",
		.kind = OPTION_TEXT_LIST,
		FIELD(trace_query_keys),
		.placeholder = "KEY",
		.fallback = "",
		.list_limit = 64,
		.check = check_query_key,
		.allowed = "a parameter's name as URLs have it, without & ; = # and blanks",
		.help = "Parameter of queries that spans may tell; all others are left out. Where the name stands for "
			"credentials the value is REDACTED.",
	},
	{
		.name = "trace.request-header",
		.kind = OPTION_TEXT_LIST,
		FIELD(trace_request_headers),
		.placeholder = "NAME",
		.fallback = "",
		.list_limit = KEEP_FIELDS_MAX,
		.check = check_header_name,
		.allowed = HEADER_NAME_ALLOWED,
		.help = "Header field of requests that spans tell, as http.request.header.NAME.",
	},
	{
		.name = "trace.response-header",
		.kind = OPTION_TEXT_LIST,
		FIELD(trace_response_headers),
		.placeholder = "NAME",
		.fallback = "",
		.list_limit = KEEP_FIELDS_MAX,
		.check = check_header_name,
		.allowed = HEADER_NAME_ALLOWED,
		.help = "Header field of responses that spans tell, as http.response.header.NAME.",
	},
	{
		.name = "trace.query-text",
		.kind = OPTION_BOOL,
		FIELD(trace_query_text),
		.fallback = "false",
		.help = "Spans of SQL databases tell the statement, with a ? for each literal.",
	},
	{
		.name = "trace.remote-parents",
		.kind = OPTION_BOOL,
		FIELD(trace_remote_parents),
		.fallback = "true",
		.help = "A request from a private address has a span of its client for a parent, which the agent of "
			"that host tells. Without agents there say false.",
	},

	OTLP_ENDPOINT("", OTLP_SET_BOTH,
		      "Collector to export to by OTLP; /v1/traces and /v1/metrics, or gRPC's, are put behind it. "
		      "Empty: no export."),
	OTLP_ENDPOINT("traces-", OTLP_SET_TRACES, "The same for traces, taken as it is, but for gRPC."),
	OTLP_ENDPOINT("metrics-", OTLP_SET_METRICS, "The same for metrics."),
	OTLP_ROWS("", OTLP_SET_BOTH, "", ""),
	OTLP_ROWS("traces-", OTLP_SET_TRACES, " of traces", "as for both, else "),
	OTLP_ROWS("metrics-", OTLP_SET_METRICS, " of metrics", "as for both, else "),
	{
		.name = "otlp.traces",
		.kind = OPTION_BOOL,
		FIELD(otlp_traces),
		.fallback = "true",
		.help = "Export spans to --otlp.endpoint.",
	},
	{
		.name = "otlp.metrics",
		.kind = OPTION_BOOL,
		FIELD(otlp_metrics),
		.fallback = "true",
		.help = "Export metrics to --otlp.endpoint.",
	},
	{
		.name = "otlp.metrics-interval",
		.kind = OPTION_DURATION,
		FIELD(otlp_metrics_interval_ns),
		.placeholder = "TIME",
		.fallback = "60s",
		RANGE(100 * NS_PER_MS, DAY),
		.help = "Time between two exports of metrics.",
	},
	{
		.name = "otlp.metrics-temporality",
		.kind = OPTION_CHOICE,
		FIELD(otlp_temporality),
		.placeholder = "NAME",
		.fallback = "cumulative",
		.choices = otlp_temporalities,
		.help = "Whether counters and histograms are told since the start or since the last export; lowmemory: "
			"histograms since the last, counters since the start.",
	},
	{
		.name = "otlp.metrics-histograms",
		.kind = OPTION_CHOICE,
		FIELD(otlp_histograms),
		.placeholder = "NAME",
		.fallback = "explicit_bucket_histogram",
		.choices = otlp_histogram_kinds,
		.help = "Buckets of exported histograms.",
	},
	{
		.name = "otlp.proxy",
		.kind = OPTION_TEXT,
		FIELD(otlp_proxy),
		.placeholder = "URL",
		.fallback = "",
		.may_be_empty = true,
		.allowed = "a URL, or empty",
		.help = "Proxy to reach the collector by. Empty: what https_proxy, http_proxy and no_proxy say.",
	},
	{
		.name = "otlp.service-name",
		.kind = OPTION_TEXT,
		FIELD(otlp_service_name),
		.placeholder = "NAME",
		.fallback = "sonde",
		.allowed = "a text",
		.help = "service.name of what sonde tells of itself; services are named by what they are.",
	},
	{
		.name = "otlp.resource-attribute",
		.kind = OPTION_TEXT_LIST,
		FIELD(otlp_resource_attributes),
		.placeholder = "KEY=VALUE",
		.fallback = "",
		.list_limit = 32,
		.check = check_key_value,
		.allowed = "KEY=VALUE, percent-encoded",
		.help = "Attribute of every resource: deployment.environment.name=production.",
	},
	{
		.name = "otlp.queue-bytes",
		.kind = OPTION_SIZE,
		FIELD(otlp_queue_bytes),
		.placeholder = "SIZE",
		.fallback = "8MiB",
		RANGE(64 * KIB, 1024 * MIB),
		.help = "Memory of what waits to be exported; beyond it the oldest is dropped, and counted.",
	},
	{
		.name = "otlp.queue-spans",
		.kind = OPTION_NUMBER,
		FIELD(otlp_queue_spans),
		.placeholder = "N",
		.fallback = "0",
		RANGE(0, 10000000),
		.help = "Spans that wait at most, besides; 0: as many as fit.",
	},
	{
		.name = "otlp.batch-spans",
		.kind = OPTION_NUMBER,
		FIELD(otlp_batch_spans),
		.placeholder = "N",
		.fallback = "512",
		RANGE(1, 8192),
		.help = "Spans of one request at most.",
	},
	{
		.name = "otlp.batch-delay",
		.kind = OPTION_DURATION,
		FIELD(otlp_batch_delay_ns),
		.placeholder = "TIME",
		.fallback = "5s",
		RANGE(0, 10 * NS_PER_MINUTE),
		.help = "Spans wait so long for their batch to fill.",
	},
	{
		.name = "otlp.shutdown-timeout",
		.kind = OPTION_DURATION,
		FIELD(otlp_shutdown_timeout_ns),
		.placeholder = "TIME",
		.fallback = "5s",
		RANGE(0, 10 * NS_PER_MINUTE),
		.help = "What is left at the end is sent for so long.",
	},

	{
		.name = "stdout.spans",
		.kind = OPTION_BOOL,
		FIELD(stdout_spans),
		.fallback = "false",
		.help = "Write spans to standard output, a JSON object on each line.",
	},
