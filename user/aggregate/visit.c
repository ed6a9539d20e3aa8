/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Series out: walks every family that aggregate owns into a visitor. Reads only, allocates nothing; label values live
 * on the stack or in the interned strings. A family without series is not told, except those about sonde itself.
 */
#include "aggregate/visit.h"

#include <stddef.h>
#include <stdio.h>

const struct metric_label visit_overflow_label = { .name = "otel_metric_overflow", .value = "true" };

struct http_family {
	struct metric_family family;
	enum side side;
	size_t offset; /* of the histogram in struct http_series */
	const struct histogram_layout *layout;
};

#define HTTP_FAMILY(NAME, HELP, UNIT, SIDE, MEMBER, LAYOUT)                                             \
	{                                                                                               \
		.family = { .name = (NAME), .help = (HELP), .unit = (UNIT), .type = METRIC_HISTOGRAM }, \
		.side = (SIDE), .offset = offsetof(struct http_series, MEMBER), .layout = &(LAYOUT),    \
	}

static const struct http_family http_families[] = {
	HTTP_FAMILY("http_server_request_duration_seconds",
		    "From the read of a request's first byte to the write of its response's last.", "seconds",
		    SIDE_SERVER, duration, histogram_layout_duration),
	HTTP_FAMILY("http_server_request_body_size_bytes", "Size of HTTP server request bodies, as content.", "bytes",
		    SIDE_SERVER, request_body, histogram_layout_body),
	HTTP_FAMILY("http_server_response_body_size_bytes", "Size of HTTP server response bodies, as content.", "bytes",
		    SIDE_SERVER, response_body, histogram_layout_body),
	HTTP_FAMILY("http_client_request_duration_seconds",
		    "From the write of a request's first byte to the read of its response's last.", "seconds",
		    SIDE_CLIENT, duration, histogram_layout_duration),
	HTTP_FAMILY("http_client_request_body_size_bytes", "Size of HTTP client request bodies, as content.", "bytes",
		    SIDE_CLIENT, request_body, histogram_layout_body),
	HTTP_FAMILY("http_client_response_body_size_bytes", "Size of HTTP client response bodies, as content.", "bytes",
		    SIDE_CLIENT, response_body, histogram_layout_body),
};
#define HTTP_FAMILY_COUNT (sizeof(http_families) / sizeof(http_families[0]))

static const struct metric_family active_family = {
	.name = "http_server_active_requests",
	.help = "HTTP server requests whose head was read and whose response is not over.",
	.unit = "",
	.type = METRIC_GAUGE,
};
static const struct metric_family unparsed_families[] = {
	{ .name = "sonde_unparsed_connections_total",
	  .help = "Connections whose bytes were seen but not turned into exchanges, by reason.",
	  .unit = "",
	  .type = METRIC_COUNTER },
	{ .name = "sonde_unparsed_bytes_total",
	  .help = "Bytes of connections that were seen but not turned into exchanges, by reason.",
	  .unit = "bytes",
	  .type = METRIC_COUNTER },
};

void visit_label(struct labels *labels, const char *name, const char *value)
{
	if (value[0])
		labels->items[labels->count++] = (struct metric_label){ .name = name, .value = value };
}

void visit_port(struct labels *labels, uint16_t port)
{
	labels->port[0] = '\0';
	if (port)
		snprintf(labels->port, sizeof(labels->port), "%u", port);
	visit_label(labels, "server_port", labels->port);
}

/*
 * OpenTelemetry HTTP conventions, error.type: the reason when there is no whole response, else the status where the
 * conventions call it an error: 5xx for both sides, 4xx for the client only.
 */
static const char *error_type(const struct series_key *key, enum side side, const char *status)
{
	if (key->error != EXCHANGE_COMPLETE)
		return exchange_error_text((enum exchange_error)key->error);
	return key->status >= (side == SIDE_CLIENT ? 400 : 500) ? status : "";
}

static const char *version_text(uint8_t version)
{
	return version == 10 ? "1.0" : version == 11 ? "1.1" : "";
}

static void http_labels(const struct aggregate *aggregate, const struct series_key *key, enum side side,
			struct labels *ret_labels)
{
	struct labels *labels = ret_labels;

