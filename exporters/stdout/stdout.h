/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans as JSON lines on a descriptor, for people and tests: one object for each span, OTLP's JSON form with the
 * service's name before it.
 */
#pragma once

#include "base/cleanup.h"
#include "exporters/exporter.h"
#include "model/span.h"

struct stdout_exporter;

/* The descriptor stays the caller's. -ENOMEM, or what the kernel says. */
MUST_CHECK int stdout_new(int fd, struct stdout_exporter **ret_exporter);
/* Writes what is left if that does not block. Takes NULL. */
void stdout_free(struct stdout_exporter *exporter);

struct span_sink stdout_span_sink(struct stdout_exporter *exporter);
int stdout_fd(const struct stdout_exporter *exporter);
void stdout_run(struct stdout_exporter *exporter);
struct snapshot_source stdout_source(struct stdout_exporter *exporter);
