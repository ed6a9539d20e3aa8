/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd: the states of its units, as systemd tells them over D-Bus (org.freedesktop.systemd1(5)). Off by default, as
 * in node_exporter; read by dashboard 1860 and the node mixin.
 */
#include <errno.h>
#include <stdlib.h>

#include "host/filter.h"
#include "host/internal.h"
#include "host/systemd_bus.h"

#define PATTERN_SIZE 1024
#define UNITS_MAX 65536
#define QUESTIONS_PER_UNIT 4
#define DEADLINE_NS NS_PER_SECOND
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER "org.freedesktop.systemd1.Manager"
#define INTERFACE(kind) "org.freedesktop.systemd1." kind
#define USEC_PER_SECOND 1e6

enum property {
	TYPE,
	RESTARTS,
	TASKS_CURRENT,
	TASKS_MAX,
	ACTIVE_SINCE,
	LAST_TRIGGER,
	ACCEPTED,
	CONNECTIONS,
	REFUSED,
	PROPERTIES
};

/* Which units have it, by what their names end with; NULL: all. */
static const struct {
	const char *suffix, *interface, *property;
} properties[PROPERTIES + 1] = {
	[TYPE] = { ".service", INTERFACE("Service"), "Type" },
	[RESTARTS] = { ".service", INTERFACE("Service"), "NRestarts" },
	[TASKS_CURRENT] = { ".service", INTERFACE("Service"), "TasksCurrent" },
	[TASKS_MAX] = { ".service", INTERFACE("Service"), "TasksMax" },
	[ACTIVE_SINCE] = { NULL, INTERFACE("Unit"), "ActiveEnterTimestamp" },
	[LAST_TRIGGER] = { ".timer", INTERFACE("Timer"), "LastTriggerUSec" },
	[ACCEPTED] = { ".socket", INTERFACE("Socket"), "NAccepted" },
	[CONNECTIONS] = { ".socket", INTERFACE("Socket"), "NConnections" },
	[REFUSED] = { ".socket", INTERFACE("Socket"), "NRefused" },
	[PROPERTIES] = { ".mount", INTERFACE("Mount"), "Type" }, /* told as TYPE too */
};

static const struct metric_family families[PROPERTIES] = {
	[RESTARTS] = FAMILY("node_systemd_service_restart_total", METRIC_COUNTER, "", "Restarts of the service."),
	[TASKS_CURRENT] = FAMILY("node_systemd_unit_tasks_current", METRIC_GAUGE, "", "Tasks of the service."),
	[TASKS_MAX] = FAMILY("node_systemd_unit_tasks_max", METRIC_GAUGE, "", "Tasks that the service may have."),
	[ACTIVE_SINCE] = FAMILY("node_systemd_unit_start_time_seconds", METRIC_GAUGE, "seconds",
				"When the unit became active, since 1970; 0: it is not."),
	[LAST_TRIGGER] = FAMILY("node_systemd_timer_last_trigger_seconds", METRIC_GAUGE, "seconds",
				"When the timer triggered last, since 1970."),
	[ACCEPTED] = FAMILY("node_systemd_socket_accepted_connections_total", METRIC_COUNTER, "",
			    "Connections that the socket accepted."),
	[CONNECTIONS] =
		FAMILY("node_systemd_socket_current_connections", METRIC_GAUGE, "", "Connections of the socket."),
	[REFUSED] = FAMILY("node_systemd_socket_refused_connections_total", METRIC_GAUGE, "",
			   "Connections that the socket refused."),
};

static const char *const states[] = { "active", "activating", "deactivating", "inactive", "failed" };

#define STATES (sizeof(states) / sizeof(states[0]))

struct unit {
	const char *name, *state, *path, *type; /* in the sheet's texts */
};

struct systemd_state {
	struct systemd_bus *bus;
	struct filter *include, *exclude;
	struct unit *units; /* owned */
	size_t count, capacity;
	struct systemd_question *questions; /* owned */
	size_t question_count, question_capacity;
	double summary[STATES];
	const char *version, *virtualization; /* in the sheet's texts; NULL: not said */
	const char *system_state;
	struct host *host; /* of the update at hand */
};

