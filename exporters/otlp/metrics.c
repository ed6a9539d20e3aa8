/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One walk over the snapshot, the same that a scrape makes. Points are encoded as they come, into a buffer for each
 * service; at a family's end what each service has of it becomes a Metric; at the walk's end each service a
 * ResourceMetrics. What names no service is sonde's own.
 *   ExportMetricsServiceRequest { repeated ResourceMetrics resource_metrics = 1; }
 *   ResourceMetrics { Resource resource = 1; repeated ScopeMetrics scope_metrics = 2; string schema_url = 3; }
 *   ScopeMetrics { InstrumentationScope scope = 1; repeated Metric metrics = 2; string schema_url = 3; }
 */
#include "exporters/otlp/metrics.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "exporters/common/message_json.h"
#include "exporters/otlp/frame.h"
#include "exporters/otlp/history.h"
#include "exporters/otlp/point.h"

#define GROUPS_MAX 1024
#define GROUP_BYTES_MAX ((size_t)32 << 20)

/* What one service has. */
struct group {
	char *service;         /* owned */
	struct buffer metrics; /* whole ones */
	struct buffer points;  /* of the family at hand */
};

struct walk {
	struct otlp *otlp;
	struct group *groups; /* owned */
	size_t group_count;
	struct metric_family family; /* a copy, as its texts are: they are lent for the call that begins it */
	char name[256];
	char help[512];
	char unit[32];
	struct metric_kind kind;
	uint64_t now_ns;
	uint32_t points;
	bool json;
	int error;
};

static struct group *group_of(struct walk *walk, const char *service)
{
	struct group *group;

	for (size_t i = 0; i < walk->group_count; i++)
		if (!strcmp(walk->groups[i].service, service))
			return &walk->groups[i];
	/* Beyond the bound a service's points go to sonde's own resource, with the service as an attribute. */
	if (walk->group_count == GROUPS_MAX)
		return &walk->groups[0];
	group = &walk->groups[walk->group_count];
	group->service = strdup(service);
	if (!group->service)
		return NULL;
	buffer_init(&group->metrics, GROUP_BYTES_MAX);
	buffer_init(&group->points, GROUP_BYTES_MAX);
	walk->group_count++;
	return group;
}

static const char *service_of(const struct walk *walk, const struct metric_label *labels, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(labels[i].name, "service_name") && *labels[i].value)
			return labels[i].value;
	return walk->otlp->config.own_service;
}

static void append_message(struct walk *walk, struct buffer *out, uint32_t field, const ProtobufCMessage *message)
{
	size_t length;
	void *at;

	if (walk->json) {
		if (out->length > 0)
			buffer_append_char(out, ',');
		message_json(out, message);
		return;
	}
	length = protobuf_c_message_get_packed_size(message);
	frame_tag(out, field, length);
	at = buffer_extend(out, length);
	if (at)
		protobuf_c_message_pack(message, at);
}

static void family_begin(void *ctx, const struct metric_family *family)
{
	struct walk *walk = ctx;
	struct text_room room = { walk->help, sizeof(walk->help) };

	snprintf(walk->name, sizeof(walk->name), "%s", family->name);
	snprintf(walk->unit, sizeof(walk->unit), "%s", family->unit);
	if (!text_room_keep(&room, (struct text){ family->help, strlen(family->help) }))
		walk->help[0] = '\0';
	walk->family = (struct metric_family){
		.name = walk->name, .help = walk->help, .unit = walk->unit, .type = family->type
	};
	walk->kind = metric_kind_of(&walk->family, walk->otlp->config.exponential);
}

static bool is_delta(const struct walk *walk)
{
	const struct otlp_config *config = &walk->otlp->config;

	return config->delta && !(config->cumulative_sums && walk->kind.data == METRIC_DATA_SUM);
}

static struct point_context context_of(const struct walk *walk, const struct metric_label *labels, size_t count,
				       const struct group *group)
{
	return (struct point_context){
		.family = &walk->family,
		.kind = &walk->kind,
		.labels = labels,
		.label_count = count,
		.service = group->service,
		.start_ns = walk->otlp->config.started_ns,
		.now_ns = walk->now_ns,
		.history = is_delta(walk) ? walk->otlp->history : NULL,
	};
}

