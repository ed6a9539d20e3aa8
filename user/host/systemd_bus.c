/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A few questions are on their way at a time: a bus daemon takes 128 of one connection that have no answer yet. After a
 * failure the connection is closed, with all that is still on its way, and the next scrape connects anew.
 */
#include "host/systemd_bus.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"

#define MANAGER_NAME "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER_INTERFACE "org.freedesktop.systemd1.Manager"
#define PRIVATE_ADDRESS "unix:path=/run/systemd/private"
#define ON_THE_WAY_MAX 64
#define IDLE_US 2000
#define US(ns) ((ns) / 1000)

/* As in systemd/sd-bus.h. */
struct library {
	void *handle;
	int (*new)(sd_bus **ret);
	int (*open_system)(sd_bus **ret);
	int (*set_address)(sd_bus *bus, const char *address);
	int (*start)(sd_bus *bus);
	int (*process)(sd_bus *bus, sd_bus_message **ret);
	int (*wait)(sd_bus *bus, uint64_t timeout_us);
	sd_bus *(*close_unref)(sd_bus *bus);
	int (*call)(sd_bus *bus, sd_bus_message *m, uint64_t timeout_us, sd_bus_error *error, sd_bus_message **reply);
	int (*call_async)(sd_bus *bus, sd_bus_slot **slot, sd_bus_message *m, sd_bus_message_handler_t callback,
			  void *userdata, uint64_t timeout_us);
	int (*message_new_method_call)(sd_bus *bus, sd_bus_message **m, const char *destination, const char *path,
				       const char *interface, const char *member);
	int (*message_append)(sd_bus_message *m, const char *types, ...);
	int (*message_read)(sd_bus_message *m, const char *types, ...);
	int (*message_peek_type)(sd_bus_message *m, char *type, const char **contents);
	int (*message_enter_container)(sd_bus_message *m, char type, const char *contents);
	int (*message_exit_container)(sd_bus_message *m);
	int (*message_is_method_error)(sd_bus_message *m, const char *name);
	sd_bus_message *(*message_unref)(sd_bus_message *m);
	void (*error_free)(sd_bus_error *e);
};

struct systemd_bus {
	struct library library;
	sd_bus *bus; /* owned; NULL: not connected */
	bool private;
	/* Of the run at hand. */
	const struct systemd_question *questions;
	void *answer_ctx;
	size_t answered, next;
	struct asked {
		struct systemd_bus *bus;
		size_t question;
		bool busy;
	} asked[ON_THE_WAY_MAX];
};

#define SYMBOL(member)                                              \
	{                                                           \
		"sd_bus_" #member, offsetof(struct library, member) \
	}

static int load(struct library *library)
{
	static const struct {
		const char *name;
		size_t offset;
	} symbols[] = {
		SYMBOL(new),
		SYMBOL(open_system),
		SYMBOL(set_address),
		SYMBOL(start),
		SYMBOL(process),
		SYMBOL(wait),
		SYMBOL(close_unref),
		SYMBOL(call),
		SYMBOL(call_async),
		SYMBOL(message_new_method_call),
		SYMBOL(message_append),
		SYMBOL(message_read),
		SYMBOL(message_peek_type),
		SYMBOL(message_enter_container),
		SYMBOL(message_exit_container),
		SYMBOL(message_is_method_error),
		SYMBOL(message_unref),
		SYMBOL(error_free),
	};

	library->handle = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
	if (!library->handle)
		return -ENOENT;
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		void *symbol = dlsym(library->handle, symbols[i].name);

		if (!symbol)
			return -ENOSYS;
		memcpy((char *)library + symbols[i].offset, &symbol, sizeof(symbol));
	}
	return 0;
}

int systemd_bus_new(bool private, struct systemd_bus **ret_bus)
{
	struct systemd_bus *bus = calloc(1, sizeof(*bus));
	int error;

	if (!bus)
		return -ENOMEM;
	bus->private = private;
	error = load(&bus->library);
	if (error)
		systemd_bus_free(bus);
	else
		*ret_bus = bus;
	return error;
}

static void disconnect(struct systemd_bus *bus)
{
	if (bus->bus)
		bus->library.close_unref(bus->bus);
	bus->bus = NULL;
}

void systemd_bus_free(struct systemd_bus *bus)
{
	if (!bus)
		return;
	disconnect(bus);
	/* Not unloaded: the library keeps thread-local state. */
	free(bus);
}

static int open_private(struct systemd_bus *bus)
{
	int error = bus->library.new(&bus->bus);

	if (error >= 0)
		error = bus->library.set_address(bus->bus, PRIVATE_ADDRESS);
	if (error >= 0)
		error = bus->library.start(bus->bus);
	if (error < 0)
		disconnect(bus);
	return error < 0 ? error : 0;
}

int systemd_bus_open(struct systemd_bus *bus)
{
	int error;

	if (bus->bus)
		return 0;
	if (bus->private)
		return open_private(bus);
	error = bus->library.open_system(&bus->bus);
	return error < 0 ? error : 0;
}

