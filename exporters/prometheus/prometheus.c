/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts the writers behind the exposition contract: picks the one that was negotiated and walks every source into it.
 */
#include "exporters/prometheus/prometheus.h"

#include "exporters/prometheus/negotiate.h"
#include "exporters/prometheus/protobuf_format.h"
#include "exporters/prometheus/text_format.h"

static void walk(const struct snapshot *snapshot, const struct metric_visitor *visitor)
{
	for (size_t i = 0; i < snapshot->source_count; i++)
		if (snapshot->sources[i].has_collectors || !snapshot->only_collectors)
			snapshot->sources[i].visit(snapshot->sources[i].ctx, visitor);
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
