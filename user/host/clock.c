/* SPDX-License-Identifier: Apache-2.0 */
/*
 * time and uname: what the host's clock says and runs on, and what its kernel is called.
 */
#include <errno.h>
#include <sys/utsname.h>
#include <time.h>

#include "host/internal.h"

#define CLOCKSOURCE "devices/system/clocksource/clocksource0"

static void tell_clock(struct host *host)
{
	static const struct metric_family seconds =
		FAMILY("node_time_seconds", METRIC_GAUGE, "seconds", "The host's time since the epoch.");
	static const struct metric_family offset = FAMILY("node_time_zone_offset_seconds", METRIC_GAUGE, "seconds",
							  "How far the host's time zone is ahead of UTC.");
	uint64_t now_ns = clock_realtime_ns();
	time_t now = (time_t)(now_ns / NS_PER_SECOND);
	struct tm local;

	host_tell(host, &seconds, (double)now_ns / (double)NS_PER_SECOND);
	if (localtime_r(&now, &local))
		host_tell_of(host, &offset, "time_zone", local.tm_zone, (double)local.tm_gmtoff);
}

/* node_exporter goes through all clocksourceN; the kernel makes one (kernel/time/clocksource.c). */
static int tell_clocksources(struct host *host)
{
	static const struct metric_family available = FAMILY("node_time_clocksource_available_info", METRIC_GAUGE, "",
							     "Clock sources that the kernel could use; always 1.");
	static const struct metric_family current = FAMILY("node_time_clocksource_current_info", METRIC_GAUGE, "",
							   "Clock source that the kernel uses; always 1.");
	char source[128];
	struct metric_label labels[] = { { "device", "0" }, { "clocksource", source } };
	struct span text, word;
	int error = host_read_kept(host, host->sys_fd, CLOCKSOURCE "/available_clocksource", &text);

	if (error)
		return error == -ENOENT ? 0 : error;
	text = span_trim(text);
	while (scan_word(&text, &word)) {
		span_copy(word, source, sizeof(source));
		host_tell_labels(host, &available, labels, 2, 1);
	}
	error = host_read_kept(host, host->sys_fd, CLOCKSOURCE "/current_clocksource", &text);
	if (error)
		return error;
	span_copy(span_trim(text), source, sizeof(source));
	host_tell_labels(host, &current, labels, 2, 1);
	return 0;
}

static int update_time(struct host *host, void *ctx)
{
	(void)ctx;
	tell_clock(host);
	return tell_clocksources(host);
}

const struct collector host_time = { .update = update_time };

static int update_uname(struct host *host, void *ctx)
{
	static const struct metric_family family =
		FAMILY("node_uname_info", METRIC_GAUGE, "", "What uname says of the host; always 1.");
	struct utsname names;
	const struct metric_label labels[] = {
		{ "sysname", names.sysname }, { "release", names.release },   { "version", names.version },
		{ "machine", names.machine }, { "nodename", names.nodename }, { "domainname", names.domainname },
	};

	(void)ctx;
	if (uname(&names))
		return -errno;
	host_tell_labels(host, &family, labels, sizeof(labels) / sizeof(labels[0]), 1);
	return 0;
}

const struct collector host_uname = { .update = update_uname };
