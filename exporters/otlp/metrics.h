/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The snapshot as OTLP's metrics: the same series as a scrape's, by service.
 */
#pragma once

#include "exporters/otlp/internal.h"

/* Walks the snapshot and puts one request into the queue. */
void metrics_export(struct otlp *otlp);
