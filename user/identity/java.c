/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Java command lines: the name that an operator gave by a property, else the jar without its version, else the main
 * class. Options as in the java(1) manual of JDK 21.
 */
#include "identity/command.h"

/* Options whose value is the next argument. */
static const char *const with_value[] = { "-cp",
					  "-classpath",
					  "--class-path",
					  "-p",
					  "--module-path",
					  "--upgrade-module-path",
					  "--add-modules",
					  "--add-exports",
					  "--add-opens",
					  "--add-reads",
					  "--limit-modules",
					  "--patch-module",
					  "--enable-native-access",
					  "--source",
					  "-d",
					  "--describe-module",
					  NULL };
/* Properties that name the application: OpenTelemetry's agent, Spring Boot. */
static const char *const properties[] = { "-Dotel.service.name=", "-Dspring.application.name=",
					  "--spring.application.name=", NULL };
/* Main classes that people know by another name. */
static const struct {
	const char *class;
	const char *name;
} known_classes[] = {
	{ "org.apache.catalina.startup.Bootstrap", "tomcat" },
	{ "org.apache.zookeeper.server.quorum.QuorumPeerMain", "zookeeper" },
	{ "org.elasticsearch.bootstrap.Elasticsearch", "elasticsearch" },
	{ "org.apache.cassandra.service.CassandraDaemon", "cassandra" },
	{ "kafka.Kafka", "kafka" },
	{ "com.sonatype.nexus.bootstrap.Launcher", "nexus" },
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "foo-1.2-SNAPSHOT.jar" is foo: a version starts at the first "-N" that a dot, a dash or the end follows. */
static struct slice jar_name(struct slice path)
{
	struct slice name = slice_base(path);

	if (slice_ends(name, ".jar") || slice_ends(name, ".war"))
		name = slice_drop(name, strlen(".jar"));
	for (size_t i = 1; i + 1 < name.length; i++) {
		size_t end = i + 1;

		while (end < name.length && is_digit(name.data[end]))
			end++;
		if (name.data[i] == '-' && end > i + 1 &&
		    (end == name.length || name.data[end] == '.' || name.data[end] == '-'))
			return slice_make(name.data, i);
	}
	return name;
}

/* The class without its package; a class that is only called Main takes its package's last part. */
static struct slice class_name(struct slice class)
{
	struct slice name;

	for (size_t i = 0; i < sizeof(known_classes) / sizeof(known_classes[0]); i++)
		if (slice_is(class, known_classes[i].class))
			return slice_of(known_classes[i].name);
	name = slice_after_last(class, '.');
	if (slice_is(name, "Main") && class.length > name.length)
		return slice_after_last(slice_drop(class, name.length + 1), '.');
	return name;
}

static struct slice property_name(struct arguments arguments)
{
	struct slice argument;

	while (arguments_next(&arguments, &argument))
		for (size_t i = 0; properties[i]; i++)
			if (slice_starts(argument, properties[i]) && argument.length > strlen(properties[i]))
				return slice_skip(argument, strlen(properties[i]));
	return slice_of("");
}

/* "-m MODULE[/CLASS]" */
static struct slice module_name(struct slice module)
{
	return slice_contains(module, "/") ? class_name(slice_after_last(module, '/')) : module;
}

struct slice java_service(struct arguments arguments, struct slice directory)
{
	struct slice argument, value, name = property_name(arguments);

	if (name.length)
		return name;
	while (arguments_next(&arguments, &argument)) {
		if (slice_is(argument, "-jar"))
			return arguments_next(&arguments, &value) ? jar_name(value) : slice_of("");
		if (slice_is(argument, "-m") || slice_is(argument, "--module"))
			return arguments_next(&arguments, &value) ? module_name(value) : slice_of("");
		if (slice_starts(argument, "--module="))
			return module_name(slice_skip(argument, strlen("--module=")));
		if (slice_in(argument, with_value) && !arguments_next(&arguments, &value))
			return slice_of("");
		/* "@FILE" holds further arguments, which are not read. */
		if (slice_starts(argument, "-") || slice_starts(argument, "@") || !argument.length)
			continue;
		if (slice_ends(argument, ".java"))
			return script_service(argument, arguments, directory);
		return class_name(argument);
	}
	return slice_of("");
}
