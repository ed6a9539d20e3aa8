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

static size_t service_attribute(struct slice attributes, char *name)
{
	char decoded[4 * IDENTITY_NAME_MAX];
	size_t found = 0;
	struct slice pair;

	name[0] = '\0';
	while (slice_next(&attributes, ',', &pair)) {
		struct slice key = slice_before(pair, '=');
		struct slice value = slice_trim(slice_skip(pair, key.length + 1));
		size_t length;

		key = slice_trim(key);
		if (!percent_decode(value, decoded, sizeof(decoded), &length)) {
			name[0] = '\0';
			return 0;
		}
		if (slice_is(key, "service.name"))
			found = slice_clean(slice_make(decoded, length), name);
	}
	return found;
}

size_t environment_service(struct slice environment, char *name)
{
	static const char service_key[] = "OTEL_SERVICE_NAME=";
	static const char attributes_key[] = "OTEL_RESOURCE_ATTRIBUTES=";
	struct slice service = { 0 }, attributes = { 0 }, variable;
	size_t length;

	/* getenv answers the first of a repeated variable, and so does this. */
	while (slice_next(&environment, '\0', &variable)) {
		if (!service.data && slice_starts(variable, service_key))
			service = slice_skip(variable, sizeof(service_key) - 1);
		else if (!attributes.data && slice_starts(variable, attributes_key))
			attributes = slice_skip(variable, sizeof(attributes_key) - 1);
	}
	length = slice_clean(service, name);
	return length ? length : service_attribute(attributes, name);
}
