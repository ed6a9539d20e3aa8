/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scripts to names, and launchers: scripts whose own name says nothing because they serve an application that an
 * argument, or the working directory, names. One row for each launcher.
 */
#include "identity/command.h"

static const char *const extensions[] = { "py",  "pyc", "pyz",  "js",   "mjs", "cjs", "ts",   "mts", "cts", "jsx",
					  "tsx", "rb",  "ru",   "pl",   "php", "sh",  "bash", "zsh", "lua", "tcl",
					  "dll", "exe", "psgi", "phar", "jar", "war", "java", NULL };
/* Names of entry points that say nothing by themselves, and where builds put them. */
static const char *const entries[] = { "index", "main", NULL };
static const char *const outputs[] = { "dist", "build",  "out",     "output", "lib", "src",
				       "bin",  "server", ".output", "target", NULL };
/* Folders that are there by convention, not for what is in them. */
static const char *const conventional[] = {
	"app",           "apps",         "src",        "dist",   "build",  "out",     "output",   ".output",
	"lib",           "bin",          "sbin",       "server", "target", "current", "releases", "release",
	"code",          "workspace",    "home",       "root",   "opt",    "srv",     "var",      "www",
	"html",          "public",       "usr",        "local",  "tmp",    "data",    "mnt",      "site-packages",
	"dist-packages", "node_modules", "standalone", NULL
};
/* Last parts of a Python application's module that are there by convention. */
static const char *const module_tails[] = { "wsgi", "asgi", "app", "main", "application", "server", "__main__", NULL };

enum launch {
	LAUNCH_MODULE,    /* "package.module:attribute" among the arguments */
	LAUNCH_OPTION,    /* -A or --app */
	LAUNCH_SCRIPT,    /* the next argument that is no option is the script */
	LAUNCH_DIRECTORY, /* serves what is in the working directory */
};

static const struct launcher {
	const char *name;
	enum launch how;
} launchers[] = {
	{ "gunicorn", LAUNCH_MODULE }, { "uvicorn", LAUNCH_MODULE },     { "hypercorn", LAUNCH_MODULE },
	{ "daphne", LAUNCH_MODULE },   { "granian", LAUNCH_MODULE },     { "waitress-serve", LAUNCH_MODULE },
	{ "waitress", LAUNCH_MODULE }, { "flask", LAUNCH_OPTION },       { "celery", LAUNCH_OPTION },
	{ "fastapi", LAUNCH_SCRIPT },  { "streamlit", LAUNCH_SCRIPT },   { "coverage", LAUNCH_SCRIPT },
	{ "ts-node", LAUNCH_SCRIPT },  { "ts-node-dev", LAUNCH_SCRIPT }, { "tsx", LAUNCH_SCRIPT },
	{ "nodemon", LAUNCH_SCRIPT },  { "bundle", LAUNCH_SCRIPT },      { "bundler", LAUNCH_SCRIPT },
	{ "plackup", LAUNCH_SCRIPT },  { "starman", LAUNCH_SCRIPT },     { "rails", LAUNCH_DIRECTORY },
	{ "puma", LAUNCH_DIRECTORY },  { "rackup", LAUNCH_DIRECTORY },   { "unicorn", LAUNCH_DIRECTORY },
	{ "thin", LAUNCH_DIRECTORY },
};

static const char *const words_before_script[] = { "run", "dev", "exec", "watch", NULL };
/* gunicorn's options without a value: what follows one of these may be the application. */
static const char *const launcher_flags[] = { "--reload",
					      "--preload",
					      "--daemon",
					      "-D",
					      "--check-config",
					      "--no-sendfile",
					      "--reuse-port",
					      "--capture-output",
					      "--proxy-protocol",
					      "--proxy-headers",
					      "--no-access-log",
					      "--factory",
					      NULL };

struct slice meaningful_folder(struct slice path)
{
	while (path.length) {
		struct slice base = slice_base(path);

		if (base.length && !slice_in(base, conventional) && !slice_is_number(base) && !slice_starts(base, "."))
			return base;
		path = slice_parent(path);
	}
	return slice_of("");
}

static bool is_word(struct slice slice, const char *also)
{
	for (size_t i = 0; i < slice.length; i++) {
		char c = slice.data[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9' && i) || c == '_' ||
		      (c && strchr(also, c) && i)))
			return false;
	}
	return slice.length;
}

/* "shop.web.wsgi:app" is shop: the package, without what only says that it is served. */
static struct slice module_name(struct slice module)
{
	struct slice last;

	module = slice_before(module, ':');
	if (slice_starts(module, "src."))
		module = slice_skip(module, strlen("src."));
	last = slice_after_last(module, '.');
	while (last.length < module.length && slice_in(last, module_tails)) {
		module = slice_drop(module, last.length + 1);
		last = slice_after_last(module, '.');
	}
	return slice_before(module, '.');
}

