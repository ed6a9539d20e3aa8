/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.runtime.* as OpenTelemetry's SDKs say them of themselves. Runtimes whose name an executable does not tell for
 * certain (Java's has a vendor, .NET's an age) are left out.
 */
#include "identity/resource.h"

#include <stdio.h>

#include "identity/lines.h"

/* python3, python3.11; not python3-config. */
static bool is_python(struct slice name)
{
	if (!slice_starts(name, "python"))
		return false;
	for (size_t i = strlen("python"); i < name.length; i++)
		if (name.data[i] != '.' && (name.data[i] < '0' || name.data[i] > '9'))
			return false;
	return true;
}

static size_t tell_runtime(const struct resource_facts *facts, struct slice name, char *lines, size_t length)
{
	const char *runtime = "";

	if (facts->go[0])
		runtime = "go";
	else if (slice_is(name, "node") || slice_is(name, "nodejs"))
		runtime = "nodejs";
	else if (is_python(name))
		runtime = "cpython";
	length = lines_add(lines, RESOURCE_MAX, length, "process.runtime.name", slice_of(runtime));
	return lines_add(lines, RESOURCE_MAX, length, "process.runtime.version", slice_of(facts->go));
}

size_t resource_lines(const struct resource_facts *facts, char *lines)
{
	struct slice name = slice_base(slice_of(facts->executable));
	char pid[16];
	size_t length = 0;

	snprintf(pid, sizeof(pid), "%u", facts->tgid);
	length = lines_add(lines, RESOURCE_MAX, length, "process.pid", slice_of(pid));
	if (strchr(facts->executable, '/')) {
		length = lines_add(lines, RESOURCE_MAX, length, "process.executable.name", name);
		length = lines_add(lines, RESOURCE_MAX, length, "process.executable.path", slice_of(facts->executable));
		length = tell_runtime(facts, name, lines, length);
	}
	length = lines_add_all(lines, RESOURCE_MAX, length, facts->declared);
	return lines_add_all(lines, RESOURCE_MAX, length, facts->place);
}
