/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tries every backend the way the agent would, and looks at what else it needs. One line per finding.
 */
#include "doctor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/cleanup.h"
#include "load/capture.h"

static const enum config_backend backends[] = { BACKEND_FENTRY, BACKEND_KPROBE, BACKEND_TRACEPOINT };

/* What the kernel's lockdown mode is: the word in brackets. */
static void tell_lockdown(void)
{
	CLEANUP_FILE FILE *file = fopen("/sys/kernel/security/lockdown", "re");
	char line[256];

	if (!file || !fgets(line, sizeof(line), file))
		return;
	if (strstr(line, "[confidentiality]"))
		printf("warn  lockdown      confidentiality: the kernel refuses reads of its memory; boot with lockdown=integrity\n");
}

static void tell_pid_namespace(void)
{
	char target[64] = "";

	/* The initial pid namespace has a fixed inode number (PROC_PID_INIT_INO of include/linux/proc_ns.h). */
	if (readlink("/proc/self/ns/pid", target, sizeof(target) - 1) > 0 && strcmp(target, "pid:[4026531836]"))
		printf("warn  pids          not in the host's pid namespace: services cannot be named; run with hostPID\n");
}

static bool tell_backend(const struct config *config, enum config_backend backend)
{
	struct capture_error error;
	const char *limits = capture_backend_limits(backend);

	if (capture_try(config, backend, &error)) {
		printf("no    %-13s %s\n", capture_backend_text(backend), error.text);
		return false;
	}
	printf("ok    %-13s %s%s\n", capture_backend_text(backend), *limits ? "works; not seen: " : "works", limits);
	return true;
}

int doctor_run(const struct config *config)
{
	struct utsname kernel;
	bool any = false;

	if (!uname(&kernel))
		printf("      kernel        %s %s\n", kernel.release, kernel.machine);
	if (geteuid())
		printf("no    privileges    not root: run `sudo sonde doctor`\n");
	if (*capture_missing_btf())
		printf("no    btf           %s\n", capture_missing_btf());
	else
		printf("ok    btf           /sys/kernel/btf/vmlinux\n");
	tell_lockdown();
	tell_pid_namespace();
	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
		any |= tell_backend(config, backends[i]);
	printf("%s\n", any ? "sonde can observe this host." : "sonde cannot observe this host.");
	return any ? 0 : 1;
}
