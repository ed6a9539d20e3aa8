/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the user named of messages, from the configuration to the form in which proto and trace look for it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "agent_internal.h"

/* The attribute's name ends with the field's, which is lower case (HTTP conventions, http.request.header.<key>). */
static int add_field(struct agent_keep *keep, enum keep_side side, const char *prefix, const char *name)
{
	size_t index = keep->keep.field_counts[side], length = strlen(name);
	struct keep_field *field = &keep->keep.fields[side][index];
	char *text, *at;

	if (asprintf(&keep->texts[side][index], "%s%s", prefix, name) < 0) {
		keep->texts[side][index] = NULL;
		return -ENOMEM;
	}
	text = keep->texts[side][index];
	at = text + strlen(prefix);
	for (char *c = at; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c | 0x20);
	*field = (struct keep_field){ .name = at, .length = length, .attribute = text };
	keep->keep.letters[side] |= 1u << (*at & 31);
	keep->keep.field_counts[side]++;
	return 0;
}

static bool has_field(const struct agent_keep *keep, enum keep_side side, const char *name)
{
	for (size_t i = 0; i < keep->keep.field_counts[side]; i++)
		if (!strcasecmp(keep->keep.fields[side][i].name, name))
			return true;
	return false;
}

static int add_fields(struct agent_keep *keep, enum keep_side side, const char *prefix, const struct string_list *list)
{
	int error = 0;

	for (size_t i = 0; !error && i < list->count && i < KEEP_FIELDS_MAX; i++)
		if (!has_field(keep, side, list->items[i]))
			error = add_field(keep, side, prefix, list->items[i]);
	return error;
}

int agent_keep_make(const struct config *config, struct agent_keep *keep)
{
	int error = add_fields(keep, KEEP_REQUEST, "http.request.header.", &config->trace_request_headers);

	if (!error)
		error = add_fields(keep, KEEP_RESPONSE, "http.response.header.", &config->trace_response_headers);
	keep->keep.query_keys = (const char *const *)config->trace_query_keys.items;
	keep->keep.query_key_count = config->trace_query_keys.count;
	keep->keep.query_text = config->trace_query_text;
	return error;
}

bool agent_keep_any(const struct agent_keep *keep)
{
	const struct keep *all = &keep->keep;

	return all->field_counts[KEEP_REQUEST] || all->field_counts[KEEP_RESPONSE] || all->query_key_count ||
	       all->query_text;
}

void agent_keep_done(struct agent_keep *keep)
{
	for (int side = 0; side < KEEP_SIDE_COUNT; side++)
		for (size_t i = 0; i < KEEP_FIELDS_MAX; i++)
			free(keep->texts[side][i]);
}
