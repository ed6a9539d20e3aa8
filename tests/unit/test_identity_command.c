/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command lines to names: one row for each rule, written as a shell would show it. A '|' stands for the NUL between
 * arguments, so that titles with blanks in one argument can be told apart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "identity/command.h"

struct row {
	const char *executable;
	const char *arguments;
	const char *expected;
};

static void check_rows(const struct row *rows, size_t count, const char *directory)
{
	for (size_t i = 0; i < count; i++) {
		char arguments[512], name[IDENTITY_NAME_MAX + 1];
		size_t length = strlen(rows[i].arguments);
		struct command command = {
			.executable = slice_of(rows[i].executable),
			.directory = slice_of(directory),
			.comm = slice_of("comm"),
		};

		assert_true(length < sizeof(arguments));
		for (size_t j = 0; j <= length; j++)
			arguments[j] = rows[i].arguments[j] == '|' ? '\0' : rows[i].arguments[j];
		command.arguments = slice_make(arguments, length);
		slice_clean(command_service(&command), name);
		if (strcmp(name, rows[i].expected))
			fail_msg("%s [%s]: \"%s\", not \"%s\"", rows[i].executable, rows[i].arguments, name,
				 rows[i].expected);
		/* The NUL that ends the last argument changes nothing. */
		command.arguments.length++;
		slice_clean(command_service(&command), name);
		assert_string_equal(name, rows[i].expected);
	}
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_executables(void **state)
{
	static const struct row rows[] = {
		{ "/usr/sbin/nginx", "nginx: worker process", "nginx" },
		{ "/usr/sbin/nginx (deleted)", "nginx: worker process", "nginx" },
		{ "/usr/lib/postgresql/15/bin/postgres", "postgres: 15/main: walwriter ", "postgres" },
		{ "", "postgres: app shop 10.0.0.1(5000) idle", "postgres" },
		{ "", "/usr/sbin/sshd|-D", "sshd" },
		{ "", "sshd: bob@pts/0", "sshd" },
		{ "", "-bash", "bash" },
		{ "/opt/shop/shop", "/opt/shop/shop|--port|80", "shop" },
		{ "/opt/shop/shop.bin", "whatever", "shop.bin" },
		{ "/bin/busybox", "httpd|-f|-p|80", "httpd" },
		{ "/bin/busybox", "/bin/sh|/srv/serve.sh", "serve" },
		{ "/usr/bin/redis-server", "redis-server *:6379", "redis-server" },
		{ "/memfd:shop (deleted)", "x", "shop" },
		{ "", "", "comm" },
		{ "/usr/bin/x", "", "x" },
		{ "", "||", "comm" },
		{ "/usr/lib/erlang/erts-13/bin/beam.smp", "beam.smp|-root|/x|-name|shop@10.0.0.1|-noshell", "shop" },
		{ "/usr/lib/erlang/erts-13/bin/beam.smp", "beam.smp|-root|/x", "beam.smp" },
	};

	(void)state;
	check_rows(rows, COUNT(rows), "/");
}

static void test_python(void **state)
{
	static const struct row rows[] = {
		{ "/usr/bin/python3.11", "python3.11|/app/manage.py|runserver", "manage" },
		{ "/usr/bin/python3.11", "python3|-u|-W|ignore|server.py|-m|x", "server" },
		{ "/usr/bin/python3.11", "python3|-Wignore|-X|dev|/x/y/api.py", "api" },
		{ "/usr/bin/python3.11", "python3|-m|http.server|8000", "http.server" },
		{ "/usr/bin/python3.11", "python3|-Im|shop.__main__", "shop" },
		{ "/usr/bin/python3.11", "python3|-mshop.api", "shop.api" },
		{ "/usr/bin/python3.11", "python3|-c|import x", "python3.11" },
		{ "/usr/bin/python3.11", "python3", "python3.11" },
		{ "/usr/bin/python3.11", "python3|-", "python3.11" },
		{ "/usr/bin/python3.11", "python3|-m", "python3.11" },
		{ "/usr/bin/python3.11", "python3|-|x.py", "python3.11" },
		{ "/usr/bin/python3.11", "python3|--|x.py", "x" },
		{ "/usr/bin/python3.11", "python3|/opt/shop/__main__.py", "shop" },
		{ "/usr/bin/python3.11", "python3|__main__.py", "shop" },
		{ "/usr/bin/python3.11", "python3|main.py", "main" },
		{ "/usr/bin/python3.11", "python3|/srv/bundle.v2", "bundle.v2" },
		{ "/usr/bin/python3.11", "python3|.", "shop" },
		{ "/usr/bin/pypy3", "pypy3|x.py", "x" },
		{ "/usr/bin/python3.11", "/usr/bin/python3|/usr/bin/gunicorn|shop.wsgi", "shop" },
		{ "/usr/bin/python3.11", "python3|/v/bin/gunicorn|-w|4|-b|0.0.0.0:80|--reload|shop.wsgi:application",
		  "shop" },
		{ "/usr/bin/python3.11", "python3|/v/bin/gunicorn|-k|uvicorn.workers.UvicornWorker|shop.wsgi", "shop" },
		{ "/usr/bin/python3.11", "python3|/v/bin/gunicorn|-n|till|shop.wsgi", "till" },
		{ "/usr/bin/python3.11", "python3|/v/bin/gunicorn|--name=till|shop.wsgi", "till" },
		{ "/usr/bin/python3.11", "python3|/v/bin/gunicorn|shop:create_app()", "shop" },
		{ "/usr/bin/python3.11", "python3|/v/bin/gunicorn|-c|/etc/g.py", "gunicorn" },
		{ "/usr/bin/python3.11", "python3|/v/bin/uvicorn|main:app|--host|::", "main" },
		{ "/usr/bin/python3.11", "python3|-m|uvicorn|src.shop.main:app|--port|80", "shop" },
		{ "/usr/bin/python3.11", "python3|-m|flask|--app|shop.web|run", "shop" },
		{ "/usr/bin/python3.11", "python3|/v/bin/flask|--app=./till.py|run", "till" },
		{ "/usr/bin/python3.11", "python3|/v/bin/celery|-A|shop|worker", "shop" },
		{ "/usr/bin/python3.11", "python3|/v/bin/streamlit|run|dash.py", "dash" },
		{ "/usr/bin/python3.11", "gunicorn: master [shop]", "shop" },
		{ "/usr/bin/python3.11", "gunicorn: worker [shop.wsgi:application]", "shop" },
		{ "/usr/bin/python3.11", "[celeryd: celery@host:MainProcess] -active- (worker)", "celeryd" },
		{ "/usr/bin/python3.11", "till", "till" },
	};

	(void)state;
	check_rows(rows, COUNT(rows), "/srv/shop");
}

static void test_node(void **state)
{
	static const struct row rows[] = {
		{ "/usr/bin/node", "node|server.js", "server" },
		{ "/usr/bin/node", "node|index.js", "index" },
		{ "/usr/bin/node", "node|/srv/till/dist/main.js", "till" },
		{ "/usr/bin/node", "node|/app/dist/main.js", "main" },
		{ "/usr/bin/node", "node|dist/index.js", "shop" },
		{ "/usr/bin/node", "node|./dist/index.js", "shop" },
		{ "/usr/bin/node", "node|-r|dotenv/config|--inspect|--import|x|api.mjs", "api" },
		{ "/usr/bin/node", "node|--require=x|api.cjs", "api" },
		{ "/usr/bin/node", "node|-e|x", "node" },
		{ "/usr/bin/node", "node|--eval|x", "node" },
		{ "/usr/bin/node", "node|--title=till|api.js", "till" },
		{ "/usr/bin/node", "node|/app/node_modules/.bin/next|start", "next" },
		{ "/usr/bin/node", "node|/app/node_modules/@acme/till/bin/cli.js", "till" },
		{ "/usr/bin/node", "node|/app/node_modules/.bin/ts-node|src/api.ts", "api" },
		{ "/usr/bin/node", "node|/app/node_modules/ts-node/dist/bin.js|src/api.ts", "api" },
		{ "/usr/bin/node", "node /srv/shop/api.js", "api" },
		{ "/usr/bin/node", "next-server (v14.0)", "next-server" },
		{ "/usr/bin/node", "npm start", "npm" },
		{ "/usr/bin/bun", "bun|run|api.ts", "api" },
		{ "/usr/bin/deno", "deno|run|-A|api.ts", "api" },
	};

	(void)state;
	check_rows(rows, COUNT(rows), "/srv/shop");
}

static void test_java(void **state)
{
	static const struct row rows[] = {
		{ "/usr/lib/jvm/bin/java", "java|-Xmx1g|-jar|/srv/foo-1.2.jar|x", "foo" },
		{ "/usr/lib/jvm/bin/java", "java|-jar|foo-service-2.0.1-SNAPSHOT.jar", "foo-service" },
		{ "/usr/lib/jvm/bin/java", "java|-jar|foo-2fa-7.jar", "foo-2fa" },
		{ "/usr/lib/jvm/bin/java", "java|-jar|foo-7-SNAPSHOT.jar", "foo" },
		{ "/usr/lib/jvm/bin/java", "java|-jar|app.jar", "app" },
		{ "/usr/lib/jvm/bin/java", "java|-jar", "java" },
		{ "/usr/lib/jvm/bin/java", "java", "java" },
		{ "/usr/lib/jvm/bin/java", "java|-cp|a.jar:b.jar|com.acme.shop.ShopServer", "ShopServer" },
		{ "/usr/lib/jvm/bin/java", "java|-cp|x|com.acme.shop.Main", "shop" },
		{ "/usr/lib/jvm/bin/java", "java|Main", "Main" },
		{ "/usr/lib/jvm/bin/java", "java|-cp|x|org.apache.catalina.startup.Bootstrap|start", "tomcat" },
		{ "/usr/lib/jvm/bin/java", "java|-cp|x|kafka.Kafka|server.properties", "kafka" },
		{ "/usr/lib/jvm/bin/java", "java|-m|com.acme.till/com.acme.till.Till", "Till" },
		{ "/usr/lib/jvm/bin/java", "java|--module=com.acme.till", "com.acme.till" },
		{ "/usr/lib/jvm/bin/java", "java|-Dspring.application.name=till|-jar|app.jar", "till" },
		{ "/usr/lib/jvm/bin/java", "java|-jar|app.jar|--spring.application.name=till", "till" },
		{ "/usr/lib/jvm/bin/java", "java|@options|Server.java", "Server" },
	};

	(void)state;
	check_rows(rows, COUNT(rows), "/");
}

static void test_other_interpreters(void **state)
{
	static const struct row rows[] = {
		{ "/usr/bin/ruby3.1", "ruby|-Ilib|-r|bundler/setup|api.rb", "api" },
		{ "/usr/bin/ruby3.1", "ruby|-e|x", "ruby3.1" },
		{ "/usr/bin/ruby3.1", "ruby|bin/rails|server", "shop" },
		{ "/usr/bin/ruby3.1", "puma 6.4 (tcp://0.0.0.0:3000) [till]", "till" },
		{ "/usr/bin/ruby3.1", "puma: cluster worker 0: 77 [till]", "till" },
		{ "/usr/bin/ruby3.1", "unicorn worker[0] -c config.rb", "shop" },
		{ "/usr/bin/ruby3.1", "ruby|/usr/bin/bundle|exec|api.rb", "api" },
		{ "/usr/bin/ruby3.1", "sidekiq 6.5 till [0 of 5 busy]", "sidekiq" },
		{ "/usr/bin/perl", "perl|-w|-Mstrict|-I|lib|/srv/till.pl", "till" },
		{ "/usr/bin/perl", "perl|-ne|print", "perl" },
		{ "/usr/bin/php8.2", "php|-d|x=1|/srv/till.php", "till" },
		{ "/usr/bin/php8.2", "php|-S|:80|till.php", "till" },
		{ "/usr/bin/php8.2", "php|-f|till.php", "till" },
		{ "/usr/bin/php8.2", "php|artisan|serve", "artisan" },
		{ "/usr/sbin/php-fpm8.2", "php-fpm: pool www", "php-fpm" },
		{ "/usr/sbin/php-fpm8.2", "php-fpm: pool shop", "shop" },
		{ "/usr/sbin/php-fpm8.2", "php-fpm: master process (/etc/php/8.2/fpm/php-fpm.conf)", "php-fpm" },
		{ "/usr/sbin/php-fpm8.2", "php-fpm8.2|-F", "php-fpm" },
		{ "/usr/bin/bash", "bash|-eu|-o|pipefail|/srv/till.sh|x", "till" },
		{ "/usr/bin/bash", "bash|-lc|till", "bash" },
		{ "/usr/bin/dash", "/bin/sh|/srv/till", "till" },
		{ "/usr/bin/bash", "-bash", "bash" },
		{ "/usr/bin/dotnet", "dotnet|/app/Till.dll|--urls|x", "Till" },
		{ "/usr/bin/dotnet", "dotnet|exec|--depsfile|x|Till.dll", "Till" },
		{ "/usr/bin/lua5.4", "lua|-l|x|till.lua", "till" },
	};

	(void)state;
	check_rows(rows, COUNT(rows), "/srv/shop/releases/20240131");
}

static void test_titled_commands(void **state)
{
	struct command command = { .executable = slice_of("/usr/sbin/php-fpm8.2") };

	(void)state;
	assert_true(command_is_titled(&command));
	command.executable = slice_of("/usr/sbin/nginx");
	assert_false(command_is_titled(&command));
}

/* No argument: each prefix of a command line is one that a cut event can bring. */
static void test_cut_anywhere(void **state)
{
	static const char line[] = "python3\0-W\0ignore\0-m\0gunicorn\0-b\0:80\0--name=x\0shop.wsgi:app(1)";
	static const char *const executables[] = { "/usr/bin/python3", "/usr/bin/java", "/bin/busybox", "",
						   "/usr/bin/ruby" };

	(void)state;
	for (size_t e = 0; e < sizeof(executables) / sizeof(executables[0]); e++)
		for (size_t length = 0; length < sizeof(line); length++) {
			char name[IDENTITY_NAME_MAX + 1];
			char *copy = malloc(length + 1);
			struct command command = { .executable = slice_of(executables[e]), .comm = slice_of("comm") };

			assert_non_null(copy);
			memcpy(copy, line, length);
			command.arguments = slice_make(copy, length);
			assert_true(slice_clean(command_service(&command), name) > 0);
			free(copy);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_executables),
		cmocka_unit_test(test_python),
		cmocka_unit_test(test_node),
		cmocka_unit_test(test_java),
		cmocka_unit_test(test_other_interpreters),
		cmocka_unit_test(test_titled_commands),
		cmocka_unit_test(test_cut_anywhere),
	};

	return cmocka_run_group_tests_name("identity command", tests, NULL, NULL);
}