	labels->count = 0;
	labels->status[0] = '\0';
	if (key->status)
		snprintf(labels->status, sizeof(labels->status), "%u", key->status);
	visit_label(labels, "service_name", intern_text(&aggregate->intern, key->service));
	visit_label(labels, "http_request_method", http_method_text((enum http_method)key->method));
	visit_label(labels, "http_response_status_code", labels->status);
	visit_label(labels, "http_route", intern_text(&aggregate->intern, key->route));
	visit_label(labels, "url_scheme", key->tls ? "https" : "http");
	visit_label(labels, "tls_protocol_version", tls_version_text((enum tls_version)key->tls));
	visit_label(labels, "error_type", error_type(key, side, labels->status));
	visit_label(labels, "network_protocol_version", version_text(key->version));
	visit_label(labels, "server_address", intern_text(&aggregate->intern, key->address));
	visit_port(labels, key->port);
}

void visit_histogram(const struct aggregate *aggregate, const struct metric_visitor *visitor,
		     const struct histogram *histogram, const struct histogram_layout *layout,
		     const struct metric_label *labels, size_t label_count)
{
	struct metric_histogram told;
	struct native_histogram native;

	histogram_read(histogram, layout, aggregate->native, &told, &native);
	visitor->histogram(visitor->ctx, labels, label_count, &told);
}

/* A series is the first member of its record. */
static void tell_histogram(const struct aggregate *aggregate, const struct metric_visitor *visitor,
			   const struct http_family *family, const struct series *series,
			   const struct metric_label *labels, size_t label_count)
{
	const struct histogram *histogram = (const struct histogram *)((const char *)series + family->offset);

	visit_histogram(aggregate, visitor, histogram, family->layout, labels, label_count);
}

static bool table_used(const struct series_table *table)
{
	return table->table.count > 0 || table->overflowed > 0;
}

static void visit_http(const struct aggregate *aggregate, const struct metric_visitor *visitor,
		       const struct http_family *family)
{
	const struct series_table *table = &aggregate->http[family->side];
	const struct series *series = NULL;

	if (!table_used(table))
		return;
	visitor->family_begin(visitor->ctx, &family->family);
	while ((series = series_table_next(table, series))) {
		struct labels labels;

		http_labels(aggregate, &series->key, family->side, &labels);
		tell_histogram(aggregate, visitor, family, series, labels.items, labels.count);
	}
	if (table->overflowed > 0)
		tell_histogram(aggregate, visitor, family, table->overflow, &visit_overflow_label, 1);
	visitor->family_end(visitor->ctx);
}

static void visit_active(const struct aggregate *aggregate, const struct metric_visitor *visitor)
{
	const struct series_table *table = &aggregate->active;
	const struct series *series = NULL;

	if (!table_used(table))
		return;
	visitor->family_begin(visitor->ctx, &active_family);
	while ((series = series_table_next(table, series))) {
		struct labels labels = { .count = 0 };

		visit_label(&labels, "service_name", intern_text(&aggregate->intern, series->key.service));
		visit_label(&labels, "http_request_method", http_method_text((enum http_method)series->key.method));
		visit_label(&labels, "url_scheme", series->key.tls ? "https" : "http");
		visitor->sample(visitor->ctx, labels.items, labels.count,
				(double)((const struct active_series *)series)->active);
	}
	if (table->overflowed > 0)
		visitor->sample(visitor->ctx, &visit_overflow_label, 1,
				(double)((const struct active_series *)table->overflow)->active);
	visitor->family_end(visitor->ctx);
}

static double unparsed_value(const struct series *series, bool bytes)
{
	const struct unparsed_series *unparsed = (const struct unparsed_series *)series;

	return (double)(bytes ? unparsed->bytes : unparsed->connections);
}

static void visit_unparsed(const struct aggregate *aggregate, const struct metric_visitor *visitor, bool bytes)
{
	const struct series_table *table = &aggregate->unparsed;
	const struct series *series = NULL;

	visitor->family_begin(visitor->ctx, &unparsed_families[bytes]);
	while ((series = series_table_next(table, series))) {
		struct labels labels = { .count = 0 };

		visit_label(&labels, "service_name", intern_text(&aggregate->intern, series->key.service));
		visit_label(&labels, "reason", unparsed_reason_text((enum unparsed_reason)series->key.reason));
		visitor->sample(visitor->ctx, labels.items, labels.count, unparsed_value(series, bytes));
	}
	if (table->overflowed > 0)
		visitor->sample(visitor->ctx, &visit_overflow_label, 1, unparsed_value(table->overflow, bytes));
	visitor->family_end(visitor->ctx);
}

