/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The YAML file: mappings nested by the dots of the options' names, at the leaves a value or a list of values.
 * The document is loaded whole by libyaml, which is why the file has a maximum; it is walked to a fixed depth, so that
 * anchors which contain themselves end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/file.h"
#include "config/settings.h"

#define YAML_BYTES_MAX (256 * 1024)
#define YAML_DEPTH_MAX 4

struct reader {
	const struct config_report *report;
	struct settings *settings;
	yaml_document_t document;
};

static unsigned int line_of(const yaml_node_t *node)
{
	return (unsigned int)node->start_mark.line + 1;
}

/* "sonde.yaml:3: web.listen-addres: unknown key; ..." */
static int refuse_key(const struct reader *reader, const yaml_node_t *node, const char *key, const char *problem)
{
	struct config_quoted quoted = report_quote(key);

	return report_refuse(reader->report, "%.400s:%u: %.*s: %s", reader->report->file, line_of(node),
			     (int)strlen(quoted.text) - 2, quoted.text + 1, problem);
}

static int refuse_unknown(const struct reader *reader, const yaml_node_t *node, const char *path)
{
	const struct config_option *nearest = option_suggest(path, false);
	char problem[OPTION_NAME_SIZE + 64];

	if (option_is_section(path))
		return refuse_key(reader, node, path, "holds options, not a value");
	if (!nearest || nearest->outside_file)
		return refuse_key(reader, node, path, "unknown key; allowed are the names of sonde --help");
	snprintf(problem, sizeof(problem), "unknown key; did you mean %s?", nearest->name);
	return refuse_key(reader, node, path, problem);
}

/* The text of a scalar; NULL when it holds a NUL, which no value may. */
static const char *scalar_text(const yaml_node_t *node)
{
	const char *text = (const char *)node->data.scalar.value;

	return strlen(text) == node->data.scalar.length ? text : NULL;
}

/* `key:` and `key: ~` hold nothing; quoted, they are text. */
static bool is_null(const yaml_node_t *node)
{
	const char *text;

	if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	text = scalar_text(node);
	return text && (!*text || !strcmp(text, "~") || !strcmp(text, "null"));
}

static int add_scalar(struct reader *reader, const struct config_option *option, const yaml_node_t *node)
{
	const struct config_origin origin = { .kind = ORIGIN_FILE, .line = line_of(node) };
	const char *text;

	if (node->type != YAML_SCALAR_NODE)
		return refuse_key(reader, node, option->name, "holds values, not lists or keys");
	text = scalar_text(node);
	if (!text)
		return refuse_key(reader, node, option->name, "a NUL byte is not allowed in a value");
	if (is_null(node))
		return refuse_key(reader, node, option->name, "the value is missing");
	return settings_add(reader->settings, reader->report, option, origin, text);
}

static int add_list(struct reader *reader, const struct config_option *option, const yaml_node_t *node)
{
	const struct config_origin origin = { .kind = ORIGIN_FILE, .line = line_of(node) };
	const yaml_node_item_t *item = node->data.sequence.items.start;
	int error = 0;

	if (!option_is_list(option))
		return refuse_key(reader, node, option->name, "a list is not allowed; the option takes one value");
	if (item == node->data.sequence.items.top)
		return settings_add(reader->settings, reader->report, option, origin, NULL);
	for (; !error && item < node->data.sequence.items.top; item++)
		error = add_scalar(reader, option, yaml_document_get_node(&reader->document, *item));
	return error;
}

static int read_option(struct reader *reader, const struct config_option *option, const yaml_node_t *key,
		       const yaml_node_t *node)
{
	if (option->outside_file)
		return refuse_key(reader, key, option->name, "not allowed in the file; it is a flag or a variable");
	if (settings_find(reader->settings, option, ORIGIN_FILE))
		return refuse_key(reader, key, option->name, "given twice; allowed is once");
	if (node->type == YAML_MAPPING_NODE)
		return refuse_key(reader, node, option->name, "holds a value, not keys");
	if (node->type == YAML_SEQUENCE_NODE)
		return add_list(reader, option, node);
	return add_scalar(reader, option, node);
}

#define PATH_SIZE 256

/* The path of a pair's key, which is checked against the keys of the pairs before it. */
static int read_key(struct reader *reader, const yaml_node_t *mapping, const yaml_node_pair_t *pair, const char *prefix,
		    char path[PATH_SIZE])
{
	const yaml_node_t *node = yaml_document_get_node(&reader->document, pair->key), *other;
	const char *text = node->type == YAML_SCALAR_NODE ? scalar_text(node) : NULL;
	const yaml_node_pair_t *before;

	if (!text || !*text)
		return refuse_key(reader, node, "key", "a key must be the name of an option or a part of one");
	/* What is cut here is longer than any option's name: it stays unknown. */
	snprintf(path, PATH_SIZE, "%s%s%.120s", prefix, *prefix ? "." : "", text);
	for (before = mapping->data.mapping.pairs.start; before < pair; before++) {
		other = yaml_document_get_node(&reader->document, before->key);
		if (!strcmp(text, (const char *)other->data.scalar.value))
			return refuse_key(reader, node, path, "given twice; allowed is once");
	}
	return 0;
}

