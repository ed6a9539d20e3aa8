/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The world of the configuration's tests. The directory is removed when the test ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>

#include "tests/unit/config_world.h"

struct place {
	struct config_world world; /* first: the tests see this */
	char directory[64];
	int home;
};

int config_world_set_up(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	if (!place)
		return -1;
	*state = place;
	snprintf(place->directory, sizeof(place->directory), "/tmp/sonde-config-XXXXXX");
	place->home = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (place->home < 0 || !mkdtemp(place->directory))
		return -1;
	return chdir(place->directory);
}

int config_world_tear_down(void **state)
{
	struct place *place = *state;
	int failed;

	unlink("sonde.yaml");
	failed = fchdir(place->home) || rmdir(place->directory);
	close(place->home);
	if (!place->world.result)
		config_free(&place->world.config);
	free(place);
	return failed;
}

void config_world_file_bytes(const void *bytes, size_t length)
{
	FILE *file = fopen("sonde.yaml", "we");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

void config_world_file(const char *text)
{
	config_world_file_bytes(text, strlen(text));
}

void config_world_load(struct config_world *world, const char *const *flags, const char *const *variables)
{
	int count = 0;

	while (flags[count])
		count++;
	if (!world->result)
		config_free(&world->config);
	memset(&world->config, 0, sizeof(world->config));
	snprintf(world->error, sizeof(world->error), "untouched");
	/* The arrays are not written to: main's have no const, as C has it. */
	world->result = config_load(count, (char *const *)(uintptr_t)flags, (char *const *)(uintptr_t)variables,
				    &world->config, world->error, sizeof(world->error));
}
