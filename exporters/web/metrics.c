/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's figures about itself, as a source of the snapshot. What a scrape says of scrapes is what was true before
 * it. Series of requests appear when they are first counted, those of code 200 are always there.
 */
#include "base/clock.h"
#include "exporters/web/internal.h"

static const double render_bounds[WEB_RENDER_BOUNDS] = { 0.001, 0.0025, 0.01, 0.025, 0.1, 0.25, 1 };

void web_figures_render(struct web_figures *figures, uint64_t duration_ns)
{
	double seconds = (double)duration_ns / (double)NS_PER_SECOND;
	size_t bucket = 0;

	while (bucket < WEB_RENDER_BOUNDS && seconds > render_bounds[bucket])
		bucket++;
	figures->render_counts[bucket]++;
	figures->render_count++;
	figures->render_seconds += seconds;
}

static void begin(const struct metric_visitor *visitor, const char *name, const char *help, const char *unit,
		  enum metric_type type)
{
	const struct metric_family family = { .name = name, .help = help, .unit = unit, .type = type };

	visitor->family_begin(visitor->ctx, &family);
}

static void single(const struct metric_visitor *visitor, const struct metric_family *family, double value)
{
	visitor->family_begin(visitor->ctx, family);
	visitor->sample(visitor->ctx, NULL, 0, value);
	visitor->family_end(visitor->ctx);
}

static void visit_requests(const struct web *web, const struct metric_visitor *visitor)
{
	static const char *const codes[SCRAPE_CODE_COUNT] = {
		[SCRAPE_OK] = "200",
		[SCRAPE_REFUSED] = "400",
		[SCRAPE_NO_MEMORY] = "500",
		[SCRAPE_UNAVAILABLE] = "503",
	};

	begin(visitor, "sonde_scrape_requests_total", "Requests for metrics, by status and exposition format.", "",
	      METRIC_COUNTER);
	for (size_t code = 0; code < SCRAPE_CODE_COUNT; code++) {
		for (uint8_t format = 0; format < EXPOSITION_FORMATS_MAX; format++) {
			const char *name = web->config.exposition->format_name(format);
			struct metric_label labels[] = { { "code", codes[code] }, { "format", name } };
			uint64_t count = web->figures.scrapes[code][format];

			if (name && (count || code == SCRAPE_OK))
				visitor->sample(visitor->ctx, labels, 2, (double)count);
		}
	}
	visitor->family_end(visitor->ctx);
}

static void visit_closed(const struct web *web, const struct metric_visitor *visitor)
{
	static const char *const reasons[CLOSED_REASON_COUNT] = {
		[CLOSED_DEADLINE] = "deadline",
		[CLOSED_CROWDED] = "crowded",
	};

	begin(visitor, "sonde_web_closed_connections_total",
	      "Connections that the web server ended: too slow, or idle while others waited.", "", METRIC_COUNTER);
	for (size_t i = 0; i < CLOSED_REASON_COUNT; i++) {
		struct metric_label label = { "reason", reasons[i] };

		visitor->sample(visitor->ctx, &label, 1, (double)web->figures.closed[i]);
	}
	visitor->family_end(visitor->ctx);
}

static void visit_render(const struct web *web, const struct metric_visitor *visitor)
{
	const struct metric_histogram histogram = {
		.bounds = render_bounds,
		.counts = web->figures.render_counts,
		.bound_count = WEB_RENDER_BOUNDS,
		.count = web->figures.render_count,
		.sum = web->figures.render_seconds,
	};

	begin(visitor, "sonde_scrape_render_duration_seconds", "Time to write one exposition, compression included.",
	      "seconds", METRIC_HISTOGRAM);
	visitor->histogram(visitor->ctx, NULL, 0, &histogram);
	visitor->family_end(visitor->ctx);
}

static void visit(void *ctx, const struct metric_visitor *visitor)
{
	static const struct metric_family response_bytes = {
		.name = "sonde_scrape_response_bytes",
		.help = "Size of the last exposition, as sent.",
		.unit = "bytes",
		.type = METRIC_GAUGE,
	};
	static const struct metric_family connections = {
		.name = "sonde_web_connections",
		.help = "Open connections to the web server.",
		.unit = "",
		.type = METRIC_GAUGE,
	};
	static const struct metric_family accept_errors = {
		.name = "sonde_web_accept_errors_total",
		.help = "Connections that the web server could not accept, for want of descriptors or memory.",
		.unit = "",
		.type = METRIC_COUNTER,
	};
	const struct web *web = ctx;

	visit_requests(web, visitor);
	visit_render(web, visitor);
	single(visitor, &response_bytes, (double)web->figures.response_bytes);
	single(visitor, &connections, (double)web->connection_count);
	visit_closed(web, visitor);
	single(visitor, &accept_errors, (double)web->figures.accept_errors);
}

struct snapshot_source web_source(struct web *web)
{
	return (struct snapshot_source){ .ctx = web, .visit = visit };
}
