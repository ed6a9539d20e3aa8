/* SPDX-License-Identifier: Apache-2.0 */
/*
 * os: /etc/os-release (os-release(5)), else /usr/lib/os-release, of the host's root.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "host/internal.h"

enum field {
	BUILD_ID,
	ID,
	ID_LIKE,
	IMAGE_ID,
	IMAGE_VERSION,
	NAME,
	PRETTY_NAME,
	VARIANT,
	VARIANT_ID,
	VERSION,
	VERSION_CODENAME,
	VERSION_ID,
	INFO_FIELDS,
	SUPPORT_END = INFO_FIELDS,
	FIELDS
};

static const struct {
	const char *key, *label;
} names[FIELDS] = {
	[BUILD_ID] = { "BUILD_ID", "build_id" },
	[ID] = { "ID", "id" },
	[ID_LIKE] = { "ID_LIKE", "id_like" },
	[IMAGE_ID] = { "IMAGE_ID", "image_id" },
	[IMAGE_VERSION] = { "IMAGE_VERSION", "image_version" },
	[NAME] = { "NAME", "name" },
	[PRETTY_NAME] = { "PRETTY_NAME", "pretty_name" },
	[VARIANT] = { "VARIANT", "variant" },
	[VARIANT_ID] = { "VARIANT_ID", "variant_id" },
	[VERSION] = { "VERSION", "version" },
	[VERSION_CODENAME] = { "VERSION_CODENAME", "version_codename" },
	[VERSION_ID] = { "VERSION_ID", "version_id" },
	[SUPPORT_END] = { "SUPPORT_END", NULL },
};

/* A shell's assignment: quotes go, and so do the backslashes before what they guard. */
static const char *unquote(struct host *host, struct span value)
{
	char quote = value.length > 1 && (*value.at == '"' || *value.at == '\'') ? *value.at : '\0';
	char *text, *out;

	if (quote && value.at[value.length - 1] == quote)
		value = (struct span){ value.at + 1, value.length - 2 };
	text = out = sheet_text(host->sheet, value.at, value.length);
	if (!text)
		return "";
	for (const char *in = text; *in; in++) {
		if (*in == '\\' && quote != '\'' && in[1])
			in++;
		*out++ = *in;
	}
	*out = '\0';
	return text;
}

static void take_line(struct host *host, struct span line, const char *values[FIELDS])
{
	struct span key;

	line = span_trim(line);
	if (!scan_until(&line, '=', &key))
		return;
	for (size_t i = 0; i < FIELDS; i++)
		if (span_is(key, names[i].key))
			values[i] = unquote(host, line);
}

/* "12.4.1" is 12.4. */
static double version_number(const char *text)
{
	size_t length = strspn(text, "0123456789");
	double value;

	if (text[length] == '.')
		length += 1 + strspn(text + length + 1, "0123456789");
	if (length && text[length - 1] == '.')
		length--;
	return span_double((struct span){ text, length }, &value) ? 0 : value;
}

static void tell(struct host *host, const char *const values[FIELDS])
{
	static const struct metric_family info =
		FAMILY("node_os_info", METRIC_GAUGE, "", "What os-release says of the host; always 1.");
	static const struct metric_family version =
		FAMILY("node_os_version", METRIC_GAUGE, "", "Version of the operating system: major.minor.");
	static const struct metric_family end = FAMILY("node_os_support_end_timestamp_seconds", METRIC_GAUGE, "seconds",
						       "When the operating system's support ends, since the epoch.");
	const struct metric_label version_labels[] = { { "id", values[ID] },
						       { "id_like", values[ID_LIKE] },
						       { "name", values[NAME] } };
	struct metric_label labels[INFO_FIELDS];
	double number = version_number(values[VERSION_ID]);
	struct tm day = { 0 };

	for (size_t i = 0; i < INFO_FIELDS; i++)
		labels[i] = (struct metric_label){ names[i].label, values[i] };
	host_tell_labels(host, &info, labels, INFO_FIELDS, 1);
	if (number > 0)
		host_tell_labels(host, &version, version_labels, 3, number);
	if (*values[SUPPORT_END] && strptime(values[SUPPORT_END], "%Y-%m-%d", &day))
		host_tell(host, &end, (double)timegm(&day));
}

static int update(struct host *host, void *ctx)
{
	static const char *const paths[] = { "/etc/os-release", "/usr/lib/os-release" };
	const char *root = host->config.config->path_rootfs, *values[FIELDS];
	char path[HOST_PATH_SIZE];
	struct span text, line;
	int error = -ENOENT;

	(void)ctx;
	for (size_t i = 0; i < 2 && error == -ENOENT; i++) {
		snprintf(path, sizeof(path), "%s%s", strcmp(root, "/") ? root : "", paths[i]);
		error = host_read_once(host, AT_FDCWD, path, &text);
	}
	if (error)
		return error == -ENOENT ? -ENODATA : error;
	for (size_t i = 0; i < FIELDS; i++)
		values[i] = "";
	while (scan_line(&text, &line))
		take_line(host, line, values);
	tell(host, values);
	return 0;
}

const struct collector host_os = { .update = update };
