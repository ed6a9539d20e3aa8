/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State files' JSON to facts, by jansson: whole documents of at most a megabyte, read once per container.
 */
#include "identity/facts.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "identity/lines.h"

static void drop_json(json_t **json)
{
	json_decref(*json);
}

#define CLEANUP_JSON CLEANUP(drop_json)

/* jansson limits the depth (2,048) and refuses what is not UTF-8. NULL when it is no object or array. */
static json_t *parse(struct slice text)
{
	return json_loadb(text.data ? text.data : "", text.length, 0, NULL);
}

/* "" when there is no such member or it is no string. */
static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void take(const json_t *object, const char *key, char *fact)
{
	const char *text = text_of(object, key);

	if (*text)
		slice_clean_to(slice_of(text), fact, FACT_MAX - 1);
}

static uint32_t pid_of(const json_t *value)
{
	json_int_t pid = json_integer_value(value);

	return pid > 0 && pid <= INT32_MAX ? (uint32_t)pid : 0;
}

/* Labels that the kubelet gives every container of a pod, and that CRI-O and cri-dockerd keep. */
static void take_kubernetes(const json_t *labels, struct container_facts *facts)
{
	take(labels, "io.kubernetes.container.name", facts->container);
	take(labels, "io.kubernetes.pod.name", facts->pod);
	take(labels, "io.kubernetes.pod.namespace", facts->name_space);
	take(labels, "io.kubernetes.pod.uid", facts->pod_uid);
	take(labels, "io.kubernetes.sandbox.id", facts->pod_sandbox); /* cri-dockerd's */
}

/* "All annotations with the prefix should be translated into the corresponding resource attributes" (OpenTelemetry,
 * "Specify resource attributes using Kubernetes annotations"). As many as there is room for. */
static void take_annotations(const json_t *notes, struct container_facts *facts)
{
	static const char prefix[] = "resource.opentelemetry.io/", of_docker[] = "annotation.";
	size_t length = strlen(facts->declared);
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)notes, key, value)
	{
		const char *text = json_string_value(value), *name = key;

		name += strncmp(name, of_docker, strlen(of_docker)) ? 0 : strlen(of_docker);
		if (!text || strncmp(name, prefix, strlen(prefix)) != 0)
			continue;
		name += strlen(prefix);
		if (!lines_key(slice_of(name)) || !strcmp(name, "service.name") ||
		    lines_have(facts->declared, slice_of(name)))
			continue;
		length = lines_add(facts->declared, sizeof(facts->declared), length, name, slice_of(text));
	}
}

