/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading a configuration in a test: flags and variables as arrays, and a file sonde.yaml in a directory of its own,
 * which is the working directory meanwhile.
 */
#pragma once

#include "config/config.h"

struct config_world {
	struct config config;
	char error[CONFIG_ERROR_SIZE];
	int result; /* of the last load */
};

/* cmocka's setup and teardown: a struct config_world in an empty working directory. */
int config_world_set_up(void **state);
int config_world_tear_down(void **state);

/* Contents of sonde.yaml. */
void config_world_file(const char *text);
void config_world_file_bytes(const void *bytes, size_t length);

/* Loads with these flags and variables, both NULL-terminated; what was loaded before is freed. */
void config_world_load(struct config_world *world, const char *const *flags, const char *const *variables);

#define FLAGS(...) ((const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })
#define VARIABLES(...) FLAGS(__VA_ARGS__)
