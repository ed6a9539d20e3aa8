/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content negotiation of the exposition formats: an Accept field in, a format and an escaping scheme out. Pure.
 */
#pragma once

#include "exporters/exporter.h"

enum prometheus_format {
	FORMAT_TEXT, /* 0.0.4: the default of every scraper and of this exporter */
	FORMAT_OPENMETRICS,
	FORMAT_PROTOBUF,
	FORMAT_COUNT,
};

/* How names beyond [a-zA-Z_:][a-zA-Z0-9_:]* would be written. sonde has none, so that every scheme but `dots`, which
 * rewrites plain names too and is answered with `underscores`, leaves its names as they are. */
enum prometheus_escaping {
	ESCAPING_UNDERSCORES,
	ESCAPING_ALLOW_UTF_8,
	ESCAPING_VALUES,
	ESCAPING_COUNT,
};

struct exposition_choice prometheus_negotiate(const char *accept);
void prometheus_content_type(struct exposition_choice choice, char ret_text[EXPOSITION_CONTENT_TYPE_SIZE]);
