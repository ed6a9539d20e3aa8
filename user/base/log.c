/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines: built in a bounded buffer and written with one write(2), so that lines of several writers do not mix.
 * Text is escaped as in JSON strings in both formats; bytes that are not UTF-8 become U+FFFD, so that a line is always
 * valid for its reader whatever a path or an executable is called.
 */
#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"

#define LOG_LINE_MAX 8192

/* The one mutable global that the house style allows. */
static struct {
	enum log_level level;
	enum log_format format;
} log_settings = { LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT };

static const char *const level_names[LOG_LEVEL_COUNT] = { "debug", "info", "warn", "error" };
static const char *const format_names[LOG_FORMAT_COUNT] = { "logfmt", "json" };

static int find_name(const char *const *names, int count, const char *name)
{
	int i;

	for (i = 0; i < count; i++)
		if (!strcmp(names[i], name))
			return i;
	return -EINVAL;
}

int log_level_parse(const char *text, enum log_level *ret_level)
{
	int index = find_name(level_names, LOG_LEVEL_COUNT, text);

	if (index < 0)
		return index;
	*ret_level = (enum log_level)index;
	return 0;
}

int log_format_parse(const char *text, enum log_format *ret_format)
{
	int index = find_name(format_names, LOG_FORMAT_COUNT, text);

	if (index < 0)
		return index;
	*ret_format = (enum log_format)index;
	return 0;
}

void log_configure(enum log_level level, enum log_format format)
{
	log_settings.level = level;
	log_settings.format = format;
}

bool log_enabled(enum log_level level)
{
	return level >= log_settings.level;
}

struct log_field log_errno(int error)
{
	const char *text = strerrordesc_np(error < 0 ? -error : error);

	return log_text("error", text ? text : "unknown error");
}

/* RFC 8259 section 7; '\0' when there is no short form. */
static char short_escape(char c)
{
	switch (c) {
	case '\b':
		return 'b';
	case '\t':
		return 't';
	case '\n':
		return 'n';
	case '\f':
		return 'f';
	case '\r':
		return 'r';
	case '"':
	case '\\':
		return c;
	default:
		return '\0';
	}
}

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

static void append_quoted(struct buffer *out, const char *text)
{
	size_t left = strlen(text), length;

	buffer_append_char(out, '"');
	for (; left; text += length, left -= length) {
		length = utf8_sequence(text, left);
		if (!length) {
			buffer_append_string(out, "\xef\xbf\xbd");
			length = 1;
		} else if (short_escape(*text)) {
			buffer_printf(out, "\\%c", short_escape(*text));
		} else if (is_control(*text)) {
			buffer_printf(out, "\\u%04x", (unsigned int)*text);
		} else {
			buffer_append(out, text, length);
		}
	}
	buffer_append_char(out, '"');
}

/* What logfmt's readers take without quotes. */
static bool is_bare(const char *text)
{
	const char *c;

	for (c = text; *c; c++)
		if (*c == ' ' || *c == '=' || short_escape(*c) || is_control(*c))
			return false;
	return c != text && utf8_valid(text, (size_t)(c - text));
}

static void append_text(struct buffer *out, enum log_format format, const char *text)
{
	if (!text)
		text = "";
	if (format == LOG_FORMAT_LOGFMT && is_bare(text))
		buffer_append_string(out, text);
	else
		append_quoted(out, text);
}

static void append_key(struct buffer *out, enum log_format format, const char *key)
{
	if (format == LOG_FORMAT_JSON)
		buffer_printf(out, ",\"%s\":", key);
	else
		buffer_printf(out, " %s=", key);
}

static void append_field(struct buffer *out, enum log_format format, const struct log_field *field)
{
	append_key(out, format, field->key);
	if (field->kind == LOG_VALUE_TEXT)
		append_text(out, format, field->text);
	else if (field->kind == LOG_VALUE_UINT)
		buffer_append_uint(out, field->count);
	else
		buffer_printf(out, "%lld", (long long)field->number);
}

/* RFC 3339, UTC, milliseconds. */
static void append_time(struct buffer *out, enum log_format format, uint64_t realtime_ns)
{
	time_t seconds = (time_t)(realtime_ns / NS_PER_SECOND);
	char text[sizeof("2000-01-01T00:00:00")];
	struct tm utc = { 0 };

	gmtime_r(&seconds, &utc);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
	buffer_append_string(out, format == LOG_FORMAT_JSON ? "{\"time\":\"" : "time=");
	buffer_printf(out, "%s.%03uZ%s", text, (unsigned int)(realtime_ns % NS_PER_SECOND / NS_PER_MS),
		      format == LOG_FORMAT_JSON ? "\"" : "");
}

void log_line(struct buffer *out, enum log_format format, uint64_t realtime_ns, enum log_level level,
	      const char *message, const struct log_field *fields)
{
	append_time(out, format, realtime_ns);
	append_key(out, format, "level");
	append_text(out, format, level_names[level]);
	append_key(out, format, "msg");
	append_text(out, format, message);
	for (; fields && fields->key; fields++)
		append_field(out, format, fields);
	buffer_append_string(out, format == LOG_FORMAT_JSON ? "}\n" : "\n");
}

static void write_all(int fd, const char *bytes, size_t length)
{
	while (length) {
		ssize_t written = write(fd, bytes, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return; /* nowhere left to complain */
		bytes += written;
		length -= (size_t)written;
	}
}

void log_write(enum log_level level, const char *message, const struct log_field *fields)
{
	struct buffer line;

	if (!log_enabled(level))
		return;
	buffer_init(&line, LOG_LINE_MAX);
	log_line(&line, log_settings.format, clock_realtime_ns(), level, message, fields);
	if (buffer_error(&line) == -ENOBUFS) { /* without the fields it fits: messages are our own words */
		buffer_reset(&line);
		log_line(&line, log_settings.format, clock_realtime_ns(), level, message,
			 (const struct log_field[]){ log_text("dropped_fields", "too long"), { .key = NULL } });
	}
	if (buffer_error(&line)) /* no memory: the words at least */
		dprintf(STDERR_FILENO, "%s\n", message);
	else
		write_all(STDERR_FILENO, line.data, line.length);
	buffer_done(&line);
}

bool log_limit_pass(struct log_limit *limit, uint64_t monotonic_ns, uint64_t *ret_held)
{
	if (limit->last_ns && monotonic_ns - limit->last_ns < NS_PER_MINUTE) {
		limit->held++;
		return false;
	}
	*ret_held = limit->held;
	limit->held = 0;
	limit->last_ns = monotonic_ns;
	return true;
}
