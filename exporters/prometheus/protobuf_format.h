/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer of the protobuf exposition, as a visitor of a snapshot: io.prometheus.client.MetricFamily messages, each
 * after its length. The one scrape format that carries native histograms; classic buckets stay beside them.
 */
#pragma once

#include <stdbool.h>

#include "exporters/exporter.h"

struct protobuf_writer {
	const struct exposition_output *output;
	int error;
	enum metric_type type;
	size_t family_prefix; /* in the output: where the family's length begins */
	size_t family_begin;  /* and its first field */
	bool has_metrics;     /* a family without metrics is not written */
};

/* The output is borrowed until protobuf_writer_finish. */
void protobuf_writer_init(struct protobuf_writer *writer, const struct exposition_output *output);
struct metric_visitor protobuf_writer_visitor(struct protobuf_writer *writer);
/* 0 or the first error; see struct exposition. */
MUST_CHECK int protobuf_writer_finish(struct protobuf_writer *writer);
