/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workload processes: this program again, executed inside the cgroup with OTEL_SERVICE_NAME in its environment, so that
 * every case and role has a service of its own. Each has a deadline and dies with its parent.
 */
#include "harness.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ACTOR_COMMAND "--actor"
#define ALARM_FACTOR 10

static const struct actor_role by_plan[] = { { "server", server_actor, false },
					     { "client", client_actor, false },
					     { NULL, NULL, false } };
static const struct actor_role by_script[] = { { "server", script_server_actor, false },
					       { "client", script_client_actor, false },
					       { NULL, NULL, false } };

const struct actor_role *case_roles(const struct truth_case *kase)
{
	if (kase->roles[0].role)
		return kase->roles;
	return kase->script ? by_script : by_plan;
}

void service_name(char *text, size_t size, const struct truth_case *kase, enum family family, const char *role)
{
	snprintf(text, size, "%s.%s.%s", kase->name, family_text(family), role);
}

/* Never returns. */
static void execute(int world_fd, const struct truth_case *kase, enum family family, const char *role,
		    const char *service_role)
{
	char service[SERVICE_LENGTH];
	char fd_text[16];
	char family_digit[8];
	char program[] = "truth";
	char command[] = ACTOR_COMMAND;
	char role_text[ROLE_LENGTH];
	char name[SERVICE_LENGTH];
	char *arguments[] = { program, command, fd_text, name, family_digit, role_text, NULL };

	service_name(service, sizeof(service), kase, family, service_role);
	snprintf(fd_text, sizeof(fd_text), "%d", world_fd);
	snprintf(name, sizeof(name), "%s", kase->name);
	snprintf(family_digit, sizeof(family_digit), "%d", (int)family);
	snprintf(role_text, sizeof(role_text), "%s", role);
	setenv("OTEL_SERVICE_NAME", service, 1);
	execv("/proc/self/exe", arguments);
	_exit(126);
}

pid_t actor_start(struct truth *truth, const struct truth_case *kase, enum family family, const struct actor_role *role)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (*truth->cgroup && cgroup_enter(truth->cgroup) < 0)
		_exit(125);
	execute(truth->world_fd, kase, family, role->role, role->role);
	_exit(126);
}

pid_t actor_spawn(struct actor *self, const char *role, const char *service_role)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execute(self->world_fd, self->kase, self->family, role, service_role);
	_exit(126);
}

int actor_wait(struct truth *truth, pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
		/* Interrupted: the runner was told to end. */
		if (truth->world->failed)
			kill(pid, SIGKILL);
	}
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	if (WIFSIGNALED(status))
		world_fail(truth->world, "a workload process was ended by signal %d%s", WTERMSIG(status),
			   WTERMSIG(status) == SIGALRM ? " (its deadline)" : "");
	else
		world_fail(truth->world, "a workload process ended with status %d", WEXITSTATUS(status));
	return -ECHILD;
}

int wait_for_children(struct actor *self)
{
	int status;
	int err = 0;

	while (wait(&status) > 0)
		if (status)
			err = world_fail(self->world, "%s: a child ended with %#x", self->role, (unsigned)status);
	return err;
}

int actor_main(int argc, char **argv)
{
	struct actor self = { 0 };
	const struct actor_role *roles;

	if (argc != 6 || strcmp(argv[1], ACTOR_COMMAND))
		return 2;
	self.world_fd = (int)strtoul(argv[2], NULL, 10);
	self.kase = case_find(argv[3]);
	self.family = (enum family)strtoul(argv[4], NULL, 10);
	self.role = argv[5];
	if (!self.kase || self.family >= FAMILY_COUNT || world_attach(self.world_fd, &self.world) < 0)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	alarm(self.world->deadline_s * ALARM_FACTOR);
	roles = case_roles(self.kase);
	for (int i = 0; i < ROLES_MAX && roles[i].role; i++)
		if (!strcmp(roles[i].role, self.role))
			return roles[i].main(&self) ? 1 : 0;
	return 2;
}

int await_agreement(const struct world *world)
{
	uint64_t deadline = clock_ns() + world->deadline_s * 1000000000ULL;

	while (tally_count(world, SIDE_SERVER, NULL) != tally_count(world, SIDE_CLIENT, NULL)) {
		if (clock_ns() > deadline)
			return -ETIMEDOUT;
		sleep_us(500);
	}
	return 0;
}

int start_actors(struct truth *truth, const struct truth_case *kase, enum family family, pid_t *pids)
{
	const struct actor_role *roles = case_roles(kase);

	memset(pids, 0, sizeof(*pids) * ROLES_MAX);
	for (int i = 0; i < ROLES_MAX && roles[i].role && !roles[i].spawned; i++) {
		bool last = i + 1 == ROLES_MAX || !roles[i + 1].role || roles[i + 1].spawned;

		pids[i] = actor_start(truth, kase, family, &roles[i]);
		if (pids[i] < 0) {
			pids[i] = 0;
			return world_fail(truth->world, "cannot start the %s", roles[i].role);
		}
		if (!last && event_wait(truth->world, EVENT_READY, (uint32_t)i + 1) < 0)
			return world_fail(truth->world, "the %s did not become ready", roles[i].role);
	}
	return 0;
}

int finish_actors(struct truth *truth, pid_t *pids)
{
	int count = 0;

	while (count < ROLES_MAX && pids[count])
		count++;
	for (int i = count - 1; i >= 0; i--) {
		/* Only the last ends by itself; after it, or a failure, the others are told to. */
		if (i < count - 1)
			event_post(truth->world, EVENT_STOP);
		if (truth->world->failed)
			kill(pids[i], SIGKILL);
		actor_wait(truth, pids[i]);
		pids[i] = 0;
	}
	return truth->world->failed ? -1 : 0;
}

int run_actors(struct truth *truth, const struct truth_case *kase, enum family family)
{
	pid_t pids[ROLES_MAX];

	start_actors(truth, kase, family, pids);
	return finish_actors(truth, pids);
}
