/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option table: the one place where an option exists. Flags, environment, YAML, --help, `sonde config` and
 * docs/CONFIG.md are read out of it. Used inside config/ alone.
 */
#pragma once

#include "base/buffer.h"
#include "config/config.h"

enum option_kind {
	OPTION_TEXT,        /* char * */
	OPTION_TEXT_LIST,   /* struct string_list */
	OPTION_BOOL,        /* bool */
	OPTION_NUMBER,      /* uint64_t */
	OPTION_NUMBER_LIST, /* struct number_list */
	OPTION_SIZE,        /* uint64_t, bytes */
	OPTION_DURATION,    /* uint64_t, nanoseconds */
	OPTION_CHOICE,      /* an enum whose values count up from 0 in the order of `choices` */
};

struct config_option {
	const char *name;                 /* "web.listen-address": the flag after "--", the path in YAML */
	const char *placeholder;          /* of the value, in help; NULL for a boolean */
	const char *fallback;             /* the default, written as in a variable: lists with commas; "" for none */
	const char *help;                 /* one sentence */
	const char *allowed;              /* in words; NULL: told from the kind, the range and the choices */
	const char *const *choices;       /* NULL-terminated; of OPTION_CHOICE and OPTION_TEXT */
	bool (*check)(const char *value); /* what the words of `allowed` say, for text; NULL: anything but "" */
	size_t offset;                    /* of the field in struct config */
	uint64_t minimum, maximum;        /* of numbers, sizes and durations; of each in a list */
	size_t list_limit;                /* values of a list at most; 0: CONFIG_LIST_MAX */
	enum option_kind kind;
	bool power_of_two;
	bool at_least_one; /* a list that may not be empty */
	bool may_be_empty; /* a text that may be "" */
	bool reloadable;   /* SIGHUP can change it */
	bool outside_file; /* flag and environment only */
};

extern const struct config_option config_options[];
extern const size_t config_option_count;

#define OPTION_NAME_SIZE 64 /* of the longest name in any form, NUL included; a unit test checks it */

/* NULL when there is none of this name. */
const struct config_option *option_find(const char *name);
size_t option_index(const struct config_option *option);
bool option_is_list(const struct config_option *option);
size_t option_list_limit(const struct config_option *option);
/* True when `name` is what stands before a dot in the name of an option: "web". */
bool option_is_section(const char *name);

/* "SONDE_WEB_LISTEN_ADDRESS" */
void option_variable(const struct config_option *option, char ret_name[OPTION_NAME_SIZE]);
/* What values are allowed, in words. */
void option_allowed(const struct config_option *option, struct buffer *out);

/* The option whose name (or variable name) is nearest to what was typed, NULL when none is near. */
const struct config_option *option_suggest(const char *typed, bool is_variable);
