/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Least privilege after start: keeps the capabilities that running needs and gives the rest up for good.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "agent_internal.h"

#ifndef CAP_CHECKPOINT_RESTORE
#define CAP_CHECKPOINT_RESTORE 40 /* since 5.9 */
#endif

/* BPF and PERFMON: maps, test runs and uprobes. SYS_PTRACE and DAC_READ_SEARCH: other users' /proc/PID.
 * CHECKPOINT_RESTORE: /proc/PID/map_files, which alone names a library that was replaced while it is in use. */
static const int kept[] = { CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_CHECKPOINT_RESTORE };

static void keep(struct __user_cap_data_struct *kept_sets, const struct __user_cap_data_struct *have, int capability)
{
	uint32_t bit = have[capability / 32].permitted & (1U << (capability % 32));

	kept_sets[capability / 32].permitted |= bit;
	kept_sets[capability / 32].effective |= bit;
}

int agent_drop_privileges(bool keep_admin)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct have[2], left[2] = { { 0 }, { 0 } };
	const struct rlimit one = { 1, 1 };

	/* The lowest real-time priority, for moments: see undisturbed_begin. Without it counts are exact all the same
	 * where the kernel does not preempt. */
	(void)setrlimit(RLIMIT_RTPRIO, &one);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	if (syscall(SYS_capget, &header, have))
		return -errno;
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		keep(left, have, kept[i]);
	if (keep_admin)
		keep(left, have, CAP_SYS_ADMIN);
	return syscall(SYS_capset, &header, left) ? -errno : 0;
}
