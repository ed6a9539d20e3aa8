/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collectors that read one number out of one file, or a few: entropy, filefd, kernel_hung, selinux.
 */
#include <errno.h>

#include "host/internal.h"

static int tell_file(struct host *host, const char *path, const struct metric_family *family)
{
	uint64_t value;
	int error = host_read_number(host, host->proc_fd, path, &value);

	if (!error)
		host_tell(host, family, (double)value);
	return error;
}

static int update_entropy(struct host *host, void *ctx)
{
	static const struct metric_family available =
		FAMILY("node_entropy_available_bits", METRIC_GAUGE, "", "Entropy that the kernel's pool holds.");
	static const struct metric_family pool =
		FAMILY("node_entropy_pool_size_bits", METRIC_GAUGE, "", "Size of the kernel's entropy pool.");
	int error = tell_file(host, "sys/kernel/random/entropy_avail", &available);

	(void)ctx;
	return error ? error : tell_file(host, "sys/kernel/random/poolsize", &pool);
}

const struct collector host_entropy = { .update = update_entropy };

/* Allocated, free (always 0) and maximum, with tabs between. */
static int update_filefd(struct host *host, void *ctx)
{
	static const struct metric_family allocated =
		FAMILY("node_filefd_allocated", METRIC_GAUGE, "", "Open files of all processes.");
	static const struct metric_family maximum =
		FAMILY("node_filefd_maximum", METRIC_GAUGE, "", "Open files that all processes may have.");
	uint64_t values[3];
	struct span text;
	int error = host_read_kept(host, host->proc_fd, "sys/fs/file-nr", &text);

	(void)ctx;
	text = error ? text : span_trim(text);
	for (size_t i = 0; i < 3 && !error; i++)
		error = scan_u64(&text, &values[i]) ? 0 : -EINVAL;
	if (error)
		return error;
	host_tell(host, &allocated, (double)values[0]);
	host_tell(host, &maximum, (double)values[2]);
	return 0;
}

const struct collector host_filefd = { .update = update_filefd };

static int update_kernel_hung(struct host *host, void *ctx)
{
	static const struct metric_family family = FAMILY("node_kernel_hung_tasks_total", METRIC_COUNTER, "",
							  "Tasks that the kernel found hanging since it started.");
	int error = tell_file(host, "sys/kernel/hung_task_detect_count", &family);

	(void)ctx;
	return error == -ENOENT ? -ENODATA : error;
}

const struct collector host_kernel_hung = { .update = update_kernel_hung };

/* SELINUX= of the configuration: what the host should be at. */
static double selinux_configured(struct host *host)
{
	struct span text, line, name;
	char path[HOST_PATH_SIZE];
	const char *root = host->config.config->path_rootfs;

	snprintf(path, sizeof(path), "%s/etc/selinux/config", strcmp(root, "/") ? root : "");
	if (host_read_once(host, AT_FDCWD, path, &text))
		return -1;
	while (scan_line(&text, &line)) {
		if (!scan_until(&line, '=', &name) || !span_is(span_trim(name), "SELINUX"))
			continue;
		line = span_trim(line);
		return span_is(line, "enforcing") ? 1 : span_is(line, "permissive") ? 0 : -1;
	}
	return -1;
}

static int update_selinux(struct host *host, void *ctx)
{
	static const struct metric_family enabled =
		FAMILY("node_selinux_enabled", METRIC_GAUGE, "", "Whether SELinux is switched on.");
	static const struct metric_family configured =
		FAMILY("node_selinux_config_mode", METRIC_GAUGE, "",
		       "Mode that the configuration asks for: 1 enforcing, 0 permissive, -1 disabled.");
	static const struct metric_family current = FAMILY("node_selinux_current_mode", METRIC_GAUGE, "",
							   "Mode that SELinux is in: 1 enforcing, 0 permissive.");
	bool on = !faccessat(host->sys_fd, "fs/selinux/enforce", F_OK, 0);
	uint64_t mode;

	(void)ctx;
	host_tell(host, &enabled, on);
	if (!on)
		return 0;
	host_tell(host, &configured, selinux_configured(host));
	host_tell(host, &current, host_read_u64(host->sys_fd, "fs/selinux/enforce", &mode) ? -1 : (double)mode);
	return 0;
}

const struct collector host_selinux = { .update = update_selinux };
