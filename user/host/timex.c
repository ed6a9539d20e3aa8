/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timex: how the kernel keeps the host's clock with others, by adjtimex(2), which is only asked (modes 0).
 */
#include <errno.h>
#include <sys/timex.h>

#include "host/internal.h"

#define MICRO 1e6
#define NANO 1e9
#define PPM_16 (1e6 * 65536) /* scaled parts per million, 16 bits of fraction */

enum {
	SYNC,
	OFFSET,
	FREQUENCY,
	MAXERROR,
	ESTERROR,
	STATUS,
	CONSTANT,
	TICK,
	PPS_FREQUENCY,
	PPS_JITTER,
	PPS_SHIFT,
	PPS_STABILITY,
	PPS_JITTER_COUNT,
	PPS_CALIBRATION,
	PPS_ERROR,
	PPS_STABILITY_COUNT,
	TAI,
	FIGURES
};

static const struct metric_family families[FIGURES] = {
	[SYNC] = FAMILY("node_timex_sync_status", METRIC_GAUGE, "", "Whether the clock is in step with a server."),
	[OFFSET] = FAMILY("node_timex_offset_seconds", METRIC_GAUGE, "seconds", "How far the clock is off."),
	[FREQUENCY] = FAMILY("node_timex_frequency_adjustment_ratio", METRIC_GAUGE, "",
			     "How much faster the clock is made to run."),
	[MAXERROR] = FAMILY("node_timex_maxerror_seconds", METRIC_GAUGE, "seconds", "Largest error of the clock."),
	[ESTERROR] =
		FAMILY("node_timex_estimated_error_seconds", METRIC_GAUGE, "seconds", "Estimated error of the clock."),
	[STATUS] = FAMILY("node_timex_status", METRIC_GAUGE, "", "Status bits of the clock."),
	[CONSTANT] = FAMILY("node_timex_loop_time_constant", METRIC_GAUGE, "", "Time constant of the phase loop."),
	[TICK] = FAMILY("node_timex_tick_seconds", METRIC_GAUGE, "seconds", "Time between ticks of the clock."),
	[PPS_FREQUENCY] =
		FAMILY("node_timex_pps_frequency_hertz", METRIC_GAUGE, "hertz", "Frequency of the pulse per second."),
	[PPS_JITTER] =
		FAMILY("node_timex_pps_jitter_seconds", METRIC_GAUGE, "seconds", "Jitter of the pulse per second."),
	[PPS_SHIFT] = FAMILY("node_timex_pps_shift_seconds", METRIC_GAUGE, "seconds",
			     "Interval over which the pulse is calibrated."),
	[PPS_STABILITY] =
		FAMILY("node_timex_pps_stability_hertz", METRIC_GAUGE, "hertz", "Stability of the pulse per second."),
	[PPS_JITTER_COUNT] = FAMILY("node_timex_pps_jitter_total", METRIC_COUNTER, "",
				    "Times that the pulse's jitter was over its limit."),
	[PPS_CALIBRATION] =
		FAMILY("node_timex_pps_calibration_total", METRIC_COUNTER, "", "Calibrations of the pulse."),
	[PPS_ERROR] = FAMILY("node_timex_pps_error_total", METRIC_COUNTER, "", "Calibrations that failed."),
	[PPS_STABILITY_COUNT] = FAMILY("node_timex_pps_stability_exceeded_total", METRIC_COUNTER, "",
				       "Times that the pulse's stability was over its limit."),
	[TAI] = FAMILY("node_timex_tai_offset_seconds", METRIC_GAUGE, "seconds",
		       "How far International Atomic Time is ahead."),
};

static int update(struct host *host, void *ctx)
{
	struct timex clock = { .modes = 0 };
	double values[FIGURES], unit;
	int state = adjtimex(&clock);

	(void)ctx;
	host_at(host, "adjtimex");
	if (state < 0) /* a sandbox may forbid it */
		return errno == EPERM ? -ENODATA : -errno;
	unit = clock.status & STA_NANO ? NANO : MICRO;
	values[SYNC] = state != TIME_ERROR;
	values[OFFSET] = (double)clock.offset / unit;
	values[FREQUENCY] = 1 + (double)clock.freq / PPM_16;
	values[MAXERROR] = (double)clock.maxerror / MICRO;
	values[ESTERROR] = (double)clock.esterror / MICRO;
	values[STATUS] = clock.status;
	values[CONSTANT] = (double)clock.constant;
	values[TICK] = (double)clock.tick / MICRO;
	values[PPS_FREQUENCY] = (double)clock.ppsfreq / PPM_16;
	values[PPS_JITTER] = (double)clock.jitter / unit;
	values[PPS_SHIFT] = clock.shift;
	values[PPS_STABILITY] = (double)clock.stabil / PPM_16;
	values[PPS_JITTER_COUNT] = (double)clock.jitcnt;
	values[PPS_CALIBRATION] = (double)clock.calcnt;
	values[PPS_ERROR] = (double)clock.errcnt;
	values[PPS_STABILITY_COUNT] = (double)clock.stbcnt;
	values[TAI] = clock.tai;
	for (size_t i = 0; i < FIGURES; i++)
		host_tell(host, &families[i], values[i]);
	return 0;
}

const struct collector host_timex = { .update = update };
