/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one sensor's files become: names, units and scale by type and property, with node_exporter's exceptions.
 */
#include "host/hwmon.h"

#include <errno.h>
#include <stdio.h>

#include "host/internal.h"

static const char *const type_names[HWMON_TYPES] = {
	[HWMON_BEEP_ENABLE] = "beep_enable",
	[HWMON_CPU] = "cpu",
	[HWMON_CURR] = "curr",
	[HWMON_ENERGY] = "energy",
	[HWMON_FAN] = "fan",
	[HWMON_FREQ] = "freq",
	[HWMON_HUMIDITY] = "humidity",
	[HWMON_IN] = "in",
	[HWMON_INTRUSION] = "intrusion",
	[HWMON_POWER] = "power",
	[HWMON_PWM] = "pwm",
	[HWMON_TEMP] = "temp",
	[HWMON_UPDATE_INTERVAL] = "update_interval",
	[HWMON_VRM] = "vrm",
};

/* Letters up to the first digit are the type, digits the number, and behind an underscore stands the property. */
bool hwmon_split(const char *name, struct hwmon_file *ret_file)
{
	size_t letters = strcspn(name, "0123456789"), digits = strspn(name + letters, "0123456789");
	const char *rest = name + letters + digits;
	struct span type = { name, letters };
	uint64_t number = 0;

	if (*rest && *rest != '_')
		return false;
	if (digits && (span_u64((struct span){ name + letters, digits }, &number) || number > UINT32_MAX))
		return false;
	for (size_t i = 0; i < HWMON_TYPES; i++) {
		if (!span_is(type, type_names[i]))
			continue;
		ret_file->type = (enum hwmon_type)i;
		ret_file->number = (uint32_t)number;
		span_copy(span_of(*rest ? rest + 1 : ""), ret_file->property, sizeof(ret_file->property));
		return true;
	}
	return false;
}

bool hwmon_same(const struct hwmon_file *a, const struct hwmon_file *b)
{
	return a->type == b->type && a->number == b->number && !strcmp(a->property, b->property);
}

void hwmon_sensor(const struct hwmon_file *file, char *ret_text, size_t size)
{
	snprintf(ret_text, size, "%s%u", type_names[file->type], file->number);
}

void hwmon_clean(struct span text, char *ret_text, size_t size)
{
	char *end;

	span_copy(text, ret_text, size);
	for (char *c = ret_text; *c; c++) {
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
		else if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == ':'))
			*c = '_';
	}
	memmove(ret_text, ret_text + strspn(ret_text, "_"), strlen(ret_text + strspn(ret_text, "_")) + 1);
	for (end = ret_text + strlen(ret_text); end > ret_text && end[-1] == '_'; end--)
		end[-1] = '\0';
}

static const char *property_of(const struct hwmon_file *files, size_t count, const char *property)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(files[i].property, property))
			return files[i].value;
	return NULL;
}

struct form {
	const char *suffix;
	double scale;
	enum metric_type type;
};

static bool is_one_of(const char *text, const char *const *choices)
{
	for (; *choices; choices++)
		if (!strcmp(text, *choices))
			return true;
	return false;
}

/* The unit's suffix and what the kernel's number is to be multiplied with. */
static struct form form_of(enum hwmon_type type, const char *property)
{
	static const char *const intervals[] = { "average_interval", "average_interval_min", "average_interval_max",
						 NULL };
	static const char *const speeds[] = { "input", "min", "max", "target", NULL };

	if (!strcmp(property, "fault") || !strcmp(property, "alarm"))
		return (struct form){ "", 1, METRIC_GAUGE };
	if (!strcmp(property, "beep"))
		return (struct form){ "_enabled", 1, METRIC_GAUGE };
	if (type == HWMON_IN || type == HWMON_CPU)
		return (struct form){ "_volts", 1e-3, METRIC_GAUGE };
	if (type == HWMON_TEMP && strcmp(property, "type") != 0)
		return (struct form){ "_celsius", 1e-3, METRIC_GAUGE };
	if (type == HWMON_CURR)
		return (struct form){ "_amps", 1e-3, METRIC_GAUGE };
	if (type == HWMON_ENERGY)
		return (struct form){ "_joule_total", 1e-6, METRIC_COUNTER };
	if (type == HWMON_POWER && !strcmp(property, "accuracy"))
		return (struct form){ "", 1e-6, METRIC_GAUGE };
	if (type == HWMON_POWER && is_one_of(property, intervals))
		return (struct form){ "_seconds", 1e-3, METRIC_GAUGE };
	if (type == HWMON_POWER)
		return (struct form){ "_watt", 1e-6, METRIC_GAUGE };
	if (type == HWMON_HUMIDITY)
		return (struct form){ "", 1e-6, METRIC_GAUGE };
	if (type == HWMON_FAN && is_one_of(property, speeds))
		return (struct form){ "_rpm", 1, METRIC_GAUGE };
	return (struct form){ "", 1, METRIC_GAUGE };
}

