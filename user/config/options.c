/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option table. Rows of one section stand together: help and documentation follow this order.
 */
#include "config/options.h"

#include "base/clock.h"
#include "config/check.h"
#include "config/collectors.h"
#include "model/keep.h"

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define DAY (24 * 60 * NS_PER_MINUTE)
#define PORT_MAX 65535
#define PORTS_MAX 512               /* selected and ignored ones share a map of 1,024 in the kernel */
#define CGROUPS_MAX 16              /* looked through in the kernel, one by one */
#define PID_MAX (UINT64_C(1) << 22) /* PID_MAX_LIMIT of linux/threads.h */

#define FIELD(member) .offset = offsetof(struct config, member)
#define HOST(member) .offset = offsetof(struct config, host.member)
#define RANGE(from, to) .minimum = (from), .maximum = (to)

static const char *const backends[] = { "auto", "fentry", "kprobe", "tracepoint", "none", NULL };
static const char *const samplers[] = { "always_on",
					"always_off",
					"traceidratio",
					"parentbased_always_on",
					"parentbased_always_off",
					"parentbased_traceidratio",
					NULL };
static const char *const otlp_protocols[] = { "http/protobuf", "http/json", "grpc", NULL };
static const char *const otlp_temporalities[] = { "cumulative", "delta", "lowmemory", NULL };
static const char *const otlp_histogram_kinds[] = { "explicit_bucket_histogram", "base2_exponential_bucket_histogram",
						    NULL };
static const char *const otlp_compressions[] = { "none", "gzip", NULL };
static const char *const log_levels[] = { "debug", "info", "warn", "error", NULL };
static const char *const log_formats[] = { "logfmt", "json", NULL };

