/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What exporters and trace ask about processes and services: glue to identity and to their executables.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "agent_internal.h"
#include "base/file.h"
#include "symbol/go_binary.h"

#define IMAGE_BYTES 64

static void image_of(const struct agent *agent, uint32_t tgid, char image[IMAGE_BYTES])
{
	snprintf(image, IMAGE_BYTES, "%.40s/%u/exe", agent->config->path_procfs, tgid);
}

/* machine-id(5): 32 hexadecimal digits and a newline. A host that has not been set up yet has a word there. */
bool agent_host_id(const struct config *config, char id[AGENT_HOST_ID_BYTES])
{
	char path[PATH_MAX], text[64];
	size_t length;

	snprintf(path, sizeof(path), "%s/etc/machine-id", strcmp(config->path_rootfs, "/") ? config->path_rootfs : "");
	if (file_read_start(AT_FDCWD, path, text, sizeof(text), &length) || length < AGENT_HOST_ID_BYTES - 1 ||
	    strspn(text, "0123456789abcdef") != AGENT_HOST_ID_BYTES - 1)
		return false;
	memcpy(id, text, AGENT_HOST_ID_BYTES - 1);
	id[AGENT_HOST_ID_BYTES - 1] = '\0';
	return true;
}

bool agent_go_version(void *ctx, uint32_t tgid, char *version, size_t size)
{
	char image[IMAGE_BYTES];

	image_of(ctx, tgid, image);
	return go_binary(image, version, size) != GO_NONE;
}

enum trace_runtime agent_trace_runtime(void *ctx, uint32_t tgid)
{
	const struct agent *agent = ctx;
	char image[IMAGE_BYTES], path[PATH_MAX];
	const char *slash;
	ssize_t length;

	image_of(agent, tgid, image);
	length = readlink(image, path, sizeof(path) - 1);
	path[length > 0 ? length : 0] = '\0';
	slash = strrchr(path, '/');
	/* nginx hands each request on by its own path, unless it is told to rewrite it. */
	if (slash && !strcmp(slash, "/nginx"))
		return TRACE_RUNTIME_PROXY;
	switch (go_binary(image, NULL, 0)) {
	case GO_1_18:
		return TRACE_RUNTIME_GO;
	case GO_OLD:
		return TRACE_RUNTIME_GO_OLD;
	default:
		return TRACE_RUNTIME_THREADS;
	}
}

bool agent_export_metrics(const struct config *config)
{
	return *config->otlp[OTLP_SET_METRICS].endpoint ||
	       (*config->otlp[OTLP_SET_BOTH].endpoint && config->otlp_metrics);
}

static const char *process_of(void *ctx, uint32_t tgid)
{
	struct agent *agent = ctx;

	return identity_resource(agent->identity, tgid, agent->now_ns);
}

static void gather_services(void *ctx)
{
	struct agent *agent = ctx;

	identity_gather(agent->identity, agent->now_ns);
}

static const char *service_of(void *ctx, const char *service)
{
	struct agent *agent = ctx;

	return identity_service_resource(agent->identity, service);
}

static void forget_services(void *ctx)
{
	struct agent *agent = ctx;

	identity_forget_services(agent->identity);
}

struct otlp_resources agent_resources(struct agent *agent)
{
	return (struct otlp_resources){
		.ctx = agent,
		.process = process_of,
		.begin = gather_services,
		.service = service_of,
		.end = forget_services,
	};
}
