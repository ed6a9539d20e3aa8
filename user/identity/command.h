/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command line to what a person would call it, when neither environment nor systemd says: an interpreter's script or
 * module, a jar or main class, the application that a launcher (gunicorn, flask, rails) was told to serve, else the
 * executable. Pure; the rules are in the tables of interpreter.c, launcher.c and java.c. In short:
 *
 *   python3.11 /app/manage.py runserver    manage      java -jar /srv/foo-1.2.jar             foo
 *   python3 -m http.server                 http.server java -cp x com.acme.shop.Main          shop
 *   uvicorn main:app                       main        nginx: worker process                  nginx
 *   gunicorn -w 4 shop.wsgi                shop        gunicorn: worker [shop]                shop
 *   node server.js                         server      php-fpm: pool shop                     shop (www: php-fpm)
 *   node /srv/shop/dist/main.js            shop        /usr/sbin/mariadbd (deleted)           mariadbd
 *
 * A script keeps its own name, with two exceptions: `index` or `main` in a build's output folder (dist, build, ...),
 * and `__main__` anywhere, take the nearest folder above that says something; when none does (/app/dist/main.js) they
 * keep theirs.
 */
#pragma once

#include "identity/slice.h"

/* What is known of a process; any of it may be empty. Nothing needs to be NUL-terminated. */
struct command {
	struct slice executable; /* path */
	struct slice arguments;  /* argv, NUL-separated, or a title that the process wrote over it */
	struct slice directory;  /* working directory */
	struct slice comm;       /* the kernel's name for the thread group's leader */
};

/* Arguments not taken yet. */
struct arguments {
	struct slice rest;
	char separator; /* NUL; ' ' inside titles that repeat a command line */
};

static inline bool arguments_next(struct arguments *arguments, struct slice *ret_argument)
{
	return slice_next(&arguments->rest, arguments->separator, ret_argument);
}

/* The name, in pieces of the command or static; not cleaned. Empty when nothing is known. */
struct slice command_service(const struct command *command);
/* True when such a command's processes differ by their titles, so that a fork does not inherit its parent's name. */
bool command_is_titled(const struct command *command);

/*
 * The parts, for command.c alone. Each answers an empty slice when the arguments name nothing.
 * interpreter_service: `found` tells whether `name`, an executable's base name, is an interpreter at all.
 */
bool interpreter_is(struct slice name);
struct slice interpreter_service(struct slice name, struct arguments arguments, struct slice directory);
struct slice java_service(struct arguments arguments, struct slice directory);
/* `script`: a path as the interpreter was given it; `arguments`: what follows it. */
struct slice script_service(struct slice script, struct arguments arguments, struct slice directory);
/* A launcher's application, empty when `name` is no launcher or names none. */
struct slice launcher_service(struct slice name, struct arguments arguments, struct slice directory);
/* The nearest folder of `path`, itself included, that is not named by convention (app, src, dist, current, ...). */
struct slice meaningful_folder(struct slice path);