static void take_declared(const json_t *labels, struct container_facts *facts)
{
	static const char *const keys[] = { "com.docker.compose.service", "io.podman.compose.service",
					    "com.docker.swarm.service.name", "resource.opentelemetry.io/service.name" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		take(labels, keys[i], facts->service);
	take(labels, "app.kubernetes.io/version", facts->version);
	take_annotations(labels, facts);
}

/* A pod's sandbox is no container of it: dashboards tell them apart by the empty label. */
static void mark_sandbox(struct container_facts *facts, bool sandbox)
{
	facts->sandbox = sandbox || !strcmp(facts->container, "POD");
	if (facts->sandbox)
		facts->container[0] = '\0';
}

int facts_from_docker(struct slice text, const struct cgroup_container *container, struct container_facts *ret_facts)
{
	CLEANUP_JSON json_t *root = parse(text);
	const json_t *config = json_object_get(root, "Config"), *state = json_object_get(root, "State");
	const json_t *labels = json_object_get(config, "Labels");
	const char *name = text_of(root, "Name");

	if (!json_is_object(root) || !json_is_object(config))
		return -EINVAL;
	if (!slice_is(container->id, text_of(root, "ID")))
		return -ESTALE;
	ret_facts->runtime = RUNTIME_DOCKER;
	slice_clean_to(slice_of(name + (name[0] == '/')), ret_facts->name, FACT_MAX - 1);
	take(config, "Image", ret_facts->image);
	ret_facts->created_ns = facts_time(text_of(root, "Created"));
	ret_facts->init_pid = pid_of(json_object_get(state, "Pid"));
	take_kubernetes(labels, ret_facts);
	take_declared(labels, ret_facts);
	mark_sandbox(ret_facts, !strcmp(text_of(labels, "io.kubernetes.docker.type"), "podsandbox"));
	return 0;
}

static void take_containerd(const json_t *notes, struct container_facts *facts)
{
	take(notes, "io.kubernetes.cri.container-name", facts->container);
	take(notes, "io.kubernetes.cri.sandbox-name", facts->pod);
	take(notes, "io.kubernetes.cri.sandbox-namespace", facts->name_space);
	take(notes, "io.kubernetes.cri.sandbox-uid", facts->pod_uid);
	take(notes, "io.kubernetes.cri.sandbox-id", facts->pod_sandbox);
	take(notes, "io.kubernetes.cri.podsandbox.image-name", facts->image);
	take(notes, "io.kubernetes.cri.image-name", facts->image);
	take(notes, "nerdctl/name", facts->name);
}

/* JSON inside of an annotation. NULL when there is none. */
static json_t *inner(const json_t *notes, const char *key)
{
	const char *text = text_of(notes, key);

	return *text ? parse(slice_of(text)) : NULL;
}

/* CRI-O keeps the kubelet's labels as JSON inside of an annotation as well. */
static void take_crio(const json_t *notes, struct container_facts *facts)
{
	CLEANUP_JSON json_t *labels = inner(notes, "io.kubernetes.cri-o.Labels");

	take(notes, "io.kubernetes.cri-o.ImageName", facts->image);
	take(notes, "io.kubernetes.cri-o.KubeName", facts->pod);
	take(notes, "io.kubernetes.cri-o.Namespace", facts->name_space);
	take(notes, "io.kubernetes.cri-o.SandboxID", facts->pod_sandbox);
	take_kubernetes(labels, facts);
	take_kubernetes(notes, facts);
	take_declared(labels, facts);
	facts->created_ns = facts_time(text_of(notes, "io.kubernetes.cri-o.Created"));
}

static enum runtime bundle_runtime(const json_t *notes)
{
	const char *manager = text_of(notes, "io.container.manager");

	if (!strcmp(manager, "libpod"))
		return RUNTIME_PODMAN;
	if (!strcmp(manager, "cri-o") || *text_of(notes, "io.kubernetes.cri-o.ContainerType"))
		return RUNTIME_CRIO;
	return RUNTIME_CONTAINERD;
}

/* Is a bundle's linux.cgroupsPath this container's? "SLICE:PREFIX:NAME" is systemd's way to say
 * SLICE/PREFIX-NAME.scope; a slice's own place in the tree ("a-b.slice" is below "a.slice") is left to systemd. */
static bool cgroup_agrees(const char *said, const struct cgroup_container *container)
{
	struct slice rest = slice_of(said), slice, prefix, unit;

	if (!*said || slice_ends(container->path, said))
		return true;
	if (!slice_next(&rest, ':', &slice) || !slice_next(&rest, ':', &prefix) || !rest.length)
		return false;
	unit = slice_base(container->path);
	if (slice_ends(unit, ".scope"))
		unit = slice_drop(unit, strlen(".scope"));
	if (prefix.length && (unit.length <= prefix.length || memcmp(unit.data, prefix.data, prefix.length)))
		return false;
	unit = slice_skip(unit, prefix.length ? prefix.length + 1 : 0);
	return unit.length == rest.length && !memcmp(unit.data, rest.data, rest.length);
}

int facts_from_bundle(struct slice text, const struct cgroup_container *container, struct container_facts *ret_facts)
{
	CLEANUP_JSON json_t *root = parse(text);
	const json_t *notes = json_object_get(root, "annotations");
	const char *said = text_of(json_object_get(root, "linux"), "cgroupsPath");
	const char *type;

	if (!json_is_object(root) || !json_is_string(json_object_get(root, "ociVersion")))
		return -EINVAL;
	if (!cgroup_agrees(said, container) || (!container->sure && !*said))
		return -ESTALE;
	ret_facts->runtime = bundle_runtime(notes);
	if (ret_facts->runtime == RUNTIME_CONTAINERD)
		take_containerd(notes, ret_facts);
	else
		take_crio(notes, ret_facts);
	take_declared(notes, ret_facts);
	type = text_of(notes, "io.kubernetes.cri.container-type");
	if (!*type)
		type = text_of(notes, "io.kubernetes.cri-o.ContainerType");
	mark_sandbox(ret_facts, !strcmp(type, "sandbox"));
	return 0;
}

/* The pod that the labels or annotations of a sandbox say it is. */
static bool is_same_pod(const json_t *labels, const char *uid)
{
	static const char *const keys[] = { "io.kubernetes.pod.uid", "io.kubernetes.cri.sandbox-uid" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (*uid && !strcmp(text_of(labels, keys[i]), uid))
			return true;
	return false;
}

int facts_from_sandbox(struct slice text, struct container_facts *facts)
{
	CLEANUP_JSON json_t *root = parse(text);
	const json_t *notes = json_object_get(root, "annotations");
	CLEANUP_JSON json_t *crio_labels = inner(notes, "io.kubernetes.cri-o.Labels");
	CLEANUP_JSON json_t *crio_notes = inner(notes, "io.kubernetes.cri-o.Annotations");
	const json_t *docker = json_object_get(json_object_get(root, "Config"), "Labels");
	const json_t *const all[] = { notes, crio_notes, crio_labels, docker };
	bool same = false;

	if (!json_is_object(root))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		same = same || is_same_pod(all[i], facts->pod_uid);
	if (!same)
		return -ESTALE;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		take_annotations(all[i], facts);
		if (!facts->version[0])
			take(all[i], "app.kubernetes.io/version", facts->version);
		if (!facts->service[0])
			take(all[i], "resource.opentelemetry.io/service.name", facts->service);
		if (!facts->service[0])
			take(all[i], "annotation.resource.opentelemetry.io/service.name", facts->service);
	}
	return 0;
}

/* cgroup_paths: the directory in each hierarchy ("" on v2). Any of them is enough. */
static bool is_among_paths(json_t *paths, struct slice path)
{
	const char *key;
	json_t *value;

	json_object_foreach(paths, key, value)
	{
		const char *said = json_string_value(value);
		char own[FACT_MAX * 8];

		if (!said || path.length >= sizeof(own))
			continue;
		memcpy(own, path.data, path.length);
		own[path.length] = '\0';
		if (slice_ends(slice_of(said), own))
			return true;
	}
	return false;
}

int facts_from_runc(struct slice text, const struct cgroup_container *container, struct container_facts *ret_facts)
{
	CLEANUP_JSON json_t *root = parse(text);
	json_t *paths = json_object_get(root, "cgroup_paths");

	if (!json_is_object(root) || !json_is_string(json_object_get(root, "id")))
		return -EINVAL;
	if (!is_among_paths(paths, container->path))
		return -ESTALE;
	ret_facts->runtime = RUNTIME_RUNC;
	take(root, "id", ret_facts->name);
	ret_facts->created_ns = facts_time(text_of(root, "created"));
	ret_facts->init_pid = pid_of(json_object_get(root, "init_process_pid"));
	return 0;
}

int facts_from_storage(struct slice text, const struct cgroup_container *container, struct container_facts *ret_facts)
{
	CLEANUP_JSON json_t *root = parse(text);
	json_t *entry;
	size_t i;

	if (!json_is_array(root))
		return -EINVAL;
	json_array_foreach(root, i, entry)
	{
		CLEANUP_JSON json_t *metadata = NULL;
		const char *name;

		if (!slice_is(container->id, text_of(entry, "id")))
			continue;
		name = json_string_value(json_array_get(json_object_get(entry, "names"), 0));
		if (name)
			slice_clean_to(slice_of(name), ret_facts->name, FACT_MAX - 1);
		metadata = parse(slice_of(text_of(entry, "metadata")));
		take(metadata, "image-name", ret_facts->image);
		if (!ret_facts->created_ns)
			ret_facts->created_ns = facts_time(text_of(entry, "created"));
		if (ret_facts->runtime == RUNTIME_UNKNOWN)
			ret_facts->runtime = RUNTIME_PODMAN;
		return 0;
	}
	return -ESTALE;
}
