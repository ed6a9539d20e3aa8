/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers have an id of 64 hexadecimal digits in their cgroup's name, whatever the runtime puts around it
 * ("/docker/ID", "cri-containerd-ID.scope"). What a container has inside, systemd too, is the container's. Outside of
 * containers the innermost unit counts: a user's manager is a service with services below it.
 */
#include "container/owner.h"

#include <stdbool.h>
#include <string.h>

#define CONTAINER_ID_LENGTH 64

static bool is_hex_digit(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool names_container(const char *name, size_t length)
{
	size_t run = 0;

	for (size_t i = 0; i < length && run < CONTAINER_ID_LENGTH; i++)
		run = is_hex_digit(name[i]) ? run + 1 : 0;
	return run == CONTAINER_ID_LENGTH;
}

static bool ends_with(const char *name, size_t length, const char *suffix)
{
	size_t suffix_length = strlen(suffix);

	return length > suffix_length && !memcmp(name + length - suffix_length, suffix, suffix_length);
}

size_t owner_length(const char *path)
{
	size_t unit = 0, at = 0;

	while (path[at]) {
		const char *name = path + at + (path[at] == '/');
		size_t length = strcspn(name, "/");

		at = (size_t)(name - path) + length;
		if (names_container(name, length))
			return at;
		if (ends_with(name, length, ".service") || ends_with(name, length, ".scope"))
			unit = at;
	}
	return unit ? unit : at;
}
