/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The places, as runtimes come by default, and as their distributions change them (k3s, microk8s). The first file that
 * tells of the container says who it is; what a second one adds (Podman's names, containerd's init process) is taken
 * after.
 */
#include "identity/container_state.h"

#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/number.h"

#define PATH_BYTES 1024

#define BIT(runtime) (1U << (runtime))

struct place {
	unsigned int runtimes; /* whose containers may be told of here */
	const char *folder;
	const char *name; /* %N: containerd's namespace, %I: the container's id */
	facts_reader reader;
};

#define TASKS "io.containerd.runtime.v2.task"
#define ANY_ID (BIT(RUNTIME_UNKNOWN))
#define IN_CONTAINERD (BIT(RUNTIME_CONTAINERD) | BIT(RUNTIME_DOCKER) | ANY_ID)
#define IN_STORAGE (BIT(RUNTIME_CRIO) | BIT(RUNTIME_PODMAN) | ANY_ID)

static const struct place places[] = {
	{ BIT(RUNTIME_DOCKER) | ANY_ID, "/var/lib/docker/containers", "%I/config.v2.json", facts_from_docker },
	{ IN_CONTAINERD, "/run/containerd/" TASKS, "%N/%I/config.json", facts_from_bundle },
	{ IN_CONTAINERD, "/run/k3s/containerd/" TASKS, "%N/%I/config.json", facts_from_bundle },
	{ IN_CONTAINERD, "/var/snap/microk8s/common/run/containerd/" TASKS, "%N/%I/config.json", facts_from_bundle },
	{ IN_STORAGE, "/run/containers/storage/overlay-containers", "%I/userdata/config.json", facts_from_bundle },
	{ IN_STORAGE, "/var/lib/containers/storage/overlay-containers", "%I/userdata/config.json", facts_from_bundle },
	{ BIT(RUNTIME_RUNC) | ANY_ID, "/run/runc", "%I/state.json", facts_from_runc },
	{ BIT(RUNTIME_RUNC) | ANY_ID, "/run/containerd/runc", "%N/%I/state.json", facts_from_runc },
};

/* Namespaces of containerd, with the one that the cgroup's path names first. */
#define NAMESPACES 4

static void put(char *text, size_t size, size_t *length, struct slice piece)
{
	if (*length + piece.length < size)
		memcpy(text + *length, piece.data, piece.length);
	*length += piece.length;
}

static int fill_name(const char *form, struct slice name_space, struct slice id, char *name)
{
	size_t length = 0;

	for (; *form; form++) {
		struct slice piece = slice_make(form, 1);

		if (form[0] == '%') {
			form++;
			piece = *form == 'N' ? name_space : id;
			/* A name that would lead elsewhere is nobody's. */
			if (!piece.length || memchr(piece.data, '/', piece.length) || slice_is(piece, ".") ||
			    slice_is(piece, ".."))
				return -ENOENT;
		}
		put(name, PATH_BYTES, &length, piece);
	}
	if (length >= PATH_BYTES)
		return -ENOENT;
	name[length] = '\0';
	return 0;
}

static int read_place(struct state_reader *reader, const struct place *place, int folder, struct slice name_space,
		      const struct cgroup_container *container, struct container_facts *facts)
{
	CLEANUP_FREE char *text = NULL;
	char name[PATH_BYTES];
	size_t length = 0;
	int error = fill_name(place->name, name_space, container->id, name);

	if (!error)
		error = state_file_read(reader, folder, name, &text, &length);
	if (error)
		return error;
	error = place->reader(slice_make(text, length), container, facts);
	if (error)
		reader->refused[error == -ESTALE ? STATE_FOREIGN : STATE_MALFORMED]++;
	return error;
}

/* containerd's shims keep the init process's number beside the bundle's configuration. */
static void read_init_pid(struct state_reader *reader, int folder, struct slice name_space,
			  const struct cgroup_container *container, struct container_facts *facts)
{
	CLEANUP_FREE char *text = NULL;
	char name[PATH_BYTES];
	size_t length = 0;

	if (!fill_name("%N/%I/init.pid", name_space, container->id, name) &&
	    !state_file_read(reader, folder, name, &text, &length)) {
		struct slice digits = slice_trim(slice_make(text, length));
		uint64_t pid = 0;

		if (!number_u64_span(digits.data, digits.length, &pid) && pid <= INT32_MAX)
			facts->init_pid = (uint32_t)pid;
	}
}

/* What the pod's sandbox, whose file lies beside the container's, says of the pod. */
static void read_sandbox(struct state_reader *reader, const struct place *place, int folder, struct slice name_space,
			 struct container_facts *facts)
{
	CLEANUP_FREE char *text = NULL;
	char name[PATH_BYTES];
	size_t length = 0;
	int error;

	if (!facts->pod_sandbox[0] || !facts->pod_uid[0] ||
	    fill_name(place->name, name_space, slice_of(facts->pod_sandbox), name) ||
	    state_file_read(reader, folder, name, &text, &length))
		return;
	error = facts_from_sandbox(slice_make(text, length), facts);
	if (error)
		reader->refused[error == -ESTALE ? STATE_FOREIGN : STATE_MALFORMED]++;
}

static int read_place_in_namespaces(struct state_reader *reader, const struct place *place,
				    const struct cgroup_container *container, struct container_facts *facts)
{
	const struct slice name_spaces[NAMESPACES] = { container->above, slice_of("k8s.io"), slice_of("default"),
						       slice_of("moby") };
	CLEANUP_FD int folder = state_folder_open(reader, place->folder);
	int error = -ENOENT;

	if (folder < 0)
		return folder;
	if (!strstr(place->name, "%N")) {
		error = read_place(reader, place, folder, slice_of(""), container, facts);
		if (!error)
			read_sandbox(reader, place, folder, slice_of(""), facts);
		return error;
	}
	/* What "web" is in another namespace is another container: the file says of which cgroup it is. */
	for (int i = 0; i < NAMESPACES && error; i++) {
		error = read_place(reader, place, folder, name_spaces[i], container, facts);
		if (!error && place->reader == facts_from_bundle)
			read_init_pid(reader, folder, name_spaces[i], container, facts);
		if (!error)
			read_sandbox(reader, place, folder, name_spaces[i], facts);
	}
	return error;
}

/* Podman's names and images: one list for all containers. */
static void read_storage(struct state_reader *reader, const struct cgroup_container *container,
			 struct container_facts *facts)
{
	CLEANUP_FD int folder = state_folder_open(reader, "/var/lib/containers/storage/overlay-containers");
	CLEANUP_FREE char *text = NULL;
	size_t length = 0;
	int error = folder < 0 ? folder : state_file_read(reader, folder, "containers.json", &text, &length);

	if (!error && facts_from_storage(slice_make(text, length), container, facts) == -EINVAL)
		reader->refused[STATE_MALFORMED]++;
}

int container_state_read(struct state_reader *reader, const struct cgroup_container *container,
			 struct container_facts *ret_facts)
{
	int error = -ENOENT;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (!(places[i].runtimes & BIT(container->runtime)))
			continue;
		*ret_facts = (struct container_facts){ .runtime = container->runtime };
		error = read_place_in_namespaces(reader, &places[i], container, ret_facts);
		if (error == -ENOMEM)
			return error;
		if (!error)
			break;
	}
	if (error)
		return -ENOENT;
	if (ret_facts->runtime == RUNTIME_PODMAN)
		read_storage(reader, container, ret_facts);
	return 0;
}
