/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be read of one process's encrypted connections: a line for each TLS library that it has, with the reason
 * where it cannot be read.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "doctor.h"
#include "load/tls.h"

#define DELETED " (deleted)"

struct told {
	unsigned int read;
	unsigned int unread;
};

static const char *reason_of(const struct tls_finding *finding)
{
	static const char *const reasons[] = {
		[TLS_FILE_NO_SYMBOLS] =
			"linked in without symbols, its functions cannot be found: do not strip .symtab",
		[TLS_FILE_NOT_KNOWN] = "sonde has no hooks for it",
		[TLS_FILE_GO_OLD] = "built by Go before 1.17 (arm64: 1.18); build it with a newer release",
		[TLS_FILE_GO_RETURNS] = "not all places where its functions return can be told",
		[TLS_FILE_REFUSED] = "the kernel refuses the hooks",
		[TLS_FILE_NO_FILE] = "the file cannot be opened; as root, outside of a user namespace, it can",
	};

	if (finding->brand == TLS_BRAND_RUSTLS && finding->state == TLS_FILE_NOT_KNOWN)
		return "on ring no call has a fixed form to be hooked by; on AWS-LC, the default, it is read";
	if (finding->brand == TLS_BRAND_JSSE)
		return "Java compiles it while it runs, there is nothing to hook";
	return reasons[finding->state];
}

static void tell_file(void *ctx, const char *path, const struct tls_finding *finding)
{
	bool read = finding->state == TLS_FILE_READ;
	struct told *told = ctx;

	told->read += read;
	told->unread += !read;
	printf("%-5s %-13s %s: %s%s%s%s\n", read ? "ok" : "no", "tls", path, tls_brand_name(finding->brand),
	       read ? ", read" : ", not read: ", read ? "" : reason_of(finding),
	       read && strstr(path, DELETED) ? " (the process maps it still)" : "");
}

int doctor_run_process(const struct config *config, uint32_t tgid)
{
	struct capture_error refused;
	struct told told = { 0 };
	int error = tls_survey_process(config->path_procfs, tgid, tell_file, &told);

	if (error) {
		printf("%-5s %-13s process %u: %s\n", "no", "tls", tgid,
		       error == -ESRCH ? "there is none" : strerrordesc_np(-error));
		return 1;
	}
	if (!told.read && !told.unread)
		printf("%-5s %-13s process %u has no TLS library that is known\n", "ok", "tls", tgid);
	if (!config->capture_tls)
		printf("%-5s %-13s nothing is hooked: --no-capture.tls\n", "no", "tls");
	else if (told.read && tls_hooks_try(config, &refused))
		printf("%-5s %-13s %s\n", "no", "tls", refused.text);
	else
		return told.unread ? 1 : 0;
	return 1;
}
