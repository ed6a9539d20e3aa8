/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of cgroup_path.h, component by component. The path may hold anything but newlines: whoever may make a
 * cgroup may name it as a runtime would, so what is read here only says where to look, and state files are held against
 * it.
 */
#include "identity/cgroup_path.h"

#define ID_LENGTH 64

struct prefix_rule {
	const char *prefix; /* before the id; a ".scope" after it does not matter */
	enum runtime runtime;
};

static const struct prefix_rule id_prefixes[] = {
	{ "", RUNTIME_UNKNOWN },
	{ "docker-", RUNTIME_DOCKER },
	{ "cri-containerd-", RUNTIME_CONTAINERD },
	{ "nerdctl-", RUNTIME_CONTAINERD },
	{ "crio-", RUNTIME_CRIO },
	{ "libpod-", RUNTIME_PODMAN },
	{ "libpod-payload-", RUNTIME_PODMAN },
	{ "runc-", RUNTIME_RUNC },
};

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

bool is_container_id(struct slice text)
{
	for (size_t i = 0; i < text.length; i++)
		if (!is_hex(text.data[i]))
			return false;
	return text.length == ID_LENGTH;
}

static struct slice without_end(struct slice text, const char *end)
{
	return slice_ends(text, end) ? slice_drop(text, strlen(end)) : text;
}

/* An id of 64 digits after a prefix that a runtime is known for. */
static bool by_id(struct slice component, struct slice above, struct cgroup_container *container)
{
	struct slice name = without_end(component, ".scope");
	struct slice id, prefix;

	/* "slice:prefix:id": systemd's form, taken for a path by a runtime that does not talk to systemd. */
	if (slice_contains(name, ":"))
		name = slice_after_last(name, ':');
	if (name.length < ID_LENGTH)
		return false;
	id = slice_skip(name, name.length - ID_LENGTH);
	prefix = slice_drop(name, ID_LENGTH);
	if (!is_container_id(id))
		return false;
	for (size_t i = 0; i < sizeof(id_prefixes) / sizeof(id_prefixes[0]); i++) {
		if (!slice_is(prefix, id_prefixes[i].prefix))
			continue;
		container->runtime = id_prefixes[i].runtime;
		if (container->runtime == RUNTIME_UNKNOWN && slice_is(above, "docker"))
			container->runtime = RUNTIME_DOCKER;
		container->id = id;
		return true;
	}
	return false;
}

/* Runtimes that write a name into the path. */
static bool by_name(struct slice component, struct slice above, struct cgroup_container *container)
{
	static const char payload[] = "lxc.payload.", nspawn[] = "systemd-nspawn@", machine[] = "machine-";

	if (slice_starts(component, payload)) {
		container->runtime = RUNTIME_LXC;
		container->id = slice_skip(component, sizeof(payload) - 1);
	} else if (slice_is(above, "lxc")) {
		container->runtime = RUNTIME_LXC;
		container->id = component;
	} else if (slice_starts(component, nspawn) && slice_ends(component, ".service")) {
		container->runtime = RUNTIME_MACHINE;
		container->id = slice_skip(without_end(component, ".service"), sizeof(nspawn) - 1);
	} else if (slice_starts(component, machine) && slice_ends(component, ".scope")) {
		container->runtime = RUNTIME_MACHINE;
		container->id = slice_skip(without_end(component, ".scope"), sizeof(machine) - 1);
	} else {
		return false;
	}
	return container->id.length;
}

bool cgroup_path_container(struct slice path, struct cgroup_container *ret_container)
{
	struct slice rest = path, component, above = slice_of("");
	bool found = false;

	while (slice_next(&rest, '/', &component)) {
		struct cgroup_container container = { .sure = true, .above = above };

		if (!component.length)
			continue;
		if (by_id(component, above, &container) || by_name(component, above, &container)) {
			container.path = slice_make(path.data, (size_t)(component.data - path.data) + component.length);
			*ret_container = container;
			found = true;
		}
		above = component;
	}
	return found;
}

bool cgroup_path_candidate(struct slice path, unsigned int depth, struct cgroup_container *ret_container)
{
	struct slice component = slice_base(path);
	bool scope;

	for (; depth && component.length; depth--) {
		path = slice_parent(path);
		component = slice_base(path);
	}
	scope = slice_starts(component, "runc-") && slice_ends(component, ".scope");
	if (!component.length || slice_ends(component, ".slice") || slice_ends(component, ".service") ||
	    (slice_ends(component, ".scope") && !scope) || slice_is(component, ".") || slice_is(component, ".."))
		return false;
	*ret_container = (struct cgroup_container){
		.runtime = scope ? RUNTIME_RUNC : RUNTIME_UNKNOWN,
		.path = path,
		.id = scope ? without_end(slice_skip(component, strlen("runc-")), ".scope") : component,
		.above = slice_base(slice_parent(path)),
	};
	return ret_container->id.length;
}

struct slice cgroup_path_pod(struct slice path)
{
	struct slice component = slice_base(path), uid;
	struct slice parent = slice_parent(path);
	const char *pod;

	if (slice_starts(component, "kubepods") && slice_ends(component, ".slice")) {
		component = without_end(component, ".slice");
		pod = memmem(component.data, component.length, "-pod", strlen("-pod"));
		return pod ? slice_skip(component, (size_t)(pod - component.data) + strlen("-pod")) : slice_of("");
	}
	if (!slice_starts(component, "pod") || !slice_contains(parent, "kubepods"))
		return slice_of("");
	uid = slice_skip(component, strlen("pod"));
	return uid;
}
