/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What state files say of one container, read out of their JSON. Pure functions over bytes that are not trusted: texts
 * are cleaned and cut, everything that is not of the expected form is left out or refused.
 */
#pragma once

#include <stdint.h>

#include "identity/cgroup_path.h"

#define FACTS_LINES_MAX 3072
#define FACTS_DECLARED_MAX 1024
#define FACT_MAX 512 /* bytes of one text: image references are the longest (255 of a name, a tag, a digest) */

struct container_facts {
	enum runtime runtime;
	bool sandbox;             /* the container that only holds a pod's namespaces */
	uint32_t init_pid;        /* 0: not known */
	uint64_t created_ns;      /* since the epoch; 0: not known */
	char name[FACT_MAX];      /* what the runtime calls it */
	char image[FACT_MAX];     /* reference, as given to the runtime */
	char container[FACT_MAX]; /* Kubernetes' name in the pod; "" for a sandbox and outside of Kubernetes */
	char pod[FACT_MAX];
	char name_space[FACT_MAX];
	char pod_uid[FACT_MAX];
	char pod_sandbox[FACT_MAX]; /* id of the container that holds the pod's namespaces; "" when not told */
	char service[FACT_MAX]; /* a service name that somebody declared: an annotation, a Compose or Swarm service */
	char version[FACT_MAX]; /* of the service, by the label that Kubernetes recommends */
	char declared[FACTS_DECLARED_MAX]; /* what annotations say of the resource, as lines (identity/lines.h) */
};

/*
 * Each: 0, -EINVAL when the text is not such a file, -ESTALE when it tells of another container than `container`.
 * `ret_facts` is written as far as the text was understood.
 */
typedef int (*facts_reader)(struct slice text, const struct cgroup_container *container,
			    struct container_facts *ret_facts);

/* Docker's config.v2.json. */
int facts_from_docker(struct slice text, const struct cgroup_container *container, struct container_facts *ret_facts);
/* The OCI runtime's config.json in a bundle of containerd, CRI-O or Podman, with what each writes into annotations. */
int facts_from_bundle(struct slice text, const struct cgroup_container *container, struct container_facts *ret_facts);
/* runc's (and crun's likewise) state.json. */
int facts_from_runc(struct slice text, const struct cgroup_container *container, struct container_facts *ret_facts);
/* containers.json of containers/storage: Podman's names and images. */
int facts_from_storage(struct slice text, const struct cgroup_container *container, struct container_facts *ret_facts);

/* The same files of a pod's sandbox, whose labels and annotations are the pod's: what the container's own do not say is
 * taken. 0, -EINVAL, -ESTALE when it is another pod's. */
int facts_from_sandbox(struct slice text, struct container_facts *facts);

/* "2024-05-06T07:08:09.123456789Z" or with an offset (RFC 3339) to nanoseconds since the epoch; 0 when it is none. */
uint64_t facts_time(const char *text);
/* The service's name: declared, else the workload, else the container's name unless that is a drawn id. "" for none. */
void facts_service(const struct container_facts *facts, const struct cgroup_container *container, char *name);
/* What the conventions' resource attributes say of the container, its pod and its service, as lines
 * (identity/lines.h); `lines` holds FACTS_LINES_MAX bytes. Returns their length. */
size_t facts_lines(const struct container_facts *facts, struct slice id, char *lines);
