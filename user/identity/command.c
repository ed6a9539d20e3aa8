/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chooses what a command line is named by: its executable, an interpreter's script, or a title that the process wrote
 * over its arguments (setproctitle). The executable is the witness: arguments can say anything.
 */
#include "identity/command.h"

static const char deleted[] = " (deleted)";

/* Executables that are many programs in one; the first argument says which. */
static const char *const multi_call[] = { "busybox", "toybox", "coreutils", NULL };

static struct slice executable_name(struct slice path)
{
	if (slice_ends(path, deleted))
		path = slice_drop(path, sizeof(deleted) - 1);
	/* memfd_create(2) executables: "/memfd:NAME". */
	if (slice_starts(path, "/memfd:"))
		path = slice_skip(path, strlen("/memfd:"));
	return slice_base(path);
}

/* "nginx: worker process", "/usr/sbin/foo -x", "-bash", "[celeryd: x]": the program a first argument names. */
static struct slice title_program(struct slice title)
{
	struct slice program = slice_before(title, ' ');

	if (slice_starts(program, "[") || slice_starts(program, "-"))
		program = slice_skip(program, 1);
	if (slice_ends(program, ":") || slice_ends(program, "]"))
		program = slice_drop(program, 1);
	return slice_base(program);
}

/* php-fpm names its pools; the one that every package ships, www, says nothing. */
static struct slice fpm_service(struct slice title)
{
	static const char pool[] = "php-fpm: pool ";
	struct slice name = slice_trim(slice_skip(title, sizeof(pool) - 1));

	if (slice_starts(title, pool) && name.length && !slice_is(name, "www"))
		return name;
	return slice_of("php-fpm");
}

static bool is_fpm(struct slice program)
{
	return slice_starts(program, "php-fpm");
}

/* "gunicorn: worker [shop.wsgi:app]", "puma 6.4 (tcp://...) [shop]": one word in brackets at the end. */
static struct slice bracketed(struct slice title)
{
	struct slice inside = slice_of("");

	if (slice_ends(title, "]"))
		inside = slice_drop(slice_after_last(title, '['), 1);
	return slice_contains(inside, " ") || inside.length + 1 >= title.length ? slice_of("") : inside;
}

static struct slice title_service(struct slice title, struct slice directory)
{
	struct slice program = title_program(title), name = bracketed(title);
	struct arguments words = { .rest = title, .separator = ' ' };
	struct slice word;

	if (slice_is(program, "gunicorn") && name.length)
		return launcher_service(program, (struct arguments){ .rest = name, .separator = ' ' }, directory);
	if (slice_is(program, "puma") && name.length)
		return name;
	if (!arguments_next(&words, &word))
		return program;
	/* "node /srv/shop/server.js" as one word of argv: what pm2 makes of its children. */
	name = interpreter_is(program) ? interpreter_service(program, words, directory) :
					 launcher_service(program, words, directory);
	return name.length ? name : program;
}

/* Erlang's machine runs releases that name their node: "-sname shop", "-name shop@host". */
static struct slice erlang_node(struct arguments arguments)
{
	struct slice argument;

	while (arguments_next(&arguments, &argument))
		if ((slice_is(argument, "-sname") || slice_is(argument, "-name")) &&
		    arguments_next(&arguments, &argument))
			return slice_before(argument, '@');
	return slice_of("");
}

static struct slice program_service(struct slice program, struct slice first, struct arguments rest,
				    struct slice directory)
{
	if (is_fpm(program))
		return fpm_service(first);
	if (slice_is(program, "beam.smp"))
		return erlang_node(rest);
	if (!interpreter_is(program))
		return program;
	/* An interpreter whose first argument is no interpreter's name wrote a title, or was given one (exec -a). */
	if (!interpreter_is(title_program(first)) || (!rest.rest.length && slice_contains(first, " ")))
		return title_service(first, directory);
	return interpreter_service(program, rest, directory);
}

struct slice command_service(const struct command *command)
{
	struct arguments arguments = { .rest = command->arguments, .separator = '\0' };
	struct slice program = executable_name(command->executable), first = slice_of(""), name;

	/* Titles are padded with NULs to the length of the arguments that they replace. */
	while (arguments.rest.length && arguments.rest.data[arguments.rest.length - 1] == '\0')
		arguments.rest.length--;
	if (!arguments_next(&arguments, &first))
		return program.length ? program : command->comm;
	if (!program.length || slice_in(program, multi_call))
		program = title_program(first);
	name = program_service(program, first, arguments, command->directory);
	if (!name.length)
		name = program;
	return name.length ? name : command->comm;
}

bool command_is_titled(const struct command *command)
{
	return is_fpm(executable_name(command->executable));
}