static int start(struct host *host, void *ctx)
{
	const struct config_host *options = host->options;
	struct systemd_state *state = ctx;
	char pattern[PATTERN_SIZE];
	int error;

	/* node_exporter wants the whole name to match. */
	snprintf(pattern, sizeof(pattern), "^(?:%s)$", options->systemd_unit_include);
	error = filter_new("", pattern, 1024, host->config.hash_seed, &state->include);
	snprintf(pattern, sizeof(pattern), "^(?:%s)$", options->systemd_unit_exclude);
	if (!error)
		error = filter_new(pattern, "", 1024, host->config.hash_seed, &state->exclude);
	host_at(host, "libsystemd.so.0");
	return error ? error : systemd_bus_new(options->systemd_private, &state->bus);
}

static void stop(void *ctx)
{
	struct systemd_state *state = ctx;

	systemd_bus_free(state->bus);
	filter_free(state->include);
	filter_free(state->exclude);
	free(state->units);
	free(state->questions);
}

static const char *keep(struct systemd_state *state, const char *text)
{
	return sheet_text(state->host->sheet, text, strlen(text));
}

static int take_unit(void *ctx, const struct systemd_unit *found)
{
	struct systemd_state *state = ctx;
	struct unit unit = { .type = "" };

	for (size_t i = 0; i < STATES; i++)
		state->summary[i] += !strcmp(found->active_state, states[i]);
	if (strcmp(found->load_state, "loaded") != 0 || !filter_passes(state->include, span_of(found->name)) ||
	    !filter_passes(state->exclude, span_of(found->name)))
		return 0;
	unit.name = keep(state, found->name);
	unit.state = keep(state, found->active_state);
	unit.path = keep(state, found->path);
	if (!unit.name || !unit.state || !unit.path)
		return -ENOMEM;
	if (state->count == state->capacity) {
		struct unit *grown = host_grow(state->units, &state->capacity, sizeof(unit), UNITS_MAX);

		if (!grown)
			return -ENOMEM;
		state->units = grown;
	}
	state->units[state->count++] = unit;
	return 0;
}

/* --- questions about the manager */

static void take_manager(void *ctx, size_t index, const struct systemd_value *value)
{
	struct systemd_state *state = ctx;
	const char **places[] = { &state->version, &state->virtualization, &state->system_state };

	if (value->text)
		*places[index] = keep(state, value->text);
}

static int ask_manager(struct systemd_state *state, uint64_t deadline_ns)
{
	static const struct systemd_question questions[] = {
		{ MANAGER_PATH, MANAGER, "Version", take_manager, 0 },
		{ MANAGER_PATH, MANAGER, "Virtualization", take_manager, 1 },
		{ MANAGER_PATH, MANAGER, "SystemState", take_manager, 2 },
	};

	return systemd_bus_run(state->bus, questions, 3, state, deadline_ns, state->host->config.idle,
			       state->host->config.ctx);
}

/* "252.38-1~deb12u1": the number is the first of three digits or more, with what is behind its dot. */
static double version_number(const char *text)
{
	size_t digits;
	double value = 0;

	for (; *text; text += digits ? digits : 1) {
		digits = strspn(text, "0123456789");
		if (digits < 3)
			continue;
		if (text[digits] == '.')
			digits += 1 + strspn(text + digits + 1, "0123456789");
		return span_double((struct span){ text, digits }, &value) ? 0 : value;
	}
	return 0;
}

static void tell_manager(struct host *host, const struct systemd_state *state)
{
	static const struct metric_family version =
		FAMILY("node_systemd_version", METRIC_GAUGE, "", "Version of systemd.");
	static const struct metric_family virtualization =
		FAMILY("node_systemd_virtualization_info", METRIC_GAUGE, "", "What the host is on; always 1.");
	static const struct metric_family running = FAMILY("node_systemd_system_running", METRIC_GAUGE, "",
							   "Whether all is as `systemctl is-system-running` wants it.");
	static const struct metric_family summary = FAMILY("node_systemd_units", METRIC_GAUGE, "", "Units by state.");
	const char *text = state->version ? state->version : "", *kind = state->virtualization;

	host_tell_of(host, &version, "version", text, version_number(text));
	host_tell_of(host, &virtualization, "virtualization_type", !kind ? "unknown" : *kind ? kind : "none", 1);
	for (size_t i = 0; i < STATES; i++)
		host_tell_of(host, &summary, "state", states[i], state->summary[i]);
	if (state->system_state)
		host_tell(host, &running, !strcmp(state->system_state, "running"));
}

/* --- questions about units: the index is the unit's, times the properties, plus the property's */