static int read_mapping(struct reader *reader, const yaml_node_t *mapping, const char *prefix, int depth);

/* The value below `path`: of an option, or the keys of a section. */
static int read_value(struct reader *reader, const yaml_node_t *key, const yaml_node_t *node, const char *path,
		      int depth)
{
	const struct config_option *option = option_find(path);

	/* collector.filesystem is a switch, and holds mount-points-exclude. */
	if (option && !(node->type == YAML_MAPPING_NODE && option_is_section(path)))
		return read_option(reader, option, key, node);
	if (option_is_section(path) && is_null(node))
		return 0; /* a section whose every line is a comment */
	/* Down into unknown sections too: the name of the option in it says best what was meant. */
	if (node->type == YAML_MAPPING_NODE && depth < YAML_DEPTH_MAX &&
	    (option_is_section(path) || node->data.mapping.pairs.start < node->data.mapping.pairs.top))
		return read_mapping(reader, node, path, depth + 1);
	return refuse_unknown(reader, key, path);
}

static int read_mapping(struct reader *reader, const yaml_node_t *mapping, const char *prefix, int depth)
{
	const yaml_node_pair_t *pair;
	int error = 0;

	for (pair = mapping->data.mapping.pairs.start; !error && pair < mapping->data.mapping.pairs.top; pair++) {
		char path[PATH_SIZE];

		error = read_key(reader, mapping, pair, prefix, path);
		if (!error)
			error = read_value(reader, yaml_document_get_node(&reader->document, pair->key),
					   yaml_document_get_node(&reader->document, pair->value), path, depth);
	}
	return error;
}

static int read_root(struct reader *reader)
{
	const yaml_node_t *root = yaml_document_get_root_node(&reader->document);

	if (!root || is_null(root))
		return 0; /* an empty file, or one of comments */
	if (root->type != YAML_MAPPING_NODE)
		return report_refuse(reader->report,
				     "%.400s:%u: the file must hold keys and values, such as log: {level: debug}",
				     reader->report->file, line_of(root));
	return read_mapping(reader, root, "", 1);
}

static int refuse_syntax(const struct config_report *report, const yaml_parser_t *parser)
{
	if (parser->error == YAML_MEMORY_ERROR)
		return report_no_memory(report);
	return report_refuse(report, "%.400s:%zu: not valid YAML: %s%s%s", report->file,
			     (parser->problem_mark.line ? parser->problem_mark.line : parser->context_mark.line) + 1,
			     parser->context ? parser->context : "", parser->context ? ": " : "",
			     parser->problem ? parser->problem : "unreadable");
}

/* That nothing follows the document: what a second one says would be lost without a word. */
static int expect_end(const struct config_report *report, yaml_parser_t *parser)
{
	yaml_document_t more;
	unsigned int line;

	if (!yaml_parser_load(parser, &more))
		return refuse_syntax(report, parser);
	line = (unsigned int)more.start_mark.line + 1;
	if (!yaml_document_get_root_node(&more)) {
		yaml_document_delete(&more);
		return 0;
	}
	yaml_document_delete(&more);
	return report_refuse(report, "%.400s:%u: a second document is not allowed", report->file, line);
}

static int parse(const struct config_report *report, struct settings *settings, const char *text, size_t length)
{
	struct reader reader = { .report = report, .settings = settings };
	yaml_parser_t parser;
	int error;

	if (!yaml_parser_initialize(&parser))
		return report_no_memory(report);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
	if (yaml_parser_load(&parser, &reader.document)) {
		error = read_root(&reader);
		/* After the end of the stream, libyaml must not be asked for more. */
		if (!error && yaml_document_get_root_node(&reader.document))
			error = expect_end(report, &parser);
		yaml_document_delete(&reader.document);
	} else {
		error = refuse_syntax(report, &parser);
	}
	yaml_parser_delete(&parser);
	return error;
}

int yaml_read(const struct config_report *report, struct settings *settings)
{
	CLEANUP_FREE char *text = malloc(YAML_BYTES_MAX);
	size_t length = 0;
	int error;

	if (!text)
		return report_no_memory(report);
	error = file_read(AT_FDCWD, report->file, text, YAML_BYTES_MAX, &length);
	if (error == -EFBIG)
		(void)report_refuse(report, "%.400s: the file is too large; allowed are %d bytes", report->file,
				    YAML_BYTES_MAX - 1);
	else if (error)
		(void)report_refuse(report, "%.400s: cannot read the configuration file: %s", report->file,
				    strerrordesc_np(-error));
	if (error)
		return error;
	return parse(report, settings, text, length);
}
