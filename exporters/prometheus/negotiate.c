/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accept, RFC 9110 section 12.5.1: of each format the most specific range that matches it says its weight; the format
 * of the highest weight wins, among equals the one whose range came first, then the order of enum prometheus_format
 * (which decides for ranges with wildcards). Nothing acceptable: text 0.0.4, as Prometheus demands, never 406.
 */
#include "exporters/prometheus/negotiate.h"

#include <stdio.h>

#include "exporters/common/field.h"

struct offer {
	const char *type;
	const char *any_subtype;
	const char *content_type; /* but for the escaping parameter */
	struct {
		const char *name;
		const char *value;
	} parameters[2]; /* what a range may ask for, and must mean when it does */
};

static const struct offer offers[FORMAT_COUNT] = {
	[FORMAT_TEXT] = {
		.type = "text/plain",
		.any_subtype = "text/*",
		.content_type = "text/plain; version=0.0.4; charset=utf-8",
		.parameters = { { "version", "0.0.4" } },
	},
	[FORMAT_OPENMETRICS] = {
		.type = "application/openmetrics-text",
		.any_subtype = "application/*",
		.content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8",
		.parameters = { { "version", "1.0.0" } },
	},
	[FORMAT_PROTOBUF] = {
		.type = "application/vnd.google.protobuf",
		.any_subtype = "application/*",
		.content_type = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
				"encoding=delimited",
		.parameters = { { "proto", "io.prometheus.client.MetricFamily" }, { "encoding", "delimited" } },
	},
};

static const char *const escaping_names[ESCAPING_COUNT] = {
	[ESCAPING_UNDERSCORES] = "underscores",
	[ESCAPING_ALLOW_UTF_8] = "allow-utf-8",
	[ESCAPING_VALUES] = "values",
};

enum specificity {
	SPECIFIC_NOT, /* does not match */
	SPECIFIC_ANY,
	SPECIFIC_TYPE,
	SPECIFIC_SUBTYPE,
	SPECIFIC_PARAMETER,
};

static enum specificity match(const struct offer *offer, const struct field_element *range)
{
	enum specificity specificity = SPECIFIC_SUBTYPE;

	if (field_part_is(range->value, "*/*"))
		return SPECIFIC_ANY;
	if (field_part_is(range->value, offer->any_subtype))
		return SPECIFIC_TYPE;
	if (!field_part_is(range->value, offer->type))
		return SPECIFIC_NOT;
	for (size_t i = 0; i < 2 && offer->parameters[i].name; i++) {
		struct field_part asked = field_parameter(range, offer->parameters[i].name);

		if (!asked.length)
			continue;
		if (!field_part_is(asked, offer->parameters[i].value))
			return SPECIFIC_NOT;
		specificity = SPECIFIC_PARAMETER;
	}
	return specificity;
}

static uint8_t escaping_of(const struct field_element *range)
{
	struct field_part asked = field_parameter(range, "escaping");

	for (size_t i = 0; i < ESCAPING_COUNT; i++)
		if (field_part_is(asked, escaping_names[i]))
			return (uint8_t)i;
	return ESCAPING_UNDERSCORES;
}

struct candidate {
	enum specificity specificity;
	unsigned int weight;
	size_t position; /* of its range in the field */
	uint8_t escaping;
};

static void consider(struct candidate candidates[FORMAT_COUNT], const struct field_element *range, size_t position)
{
	for (size_t i = 0; i < FORMAT_COUNT; i++) {
		enum specificity specificity = match(&offers[i], range);

		if (specificity > candidates[i].specificity)
			candidates[i] = (struct candidate){
				.specificity = specificity,
				.weight = range->weight,
				.position = position,
				.escaping = escaping_of(range),
			};
	}
}

struct exposition_choice prometheus_negotiate(const char *accept)
{
	struct candidate candidates[FORMAT_COUNT] = { 0 };
	struct exposition_choice choice = { .format = FORMAT_TEXT, .escaping = ESCAPING_UNDERSCORES };
	const struct candidate *best = NULL;
	struct field_element range;

	for (size_t position = 0; field_next(&accept, &range); position++)
		consider(candidates, &range, position);
	for (size_t i = 0; i < FORMAT_COUNT; i++) {
		const struct candidate *candidate = &candidates[i];

		if (!candidate->weight)
			continue;
		if (best && (candidate->weight < best->weight ||
			     (candidate->weight == best->weight && candidate->position >= best->position)))
			continue;
		best = candidate;
		choice = (struct exposition_choice){ .format = (uint8_t)i, .escaping = candidate->escaping };
	}
	return choice;
}

void prometheus_content_type(struct exposition_choice choice, char ret_text[EXPOSITION_CONTENT_TYPE_SIZE])
{
	snprintf(ret_text, EXPOSITION_CONTENT_TYPE_SIZE, "%s; escaping=%s", offers[choice.format].content_type,
		 escaping_names[choice.escaping]);
}
