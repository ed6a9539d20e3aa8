/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interpreters and their command lines: which argument is the script. One row for each interpreter, with the options
 * that take a value, from its manual page; an unknown option is taken to have none.
 */
#include "identity/command.h"

struct interpreter {
	const char *name;               /* of the executable, without version */
	const char *with_value;         /* short options whose value may be the next argument */
	const char *attached;           /* short options that swallow the rest of their argument */
	const char *code;               /* short options after which there is no script */
	const char *module;             /* short options whose value is the program */
	const char *const *long_value;  /* long options whose value is the next argument */
	const char *const *subcommands; /* words that may stand before the script */
};

static const char *const long_python[] = { "--check-hash-based-pycs", NULL };
static const char *const long_node[] = { "--require",    "--import",   "--loader",     "--experimental-loader",
					 "--conditions", "--env-file", "--input-type", NULL };
static const char *const long_shell[] = { "--rcfile", "--init-file", NULL };
static const char *const long_dotnet[] = {
	"--additionalprobingpath", "--fx-version",      "--depsfile", "--runtimeconfig",
	"--roll-forward",          "--additional-deps", NULL
};
static const char *const words_dotnet[] = { "exec", "run", "watch", NULL };
static const char *const words_run[] = { "run", "serve", NULL };
static const char *const words_node[] = { "inspect", NULL };

static const struct interpreter interpreters[] = {
	{ "python", "WX", "", "c", "m", long_python, NULL },
	{ "pypy", "WX", "", "c", "m", long_python, NULL },
	{ "node", "rC", "", "ep", "", long_node, words_node },
	{ "nodejs", "rC", "", "ep", "", long_node, words_node },
	{ "bun", "r", "", "ep", "", long_node, words_run },
	{ "deno", "cLr", "A", "", "", NULL, words_run },
	{ "ruby", "rICE", "iFKTWx0", "e", "", NULL, NULL },
	{ "perl", "I", "MmiFxVDC0l", "eE", "", NULL, NULL },
	{ "php", "dctzS", "", "rBRE", "fF", NULL, NULL },
	{ "php-cgi", "dcz", "", "", "f", NULL, NULL },
	{ "lua", "el", "", "", "", NULL, NULL },
	{ "luajit", "el", "jO", "", "", NULL, NULL },
	{ "tclsh", "", "", "", "", NULL, NULL },
	{ "dotnet", "", "", "", "", long_dotnet, words_dotnet },
	{ "mono", "", "", "", "", NULL, NULL },
	{ "sh", "oO", "", "c", "", long_shell, NULL },
	{ "bash", "oO", "", "c", "", long_shell, NULL },
	{ "dash", "o", "", "c", "", NULL, NULL },
	{ "ash", "o", "", "c", "", NULL, NULL },
	{ "zsh", "o", "", "c", "", NULL, NULL },
	{ "ksh", "o", "", "c", "", NULL, NULL },
	{ "fish", "dCo", "", "c", "", NULL, NULL },
	{ "java", NULL, NULL, NULL, NULL, NULL, NULL },
};

/* "python3.11" and "ruby-3.2" are their interpreter; "mksh" is not "mk". */
static struct slice without_version(struct slice name)
{
	while (name.length && ((name.data[name.length - 1] >= '0' && name.data[name.length - 1] <= '9') ||
			       name.data[name.length - 1] == '.' || name.data[name.length - 1] == '-'))
		name.length--;
	return name;
}

static const struct interpreter *interpreter_find(struct slice name)
{
	name = without_version(name);
	for (size_t i = 0; i < sizeof(interpreters) / sizeof(interpreters[0]); i++)
		if (slice_is(name, interpreters[i].name))
			return &interpreters[i];
	return NULL;
}

bool interpreter_is(struct slice name)
{
	return interpreter_find(name);
}

enum option {
	OPTION_FLAG,
	OPTION_VALUE,
	OPTION_CODE,
	OPTION_MODULE
};

/* What a cluster of short options ("-Im") asks for; ret_value is what the last of them has attached. */
static enum option short_options(const struct interpreter *interpreter, struct slice option, struct slice *ret_value)
{
	for (size_t i = 1; i < option.length; i++) {
		char c = option.data[i];

		*ret_value = slice_skip(option, i + 1);
		/* strchr finds the terminating NUL too. */
		if (!c || strchr(interpreter->attached, c))
			return OPTION_FLAG;
		if (strchr(interpreter->code, c))
			return OPTION_CODE;
		if (strchr(interpreter->module, c))
			return OPTION_MODULE;
		if (strchr(interpreter->with_value, c))
			return OPTION_VALUE;
	}
	return OPTION_FLAG;
}

static enum option classify(const struct interpreter *interpreter, struct slice argument, struct slice *ret_value)
{
	*ret_value = slice_of("");
	if (!slice_starts(argument, "--"))
		return short_options(interpreter, argument, ret_value);
	if (slice_is(argument, "--eval") || slice_is(argument, "--print") || slice_starts(argument, "--eval="))
		return OPTION_CODE;
	return slice_in(argument, interpreter->long_value) ? OPTION_VALUE : OPTION_FLAG;
}

/* python -m: the module is the program, unless it launches another. */
static struct slice module_service(struct slice module, struct arguments arguments, struct slice directory)
{
	struct slice name;

	if (slice_ends(module, ".__main__"))
		module = slice_drop(module, strlen(".__main__"));
	name = launcher_service(module, arguments, directory);
	return name.length ? name : slice_base(module);
}

static bool is_option(struct slice argument)
{
	return argument.length > 1 && (argument.data[0] == '-' || argument.data[0] == '+');
}

/* node --title=NAME is the operator's own word for it. */
static const char node_title[] = "--title=";

struct slice interpreter_service(struct slice name, struct arguments arguments, struct slice directory)
{
	const struct interpreter *interpreter = interpreter_find(name);
	struct slice argument, value;

	if (!interpreter)
		return slice_of("");
	if (!interpreter->with_value)
		return java_service(arguments, directory);
	while (arguments_next(&arguments, &argument)) {
		if (slice_in(argument, interpreter->subcommands) || !argument.length)
			continue;
		if (slice_starts(argument, node_title) && slice_starts(slice_of(interpreter->name), "node"))
			return slice_skip(argument, sizeof(node_title) - 1);
		if (slice_is(argument, "--"))
			return arguments_next(&arguments, &argument) ? script_service(argument, arguments, directory) :
								       slice_of("");
		if (!is_option(argument))
			return slice_is(argument, "-") ? slice_of("") : script_service(argument, arguments, directory);
		switch (classify(interpreter, argument, &value)) {
		case OPTION_CODE:
			return slice_of("");
		case OPTION_MODULE:
			if (!value.length && !arguments_next(&arguments, &value))
				return slice_of("");
			if (strchr(interpreter->module, 'm'))
				return module_service(value, arguments, directory);
			return script_service(value, arguments, directory);
		case OPTION_VALUE:
			if (!value.length && !arguments_next(&arguments, &value))
				return slice_of("");
			break;
		case OPTION_FLAG:
			break;
		}
	}
	return slice_of("");
}
