/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of hwmon directories: their names taken apart, and what becomes of one sensor's. Used by hwmon.c.
 */
#pragma once

#include "host/scan.h"

struct host;

/* What a sensor measures: the letters that its files' names begin with. */
enum hwmon_type {
	HWMON_BEEP_ENABLE,
	HWMON_CPU,
	HWMON_CURR,
	HWMON_ENERGY,
	HWMON_FAN,
	HWMON_FREQ,
	HWMON_HUMIDITY,
	HWMON_IN,
	HWMON_INTRUSION,
	HWMON_POWER,
	HWMON_PWM,
	HWMON_TEMP,
	HWMON_UPDATE_INTERVAL,
	HWMON_VRM,
	HWMON_TYPES,
};

struct hwmon_file {
	enum hwmon_type type;
	uint32_t number;   /* 0 when the name has none */
	char property[64]; /* "input"; "" when the name has none */
	char value[128];
};

/* "temp1_input"; false for a file that is no sensor's. The value is left alone. */
bool hwmon_split(const char *name, struct hwmon_file *ret_file);
bool hwmon_same(const struct hwmon_file *a, const struct hwmon_file *b);
/* "temp1" */
void hwmon_sensor(const struct hwmon_file *file, char *ret_text, size_t size);
/* Small letters, digits, colons; runs of others are underscores, which both ends lose. */
void hwmon_clean(struct span text, char *ret_text, size_t size);

/* Tells all files of one sensor. */
void hwmon_tell(struct host *host, const char *chip, const char *sensor, const struct hwmon_file *files, size_t count);
