/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a family is called in OTLP. Those of the conventions have the conventions' names and units; those of Prometheus'
 * world (node_*, container_*, sonde_*) keep theirs, which is what their dashboards look for.
 */
#include <string.h>

#include "exporters/otlp/point.h"

#define TEMPORALITY_DELTA 1
#define TEMPORALITY_CUMULATIVE 2

static const char *unit_of(const char *unit)
{
	return !strcmp(unit, "seconds") ? "s" : !strcmp(unit, "bytes") ? "By" : "";
}

static const struct convention {
	const char *family;
	const char *name;
	const char *unit;
} conventions[] = {
	{ "http_server_request_duration_seconds", "http.server.request.duration", "s" },
	{ "http_server_request_body_size_bytes", "http.server.request.body.size", "By" },
	{ "http_server_response_body_size_bytes", "http.server.response.body.size", "By" },
	{ "http_server_active_requests", "http.server.active_requests", "{request}" },
	{ "http_client_request_duration_seconds", "http.client.request.duration", "s" },
	{ "http_client_request_body_size_bytes", "http.client.request.body.size", "By" },
	{ "http_client_response_body_size_bytes", "http.client.response.body.size", "By" },
	{ "db_client_operation_duration_seconds", "db.client.operation.duration", "s" },
	{ "db_client_response_returned_rows", "db.client.response.returned_rows", "{row}" },
};

static const struct convention *convention_of(const char *family)
{
	for (size_t i = 0; i < sizeof(conventions) / sizeof(conventions[0]); i++)
		if (!strcmp(conventions[i].family, family))
			return &conventions[i];
	return NULL;
}

static enum metric_data data_of(const struct metric_family *family, bool exponential, bool up_down)
{
	switch (family->type) {
	case METRIC_COUNTER:
		return METRIC_DATA_SUM;
	case METRIC_HISTOGRAM:
		return exponential ? METRIC_DATA_EXPONENTIAL : METRIC_DATA_HISTOGRAM;
	default:
		return up_down ? METRIC_DATA_SUM : METRIC_DATA_GAUGE;
	}
}

struct metric_kind metric_kind_of(const struct metric_family *family, bool exponential)
{
	const struct convention *convention = convention_of(family->name);
	bool up_down = convention && family->type == METRIC_GAUGE;

	return (struct metric_kind){
		.name = convention ? convention->name : family->name,
		.unit = convention ? convention->unit : unit_of(family->unit),
		.data = data_of(family, exponential, up_down),
		.monotonic = family->type == METRIC_COUNTER,
	};
}

/* Labels that stand for attributes of the conventions. Two are integers, one is a boolean. */
static const struct attribute {
	const char *label;
	const char *key;
	enum attribute_form form;
} attributes[] = {
	{ "http_request_method", "http.request.method", ATTRIBUTE_TEXT },
	{ "http_response_status_code", "http.response.status_code", ATTRIBUTE_INT },
	{ "http_route", "http.route", ATTRIBUTE_TEXT },
	{ "url_scheme", "url.scheme", ATTRIBUTE_TEXT },
	{ "error_type", "error.type", ATTRIBUTE_TEXT },
	{ "network_protocol_version", "network.protocol.version", ATTRIBUTE_TEXT },
	{ "tls_protocol_version", "tls.protocol.version", ATTRIBUTE_TEXT },
	{ "server_address", "server.address", ATTRIBUTE_TEXT },
	{ "server_port", "server.port", ATTRIBUTE_INT },
	{ "db_system_name", "db.system.name", ATTRIBUTE_TEXT },
	{ "db_namespace", "db.namespace", ATTRIBUTE_TEXT },
	{ "db_operation_name", "db.operation.name", ATTRIBUTE_TEXT },
	{ "db_collection_name", "db.collection.name", ATTRIBUTE_TEXT },
	{ "db_query_summary", "db.query.summary", ATTRIBUTE_TEXT },
	{ "db_response_status_code", "db.response.status_code", ATTRIBUTE_TEXT },
	{ "otel_metric_overflow", "otel.metric.overflow", ATTRIBUTE_BOOL },
};

const char *metric_attribute(const struct metric_family *family, const char *label, enum attribute_form *ret_form)
{
	*ret_form = ATTRIBUTE_TEXT;
	if (!convention_of(family->name))
		return label;
	for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
		if (strcmp(attributes[i].label, label) != 0)
			continue;
		*ret_form = attributes[i].form;
		return attributes[i].key;
	}
	return label;
}

static bool is_delta(const struct metric_kind *kind, bool delta)
{
	/* What goes up and down is cumulative by either preference (metrics exporter, OTLP: "delta"). */
	return delta && (kind->data != METRIC_DATA_SUM || kind->monotonic);
}

size_t metric_options_length(const struct metric_kind *kind)
{
	return kind->data == METRIC_DATA_GAUGE ? 0 : kind->data == METRIC_DATA_SUM ? 4 : 2;
}

void metric_options_append(const struct metric_kind *kind, bool delta, struct buffer *out)
{
	if (kind->data == METRIC_DATA_GAUGE)
		return;
	buffer_append_char(out, 2 << 3);
	buffer_append_char(out, is_delta(kind, delta) ? TEMPORALITY_DELTA : TEMPORALITY_CUMULATIVE);
	if (kind->data != METRIC_DATA_SUM)
		return;
	buffer_append_char(out, 3 << 3);
	buffer_append_char(out, kind->monotonic ? 1 : 0);
}

void metric_json_begin(const struct metric_kind *kind, bool delta, struct buffer *out)
{
	const char *name = kind->data == METRIC_DATA_GAUGE     ? "gauge" :
			   kind->data == METRIC_DATA_SUM       ? "sum" :
			   kind->data == METRIC_DATA_HISTOGRAM ? "histogram" :
								 "exponentialHistogram";

	buffer_printf(out, ",\"%s\":{", name);
	if (kind->data != METRIC_DATA_GAUGE)
		buffer_printf(out, "\"aggregationTemporality\":%d,",
			      is_delta(kind, delta) ? TEMPORALITY_DELTA : TEMPORALITY_CUMULATIVE);
	if (kind->data == METRIC_DATA_SUM)
		buffer_printf(out, "\"isMonotonic\":%s,", kind->monotonic ? "true" : "false");
	buffer_append_string(out, "\"dataPoints\":[");
}
