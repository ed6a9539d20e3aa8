/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES (OpenTelemetry specification, "Resource SDK", section "Specifying
 * resource information via an environment variable", and "General SDK Configuration"):
 *
 *   OTEL_RESOURCE_ATTRIBUTES = key "=" value *( "," key "=" value )
 *   values are percent-encoded UTF-8 as in W3C Baggage, white space around keys and values does not count,
 *   a value that cannot be decoded discards the whole variable, a repeated key's last value counts.
 */
#include "identity/environment.h"

#include "identity/lines.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes what fits, several times what a name may hold. False on a broken escape anywhere in the value. */
static bool percent_decode(struct slice value, char *decoded, size_t size, size_t *ret_length)
{
	size_t length = 0;

	for (size_t i = 0; i < value.length; i++) {
		char c = value.data[i];

		if (c == '%') {
			int high = i + 2 < value.length ? hex_digit(value.data[i + 1]) : -1;
			int low = i + 2 < value.length ? hex_digit(value.data[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (length < size)
			decoded[length++] = c;
	}
	*ret_length = length;
	return true;
}

/* Whether a list of pairs can be decoded to its end: if not, none of it counts. */
static bool is_decodable(struct slice attributes)
{
	struct slice pair;
	char decoded[1];
	size_t length;

	while (slice_next(&attributes, ',', &pair))
		if (!percent_decode(slice_skip(pair, slice_before(pair, '=').length + 1), decoded, 1, &length))
			return false;
	return true;
}

/* The value of a key, cleaned; 0 when it has none. */
static size_t attribute_of(struct slice attributes, const char *wanted, char *text)
{
	char decoded[4 * IDENTITY_NAME_MAX];
	size_t found = 0, length;
	struct slice pair;

	text[0] = '\0';
	while (slice_next(&attributes, ',', &pair)) {
		struct slice key = slice_before(pair, '=');
		struct slice value = slice_trim(slice_skip(pair, key.length + 1));

		if (slice_is(slice_trim(key), wanted) && percent_decode(value, decoded, sizeof(decoded), &length))
			found = slice_clean(slice_make(decoded, length), text);
	}
	return found;
}

/* getenv answers the first of a repeated variable, and so does this. */
static struct slice variable_of(struct slice environment, const char *key)
{
	struct slice variable;

	while (slice_next(&environment, '\0', &variable))
		if (slice_starts(variable, key))
			return slice_skip(variable, strlen(key));
	return slice_of("");
}

static struct slice attributes_of(struct slice environment)
{
	struct slice attributes = variable_of(environment, "OTEL_RESOURCE_ATTRIBUTES=");

	return is_decodable(attributes) ? attributes : slice_of("");
}

size_t environment_service(struct slice environment, char *name)
{
	size_t length = slice_clean(variable_of(environment, "OTEL_SERVICE_NAME="), name);

	return length ? length : attribute_of(attributes_of(environment), "service.name", name);
}

/* What is taken, and as what it is told: the conventions renamed one of them (1.27.0). */
static const struct {
	const char *key;
	const char *told;
} declarations[] = {
	{ "service.namespace", "service.namespace" },
	{ "service.version", "service.version" },
	{ "service.instance.id", "service.instance.id" },
	{ "deployment.environment.name", "deployment.environment.name" },
	{ "deployment.environment", "deployment.environment.name" },
};

size_t environment_declared(struct slice environment, char *lines)
{
	struct slice attributes = attributes_of(environment);
	char text[IDENTITY_NAME_MAX + 1];
	size_t length = 0;

	lines[0] = '\0';
	for (size_t i = 0; i < sizeof(declarations) / sizeof(declarations[0]); i++)
		if (!lines_have(lines, slice_of(declarations[i].told)) &&
		    attribute_of(attributes, declarations[i].key, text))
			length = lines_add(lines, ENVIRONMENT_DECLARED_MAX, length, declarations[i].told,
					   slice_of(text));
	return length;
}
