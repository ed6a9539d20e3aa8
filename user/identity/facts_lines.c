/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts of a container as attributes of OpenTelemetry's resource: container.*, k8s.*, and what the conventions derive
 * of the service from them ("Kubernetes attributes", non-normative). Pure.
 */
#include <stdio.h>

#include "identity/facts.h"
#include "identity/lines.h"

/* REGISTRY:PORT/PATH:TAG@DIGEST, of which the tag, the digest or both may be missing. */
struct image {
	struct slice name;
	struct slice tag;
	struct slice digest;
};

static struct image image_of(struct slice reference)
{
	struct image image = { .name = slice_before(reference, '@') };
	struct slice last = slice_base(image.name);
	struct slice short_name = slice_before(last, ':');

	image.digest = slice_skip(reference, image.name.length + 1);
	/* "sha256:..." alone is an image's id. */
	if (slice_is(short_name, "sha256") && last.length == image.name.length)
		return (struct image){ .name = slice_of("") };
	image.tag = slice_skip(last, short_name.length + 1);
	image.name = slice_drop(image.name, last.length - short_name.length);
	return image;
}

static size_t tell_image(const struct image *image, char *lines, size_t length)
{
	char text[LINE_VALUE_MAX + 1];

	length = lines_add(lines, FACTS_LINES_MAX, length, "container.image.name", image->name);
	length = lines_add(lines, FACTS_LINES_MAX, length, "container.image.tags", image->tag);
	if (!image->digest.length)
		return length;
	snprintf(text, sizeof(text), "%.*s@%.*s", (int)image->name.length, image->name.data, (int)image->digest.length,
		 image->digest.data);
	return lines_add(lines, FACTS_LINES_MAX, length, "container.image.repo_digests", slice_of(text));
}

/* The conventions take a container's image for its service's version where nobody declared one: the tag and the digest,
 * or either. "latest" says nothing. */
static size_t tell_version(const struct container_facts *facts, const struct image *image, char *lines, size_t length)
{
	bool tagged = image->tag.length && !slice_is(image->tag, "latest");
	char text[LINE_VALUE_MAX + 1] = "";

	if (lines_have(lines, slice_of("service.version")))
		return length;
	if (facts->version[0])
		return lines_add(lines, FACTS_LINES_MAX, length, "service.version", slice_of(facts->version));
	if (facts->pod[0])
		snprintf(text, sizeof(text), "%.*s%s%.*s", tagged ? (int)image->tag.length : 0,
			 tagged ? image->tag.data : "", tagged && image->digest.length ? "@" : "",
			 (int)image->digest.length, image->digest.length ? image->digest.data : "");
	return lines_add(lines, FACTS_LINES_MAX, length, "service.version", slice_of(text));
}

static size_t tell_instance(const struct container_facts *facts, char *lines, size_t length)
{
	char text[LINE_VALUE_MAX + 1];
	int size;

	if (!facts->name_space[0] || !facts->pod[0] || !facts->container[0] ||
	    lines_have(lines, slice_of("service.instance.id")))
		return length;
	size = snprintf(text, sizeof(text), "%s.%s.%s", facts->name_space, facts->pod, facts->container);
	/* Cut, it might be another's as well. */
	if (size < 0 || (size_t)size >= sizeof(text))
		return length;
	return lines_add(lines, FACTS_LINES_MAX, length, "service.instance.id", slice_of(text));
}

size_t facts_lines(const struct container_facts *facts, struct slice id, char *lines)
{
	struct image image = image_of(slice_of(facts->image));
	size_t length = 0;

	lines[0] = '\0';
	length = lines_add(lines, FACTS_LINES_MAX, length, "container.id", id);
	length = lines_add(lines, FACTS_LINES_MAX, length, "container.name", slice_of(facts->name));
	length = tell_image(&image, lines, length);
	length = lines_add(lines, FACTS_LINES_MAX, length, "k8s.container.name", slice_of(facts->container));
	length = lines_add(lines, FACTS_LINES_MAX, length, "k8s.pod.name", slice_of(facts->pod));
	length = lines_add(lines, FACTS_LINES_MAX, length, "k8s.pod.uid", slice_of(facts->pod_uid));
	length = lines_add(lines, FACTS_LINES_MAX, length, "k8s.namespace.name", slice_of(facts->name_space));
	length = lines_add_all(lines, FACTS_LINES_MAX, length, facts->declared);
	if (!lines_have(lines, slice_of("service.namespace")))
		length = lines_add(lines, FACTS_LINES_MAX, length, "service.namespace", slice_of(facts->name_space));
	length = tell_version(facts, &image, lines, length);
	return tell_instance(facts, lines, length);
}
