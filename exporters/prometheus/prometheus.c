/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts the writers behind the exposition contract: picks the one that was negotiated and walks every source into it.
 */
#include "exporters/prometheus/prometheus.h"

#include <string.h>

#include "exporters/prometheus/negotiate.h"
#include "exporters/prometheus/protobuf_format.h"
#include "exporters/prometheus/text_format.h"

#define OWN_PREFIX "sonde_"

static void visit_sources(const struct snapshot *snapshot, const struct metric_visitor *visitor)
{
	for (size_t i = 0; i < snapshot->source_count; i++)
		if (snapshot->sources[i].has_collectors || !snapshot->only_collectors)
			snapshot->sources[i].visit(snapshot->sources[i].ctx, visitor);
}

/* Passes on what is not the agent's own, whichever source tells it. */
struct without_own {
	const struct metric_visitor *visitor;
	bool hidden; /* the family at hand */
};

static void begin_without_own(void *ctx, const struct metric_family *family)
{
	struct without_own *without = ctx;

	without->hidden = !strncmp(family->name, OWN_PREFIX, strlen(OWN_PREFIX));
	if (!without->hidden)
		without->visitor->family_begin(without->visitor->ctx, family);
}

static void sample_without_own(void *ctx, const struct metric_label *labels, size_t count, double value)
{
	const struct without_own *without = ctx;

	if (!without->hidden)
		without->visitor->sample(without->visitor->ctx, labels, count, value);
}

static void histogram_without_own(void *ctx, const struct metric_label *labels, size_t count,
				  const struct metric_histogram *histogram)
{
	const struct without_own *without = ctx;

	if (!without->hidden)
		without->visitor->histogram(without->visitor->ctx, labels, count, histogram);
}

static void end_without_own(void *ctx)
{
	const struct without_own *without = ctx;

	if (!without->hidden)
		without->visitor->family_end(without->visitor->ctx);
}

static void walk(const struct snapshot *snapshot, const struct metric_visitor *visitor)
{
	struct without_own without = { .visitor = visitor };
	const struct metric_visitor others = { .ctx = &without,
					       .family_begin = begin_without_own,
					       .sample = sample_without_own,
					       .histogram = histogram_without_own,
					       .family_end = end_without_own };

	visit_sources(snapshot, snapshot->hide_own ? &others : visitor);
}

static int render_text(bool openmetrics, const struct snapshot *snapshot, const struct exposition_output *output)
{
	struct text_writer writer;
	struct metric_visitor visitor;

	text_writer_init(&writer, openmetrics, output);
	visitor = text_writer_visitor(&writer);
	walk(snapshot, &visitor);
	return text_writer_finish(&writer);
}

static int render_protobuf(const struct snapshot *snapshot, const struct exposition_output *output)
{
	struct protobuf_writer writer;
	struct metric_visitor visitor;

	protobuf_writer_init(&writer, output);
	visitor = protobuf_writer_visitor(&writer);
	walk(snapshot, &visitor);
	return protobuf_writer_finish(&writer);
}

static int render(struct exposition_choice choice, const struct snapshot *snapshot,
		  const struct exposition_output *output)
{
	if (choice.format == FORMAT_PROTOBUF)
		return render_protobuf(snapshot, output);
	return render_text(choice.format == FORMAT_OPENMETRICS, snapshot, output);
}

static const char *format_name(uint8_t format)
{
	static const char *const names[FORMAT_COUNT] = {
		[FORMAT_TEXT] = "text",
		[FORMAT_OPENMETRICS] = "openmetrics",
		[FORMAT_PROTOBUF] = "protobuf",
	};

	return format < FORMAT_COUNT ? names[format] : NULL;
}

const struct exposition prometheus_exposition = {
	.negotiate = prometheus_negotiate,
	.content_type = prometheus_content_type,
	.format_name = format_name,
	.render = render,
};

_Static_assert(FORMAT_COUNT <= EXPOSITION_FORMATS_MAX, "formats fit the contract");
