/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What identity.c (the lives of processes) and identity_resource.c (what is told of them and of their services) share.
 */
#pragma once

#include "identity/identity.h"
#include "identity/records.h"
#include "identity/resource.h"
#include "identity/services.h"

#define GO_VERSION_MAX 64

struct identity {
	char *procfs;                  /* owned */
	struct containers *containers; /* borrowed; may be NULL */
	uint64_t keep_dead_ns;
	bool (*go_version)(void *ctx, uint32_t tgid, char *version, size_t size);
	void *go_ctx;
	struct shared_text *go_executable; /* what `go` is of: forks share their parent's */
	char go[GO_VERSION_MAX];           /* "": not Go */
	bool services_wanted;
	struct services services;
	struct records records;
};

/* NULL only for tgid 0 and when memory is short. */
struct record *identity_lookup(struct identity *identity, uint32_t tgid, uint64_t now_ns);
/* What is known now of a process whose container may have been told of since; the record may be another one then, the
 * newest. NULL when memory is short. */
struct record *identity_settle_now(struct identity *identity, struct record *record, uint64_t now_ns);
/* "" when nothing is known. */
const char *identity_resource_of(struct identity *identity, struct record *record);
/* Tells the service of a process that was asked for. */
void identity_count(struct identity *identity, struct record *record);
