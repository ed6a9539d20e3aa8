/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/PID/cgroup to systemd unit. Each line is "ID:CONTROLLERS:PATH" (cgroups(7)); systemd's tree is the line of the
 * v1 hierarchy "name=systemd", else the v2 line "0::". In its path the innermost "*.service" is the unit, unless
 * something that is not systemd's service follows it: a scope, or a container that a service (containerd, docker in
 * docker) made below itself, whose processes are not the service's own.
 */
#include "identity/unit.h"

#define CONTAINER_ID_LENGTH 64 /* hexadecimal digits of a container's id: Docker, containerd, CRI-O, Podman */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_container(struct slice component)
{
	size_t run = 0;

	for (size_t i = 0; i < component.length && run < CONTAINER_ID_LENGTH; i++)
		run = hex_digit(component.data[i]) >= 0 ? run + 1 : 0;
	return run >= CONTAINER_ID_LENGTH || slice_starts(component, "kubepods");
}

/*
 * Below a user's manager, units of applications are "app[-LAUNCHER]-ID[@RANDOM].service" (systemd, "Desktop
 * Environment Integration"), where '-' inside an id is escaped: the last part is the id.
 */
static struct slice application_id(struct slice unit)
{
	return slice_starts(unit, "app-") ? slice_before(slice_after_last(unit, '-'), '@') : unit;
}

static struct slice innermost_service(struct slice path)
{
	struct slice unit = slice_of(""), component;
	bool of_user = false;

	while (slice_next(&path, '/', &component)) {
		bool manager = slice_starts(component, "user@") && slice_ends(component, ".service");

		of_user |= manager;
		if (slice_ends(component, ".service") && !manager)
			unit = slice_drop(component, strlen(".service"));
		else if (manager || slice_ends(component, ".scope") || is_container(component))
			unit = slice_of("");
	}
	/* systemd protects names that the kernel would take for its own with one '_' (cg_escape). */
	if (slice_starts(unit, "_"))
		unit = slice_skip(unit, 1);
	return of_user ? application_id(unit) : unit;
}

/* systemd.unit(5), "String escaping for inclusion in unit names": \xNN is one byte. Longer names are cut. */
size_t unit_unescape(struct slice unit, char *text, size_t size)
{
	size_t length = 0;

	for (size_t i = 0; i < unit.length && length < size; i++) {
		text[length] = unit.data[i];
		if (i + 3 < unit.length && unit.data[i] == '\\' && unit.data[i + 1] == 'x' &&
		    hex_digit(unit.data[i + 2]) >= 0 && hex_digit(unit.data[i + 3]) >= 0) {
			text[length] = (char)(hex_digit(unit.data[i + 2]) << 4 | hex_digit(unit.data[i + 3]));
			i += 3;
		}
		length++;
	}
	return length;
}

size_t unit_service(struct slice cgroup, char *name)
{
	struct slice named = slice_of(""), unified = slice_of(""), line, unit;
	char text[IDENTITY_NAME_MAX + 4];

	while (slice_next(&cgroup, '\n', &line)) {
		struct slice rest = line, id, controllers;

		if (!slice_next(&rest, ':', &id) || !slice_next(&rest, ':', &controllers))
			continue;
		if (slice_is(controllers, "name=systemd"))
			named = innermost_service(rest);
		else if (slice_is(id, "0") && !controllers.length)
			unified = innermost_service(rest);
	}
	unit = named.length ? named : unified;
	return slice_clean(slice_make(text, unit_unescape(unit, text, sizeof(text))), name);
}
