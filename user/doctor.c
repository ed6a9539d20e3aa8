/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tries every backend the way the agent would, and looks at what else it needs. One line per finding.
 */
#include "doctor.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/file.h"
#include "load/tls.h"
#include "load/usage.h"

static const enum config_backend backends[] = { BACKEND_FENTRY, BACKEND_KPROBE, BACKEND_TRACEPOINT };

static void tell(const char *state, const char *what, const char *text)
{
	printf("%-5s %-13s %s\n", state, what, text);
}

/* What the kernel's lockdown mode is: the word in brackets. */
static void tell_lockdown(void)
{
	char text[256];

	if (file_read(AT_FDCWD, "/sys/kernel/security/lockdown", text, sizeof(text), NULL))
		return;
	if (strstr(text, "[confidentiality]"))
		tell("warn", "lockdown",
		     "confidentiality: reads of kernel memory are refused; boot with lockdown=integrity");
}

static void tell_pid_namespace(void)
{
	char target[64] = "";

	/* The initial pid namespace has a fixed inode number (PROC_PID_INIT_INO of include/linux/proc_ns.h). */
	if (readlink("/proc/self/ns/pid", target, sizeof(target) - 1) > 0 && strcmp(target, "pid:[4026531836]"))
		tell("warn", "pids", "not in the host's pid namespace, services cannot be named: run with hostPID");
}

static bool tell_backend(const struct config *config, enum config_backend backend)
{
	struct capture_error error;
	const char *limits = capture_backend_limits(backend);

	if (capture_try(config, backend, &error)) {
		tell("no", capture_backend_text(backend), error.text);
		return false;
	}
	tell("ok", capture_backend_text(backend), *limits ? limits : "sees all that is parsed");
	return true;
}

static void tell_usage_family(const struct usage *usage, enum usage_family family, bool wanted, const char *what)
{
	char text[CAPTURE_MESSAGE_BYTES + 64];
	const char *missing = wanted ? usage_missing(usage, family) : "switched off";

	snprintf(text, sizeof(text), "%s%s%s", what, *missing ? ": " : "", missing);
	tell(*missing ? "no" : "ok", "usage", text);
}

/* What containers and services use, as only the kernel knows it. */
static void tell_usage(const struct config *config)
{
	struct capture_error error;
	struct usage *usage = NULL;

	if (usage_new(config, &usage, &error)) {
		tell("no", "usage", error.text);
		return;
	}
	tell_usage_family(usage, USAGE_SCHEDULER, config->usage_scheduler, "waits for a CPU, switches, migrations");
	tell_usage_family(usage, USAGE_MEMORY, config->usage_memory, "stalls for memory, OOM kills");
	tell_usage_family(usage, USAGE_BLOCK, config->usage_block, "latency of block requests");
	tell_usage_family(usage, USAGE_TCP, config->usage_tcp, "TCP retransmits, resets, connects, drops");
	if (config->usage_scheduler && usage_has(usage, USAGE_SCHEDULER))
		tell(usage_has_faults(usage) ? "ok" : "no", "usage",
		     usage_has_faults(usage) ? "waits in major page faults" :
					       "waits in major page faults: this kernel does not say who is in one; "
					       "it needs 5.15 or CONFIG_MEMCG");
	usage_free(usage);
}

static void tell_tls(const struct config *config)
{
	struct capture_error error;

	if (tls_hooks_try(config, &error))
		tell("no", "tls", error.text);
	else
		tell("ok", "tls",
		     "OpenSSL and GnuTLS, shared or with symbols; Go; rustls on AWS-LC; more: docs/TLS.md");
}

int doctor_run(const struct config *config)
{
	struct utsname kernel;
	bool any = false;

	if (!uname(&kernel))
		printf("%-5s %-13s %s %s\n", "", "kernel", kernel.release, kernel.machine);
	if (geteuid())
		tell("no", "privileges", "not root: run `sudo sonde doctor`");
	tell(*capture_missing_btf() ? "no" : "ok", "btf",
	     *capture_missing_btf() ? capture_missing_btf() : "/sys/kernel/btf/vmlinux");
	tell_lockdown();
	tell_pid_namespace();
	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
		any |= tell_backend(config, backends[i]);
	tell_usage(config);
	tell_tls(config);
	printf("%s\n", any ? "sonde can observe this host." : "sonde cannot observe this host.");
	return any ? 0 : 1;
}
