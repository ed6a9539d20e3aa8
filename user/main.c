/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: `sonde [run|doctor|config] [flags]`. Reads the configuration, sets up the log, and hands over.
 * Exit status: 0, 1 when the work failed, 2 when the command line or the configuration was refused.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "base/log.h"
#include "base/number.h"
#include "config/describe.h"
#include "doctor.h"

#if __has_include("version.h")
#include "version.h"
#endif
#ifndef SONDE_VERSION
#define SONDE_VERSION "0.0.0"
#endif
#ifndef SONDE_REVISION
#define SONDE_REVISION "unknown"
#endif

#define EXIT_REFUSED 2
#define OUTPUT_MAX (1024 * 1024) /* the longest possible configuration is printed whole */

enum command_id {
	COMMAND_RUN,
	COMMAND_DOCTOR,
	COMMAND_CONFIG,
	COMMAND_COUNT,
};

struct command {
	const char *name;
	const char *help; /* one line, for the list of commands */
	const char *text; /* what `sonde NAME --help` says first */
};

static const struct command commands[COMMAND_COUNT] = {
	[COMMAND_RUN] = { "run", "observe this host and serve what was seen (the default)",
			  "Observes this host and serves metrics until SIGTERM or SIGINT. SIGHUP reads the "
			  "configuration\n"
			  "again. Start it as root; it gives up what it does not need. `sonde doctor` says "
			  "what a host allows.\n" },
	[COMMAND_DOCTOR] = { "doctor", "say what can be observed on this host, what not, and why",
			     "Tries what the agent would use on this host: says what works, what does not and "
			     "the remedy. With --pid N: of one process, which TLS libraries are read, or why not.\n" },
	[COMMAND_CONFIG] = { "config", "check the configuration and print it",
			     "Prints the effective configuration as YAML, with the origin of each value, and "
			     "exits with 0;\n"
			     "or says in one line what is wrong with it and exits with 2.\n" },
};

/* Writes what was built to standard output; the exit status. */
static int print(struct buffer *out)
{
	int error = buffer_error(out);

	if (error)
		fprintf(stderr, "sonde: cannot build the output: %s\n", strerrordesc_np(-error));
	else if (fwrite(out->data, 1, out->length, stdout) != out->length || fflush(stdout))
		error = fprintf(stderr, "sonde: cannot write to standard output: %m\n");
	buffer_done(out);
	return error ? 1 : 0;
}

static int print_version(void)
{
	struct buffer out;

	buffer_init(&out, OUTPUT_MAX);
	buffer_printf(&out, "sonde %s (revision %s, libbpf %s)\n", SONDE_VERSION, SONDE_REVISION,
		      libbpf_version_string());
	return print(&out);
}

/* Of sonde, or of one command. */
static int print_help(const struct command *command)
{
	struct buffer out;
	int i;

	buffer_init(&out, OUTPUT_MAX);
	if (command) {
		buffer_printf(&out, "Usage: sonde %s [flags]\n\n%s", command->name, command->text);
	} else {
		buffer_append_string(&out, "Usage: sonde [command] [flags]\n\nCommands:\n");
		for (i = 0; i < COMMAND_COUNT; i++)
			buffer_printf(&out, "  %-8s%s\n", commands[i].name, commands[i].help);
		buffer_append_string(
			&out, "\n`sonde COMMAND --help` tells about one command, `sonde --version` the version.\n");
	}
	buffer_append_string(&out, "\nFlags (also SONDE_* variables and YAML, see docs/CONFIG.md):\n");
	config_describe_flags(&out);
	return print(&out);
}

static int print_markdown(void)
{
	struct buffer out;

	buffer_init(&out, OUTPUT_MAX);
	config_describe_markdown(&out);
	return print(&out);
}

static int print_config(const struct config *config)
{
	struct buffer out;

	buffer_init(&out, OUTPUT_MAX * 64);
	config_describe_effective(config, &out);
	return print(&out);
}

static int configure_log(const struct config *config)
{
	enum log_format format;
	enum log_level level;
	int error = log_level_parse(config->log_level, &level);

	if (!error)
		error = log_format_parse(config->log_format, &format);
	if (!error)
		log_configure(level, format);
	return error;
}

/* What only doctor takes. */
struct doctor_options {
	bool has_pid;
	uint32_t pid;
};

static int run_command(enum command_id command, struct config *config, const struct config_source *source,
		       const struct doctor_options *doctor)
{
	if (command == COMMAND_CONFIG)
		return print_config(config);
	if (configure_log(config)) /* the option table allows only what the log knows: never, but said if it is */
		return EXIT_REFUSED;
	if (command == COMMAND_DOCTOR)
		return doctor->has_pid ? doctor_run_process(config, doctor->pid) : doctor_run(config);
	return agent_run(config, source);
}

/* Takes `--pid N` or `--pid=N` from the front of doctor's arguments. */
static int take_doctor_options(struct config_source *source, struct doctor_options *ret_options)
{
	const char *value;
	int taken = 1;

	if (source->argc < 1 || strncmp(source->argv[0], "--pid", 5))
		return 0;
	if (source->argv[0][5] == '=') {
		value = source->argv[0] + 6;
	} else if (!source->argv[0][5] && source->argc > 1) {
		value = source->argv[1];
		taken = 2;
	} else {
		return -EINVAL;
	}
	if (number_u32(value, &ret_options->pid) || !ret_options->pid)
		return -EINVAL;
	ret_options->has_pid = true;
	source->argc -= taken;
	source->argv += taken;
	return 0;
}

static int load_and_run(enum command_id command, struct config_source *source)
{
	struct doctor_options doctor = { 0 };
	char error[CONFIG_ERROR_SIZE];
	struct config config;
	int status;

	if (command == COMMAND_DOCTOR && take_doctor_options(source, &doctor)) {
		fprintf(stderr, "sonde: --pid: the number of a process is wanted\n");
		return EXIT_REFUSED;
	}
	if (config_load(source->argc, source->argv, source->environment, &config, error, sizeof(error))) {
		fprintf(stderr, "sonde: %s\n", error);
		return EXIT_REFUSED;
	}
	status = run_command(command, &config, source, &doctor);
	config_free(&config);
	return status;
}

static bool has_flag(const struct config_source *source, const char *flag, const char *other)
{
	int i;

	for (i = 0; i < source->argc; i++)
		if (!strcmp(source->argv[i], flag) || !strcmp(source->argv[i], other))
			return true;
	return false;
}

static int find_command(const char *name)
{
	int i;

	for (i = 0; i < COMMAND_COUNT; i++)
		if (!strcmp(commands[i].name, name))
			break;
	return i;
}

int main(int argc, char **argv)
{
	struct config_source source = { .argc = argc - 1, .argv = argv + 1, .environment = environ };
	bool named = argc > 1 && argv[1][0] != '-';
	int command = COMMAND_RUN;

	if (argc < 1)
		return EXIT_REFUSED;
	if (named) {
		command = find_command(argv[1]);
		source.argc--;
		source.argv++;
	}
	if (command == COMMAND_COUNT) {
		fprintf(stderr, "sonde: \"%.64s\": unknown command; allowed are run, doctor and config\n", argv[1]);
		return EXIT_REFUSED;
	}
	if (has_flag(&source, "--help", "-h"))
		return print_help(named ? &commands[command] : NULL);
	if (has_flag(&source, "--version", "-V"))
		return print_version();
	if (command == COMMAND_CONFIG && source.argc == 1 && has_flag(&source, "--markdown", "--markdown"))
		return print_markdown();
	return load_and_run((enum command_id)command, &source);
}
