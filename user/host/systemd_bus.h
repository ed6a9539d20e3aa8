/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks systemd for properties over D-Bus, many at once and with one deadline, by libsystemd's sd-bus. The library is
 * loaded when the collector first runs: it is off by default, and an agent that does not ask shall not pay for it.
 */
#pragma once

#include <systemd/sd-bus.h>

#include "host/scan.h"

struct systemd_bus;

/* A property's value, as its signature says: text for s, number for u and t. */
struct systemd_value {
	const char *text; /* borrowed for the call; NULL: no text */
	uint64_t number;
};

/* One property of one object, and where its value goes. Not called when there is no such property. */
struct systemd_question {
	const char *path, *interface, *property; /* borrowed until systemd_bus_run returns */
	void (*answer)(void *ctx, size_t index, const struct systemd_value *value);
	size_t index; /* the caller's */
};

struct systemd_unit {
	const char *name, *load_state, *active_state, *path;
};

/* -ENOENT: no libsystemd.so.0; -ENOSYS: it lacks something; -ENOMEM. */
MUST_CHECK int systemd_bus_new(bool private, struct systemd_bus **ret_bus);
/* Takes NULL. */
void systemd_bus_free(struct systemd_bus *bus);

/* Connects where it is not connected: to the system bus, or with `private` to systemd's own socket, which takes root
 * alone. What a call says of time is the time of CLOCK_MONOTONIC at which it gives up, with -ETIMEDOUT. */
MUST_CHECK int systemd_bus_open(struct systemd_bus *bus);
/* All units that systemd has loaded; their texts are borrowed for the call. A negative errno from `each` ends it. */
MUST_CHECK int systemd_bus_units(struct systemd_bus *bus, uint64_t deadline_ns,
				 int (*each)(void *ctx, const struct systemd_unit *unit), void *ctx);
/* Asks all questions. `idle` is called every few milliseconds while it waits; it may be NULL. */
MUST_CHECK int systemd_bus_run(struct systemd_bus *bus, const struct systemd_question *questions, size_t count,
			       void *answer_ctx, uint64_t deadline_ns, void (*idle)(void *ctx), void *idle_ctx);