static void take_property(void *ctx, size_t index, const struct systemd_value *value)
{
	struct systemd_state *state = ctx;
	struct unit *unit = &state->units[index / PROPERTIES];
	enum property property = (enum property)(index % PROPERTIES);
	double number = (double)value->number;

	if (property == TYPE) {
		const char *type = value->text ? keep(state, value->text) : NULL;

		unit->type = type ? type : "";
		return;
	}
	/* All ones: no limit, or not counted. */
	if ((property == TASKS_CURRENT || property == TASKS_MAX) && value->number == UINT64_MAX)
		return;
	if (property == ACTIVE_SINCE || property == LAST_TRIGGER)
		number /= USEC_PER_SECOND;
	host_tell_of(state->host, &families[property], "name", unit->name, number);
}

static bool ends_with(const char *text, const char *suffix)
{
	size_t length = strlen(text), suffix_length = strlen(suffix);

	return length >= suffix_length && !strcmp(text + length - suffix_length, suffix);
}

static bool is_wanted(const struct config_host *options, size_t property)
{
	if (property == RESTARTS)
		return options->systemd_enable_restarts_metrics;
	if (property == TASKS_CURRENT || property == TASKS_MAX)
		return options->systemd_enable_task_metrics;
	return property != ACTIVE_SINCE || options->systemd_enable_start_time_metrics;
}

static int add_question(struct systemd_state *state, size_t unit, size_t property)
{
	if (state->question_count == state->question_capacity) {
		struct systemd_question *grown = host_grow(state->questions, &state->question_capacity, sizeof(*grown),
							   (size_t)UNITS_MAX * QUESTIONS_PER_UNIT);

		if (!grown)
			return -ENOMEM;
		state->questions = grown;
	}
	state->questions[state->question_count++] = (struct systemd_question){
		.path = state->units[unit].path,
		.interface = properties[property].interface,
		.property = properties[property].property,
		.answer = take_property,
		.index = unit * PROPERTIES + (property == PROPERTIES ? TYPE : property),
	};
	return 0;
}

static int make_questions(struct host *host, struct systemd_state *state)
{
	int error = 0;

	state->question_count = 0;
	for (size_t i = 0; i < state->count && !error; i++)
		for (size_t property = 0; property <= PROPERTIES && !error; property++) {
			const char *suffix = properties[property].suffix;

			if (!is_wanted(host->options, property) || (suffix && !ends_with(state->units[i].name, suffix)))
				continue;
			if (property == ACTIVE_SINCE && strcmp(state->units[i].state, "active") != 0)
				host_tell_of(host, &families[ACTIVE_SINCE], "name", state->units[i].name, 0);
			else
				error = add_question(state, i, property);
		}
	return error;
}

static void tell_states(struct host *host, const struct systemd_state *state)
{
	static const struct metric_family family =
		FAMILY("node_systemd_unit_state", METRIC_GAUGE, "", "State of the unit: 1 for the one it is in.");

	for (size_t i = 0; i < state->count; i++)
		for (size_t j = 0; j < STATES; j++) {
			const struct unit *unit = &state->units[i];
			const struct metric_label labels[] = { { "name", unit->name },
							       { "state", states[j] },
							       { "type", unit->type } };

			host_tell_labels(host, &family, labels, 3, !strcmp(unit->state, states[j]));
		}
}

static int update(struct host *host, void *ctx)
{
	uint64_t deadline_ns = clock_monotonic_ns() + DEADLINE_NS;
	struct systemd_state *state = ctx;
	int error;

	host_at(host, "D-Bus");
	state->host = host;
	state->count = 0;
	state->version = state->virtualization = state->system_state = NULL;
	memset(state->summary, 0, sizeof(state->summary));
	error = systemd_bus_open(state->bus);
	if (!error)
		error = ask_manager(state, deadline_ns);
	if (!error)
		error = systemd_bus_units(state->bus, deadline_ns, take_unit, state);
	if (error)
		return error;
	tell_manager(host, state);
	error = make_questions(host, state);
	if (!error)
		error = systemd_bus_run(state->bus, state->questions, state->question_count, state, deadline_ns,
					host->config.idle, host->config.ctx);
	tell_states(host, state);
	return error;
}

const struct collector host_systemd = {
	.state_size = sizeof(struct systemd_state),
	.start = start,
	.update = update,
	.stop = stop,
};
