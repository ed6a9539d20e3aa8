/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attributes of resources: of a process when a span asks for them, of a service when its metrics do. Processes are
 * gathered when metrics are exported, and when they leave, rather than at each exchange.
 */
#include <stdio.h>
#include <string.h>

#include "identity/internal.h"
#include "identity/process.h"

/* Reading an executable is dear: it is done once for all that a server forks. The process may have become another
 * program by now, or none. */
static const char *go_of(struct identity *identity, const struct record *record)
{
	char executable[PATH_MAX];

	if (!identity->go_version || !record->executable)
		return "";
	if (identity->go_executable == record->executable)
		return identity->go;
	process_executable(identity->procfs, record->tgid, executable);
	if (strcmp(executable, record->executable->text) != 0)
		return "";
	shared_text_drop(identity->go_executable);
	identity->go_executable = shared_text_take(record->executable);
	if (!identity->go_version(identity->go_ctx, record->tgid, identity->go, sizeof(identity->go)))
		identity->go[0] = '\0';
	return identity->go;
}

static const char *make_lines(struct identity *identity, const struct record *record, char lines[RESOURCE_MAX])
{
	const struct resource_facts facts = {
		.tgid = record->tgid,
		.executable = shared_text_get(record->executable),
		.go = go_of(identity, record),
		.declared = shared_text_get(record->declared),
		.place = shared_text_get(record->place),
	};

	resource_lines(&facts, lines);
	return lines;
}

const char *identity_resource_of(struct identity *identity, struct record *record)
{
	char lines[RESOURCE_MAX];

	if (!record->resource)
		record->resource = shared_text_new(make_lines(identity, record, lines));
	return shared_text_get(record->resource);
}

const char *identity_resource(struct identity *identity, uint32_t tgid, uint64_t now_ns)
{
	struct record *record = identity_lookup(identity, tgid, now_ns);

	return record ? identity_resource_of(identity, record) : "";
}

/* The text is not kept: a server may have thousands of processes, and no span of most. */
void identity_count(struct identity *identity, struct record *record)
{
	char lines[RESOURCE_MAX];

	if (record->asked && record->name)
		services_merge(&identity->services, record->name->text, record->tgid,
			       record->resource ? record->resource->text : make_lines(identity, record, lines));
	record->asked = false;
}

void identity_gather(struct identity *identity, uint64_t now_ns)
{
	struct record *next;

	for (struct record *record = identity->records.living.oldest; record; record = next) {
		next = record->newer;
		if (record->asked)
			record = identity_settle_now(identity, record, now_ns);
		if (record)
			identity_count(identity, record);
	}
	for (struct record *record = identity->records.departed.oldest; record; record = record->newer)
		identity_count(identity, record);
}

const char *identity_service_resource(struct identity *identity, const char *service)
{
	return services_lines(&identity->services, service);
}

void identity_forget_services(struct identity *identity)
{
	services_forget(&identity->services);
}