static void take_point(struct walk *walk, struct group *group, struct point *point, const ProtobufCMessage *message)
{
	if (!message) {
		walk->otlp->figures.dropped[OTLP_METRICS][DROPPED_NO_MEMORY]++;
		return;
	}
	append_message(walk, &group->points, 1, message);
	walk->points++;
	point_done(point);
}

static void sample(void *ctx, const struct metric_label *labels, size_t count, double value)
{
	struct walk *walk = ctx;
	struct group *group = group_of(walk, service_of(walk, labels, count));
	struct point_context context;
	struct point point;

	if (!group) {
		walk->error = -ENOMEM;
		return;
	}
	context = context_of(walk, labels, count, group);
	take_point(walk, group, &point, point_number(&point, &context, value));
}

static void histogram(void *ctx, const struct metric_label *labels, size_t count, const struct metric_histogram *values)
{
	struct walk *walk = ctx;
	struct group *group = group_of(walk, service_of(walk, labels, count));
	struct point_context context;
	struct point point;

	if (!group) {
		walk->error = -ENOMEM;
		return;
	}
	context = context_of(walk, labels, count, group);
	/* A family has exponential buckets in all of its series, or in none. */
	if (!values->native)
		walk->kind.data = METRIC_DATA_HISTOGRAM;
	if (walk->kind.data == METRIC_DATA_EXPONENTIAL)
		take_point(walk, group, &point, point_exponential(&point, &context, values));
	else
		take_point(walk, group, &point, point_histogram(&point, &context, values));
}

/* The points are there already, each with its tag; around them the data of their kind, and the metric. */
static void close_protobuf(const struct walk *walk, struct group *group)
{
	struct buffer *out = &group->metrics;
	size_t options = metric_options_length(&walk->kind), name = strlen(walk->kind.name),
	       help = strlen(walk->family.help), unit = strlen(walk->kind.unit), data = group->points.length + options,
	       whole = 1 + frame_varint_length(name) + name + 1 + frame_varint_length(help) + help + 1 +
		       frame_varint_length(unit) + unit + 1 + frame_varint_length(data) + data;

	frame_tag(out, 2, whole);
	frame_tag(out, 1, name);
	buffer_append_string(out, walk->kind.name);
	frame_tag(out, 2, help);
	buffer_append_string(out, walk->family.help);
	frame_tag(out, 3, unit);
	buffer_append_string(out, walk->kind.unit);
	frame_tag(out, (uint32_t)walk->kind.data, data);
	buffer_append(out, group->points.data, group->points.length);
	metric_options_append(&walk->kind, is_delta(walk), out);
}

static void close_json(const struct walk *walk, struct group *group)
{
	Otlp__Metric metric = OTLP__METRIC__INIT;
	struct buffer *out = &group->metrics;

	metric.name = (char *)(uintptr_t)walk->kind.name; /* only read, as the next two */
	metric.description = (char *)(uintptr_t)walk->family.help;
	metric.unit = (char *)(uintptr_t)walk->kind.unit;
	if (out->length > 0)
		buffer_append_char(out, ',');
	message_json(out, &metric.base);
	if (!buffer_error(out))
		out->length--; /* the closing brace: the data come before it */
	metric_json_begin(&walk->kind, is_delta(walk), out);
	buffer_append(out, group->points.data, group->points.length);
	buffer_append_string(out, "]}}");
}

static void family_end(void *ctx)
{
	struct walk *walk = ctx;

	for (size_t i = 0; i < walk->group_count; i++) {
		struct group *group = &walk->groups[i];

		if (group->points.length == 0)
			continue;
		if (walk->json)
			close_json(walk, group);
		else
			close_protobuf(walk, group);
		if (group->points.error || group->metrics.error)
			walk->error = -ENOMEM;
		buffer_reset(&group->points);
	}
}

/* What names no service is sonde's own, and so is what found no room. */
static const char *resource_of(const struct walk *walk, const struct group *group)
{
	const struct otlp_resources *resources = &walk->otlp->config.resources;
	const char *lines = "";

	if (group != walk->groups && resources->service)
		lines = resources->service(resources->ctx, group->service);
	return frame_resource(walk->otlp, group->service, lines);
}

