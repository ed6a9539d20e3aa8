/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The web server over a synthetic snapshot, without kernel, root or agent: what test_exposition.py scrapes.
 * Prints one line, the address it listens on, and serves until its standard input ends.
 *   exposition_server [SERIES]    SERIES: how many series the large histogram family has (default 3)
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/number.h"
#include "exporters/prometheus/prometheus.h"
#include "exporters/web/web.h"

#define BOUNDS 5
#define NATIVE_BUCKETS 8
#define CHECK(condition)                                                               \
	do {                                                                           \
		if (!(condition)) {                                                    \
			fprintf(stderr, "exposition_server: %s failed\n", #condition); \
			return 1;                                                      \
		}                                                                      \
	} while (0)

struct synthetic {
	uint64_t series;
	uint64_t scrapes;
};

static void visit_plain(const struct synthetic *synthetic, const struct metric_visitor *visitor)
{
	const struct metric_family scrapes = { "synthetic_scrapes_total", "Scrapes so far.", "", METRIC_COUNTER };
	const struct metric_family odd = { "synthetic_odd_labels", "Labels \\ with \"odd\"\nbytes.", "", METRIC_GAUGE };
	const struct metric_label labels[] = {
		{ "quote", "say \"hi\"" },
		{ "backslash", "C:\\temp" },
		{ "newline", "a\nb" },
		{ "utf8", "grüße" },
		{ "broken", "a\xFF"
			    "b" },
		{ "empty", "" },
	};

	visitor->family_begin(visitor->ctx, &scrapes);
	visitor->sample(visitor->ctx, NULL, 0, (double)synthetic->scrapes);
	visitor->family_end(visitor->ctx);
	visitor->family_begin(visitor->ctx, &odd);
	visitor->sample(visitor->ctx, labels, sizeof(labels) / sizeof(labels[0]), 0.1);
	visitor->family_end(visitor->ctx);
}

static void visit_histograms(const struct synthetic *synthetic, const struct metric_visitor *visitor)
{
	static const double bounds[BOUNDS] = { 0.005, 0.01, 0.1, 1, 10 };
	static const uint64_t counts[BOUNDS + 1] = { 0, 2, 3, 4, 0, 1 };
	static const uint64_t native_counts[NATIVE_BUCKETS] = { 2, 3, 0, 0, 0, 0, 4, 1 };
	const struct native_histogram native = { 0, -7, NATIVE_BUCKETS, native_counts, 0, 0x1p-128 };
	const struct metric_histogram histogram = { bounds, counts, BOUNDS, 10, 12.5, &native, NULL, 0 };
	const struct metric_family family = { "synthetic_duration_seconds", "Durations of nothing.", "seconds",
					      METRIC_HISTOGRAM };
	char route[32];
	const struct metric_label labels[] = { { "service_name", "shop" }, { "http_route", route } };

	visitor->family_begin(visitor->ctx, &family);
	for (uint64_t i = 0; i < synthetic->series; i++) {
		snprintf(route, sizeof(route), "/route/%llu", (unsigned long long)i);
		visitor->histogram(visitor->ctx, labels, 2, &histogram);
	}
	visitor->family_end(visitor->ctx);
}

static void visit(void *ctx, const struct metric_visitor *visitor)
{
	visit_plain(ctx, visitor);
	visit_histograms(ctx, visitor);
}

static int refresh(void *ctx, const struct snapshot_filter *filter, char *ret_error, size_t error_size)
{
	(void)filter;
	(void)ret_error;
	(void)error_size;
	((struct synthetic *)ctx)->scrapes++;
	return 0;
}

static size_t health(void *ctx, struct web_check *ret_checks)
{
	(void)ctx;
	ret_checks[0] = (struct web_check){ "capture", WEB_CHECK_PASS, clock_realtime_ns(), "synthetic" };
	return 1;
}

static uint64_t now_ns(void *ctx)
{
	(void)ctx;
	return clock_monotonic_ns();
}

/* Until standard input ends: whoever started the server cannot forget it running. */
static int serve(struct web *web)
{
	struct pollfd fds[] = { { web_fd(web), POLLIN, 0 }, { STDIN_FILENO, POLLIN, 0 } };

	while (!fds[1].revents) {
		CHECK(poll(fds, 2, -1) >= 0);
		web_run(web);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const char *const addresses[] = { "127.0.0.1:0" };
	struct synthetic synthetic = { .series = 3 };
	struct snapshot snapshot = {
		.sources = { { &synthetic, visit } }, .source_count = 1, .refresh = refresh, .refresh_ctx = &synthetic
	};
	const struct web_config config = { .listen_addresses = addresses,
					   .listen_address_count = 1,
					   .telemetry_path = "/metrics",
					   .max_requests = 40,
					   .version = "0.0.0-synthetic",
					   .exposition = &prometheus_exposition,
					   .snapshot = &snapshot,
					   .health = health,
					   .now_ns = now_ns };
	struct exporter_error error = { "" };
	struct web *web = NULL;
	int result;

	if (argc > 1)
		CHECK(!number_u64(argv[1], &synthetic.series));
	if (web_new(&config, &web, &error)) {
		fprintf(stderr, "exposition_server: %s\n", error.text);
		return 1;
	}
	snapshot.sources[snapshot.source_count++] = web_source(web);
	puts(web_address(web, 0));
	fflush(stdout);
	result = serve(web);
	web_free(web);
	return result;
}
