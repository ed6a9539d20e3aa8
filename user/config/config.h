/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The effective configuration: what flags, the YAML file and SONDE_* variables say, flags first, then environment, then
 * file, then defaults. All of them, --help and docs/CONFIG.md come from one option table (config/options.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

enum config_backend {
	BACKEND_AUTO,
	BACKEND_FENTRY,
	BACKEND_KPROBE,
	BACKEND_TRACEPOINT,
};

struct string_list {
	char **items; /* owned, each NUL-terminated */
	size_t count;
};

struct number_list {
	uint64_t *items; /* owned */
	size_t count;
};

struct config {
	char *config_file;
	struct string_list web_listen_addresses; /* "HOST:PORT", default ":9100" */
	char *web_telemetry_path;                /* "/metrics" */
	uint64_t web_max_requests;               /* 40: beyond it 503 */
	enum config_backend backend;
	struct string_list select_cgroups;
	struct number_list select_ports;
	struct string_list select_exes; /* globs */
	struct number_list select_pids; /* as this process sees pids */
	struct number_list ignore_ports;
	uint64_t capture_ring_bytes;      /* 4 MiB; a power of two of pages */
	uint64_t capture_max_connections; /* 65,536 */
	uint64_t capture_max_call_bytes;  /* captured of one call at most: 128 KiB */
	bool capture_unix;                /* true */
	bool capture_program_stats;       /* false: time spent in each BPF program */
	struct string_list http_routes;   /* templates */
	uint64_t http_route_values;       /* 32 */
	uint64_t metrics_series_limit;    /* 10,000 per metric */
	uint64_t metrics_idle_timeout_ns; /* 15 minutes */
	bool metrics_native_histograms;   /* true */
	char *path_procfs;                /* "/proc" */
	char *path_sysfs;                 /* "/sys" */
	char *log_level;                  /* debug info warn error */
	char *log_format;                 /* logfmt json */
};