const struct config_option config_options[] = {
	{
		.name = "config.file",
		.kind = OPTION_TEXT,
		FIELD(config_file),
		.placeholder = "FILE",
		.fallback = "",
		.may_be_empty = true,
		.outside_file = true,
		.allowed = "a path",
		.help = "YAML file to read options from.",
	},

	{
		.name = "web.listen-address",
		.kind = OPTION_TEXT_LIST,
		FIELD(web_listen_addresses),
		.placeholder = "HOST:PORT",
		.fallback = ":9100",
		.check = check_listen_address,
		.at_least_one = true,
		.allowed = "HOST:PORT, [IPV6]:PORT or :PORT, with a port from 0 to 65535",
		.help = "Address to serve metrics and health on; without a host, every one of this machine.",
	},
	{
		.name = "web.telemetry-path",
		.kind = OPTION_TEXT,
		FIELD(web_telemetry_path),
		.placeholder = "PATH",
		.fallback = "/metrics",
		.check = check_telemetry_path,
		.allowed = "a path that begins with \"/\", without blank, \"?\" and \"#\", and not one of sonde's "
			   "other pages",
		.help = "Path of the metrics page.",
	},
	{
		.name = "web.max-requests",
		.kind = OPTION_NUMBER,
		FIELD(web_max_requests),
		.placeholder = "N",
		.fallback = "40",
		RANGE(1, 10000),
		.help = "HTTP requests answered at the same time; one more is answered 503.",
	},

	{
		.name = "web.disable-exporter-metrics",
		.kind = OPTION_BOOL,
		FIELD(web_disable_exporter_metrics),
		.fallback = "false",
		.help = "Leave out the agent's own process_* and sonde_* metrics.",
	},

	{
		.name = "backend",
		.kind = OPTION_CHOICE,
		FIELD(backend),
		.placeholder = "NAME",
		.fallback = "auto",
		.choices = backends,
		.help = "Capture backend; auto tries fentry, kprobe, then tracepoint and takes the first that loads. "
			"With none, or auto where none loads, only the host's own metrics are served.",
	},

	{
		.name = "select.cgroup",
		.kind = OPTION_TEXT_LIST,
		FIELD(select_cgroups),
		.placeholder = "PATH",
		.fallback = "",
		.list_limit = CGROUPS_MAX,
		.check = check_absolute_path,
		.allowed = "a path that begins with \"/\"",
		.help = "Observe only processes in this cgroup or below it.",
	},
	{
		.name = "select.port",
		.kind = OPTION_NUMBER_LIST,
		FIELD(select_ports),
		.placeholder = "N",
		.fallback = "",
		RANGE(1, PORT_MAX),
		.list_limit = PORTS_MAX,
		.help = "Observe only connections with this port at one of their ends.",
	},
	{
		.name = "select.exe",
		.kind = OPTION_TEXT_LIST,
		FIELD(select_exes),
		.placeholder = "GLOB",
		.fallback = "",
		.allowed = "a pattern of a path, with *, ? and [...]",
		.help = "Observe only processes whose executable's path matches.",
	},
	{
		.name = "select.pid",
		.kind = OPTION_NUMBER_LIST,
		FIELD(select_pids),
		.placeholder = "N",
		.fallback = "",
		RANGE(1, PID_MAX),
		.help = "Observe only this process.",
	},

	{
		.name = "ignore.port",
		.kind = OPTION_NUMBER_LIST,
		FIELD(ignore_ports),
		.placeholder = "N",
		.fallback = "",
		RANGE(1, PORT_MAX),
		.list_limit = PORTS_MAX,
		.help = "Do not observe connections with this port at one of their ends.",
	},

	{
		.name = "capture.ring-bytes",
		.kind = OPTION_SIZE,
		FIELD(capture_ring_bytes),
		.placeholder = "SIZE",
		.fallback = "4MiB",
		RANGE(64 * KIB, 1024 * MIB),
		.power_of_two = true,
		.help = "Memory of the ring between kernel and agent; what does not fit is lost, and counted.",
	},
	{
		.name = "capture.max-connections",
		.kind = OPTION_NUMBER,
		FIELD(capture_max_connections),
		.placeholder = "N",
		.fallback = "65536",
		RANGE(16, UINT64_C(1) << 22),
		.help = "Connections followed at the same time; those beyond are counted, not parsed.",
	},
	{
		.name = "capture.max-call-bytes",
		.kind = OPTION_SIZE,
		FIELD(capture_max_call_bytes),
		.placeholder = "SIZE",
		.fallback = "128KiB",
		RANGE(256, 16 * MIB),
		.help = "Bytes copied of one call at most.",
	},
	{
		.name = "capture.unix",
		.kind = OPTION_BOOL,
		FIELD(capture_unix),
		.fallback = "true",
		.help = "Observe unix stream sockets, not only TCP.",
	},
	{
		.name = "capture.tls",
		.kind = OPTION_BOOL,
		FIELD(capture_tls),
		.fallback = "true",
		.help = "Hook TLS libraries and read what they encrypt; else encrypted connections are counted only.",
	},
	{
		.name = "capture.program-stats",
		.kind = OPTION_BOOL,
		FIELD(capture_program_stats),
		.fallback = "false",
		.help = "Export the time spent in each BPF program, which makes every one of them a little slower.",
	},

	{
		.name = "usage.scheduler",
		.kind = OPTION_BOOL,
		FIELD(usage_scheduler),
		.fallback = "true",
		.help = "Count CPU time, run-queue latency, waits in major page faults, involuntary switches and "
			"migrations of each container and service in the kernel.",
	},
	{
		.name = "usage.memory",
		.kind = OPTION_BOOL,
		FIELD(usage_memory),
		.fallback = "true",
		.help = "Count stalls for memory and OOM kills of each container and service in the kernel.",
	},
	{
		.name = "usage.block",
		.kind = OPTION_BOOL,
		FIELD(usage_block),
		.fallback = "true",
		.help = "Time the block requests of each container and service in the kernel.",
	},
	{
		.name = "usage.tcp",
		.kind = OPTION_BOOL,
		FIELD(usage_tcp),
		.fallback = "true",
		.help = "Count TCP retransmits, resets, connects and the like of each container and service in the "
			"kernel.",
	},

	{
		.name = "http.route",
		.kind = OPTION_TEXT_LIST,
		FIELD(http_routes),
		.placeholder = "TEMPLATE",
		.fallback = "",
		.check = check_route,
		.allowed = "a path of whole segments, each literal or {name}, the last may be *: /users/{id}/orders",
		.help = "Template of a route, tried before what is learned; the first that matches wins.",
	},
	{
		.name = "http.route-values",
		.kind = OPTION_NUMBER,
		FIELD(http_route_values),
		.placeholder = "N",
		.fallback = "32",
		RANGE(1, 10000),
		.help = "Distinct values of one path segment before it becomes {id} in learned routes.",
	},

	{
		.name = "metrics.series-limit",
		.kind = OPTION_NUMBER,
		FIELD(metrics_series_limit),
		.placeholder = "N",
		.fallback = "10000",
		RANGE(1, 1000000),
		.help = "Series of one metric; beyond them one overflow series takes the rest.",
	},
	{
		.name = "metrics.idle-timeout",
		.kind = OPTION_DURATION,
		FIELD(metrics_idle_timeout_ns),
		.placeholder = "TIME",
		.fallback = "15m",
		RANGE(0, 365 * DAY),
		.help = "Series without an observation leave after this time; 0 keeps them.",
	},
	{
		.name = "metrics.native-histograms",
		.kind = OPTION_BOOL,
		FIELD(metrics_native_histograms),
		.fallback = "true",
		.help = "Keep base-2 exponential buckets beside the classic ones.",
	},

#include "config/rows_otlp.h"

	{
		.name = "container.enabled",
		.kind = OPTION_BOOL,
		FIELD(container_enabled),
		.fallback = "true",
		.help = "Tell what containers and systemd units use, by cAdvisor's metrics.",
	},
	{
		.name = "container.limit",
		.kind = OPTION_NUMBER,
		FIELD(container_limit),
		.placeholder = "N",
		.fallback = "10000",
		RANGE(16, 100000),
		.help = "Cgroups told at the same time; those beyond are counted, not told.",
	},
	{
		.name = "container.keep",
		.kind = OPTION_DURATION,
		FIELD(container_keep_ns),
		.placeholder = "TIME",
		.fallback = "2m",
		RANGE(0, DAY),
		.help = "How long the last figures of a container that is gone are told; two scrape intervals or more.",
	},

	{
		.name = "path.procfs",
		.kind = OPTION_TEXT,
		FIELD(path_procfs),
		.placeholder = "PATH",
		.fallback = "/proc",
		.check = check_absolute_path,
		.allowed = "a path that begins with \"/\"",
		.help = "Where the host's procfs is mounted.",
	},
	{
		.name = "path.sysfs",
		.kind = OPTION_TEXT,
		FIELD(path_sysfs),
		.placeholder = "PATH",
		.fallback = "/sys",
		.check = check_absolute_path,
		.allowed = "a path that begins with \"/\"",
		.help = "Where the host's sysfs is mounted.",
	},
	{
		.name = "path.rootfs",
		.kind = OPTION_TEXT,
		FIELD(path_rootfs),
		.placeholder = "PATH",
		.fallback = "/",
		.check = check_absolute_path,
		.allowed = "a path that begins with \"/\"",
		.help = "Where the host's root filesystem is mounted.",
	},
	{
		.name = "path.udev.data",
		.kind = OPTION_TEXT,
		FIELD(path_udev_data),
		.placeholder = "PATH",
		.fallback = "/run/udev/data",
		.check = check_absolute_path,
		.allowed = "a path that begins with \"/\"",
		.help = "Where udev keeps what it knows of devices.",
	},

#include "config/collectors.inc"

	{
		.name = "runtime.gomaxprocs",
		.kind = OPTION_NUMBER,
		FIELD(runtime_gomaxprocs),
		.placeholder = "N",
		.fallback = "1",
		RANGE(0, 65536),
		.help = "Of no effect: accepted because command lines of node_exporter may have it.",
	},
	{
		.name = "log.level",
		.kind = OPTION_TEXT,
		FIELD(log_level),
		.placeholder = "LEVEL",
		.fallback = "info",
		.choices = log_levels,
		.reloadable = true,
		.help = "Messages below this level are not written.",
	},
	{
		.name = "log.format",
		.kind = OPTION_TEXT,
		FIELD(log_format),
		.placeholder = "FORMAT",
		.fallback = "logfmt",
		.choices = log_formats,
		.reloadable = true,
		.help = "Form of the messages on standard error.",
	},
};

const size_t config_option_count = sizeof(config_options) / sizeof(config_options[0]);

_Static_assert(sizeof(config_options) / sizeof(config_options[0]) <= CONFIG_OPTIONS_MAX, "origins have no room");