/* Division, where node_exporter divides: the last digit is the same then. */
static double scaled(double value, double scale)
{
	return scale == 1e-6 ? value / 1e6 : value * scale;
}

static void tell(struct host *host, const char *name, const char *what, enum metric_type type, const char *chip,
		 const char *sensor, double value)
{
	char help[192];
	struct metric_family family = { .name = name, .help = help, .unit = "", .type = type };
	const struct metric_label labels[] = { { "chip", chip }, { "sensor", sensor } };

	snprintf(help, sizeof(help), "The hardware sensors' files %s.", what);
	sheet_add_labelled(host->sheet, sheet_family_copied(host->sheet, &family), labels, 2, value);
}

/* A GPU's clock is told under its label's name. */
static void tell_clock(struct host *host, const char *name, const char *chip, const char *label, double value)
{
	char full[160], sensor[96];

	if (!label)
		return;
	hwmon_clean(span_of(label), sensor, sizeof(sensor));
	snprintf(full, sizeof(full), "%s_freq_mhz", name);
	tell(host, full, "freqN_input", METRIC_GAUGE, chip, sensor, value / 1e6);
}

static void tell_property(struct host *host, const char *chip, const char *sensor, const struct hwmon_file *files,
			  size_t count, const struct hwmon_file *file)
{
	const char *type = type_names[file->type];
	char name[128], full[160], what[128], clean[64];
	struct form form = form_of(file->type, file->property);
	double value;

	if (!strcmp(file->property, "label") || span_double(span_of(file->value), &value))
		return;
	snprintf(name, sizeof(name), "node_hwmon_%s", type);
	if (!strcmp(file->property, "input")) {
		/* `input` is the value itself, unless there is a file without any property. */
		if (property_of(files, count, ""))
			snprintf(name, sizeof(name), "node_hwmon_%s_input", type);
	} else if (*file->property) {
		hwmon_clean(span_of(file->property), clean, sizeof(clean));
		snprintf(name, sizeof(name), "node_hwmon_%s_%s", type, clean);
	}
	if (file->type == HWMON_FREQ && !strcmp(file->property, "input")) {
		tell_clock(host, name, chip, property_of(files, count, "label"), value);
		return;
	}
	snprintf(full, sizeof(full), "%s%s", name, form.suffix);
	snprintf(what, sizeof(what), "%sN%s%s", type, *file->property ? "_" : "", file->property);
	tell(host, full, what, form.type, chip, sensor, scaled(value, form.scale));
}

/* A file that stands for itself, without number and properties. */
static bool tell_single(struct host *host, const char *chip, const char *sensor, const struct hwmon_file *files,
			size_t count)
{
	const char *text = property_of(files, count, "");
	enum hwmon_type type = files->type;
	double value;

	if (type == HWMON_BEEP_ENABLE) {
		tell(host, "node_hwmon_beep_enabled", "beep_enable", METRIC_GAUGE, chip, sensor,
		     text && !strcmp(text, "1"));
		return true;
	}
	if (type != HWMON_VRM && type != HWMON_UPDATE_INTERVAL)
		return false;
	if (!text || span_double(span_of(text), &value))
		return true;
	if (type == HWMON_VRM)
		tell(host, "node_hwmon_voltage_regulator_version", "vrm", METRIC_GAUGE, chip, sensor, value);
	else
		tell(host, "node_hwmon_update_interval_seconds", "update_interval", METRIC_GAUGE, chip, sensor,
		     value * 1e-3);
	return true;
}

void hwmon_tell(struct host *host, const char *chip, const char *sensor, const struct hwmon_file *files, size_t count)
{
	static const struct metric_family labels_family =
		FAMILY("node_hwmon_sensor_label", METRIC_GAUGE, "", "What the driver calls the sensor; always 1.");
	const char *label = property_of(files, count, "label");

	if (label)
		host_tell_labels(host, &labels_family,
				 (struct metric_label[]){ { "chip", chip }, { "sensor", sensor }, { "label", label } },
				 3, 1);
	if (tell_single(host, chip, sensor, files, count))
		return;
	for (size_t i = 0; i < count; i++)
		tell_property(host, chip, sensor, files, count, &files[i]);
}