/* gunicorn -n NAME: the operator's own word for it. */
static bool is_name_option(struct slice option)
{
	return slice_is(option, "-n") || slice_is(option, "--name");
}

static struct slice launched_module(struct arguments arguments)
{
	static const char name_is[] = "--name=";
	struct slice argument, previous = slice_of(""), candidate = slice_of("");

	while (arguments_next(&arguments, &argument)) {
		bool after_option = slice_starts(previous, "-") && !slice_in(previous, launcher_flags);

		if (slice_starts(argument, name_is))
			return slice_skip(argument, sizeof(name_is) - 1);
		if (is_name_option(previous))
			return argument;
		if (slice_contains(argument, ":") && is_word(slice_before(argument, ':'), ".") &&
		    is_word(slice_before(slice_after_last(argument, ':'), '('), "."))
			candidate = argument;
		else if (!candidate.length && !after_option && is_word(argument, "."))
			candidate = argument;
		previous = slice_contains(argument, "=") ? slice_of("") : argument;
	}
	return module_name(candidate);
}

/* flask --app shop.web run, celery -A shop worker; the value may be a module, a path or both with an attribute. */
static struct slice launched_option(struct arguments arguments, struct slice directory)
{
	static const char app_is[] = "--app=";
	struct slice argument;

	while (arguments_next(&arguments, &argument)) {
		if (slice_starts(argument, app_is))
			argument = slice_skip(argument, sizeof(app_is) - 1);
		else if ((!slice_is(argument, "-A") && !slice_is(argument, "--app")) ||
			 !arguments_next(&arguments, &argument))
			continue;
		argument = slice_before(argument, ':');
		if (slice_contains(argument, "/") || slice_ends(argument, ".py"))
			return script_service(argument, (struct arguments){ 0 }, directory);
		return module_name(argument);
	}
	return slice_of("");
}

static struct slice launched_script(struct arguments arguments, struct slice directory)
{
	struct slice argument;

	while (arguments_next(&arguments, &argument))
		if (argument.length && !slice_starts(argument, "-") && !slice_in(argument, words_before_script))
			return script_service(argument, arguments, directory);
	return slice_of("");
}

struct slice launcher_service(struct slice name, struct arguments arguments, struct slice directory)
{
	for (size_t i = 0; i < sizeof(launchers) / sizeof(launchers[0]); i++) {
		if (!slice_is(name, launchers[i].name))
			continue;
		switch (launchers[i].how) {
		case LAUNCH_MODULE:
			return launched_module(arguments);
		case LAUNCH_OPTION:
			return launched_option(arguments, directory);
		case LAUNCH_SCRIPT:
			return launched_script(arguments, directory);
		case LAUNCH_DIRECTORY:
			return meaningful_folder(directory);
		}
	}
	return slice_of("");
}

/* ".../node_modules/@acme/shop/bin/cli.js" is the package shop, ".../node_modules/.bin/next" is next. */
static struct slice node_package(struct slice script)
{
	static const char modules[] = "/node_modules/";
	struct slice rest = script, package;

	for (;;) {
		const char *found = rest.length ? memmem(rest.data, rest.length, modules, sizeof(modules) - 1) : NULL;

		if (!found)
			break;
		rest = slice_skip(rest, (size_t)(found - rest.data) + sizeof(modules) - 1);
	}
	if (rest.length == script.length || !slice_next(&rest, '/', &package))
		return slice_of("");
	if ((slice_starts(package, "@") || slice_is(package, ".bin")) && !slice_next(&rest, '/', &package))
		return slice_of("");
	return package;
}

static struct slice without_extension(struct slice name)
{
	struct slice extension = slice_after_last(name, '.');

	if (extension.length + 1 < name.length && slice_in(extension, extensions))
		return slice_drop(name, extension.length + 1);
	return name;
}

/* Whether the script's name says less than its folder's. */
static bool says_nothing(struct slice name, struct slice parent)
{
	return slice_is(name, "__main__") || (slice_in(name, entries) && slice_in(slice_base(parent), outputs));
}

struct slice script_service(struct slice script, struct arguments arguments, struct slice directory)
{
	struct slice name = without_extension(slice_base(script)), parent = slice_parent(script);
	struct slice launched, package = node_package(script), folder = slice_of("");

	if (slice_is(name, ".") || slice_is(name, ".."))
		return meaningful_folder(directory);
	launched = launcher_service(package.length ? package : name, arguments, directory);
	if (launched.length)
		return launched;
	if (package.length)
		return package;
	if (says_nothing(name, parent)) {
		folder = meaningful_folder(parent);
		/* A relative path ("dist/main.js") goes on in the working directory. */
		if (!folder.length && !slice_starts(script, "/"))
			folder = meaningful_folder(directory);
	}
	return folder.length ? folder : name;
}