static void visit_exchanges(const struct aggregate *aggregate, const struct metric_visitor *visitor)
{
	static const struct metric_family family = {
		.name = "sonde_exchanges_total",
		.help = "Exchanges observed, by protocol and by the side that was observed.",
		.unit = "",
		.type = METRIC_COUNTER,
	};

	visitor->family_begin(visitor->ctx, &family);
	for (int protocol = PROTOCOL_UNKNOWN + 1; protocol < PROTOCOL_COUNT; protocol++)
		for (int side = 0; side < SIDE_COUNT; side++) {
			struct metric_label labels[] = {
				{ .name = "protocol", .value = protocol_text((enum protocol)protocol) },
				{ .name = "side", .value = side == SIDE_SERVER ? "server" : "client" },
			};

			visitor->sample(visitor->ctx, labels, 2, (double)aggregate->exchanges[protocol][side]);
		}
	visitor->family_end(visitor->ctx);
}

static double budget_value(const struct series_table *table, enum budget_figure figure)
{
	return (double)(figure == BUDGET_SERIES     ? table->table.count :
			figure == BUDGET_OVERFLOWED ? table->overflowed :
						      table->expired);
}

void visit_budget_of(const struct metric_visitor *visitor, const char *metric, const struct series_table *table,
		     enum budget_figure figure)
{
	struct metric_label label = { .name = "metric", .value = metric };

	visitor->sample(visitor->ctx, &label, 1, budget_value(table, figure));
}

static void visit_budget(const struct aggregate *aggregate, const struct metric_visitor *visitor,
			 enum budget_figure figure)
{
	static const struct metric_family families[BUDGET_FIGURE_COUNT] = {
		[BUDGET_SERIES] = { .name = "sonde_series",
				    .help = "Series held now, without the overflow series.",
				    .unit = "",
				    .type = METRIC_GAUGE },
		[BUDGET_OVERFLOWED] = { .name = "sonde_series_overflowed_total",
					.help = "Observations that went to the overflow series: no room or no memory.",
					.unit = "",
					.type = METRIC_COUNTER },
		[BUDGET_EXPIRED] = { .name = "sonde_series_expired_total",
				     .help = "Series that left because nothing was observed for the idle timeout.",
				     .unit = "",
				     .type = METRIC_COUNTER },
	};

	visitor->family_begin(visitor->ctx, &families[figure]);
	for (size_t i = 0; i < HTTP_FAMILY_COUNT; i++)
		visit_budget_of(visitor, http_families[i].family.name, &aggregate->http[http_families[i].side], figure);
	visit_db_budget(aggregate, visitor, figure);
	visit_handshake_budget(aggregate, visitor, figure);
	visit_unread_budget(aggregate, visitor, figure);
	visit_session_budget(aggregate, visitor, figure);
	visit_budget_of(visitor, active_family.name, &aggregate->active, figure);
	visit_budget_of(visitor, unparsed_families[0].name, &aggregate->unparsed, figure);
	visit_budget_of(visitor, unparsed_families[1].name, &aggregate->unparsed, figure);
	visitor->family_end(visitor->ctx);
}

static void visit_routes(const struct aggregate *aggregate, const struct metric_visitor *visitor)
{
	static const struct metric_family families[] = {
		{ .name = "sonde_route_segments",
		  .help = "Path segments held by the learned routes of all services.",
		  .unit = "",
		  .type = METRIC_GAUGE },
		{ .name = "sonde_route_collapsed_total",
		  .help = "Path positions that had too many names and became {id}.",
		  .unit = "",
		  .type = METRIC_COUNTER },
		{ .name = "sonde_route_cut_total",
		  .help = "Requests whose route ends in ** because the learned routes had no room for their path.",
		  .unit = "",
		  .type = METRIC_COUNTER },
	};
	const struct route_limits *limits = &aggregate->routes.limits;
	const double values[] = { (double)limits->segments, (double)limits->collapsed, (double)limits->cut };

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		visitor->family_begin(visitor->ctx, &families[i]);
		visitor->sample(visitor->ctx, NULL, 0, values[i]);
		visitor->family_end(visitor->ctx);
	}
}

void aggregate_visit(void *ctx, const struct metric_visitor *visitor)
{
	const struct aggregate *aggregate = ctx;

	for (size_t i = 0; i < HTTP_FAMILY_COUNT; i++)
		visit_http(aggregate, visitor, &http_families[i]);
	visit_active(aggregate, visitor);
	visit_db(aggregate, visitor);
	visit_handshakes(aggregate, visitor);
	visit_sessions(aggregate, visitor);
	visit_exchanges(aggregate, visitor);
	visit_unparsed(aggregate, visitor, false);
	visit_unparsed(aggregate, visitor, true);
	visit_unread(aggregate, visitor);
	for (int figure = 0; figure < BUDGET_FIGURE_COUNT; figure++)
		visit_budget(aggregate, visitor, (enum budget_figure)figure);
	visit_routes(aggregate, visitor);
}
