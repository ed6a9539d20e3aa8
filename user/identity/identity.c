/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lives of processes: fork inherits, exec and first sight learn, exit buries, time lets go. Events can be lost and
 * pids come again, so what was learned is compared with /proc now and then: by start time, and by executable.
 */
#include "identity/identity.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "identity/internal.h"
#include "identity/process.h"

/* How long a record is believed without a look at /proc. The dead are looked at sooner: their pid may come again. */
#define SETTLE_FIRST_NS 16000000ULL
#define SETTLE_TRIES 8 /* the last one after four seconds */
#define BELIEVE_LIVING_NS 10000000000ULL
#define BELIEVE_DEAD_NS 1000000000ULL
#define SERVICES_MAX 4096

static void on_leave(void *ctx, struct record *record)
{
	identity_count(ctx, record);
}

int identity_new(const struct identity_config *config, struct identity **ret_identity)
{
	struct identity *identity;

	if (!config->procfs || !config->max_processes)
		return -EINVAL;
	identity = calloc(1, sizeof(*identity));
	if (!identity)
		return -ENOMEM;
	identity->procfs = strdup(config->procfs);
	if (!identity->procfs) {
		free(identity);
		return -ENOMEM;
	}
	identity->keep_dead_ns = config->keep_dead_ns;
	identity->containers = config->containers;
	identity->services_wanted = config->services;
	identity->go_version = config->go_version;
	identity->go_ctx = config->go_ctx;
	services_init(&identity->services, SERVICES_MAX, config->hash_seed);
	records_init(&identity->records, config->max_processes, config->hash_seed);
	identity->records.leave = on_leave;
	identity->records.leave_ctx = identity;
	*ret_identity = identity;
	return 0;
}

void identity_free(struct identity *identity)
{
	if (!identity)
		return;
	identity->records.leave = NULL;
	records_done(&identity->records);
	services_done(&identity->services);
	shared_text_drop(identity->go_executable);
	free(identity->procfs);
	free(identity);
}

/* What a process has from the one that it was before exec; released by inherited_done. */
struct inherited {
	struct shared_text *name; /* only one that the environment gave, which exec passes on */
	struct shared_text *unit;
	struct shared_text *place;
	struct shared_text *declared; /* by the environment: as the name */
};

static struct inherited inherit(const struct record *record)
{
	if (!record || record->dead)
		return (struct inherited){ 0 };
	return (struct inherited){
		.name = record->named_by_environment ? shared_text_take(record->name) : NULL,
		.unit = shared_text_take(record->unit),
		.place = shared_text_take(record->place),
		.declared = shared_text_take(record->declared),
	};
}

static void inherited_done(struct inherited *inherited)
{
	shared_text_drop(inherited->name);
	shared_text_drop(inherited->unit);
	shared_text_drop(inherited->place);
	shared_text_drop(inherited->declared);
}

static void record_fill(struct record *record, const struct process_facts *facts, const struct inherited *inherited)
{
	enum name_source source = facts->source;

	if (source < NAME_FROM_ENVIRONMENT && !facts->environment_seen && inherited->name) {
		record->name = shared_text_take(inherited->name);
		source = NAME_FROM_ENVIRONMENT;
	} else if (source < NAME_FROM_UNIT && !facts->unit_seen && inherited->unit) {
		record->name = shared_text_take(inherited->unit);
		source = NAME_FROM_UNIT;
	} else {
		record->name = shared_text_new(facts->name);
	}
	record->unit = facts->unit_seen ? shared_text_new(facts->unit) : shared_text_take(inherited->unit);
	record->place = facts->unit_seen ? shared_text_new(facts->place) : shared_text_take(inherited->place);
	record->declared = facts->environment_seen ? shared_text_new(facts->declared) :
						     shared_text_take(inherited->declared);
	record->executable = shared_text_new(facts->executable);
	record->named_by_environment = source == NAME_FROM_ENVIRONMENT;
	record->titled = facts->titled && source < NAME_FROM_UNIT;
	record->start_ticks = facts->start_ticks;
	record->settle_tries = facts->unsettled ? SETTLE_TRIES : 0;
}

