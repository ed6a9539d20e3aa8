/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shapes of text values, and contradictions between options.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "config/check.h"

#include <inttypes.h>
#include <pcre2.h>
#include <string.h>
#include <strings.h>

#include "base/number.h"
#include "base/percent.h"
#include "config/address.h"
#include "config/options.h"

bool check_listen_address(const char *value)
{
	char host[ADDRESS_HOST_SIZE];
	uint16_t port;

	return !address_split(value, host, &port);
}

bool check_absolute_path(const char *value)
{
	return *value == '/';
}

/* Pages of the web server that scrapers and orchestrators rely on. */
bool check_telemetry_path(const char *value)
{
	static const char *const taken[] = { "/", "/health/live", "/health/ready", "/-/healthy", "/-/ready" };
	size_t i;

	if (*value != '/' || strpbrk(value, " ?#"))
		return false;
	for (i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (!strcmp(value, taken[i]))
			return false;
	return true;
}

/* As user/host/filter.c compiles it. */
bool check_pattern(const char *value)
{
	PCRE2_SIZE at;
	int error;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)value, PCRE2_ZERO_TERMINATED,
					 PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_DOLLAR_ENDONLY, &error, &at, NULL);

	pcre2_code_free(code);
	return code != NULL;
}

#define QUERY_KEY_MAX 64
#define HEADER_NAME_MAX 64
#define ROUTE_BYTES_MAX 255 /* as aggregate keeps them */

/* One segment, text[0..length): literal, {name}, or `*` when it is the last. */
static bool segment_valid(const char *text, size_t length, bool last)
{
	size_t i;

	if (length == 1 && *text == '*')
		return last;
	if (*text != '{')
		return !memchr(text, '{', length) && !memchr(text, '}', length) && !memchr(text, '*', length);
	if (length < 3 || text[length - 1] != '}')
		return false;
	for (i = 1; i < length - 1; i++)
		if (!((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z') ||
		      (text[i] >= '0' && text[i] <= '9') || strchr("_-.", text[i])))
			return false;
	return true;
}

bool check_route(const char *value)
{
	const char *segment = value + 1;

	if (*value != '/' || strlen(value) > ROUTE_BYTES_MAX || strpbrk(value, " ?#;") || strstr(value, "//"))
		return false;
	while (*segment) {
		size_t length = strcspn(segment, "/");
		bool last = !segment[length];

		if (!segment_valid(segment, length, last))
			return false;
		segment += last ? length : length + 1;
	}
	return true;
}

bool check_url(const char *value)
{
	size_t scheme = !strncmp(value, "https://", 8) ? 8 : !strncmp(value, "http://", 7) ? 7 : 0;

	return scheme && value[scheme] && value[scheme] != '/' && !strpbrk(value, " #");
}

bool check_query_key(const char *value)
{
	return *value && strlen(value) <= QUERY_KEY_MAX && !strpbrk(value, "&;=# ?\t");
}

/* What begins with a letter and ends with one of these words is taken for credentials, too: x-csrf-token. */
static bool is_credential(const char *name)
{
	static const char *const words[] = { "authorization",    "cookie",        "cookie2",       "token",
					     "secret",           "password",      "passwd",        "credential",
					     "credentials",      "signature",     "session",       "session-id",
					     "api-key",          "apikey",        "access-key",    "secret-key",
					     "subscription-key", "functions-key", "authentication" };
	size_t length = strlen(name);

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t size = strlen(words[i]);

		if (length >= size && !strcasecmp(name + length - size, words[i]) &&
		    (length == size || name[length - size - 1] == '-' || name[length - size - 1] == '_'))
			return true;
	}
	return false;
}

/* field-name = token (RFC 9110 section 5.1), of the characters that names in use have. */
bool check_header_name(const char *value)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t length = strlen(value);

	return length > 0 && length <= HEADER_NAME_MAX && strchr(letters, *value) &&
	       value[strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")] == '\0' &&
	       !is_credential(value);
}

bool check_ratio(const char *value)
{
	double ratio;

	return !number_ratio(value, &ratio);
}

bool check_key_value(const char *value)
{
	const char *equals = strchr(value, '=');
	char decoded[CONFIG_VALUE_MAX + 1];

	return equals && equals > value && percent_decode(value, decoded, sizeof(decoded));
}

bool check_pattern_ratio(const char *value)
{
	const char *equals = strrchr(value, '=');

	return equals && equals > value && check_ratio(equals + 1);
}

static struct config_where where_of(const struct config *config, const struct config_report *report, const char *name)
{
	const struct config_option *option = option_find(name);

	return report_where(report, option, config->origins[option_index(option)]);
}

static int check_ports(const struct config *config, const struct config_report *report)
{
	size_t i, j;

	for (i = 0; i < config->select_ports.count; i++)
		for (j = 0; j < config->ignore_ports.count; j++)
			if (config->select_ports.items[i] == config->ignore_ports.items[j])
				return report_refuse(report,
						     "%s: \"%" PRIu64 "\" conflicts with %s: "
						     "a port is either selected or ignored",
						     where_of(config, report, "select.port").text,
						     config->select_ports.items[i],
						     where_of(config, report, "ignore.port").text);
	return 0;
}

static int check_addresses(const struct config *config, const struct config_report *report)
{
	const struct string_list *list = &config->web_listen_addresses;
	size_t i, j;

	for (i = 0; i < list->count; i++)
		for (j = 0; j < i; j++)
			if (!strcmp(list->items[i], list->items[j]))
				return report_refuse(report, "%s: %s is given twice; an address is allowed once",
						     where_of(config, report, "web.listen-address").text,
						     report_quote(list->items[i]).text);
	return 0;
}

static int check_sizes(const struct config *config, const struct config_report *report)
{
	if (config->capture_max_call_bytes <= config->capture_ring_bytes / 2)
		return 0;
	return report_refuse(report,
			     "%s: \"%" PRIu64 "\" conflicts with %s of %" PRIu64 ": "
			     "allowed is up to half of the ring",
			     where_of(config, report, "capture.max-call-bytes").text, config->capture_max_call_bytes,
			     where_of(config, report, "capture.ring-bytes").text, config->capture_ring_bytes);
}

int check_conflicts(const struct config *config, const struct config_report *report)
{
	int error = check_ports(config, report);

	if (!error)
		error = check_addresses(config, report);
	if (!error)
		error = check_sizes(config, report);
	if (!error)
		error = check_collectors(config, report);
	return error;
}
