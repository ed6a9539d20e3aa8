/* SPDX-License-Identifier: Apache-2.0 */
/*
 * # HELP name text
 * # TYPE name counter|gauge|histogram|summary|untyped
 * name [{label="value",...[,]}] value [timestamp]
 * Blanks (space, tab) between tokens do not matter; label values escape \\, \" and \n.
 */
#include "host/prom_text.h"

#include <errno.h>

#include "base/utf8.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void skip_blanks(struct span *line)
{
	while (line->length && is_blank(*line->at))
		*line = span_skip(*line, 1);
}

static bool is_name_byte(char c, bool first, bool colons)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colons && c == ':') ||
	       (!first && c >= '0' && c <= '9');
}

static bool take_name(struct span *line, bool colons, struct span *ret_name)
{
	size_t length = 0;

	while (length < line->length && is_name_byte(line->at[length], !length, colons))
		length++;
	*ret_name = (struct span){ line->at, length };
	*line = span_skip(*line, length);
	return length > 0;
}

static bool take_char(struct span *line, char c)
{
	skip_blanks(line);
	if (!line->length || *line->at != c)
		return false;
	*line = span_skip(*line, 1);
	return true;
}

/* Behind the opening quote. */
static int take_value(struct span *line, struct prom_line *parsed, size_t *used)
{
	char *text = parsed->text;
	size_t begin = *used;

	for (; line->length && *line->at != '"'; *line = span_skip(*line, 1)) {
		char c = *line->at;

		if (*used >= PROM_LABEL_BYTES - 2 || !c)
			return -EINVAL;
		if (c == '\\') {
			*line = span_skip(*line, 1);
			if (!line->length || !strchr("\\\"n", *line->at) || !*line->at)
				return -EINVAL;
			c = *line->at == 'n' ? '\n' : *line->at;
		}
		text[(*used)++] = c;
	}
	if (!take_char(line, '"') || !utf8_valid(text + begin, *used - begin))
		return -EINVAL;
	text[(*used)++] = '\0';
	parsed->label_values[parsed->label_count] = text + begin;
	return 0;
}

static bool has_label(const struct prom_line *parsed, struct span name)
{
	for (size_t i = 0; i < parsed->label_count; i++)
		if (parsed->label_names[i].length == name.length &&
		    !memcmp(parsed->label_names[i].at, name.at, name.length))
			return true;
	return false;
}

/* Behind the opening brace. */
static int take_labels(struct span *line, struct prom_line *parsed)
{
	size_t used = 0;
	struct span name;

	for (;;) {
		if (take_char(line, '}'))
			return 0;
		if (parsed->label_count == PROM_LABELS_MAX || !take_name(line, false, &name) ||
		    span_is(name, "__name__") || has_label(parsed, name) || !take_char(line, '=') ||
		    !take_char(line, '"') || take_value(line, parsed, &used))
			return -EINVAL;
		parsed->label_names[parsed->label_count++] = name;
		if (!take_char(line, ',')) {
			return take_char(line, '}') ? 0 : -EINVAL;
		}
		skip_blanks(line);
	}
}

static int parse_sample(struct span line, struct prom_line *parsed)
{
	struct span word;
	int64_t timestamp;

	parsed->kind = PROM_SAMPLE;
	/* What follows a name is a blank or a brace; anything else belongs to no name. */
	if (!take_name(&line, true, &parsed->name) || !line.length || (!is_blank(*line.at) && *line.at != '{'))
		return -EINVAL;
	if (take_char(&line, '{') && take_labels(&line, parsed))
		return -EINVAL;
	if (!scan_word(&line, &word) || span_double(word, &parsed->value))
		return -EINVAL;
	if (scan_word(&line, &word)) {
		if (span_i64(word, &timestamp))
			return -EINVAL;
		parsed->has_timestamp = true;
	}
	return scan_word(&line, &word) ? -EINVAL : 0;
}

static int parse_type(struct span word, enum prom_type *ret_type)
{
	static const char *const types[] = {
		[PROM_UNTYPED] = "untyped",     [PROM_COUNTER] = "counter", [PROM_GAUGE] = "gauge",
		[PROM_HISTOGRAM] = "histogram", [PROM_SUMMARY] = "summary",
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (!span_is(word, types[i]))
			continue;
		*ret_type = (enum prom_type)i;
		return 0;
	}
	return -EINVAL;
}

/* Behind the hash. Anything but HELP and TYPE is a comment. */
static int parse_comment(struct span line, struct prom_line *parsed)
{
	struct span keyword, word;
	bool is_help;

	if (!scan_word(&line, &keyword))
		return 0;
	is_help = span_is(keyword, "HELP");
	if (!is_help && !span_is(keyword, "TYPE"))
		return 0;
	skip_blanks(&line);
	if (!line.length) /* as Prometheus has it: nothing follows, nothing is meant */
		return 0;
	if (!take_name(&line, true, &parsed->name) || (line.length && !is_blank(*line.at)))
		return -EINVAL;
	skip_blanks(&line);
	parsed->kind = is_help ? PROM_HELP : PROM_TYPE;
	parsed->help = line;
	if (is_help)
		return utf8_valid(line.at, line.length) && !memchr(line.at, '\0', line.length) ? 0 : -EINVAL;
	return !scan_word(&line, &word) || parse_type(word, &parsed->type) || scan_word(&line, &word) ? -EINVAL : 0;
}

int prom_line_parse(struct span line, struct prom_line *ret_line)
{
	ret_line->kind = PROM_NOTHING;
	ret_line->label_count = 0;
	ret_line->has_timestamp = false;
	skip_blanks(&line);
	if (line.length && line.at[line.length - 1] == '\r')
		line.length--;
	if (!line.length)
		return 0;
	if (*line.at == '#')
		return parse_comment(span_skip(line, 1), ret_line);
	return parse_sample(line, ret_line);
}

void prom_unescape_help(struct span help, char *ret_text, size_t size)
{
	size_t length = 0;

	for (; help.length && length < size - 1; help = span_skip(help, 1)) {
		char c = *help.at;

		if (c == '\\' && help.length > 1 && (help.at[1] == '\\' || help.at[1] == 'n')) {
			help = span_skip(help, 1);
			c = *help.at == 'n' ? '\n' : '\\';
		}
		ret_text[length++] = c;
	}
	ret_text[length] = '\0';
}