/* A fresh record of a process, from its exec event if there is one. NULL only when memory is short. */
static struct record *learn(struct identity *identity, uint32_t tgid, const struct identity_exec *exec, uint64_t now_ns)
{
	struct inherited inherited __attribute__((cleanup(inherited_done))) = { 0 };
	struct process_reader reader = { identity->procfs, identity->containers, now_ns };
	struct process_facts facts;
	struct record *record;
	int error = process_read(&reader, tgid, exec, &facts);

	if (exec)
		inherited = inherit(records_find(&identity->records, tgid));
	record = records_renew(&identity->records, tgid);
	if (!record)
		return NULL;
	record_fill(record, &facts, &inherited);
	record->checked_ns = now_ns;
	record->settle_ns = now_ns + SETTLE_FIRST_NS;
	/* Nothing to learn: it is remembered as dead, so that asking again does not read again. */
	if (error && !exec)
		records_bury(&identity->records, record, now_ns);
	return record;
}

void identity_on_exec(struct identity *identity, const struct identity_exec *exec)
{
	const struct record *old = records_find(&identity->records, exec->tgid);
	bool dead = old && old->dead && old->dead_ns >= exec->time_ns;
	uint64_t dead_ns = dead ? old->dead_ns : 0;
	struct record *record = learn(identity, exec->tgid, exec, exec->time_ns);

	/* Events of two processors can change places: an exit that came first stays true. */
	if (record && dead)
		records_bury(&identity->records, record, dead_ns);
}

void identity_on_sight(struct identity *identity, const struct identity_exec *exec)
{
	if (!records_find(&identity->records, exec->tgid))
		(void)learn(identity, exec->tgid, exec, exec->time_ns);
}

/* The same process, read once more: it may have ended since, and then says less of itself. */
static struct record *learn_again(struct identity *identity, struct record *record, uint64_t now_ns)
{
	struct shared_text *executable = shared_text_take(record->executable);
	struct shared_text *name = shared_text_take(record->name), *resource = NULL;
	bool asked = record->asked;
	uint32_t tgid = record->tgid;

	if (asked) {
		(void)identity_resource_of(identity, record);
		resource = shared_text_take(record->resource);
	}
	record->asked = false;
	record = learn(identity, tgid, NULL, now_ns);
	if (record && !record->executable)
		record->executable = shared_text_take(executable);
	if (record && asked && !strcmp(shared_text_get(name), shared_text_get(record->name)))
		record->asked = true;
	else if (asked)
		services_merge(&identity->services, shared_text_get(name), tgid, shared_text_get(resource));
	shared_text_drop(executable);
	shared_text_drop(name);
	shared_text_drop(resource);
	return record;
}

/* A runtime may write down what it knows of a container when its first process has begun: it is looked for again, ever
 * more rarely. True: there is something now, and the process is to be learned anew. */
static bool has_settled(struct identity *identity, struct record *record, uint64_t now_ns)
{
	struct process_reader reader = { identity->procfs, identity->containers, now_ns };

	record->settle_tries--;
	record->settle_ns = now_ns + (SETTLE_FIRST_NS << (SETTLE_TRIES - record->settle_tries));
	if (!process_in_container(&reader, record->tgid))
		return false;
	record->settle_tries = 0;
	return true;
}

struct record *identity_settle_now(struct identity *identity, struct record *record, uint64_t now_ns)
{
	if (!record->settle_tries || record->dead || !has_settled(identity, record, now_ns))
		return record;
	return learn_again(identity, record, now_ns);
}

/* What is known of a living process, looked at anew where that is due. */
static struct record *settle(struct identity *identity, struct record *record, uint64_t now_ns)
{
	return now_ns < record->settle_ns ? record : identity_settle_now(identity, record, now_ns);
}

