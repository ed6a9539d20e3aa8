/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Prometheus exposition as the rest of the agent sees it: hand `prometheus_exposition` to what serves it.
 */
#pragma once

#include "exporters/exporter.h"

extern const struct exposition prometheus_exposition;
