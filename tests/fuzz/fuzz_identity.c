/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile text of processes: the first byte chooses a parser, the rest is its file. Whatever comes, the name must be
 * one that may be shown.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "identity/command.h"
#include "identity/environment.h"
#include "identity/process.h"
#include "identity/unit.h"

static const char *const executables[] = { "",
					   "/usr/bin/python3.11",
					   "/usr/bin/node",
					   "/usr/lib/jvm/bin/java",
					   "/usr/bin/ruby3.1",
					   "/usr/bin/php8.2",
					   "/usr/sbin/php-fpm8.2",
					   "/usr/bin/bash",
					   "/bin/busybox",
					   "/usr/lib/erlang/bin/beam.smp",
					   "/usr/bin/perl",
					   "/usr/bin/dotnet",
					   "/usr/sbin/nginx (deleted)" };

static void check_name(const char *name, size_t length)
{
	if (length > IDENTITY_NAME_MAX || strlen(name) != length || !utf8_valid(name, length))
		abort();
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
			abort();
}

/* Each line is a key and a clean value. */
static void check_name_lines(struct slice text)
{
	char lines[ENVIRONMENT_DECLARED_MAX];
	struct slice rest = slice_make(lines, environment_declared(text, lines)), line;

	while (slice_next(&rest, '\n', &line)) {
		struct slice value = slice_skip(line, slice_before(line, '=').length + 1);
		char name[IDENTITY_NAME_MAX + 1];

		if (!value.length || value.length > IDENTITY_NAME_MAX)
			abort();
		memcpy(name, value.data, value.length);
		name[value.length] = '\0';
		check_name(name, value.length);
	}
}

static size_t command(uint8_t kind, struct slice text, char *name)
{
	struct command command = {
		.executable = slice_of(executables[kind % (sizeof(executables) / sizeof(executables[0]))]),
		.arguments = text,
		.directory = slice_of(kind & 0x80 ? "/srv/shop/current" : ""),
	};

	return slice_clean(command_service(&command), name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[IDENTITY_NAME_MAX + 1];
	struct slice text;

	if (!size)
		return 0;
	text = slice_make((const char *)data + 1, size - 1);
	switch (data[0]) {
	case 'e':
		check_name(name, environment_service(text, name));
		break;
	case 'd':
		check_name_lines(text);
		break;
	case 'c':
		check_name(name, unit_service(text, name));
		break;
	case 's':
		(void)process_parse_start(text);
		break;
	case 'x': {
		/* The executable's path is hostile too. */
		struct command hostile = { .executable = slice_before(text, '\0'),
					   .arguments = text,
					   .directory = slice_after_last(text, '\0') };

		check_name(name, slice_clean(command_service(&hostile), name));
		break;
	}
	default:
		check_name(name, command(data[0], text, name));
	}
	return 0;
}