/* Of a deadline; at least one microsecond, since 0 means libsystemd's own 25 s. */
static uint64_t left_us(uint64_t deadline_ns)
{
	uint64_t now = clock_monotonic_ns();

	return now + 1000 < deadline_ns ? US(deadline_ns - now) : 1;
}

static int read_units(struct systemd_bus *bus, sd_bus_message *reply,
		      int (*each)(void *ctx, const struct systemd_unit *unit), void *ctx)
{
	const struct library *library = &bus->library;
	const char *description, *sub, *following, *job_type, *job_path;
	struct systemd_unit unit;
	uint32_t job;
	int result = library->message_enter_container(reply, 'a', "(ssssssouso)");

	while (result >= 0) {
		result = library->message_read(reply, "(ssssssouso)", &unit.name, &description, &unit.load_state,
					       &unit.active_state, &sub, &following, &unit.path, &job, &job_type,
					       &job_path);
		if (result <= 0)
			break;
		result = each(ctx, &unit);
	}
	return result;
}

int systemd_bus_units(struct systemd_bus *bus, uint64_t deadline_ns,
		      int (*each)(void *ctx, const struct systemd_unit *unit), void *ctx)
{
	const struct library *library = &bus->library;
	sd_bus_message *message = NULL, *reply = NULL;
	sd_bus_error failure = { 0 };
	int error = library->message_new_method_call(bus->bus, &message, MANAGER_NAME, MANAGER_PATH, MANAGER_INTERFACE,
						     "ListUnits");

	if (error >= 0)
		error = library->call(bus->bus, message, left_us(deadline_ns), &failure, &reply);
	if (error >= 0)
		error = read_units(bus, reply, each, ctx);
	library->error_free(&failure);
	library->message_unref(message);
	library->message_unref(reply);
	if (error < 0)
		disconnect(bus);
	return error < 0 ? error : 0;
}

static bool read_value(const struct library *library, sd_bus_message *reply, struct systemd_value *ret_value)
{
	struct systemd_value value = { 0 };
	const char *contents;
	uint32_t number;
	char type;

	if (library->message_peek_type(reply, &type, &contents) <= 0 || type != 'v' ||
	    library->message_enter_container(reply, 'v', contents) < 0)
		return false;
	if (!strcmp(contents, "s")) {
		if (library->message_read(reply, "s", &value.text) <= 0)
			return false;
	} else if (!strcmp(contents, "u")) {
		if (library->message_read(reply, "u", &number) <= 0)
			return false;
		value.number = number;
	} else if (strcmp(contents, "t") != 0 || library->message_read(reply, "t", &value.number) <= 0) {
		return false;
	}
	*ret_value = value;
	return true;
}

static int take_answer(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	struct asked *asked = userdata;
	struct systemd_bus *bus = asked->bus;
	const struct systemd_question *question = &bus->questions[asked->question];
	struct systemd_value value;

	(void)error;
	asked->busy = false;
	bus->answered++;
	if (bus->library.message_is_method_error(reply, NULL) <= 0 && read_value(&bus->library, reply, &value))
		question->answer(bus->answer_ctx, question->index, &value);
	return 1;
}

static int ask(struct systemd_bus *bus, struct asked *asked, uint64_t deadline_ns)
{
	const struct systemd_question *question = &bus->questions[bus->next];
	const struct library *library = &bus->library;
	sd_bus_message *message = NULL;
	int error = library->message_new_method_call(bus->bus, &message, MANAGER_NAME, question->path,
						     "org.freedesktop.DBus.Properties", "Get");

	if (error >= 0)
		error = library->message_append(message, "ss", question->interface, question->property);
	*asked = (struct asked){ .bus = bus, .question = bus->next, .busy = true };
	if (error >= 0)
		error = library->call_async(bus->bus, NULL, message, take_answer, asked, left_us(deadline_ns));
	library->message_unref(message);
	bus->next++;
	return error < 0 ? error : 0;
}

static int ask_more(struct systemd_bus *bus, size_t count, uint64_t deadline_ns)
{
	int error = 0;

	for (size_t i = 0; i < ON_THE_WAY_MAX && bus->next < count && !error; i++)
		if (!bus->asked[i].busy)
			error = ask(bus, &bus->asked[i], deadline_ns);
	return error;
}

int systemd_bus_run(struct systemd_bus *bus, const struct systemd_question *questions, size_t count, void *answer_ctx,
		    uint64_t deadline_ns, void (*idle)(void *ctx), void *idle_ctx)
{
	int error = 0;

	bus->questions = questions;
	bus->answer_ctx = answer_ctx;
	bus->answered = bus->next = 0;
	memset(bus->asked, 0, sizeof(bus->asked));
	while (error >= 0 && bus->answered < count) {
		if (clock_monotonic_ns() >= deadline_ns)
			error = -ETIMEDOUT;
		if (error >= 0)
			error = ask_more(bus, count, deadline_ns);
		if (error >= 0)
			error = bus->library.process(bus->bus, NULL);
		if (error != 0)
			continue;
		error = bus->library.wait(bus->bus, IDLE_US);
		if (idle)
			idle(idle_ctx);
	}
	if (error < 0)
		disconnect(bus);
	return error < 0 ? error : 0;
}
