/* SPDX-License-Identifier: Apache-2.0 */
/*
 * List fields with weights, RFC 9110 sections 5.6.1 (lists), 5.6.6 (parameters), 12.4.2 (weights):
 *   list      = [ element ] *( OWS "," OWS [ element ] )
 *   element   = value *( OWS ";" OWS [ name "=" ( token / quoted-string ) ] )
 *   weight    = "q=" ( "0" [ "." 0*3DIGIT ] / "1" [ "." 0*3"0" ] )
 * A weight that cannot be read counts as 0: what a client wrote wrong about is better not sent to it.
 */
#include "exporters/common/field.h"

#include <string.h>
#include <strings.h>

#define WEIGHT_MAX 1000
#define WEIGHT_DIGITS 3

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct field_part part_between(const char *start, const char *end)
{
	while (start < end && is_blank(*start))
		start++;
	while (end > start && is_blank(end[-1]))
		end--;
	return (struct field_part){ .text = start, .length = (size_t)(end - start) };
}

/* The end of the piece that begins at `at`: the first `,` or `;` (`=` when asked for) outside of quotes, or the end. */
static const char *piece_end(const char *at, bool stop_at_equals)
{
	bool quoted = false;

	for (; *at; at++) {
		if (*at == '"')
			quoted = !quoted;
		else if (quoted && *at == '\\' && at[1])
			at++;
		else if (!quoted && (*at == ',' || *at == ';' || (*at == '=' && stop_at_equals)))
			break;
	}
	return at;
}

static struct field_part unquoted(struct field_part part)
{
	if (part.length >= 2 && part.text[0] == '"' && part.text[part.length - 1] == '"')
		return (struct field_part){ .text = part.text + 1, .length = part.length - 2 };
	return part;
}

static unsigned int parse_weight(struct field_part part)
{
	unsigned int weight = 0, scale = WEIGHT_MAX;

	if (!part.length || (part.text[0] != '0' && part.text[0] != '1'))
		return 0;
	weight = part.text[0] == '1' ? WEIGHT_MAX : 0;
	if (part.length == 1)
		return weight;
	if (part.text[1] != '.' || part.length > 2 + WEIGHT_DIGITS)
		return 0;
	for (size_t i = 2; i < part.length; i++) {
		if (part.text[i] < '0' || part.text[i] > '9')
			return 0;
		scale /= 10;
		weight += (unsigned int)(part.text[i] - '0') * scale;
	}
	return weight > WEIGHT_MAX ? 0 : weight;
}

static const char *take_parameter(const char *at, struct field_element *element)
{
	const char *equals = piece_end(at, true);
	const char *end = piece_end(at, false);
	struct field_parameter parameter = { .name = part_between(at, equals) };

	if (*equals == '=' && equals < end)
		parameter.value = unquoted(part_between(equals + 1, end));
	if (field_part_is(parameter.name, "q"))
		element->weight = parse_weight(parameter.value);
	else if (parameter.name.length && element->parameter_count < FIELD_PARAMETERS_MAX)
		element->parameters[element->parameter_count++] = parameter;
	return end;
}

bool field_next(const char **cursor, struct field_element *ret_element)
{
	struct field_element element = { .weight = WEIGHT_MAX };
	const char *at = *cursor, *end;

	while (is_blank(*at) || *at == ',')
		at++;
	if (!*at) {
		*cursor = at;
		return false;
	}
	end = piece_end(at, false);
	element.value = part_between(at, end);
	while (*end == ';')
		end = take_parameter(end + 1, &element);
	*cursor = end;
	*ret_element = element;
	return true;
}

bool field_part_is(struct field_part part, const char *text)
{
	return part.length == strlen(text) && !strncasecmp(part.text, text, part.length);
}

struct field_part field_parameter(const struct field_element *element, const char *name)
{
	for (size_t i = 0; i < element->parameter_count; i++)
		if (field_part_is(element->parameters[i].name, name))
			return element->parameters[i].value;
	return (struct field_part){ .text = "" };
}