static void group_protobuf(const struct walk *walk, const char *resource, const struct group *group, struct buffer *out)
{
	struct frame frame = { 0 };
	size_t scope;

	frame_make(walk->otlp, OTLP_METRICS, resource, strlen(resource), &frame);
	scope = frame.scope_length + group->metrics.length + frame.schema_length;
	frame_tag(out, 1, frame.resource_length + 1 + frame_varint_length(scope) + scope + frame.schema_length);
	buffer_append(out, frame.bytes, frame.resource_length);
	frame_tag(out, 2, scope);
	buffer_append(out, frame.bytes + frame.resource_length, frame.scope_length);
	buffer_append(out, group->metrics.data, group->metrics.length);
	for (int i = 0; i < 2; i++)
		buffer_append(out, frame.bytes + frame.resource_length + frame.scope_length, frame.schema_length);
}

static void group_json(const struct walk *walk, const char *resource, const struct group *group, struct buffer *out)
{
	buffer_append_string(out, out->length > 0 ? ",{\"resource\":" : "{\"resourceMetrics\":[{\"resource\":");
	frame_resource_json(walk->otlp, OTLP_METRICS, out, resource, strlen(resource));
	buffer_append_string(out, ",\"scopeMetrics\":[{\"scope\":");
	frame_scope_json(walk->otlp, out);
	buffer_append_string(out, ",\"metrics\":[");
	buffer_append(out, group->metrics.data, group->metrics.length);
	buffer_append_string(out, "],\"schemaUrl\":\"" OTLP_SCHEMA_URL "\"}],\"schemaUrl\":\"" OTLP_SCHEMA_URL "\"}");
}

static void finish(struct walk *walk)
{
	struct otlp *otlp = walk->otlp;
	const struct otlp_resources *resources = &otlp->config.resources;
	struct buffer out;

	buffer_init(&out, OTLP_REQUEST_BYTES);
	if (resources->begin)
		resources->begin(resources->ctx);
	for (size_t i = 0; i < walk->group_count; i++) {
		const char *resource;

		if (walk->groups[i].metrics.length == 0)
			continue;
		resource = resource_of(walk, &walk->groups[i]);
		if (walk->json)
			group_json(walk, resource, &walk->groups[i], &out);
		else
			group_protobuf(walk, resource, &walk->groups[i], &out);
	}
	if (resources->end && walk->group_count < GROUPS_MAX)
		resources->end(resources->ctx);
	if (walk->json && out.length > 0)
		buffer_append_string(&out, "]}");
	if (walk->error || buffer_error(&out))
		otlp->figures.dropped[OTLP_METRICS][DROPPED_NO_MEMORY] += walk->points;
	else if (walk->points > 0)
		queue_put(otlp, OTLP_METRICS, "", out.data, out.length, walk->points);
	buffer_done(&out);
}

void metrics_export(struct otlp *otlp)
{
	const struct snapshot *snapshot = otlp->config.snapshot;
	const struct snapshot_filter everything = { .count = 0 };
	char text[256];
	struct walk walk = { .otlp = otlp,
			     .groups = calloc(GROUPS_MAX, sizeof(struct group)),
			     .now_ns = otlp->config.realtime_ns(otlp->config.ctx),
			     .json = otlp->config.targets[OTLP_METRICS].encoding == OTLP_JSON };
	const struct metric_visitor visitor = { .ctx = &walk,
						.family_begin = family_begin,
						.sample = sample,
						.histogram = histogram,
						.family_end = family_end };

	if (!walk.groups || !group_of(&walk, otlp->config.own_service)) {
		free(walk.groups);
		return;
	}
	if (otlp->history)
		metric_history_begin(otlp->history);
	/* Everything is asked for, which cannot be wrong. */
	if (snapshot->refresh)
		(void)snapshot->refresh(snapshot->refresh_ctx, &everything, text, sizeof(text));
	for (size_t i = 0; i < snapshot->source_count; i++)
		snapshot->sources[i].visit(snapshot->sources[i].ctx, &visitor);
	finish(&walk);
	if (otlp->history)
		metric_history_end(otlp->history);
	for (size_t i = 0; i < walk.group_count; i++) {
		free(walk.groups[i].service);
		buffer_done(&walk.groups[i].metrics);
		buffer_done(&walk.groups[i].points);
	}
	free(walk.groups);
}