void identity_on_fork(struct identity *identity, uint32_t parent_tgid, uint32_t child_tgid, uint64_t time_ns)
{
	struct record *parent, *child;
	struct record copy;

	if (parent_tgid == child_tgid)
		return;
	/* An unknown parent is learned now: a server's children of one connection each live too short to be read. */
	parent = records_find(&identity->records, parent_tgid);
	parent = parent ? settle(identity, parent, time_ns) : learn(identity, parent_tgid, NULL, time_ns);
	/* The parent's record may leave to make room for the child's. */
	copy = parent ? *parent : (struct record){ 0 };
	shared_text_take(copy.name);
	shared_text_take(copy.unit);
	shared_text_take(copy.executable);
	shared_text_take(copy.place);
	shared_text_take(copy.declared);
	child = records_find(&identity->records, child_tgid);
	if (child)
		records_remove(&identity->records, child);
	child = copy.name && !copy.titled ? records_renew(&identity->records, child_tgid) : NULL;
	if (child) {
		child->name = STEAL_POINTER(copy.name);
		child->unit = STEAL_POINTER(copy.unit);
		child->executable = STEAL_POINTER(copy.executable);
		child->place = STEAL_POINTER(copy.place);
		child->declared = STEAL_POINTER(copy.declared);
		child->named_by_environment = copy.named_by_environment;
		child->checked_ns = time_ns;
		child->settle_tries = copy.settle_tries;
		child->settle_ns = copy.settle_ns;
	}
	shared_text_drop(copy.name);
	shared_text_drop(copy.unit);
	shared_text_drop(copy.executable);
	shared_text_drop(copy.place);
	shared_text_drop(copy.declared);
}

void identity_on_exit(struct identity *identity, uint32_t tgid, uint64_t time_ns)
{
	struct record *record = records_find(&identity->records, tgid);

	if (record)
		records_bury(&identity->records, record, time_ns);
}

void identity_tick(struct identity *identity, uint64_t now_ns)
{
	struct record *oldest = identity->records.departed.oldest;

	while (oldest && now_ns > oldest->dead_ns && now_ns - oldest->dead_ns > identity->keep_dead_ns) {
		records_remove(&identity->records, oldest);
		oldest = identity->records.departed.oldest;
	}
}

/* False when the pid is another process's now, or the process has become another program unseen. */
static bool still_itself(struct identity *identity, struct record *record, uint64_t now_ns)
{
	uint64_t start = process_start_ticks(identity->procfs, record->tgid);
	char executable[PATH_MAX];

	record->checked_ns = now_ns;
	if (!start) {
		records_bury(&identity->records, record, now_ns);
		return true;
	}
	if (record->dead)
		return start == record->start_ticks;
	if (record->start_ticks && start != record->start_ticks)
		return false;
	record->start_ticks = start;
	process_executable(identity->procfs, record->tgid, executable);
	return !executable[0] || !strcmp(executable, shared_text_get(record->executable));
}

struct record *identity_lookup(struct identity *identity, uint32_t tgid, uint64_t now_ns)
{
	struct record *record = records_find(&identity->records, tgid);
	uint64_t believe;

	/* 0 is what "not known" looks like in events. */
	if (!tgid)
		return NULL;
	if (!record)
		return learn(identity, tgid, NULL, now_ns);
	record = settle(identity, record, now_ns);
	if (!record)
		return NULL;
	believe = record->dead ? BELIEVE_DEAD_NS : BELIEVE_LIVING_NS;
	if (now_ns > record->checked_ns && now_ns - record->checked_ns > believe &&
	    !still_itself(identity, record, now_ns))
		return learn(identity, tgid, NULL, now_ns);
	records_touch(&identity->records, record);
	return record;
}

const char *identity_service(struct identity *identity, uint32_t tgid, uint64_t now_ns)
{
	struct record *record = identity_lookup(identity, tgid, now_ns);

	if (!record || !record->name)
		return "unknown";
	record->asked = identity->services_wanted;
	return record->name->text;
}

const char *identity_executable(struct identity *identity, uint32_t tgid, uint64_t now_ns)
{
	const struct record *record = identity_lookup(identity, tgid, now_ns);

	return record ? shared_text_get(record->executable) : "";
}
