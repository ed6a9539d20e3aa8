/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option table. Rows of one section stand together: help and documentation follow this order.
 */
#include "config/options.h"

#include "base/clock.h"
#include "config/check.h"

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define DAY (24 * 60 * NS_PER_MINUTE)
#define PORT_MAX 65535
#define PID_MAX (UINT64_C(1) << 22) /* PID_MAX_LIMIT of linux/threads.h */

#define FIELD(member) .offset = offsetof(struct config, member)
#define RANGE(from, to) .minimum = (from), .maximum = (to)

static const char *const backends[] = { "auto", "fentry", "kprobe", "tracepoint", NULL };
static const char *const log_levels[] = { "debug", "info", "warn", "error", NULL };
static const char *const log_formats[] = { "logfmt", "json", NULL };

const struct config_option config_options[] = {
	{ .name = "config.file", .kind = OPTION_TEXT, FIELD(config_file), .placeholder = "FILE", .fallback = "",
	  .may_be_empty = true, .outside_file = true, .allowed = "a path",
	  .help = "YAML file to read options from." },

	{ .name = "web.listen-address", .kind = OPTION_TEXT_LIST, FIELD(web_listen_addresses), .fallback = ":9100",
	  .placeholder = "HOST:PORT", .at_least_one = true, .check = check_listen_address,
	  .allowed = "HOST:PORT, [IPV6]:PORT or :PORT, with a port from 0 to 65535",
	  .help = "Address to serve metrics and health on; without a host, every one of this machine." },
	{ .name = "web.telemetry-path", .kind = OPTION_TEXT, FIELD(web_telemetry_path), .fallback = "/metrics",
	  .placeholder = "PATH", .check = check_telemetry_path,
	  .allowed = "a path that begins with \"/\", without blank, \"?\" and \"#\", and not one of sonde's other pages",
	  .help = "Path of the metrics page." },
	{ .name = "web.max-requests", .kind = OPTION_NUMBER, FIELD(web_max_requests), .fallback = "40",
	  .placeholder = "N", RANGE(1, 10000),
	  .help = "HTTP requests answered at the same time; one more is answered 503." },

	{ .name = "backend", .kind = OPTION_CHOICE, FIELD(backend), .fallback = "auto", .placeholder = "NAME",
	  .choices = backends,
	  .help = "Capture backend; auto tries fentry, kprobe, then tracepoint and takes the first that loads." },

	{ .name = "select.cgroup", .kind = OPTION_TEXT_LIST, FIELD(select_cgroups), .fallback = "",
	  .placeholder = "PATH", .check = check_absolute_path, .allowed = "a path that begins with \"/\"",
	  .help = "Observe only processes in this cgroup or below it." },
	{ .name = "select.port", .kind = OPTION_NUMBER_LIST, FIELD(select_ports), .fallback = "", .placeholder = "N",
	  RANGE(1, PORT_MAX), .help = "Observe only connections with this port at one of their ends." },
	{ .name = "select.exe", .kind = OPTION_TEXT_LIST, FIELD(select_exes), .fallback = "", .placeholder = "GLOB",
	  .allowed = "a pattern of a path, with *, ? and [...]",
	  .help = "Observe only processes whose executable's path matches." },
	{ .name = "select.pid", .kind = OPTION_NUMBER_LIST, FIELD(select_pids), .fallback = "", .placeholder = "N",
	  RANGE(1, PID_MAX), .help = "Observe only this process." },

	{ .name = "ignore.port", .kind = OPTION_NUMBER_LIST, FIELD(ignore_ports), .fallback = "", .placeholder = "N",
	  RANGE(1, PORT_MAX), .help = "Do not observe connections with this port at one of their ends." },

	{ .name = "capture.ring-bytes", .kind = OPTION_SIZE, FIELD(capture_ring_bytes), .fallback = "4MiB",
	  .placeholder = "SIZE", RANGE(64 * KIB, 1024 * MIB), .power_of_two = true,
	  .help = "Memory of the ring between kernel and agent; what does not fit is lost, and counted." },
	{ .name = "capture.max-connections", .kind = OPTION_NUMBER, FIELD(capture_max_connections),
	  .fallback = "65536", .placeholder = "N", RANGE(16, UINT64_C(1) << 22),
	  .help = "Connections followed at the same time; those beyond are counted, not parsed." },
	{ .name = "capture.max-call-bytes", .kind = OPTION_SIZE, FIELD(capture_max_call_bytes), .fallback = "128KiB",
	  .placeholder = "SIZE", RANGE(256, 16 * MIB), .help = "Bytes copied of one call at most." },
	{ .name = "capture.unix", .kind = OPTION_BOOL, FIELD(capture_unix), .fallback = "true",
	  .help = "Observe unix stream sockets, not only TCP." },
	{ .name = "capture.program-stats", .kind = OPTION_BOOL, FIELD(capture_program_stats), .fallback = "false",
	  .help = "Export the time spent in each BPF program, which makes every one of them a little slower." },

	{ .name = "http.route", .kind = OPTION_TEXT_LIST, FIELD(http_routes), .fallback = "",
	  .placeholder = "TEMPLATE", .check = check_route,
	  .allowed = "a path of whole segments, each literal or {name}, the last may be *: /users/{id}/orders",
	  .help = "Template of a route, tried before what is learned; the first that matches wins." },
	{ .name = "http.route-values", .kind = OPTION_NUMBER, FIELD(http_route_values), .fallback = "32",
	  .placeholder = "N", RANGE(1, 10000),
	  .help = "Distinct values of one path segment before it becomes {id} in learned routes." },

	{ .name = "metrics.series-limit", .kind = OPTION_NUMBER, FIELD(metrics_series_limit), .fallback = "10000",
	  .placeholder = "N", RANGE(1, 1000000),
	  .help = "Series of one metric; beyond them one overflow series takes the rest." },
	{ .name = "metrics.idle-timeout", .kind = OPTION_DURATION, FIELD(metrics_idle_timeout_ns), .fallback = "15m",
	  .placeholder = "TIME", RANGE(0, 365 * DAY),
	  .help = "Series without an observation leave after this time; 0 keeps them." },
	{ .name = "metrics.native-histograms", .kind = OPTION_BOOL, FIELD(metrics_native_histograms),
	  .fallback = "true", .help = "Keep base-2 exponential buckets beside the classic ones." },

	{ .name = "path.procfs", .kind = OPTION_TEXT, FIELD(path_procfs), .fallback = "/proc", .placeholder = "PATH",
	  .check = check_absolute_path, .allowed = "a path that begins with \"/\"",
	  .help = "Where the host's procfs is mounted." },
	{ .name = "path.sysfs", .kind = OPTION_TEXT, FIELD(path_sysfs), .fallback = "/sys", .placeholder = "PATH",
	  .check = check_absolute_path, .allowed = "a path that begins with \"/\"",
	  .help = "Where the host's sysfs is mounted." },

	{ .name = "log.level", .kind = OPTION_TEXT, FIELD(log_level), .fallback = "info", .placeholder = "LEVEL",
	  .choices = log_levels, .reloadable = true, .help = "Messages below this level are not written." },
	{ .name = "log.format", .kind = OPTION_TEXT, FIELD(log_format), .fallback = "logfmt", .placeholder = "FORMAT",
	  .choices = log_formats, .reloadable = true, .help = "Form of the messages on standard error." },
};

const size_t config_option_count = sizeof(config_options) / sizeof(config_options[0]);

_Static_assert(sizeof(config_options) / sizeof(config_options[0]) <= CONFIG_OPTIONS_MAX, "origins have no room");
