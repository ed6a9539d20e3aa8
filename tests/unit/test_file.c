/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small files: exact fit, one byte too many, cut, missing, empty, and a file of /proc that has no size.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/file.h"

struct fixture {
	int fd;
	char path[64]; /* of a memory file that holds "0123456789" */
};

static int set_up(void **state)
{
	static struct fixture fixture;

	fixture.fd = memfd_create("test_file", MFD_CLOEXEC);
	if (fixture.fd < 0 || write(fixture.fd, "0123456789", 10) != 10)
		return -1;
	snprintf(fixture.path, sizeof(fixture.path), "/proc/self/fd/%d", fixture.fd);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	const struct fixture *fixture = *state;

	return close(fixture->fd);
}

static void whole_file_fits_exactly(void **state)
{
	const struct fixture *fixture = *state;
	char buffer[11];
	size_t length = 99;

	assert_int_equal(file_read(AT_FDCWD, fixture->path, buffer, sizeof(buffer), &length), 0);
	assert_int_equal(length, 10);
	assert_string_equal(buffer, "0123456789");
	assert_int_equal(file_read(AT_FDCWD, fixture->path, buffer, sizeof(buffer), NULL), 0);
}

static void too_long_is_refused_or_cut(void **state)
{
	const struct fixture *fixture = *state;
	char buffer[10];
	size_t length = 99;

	assert_int_equal(file_read(AT_FDCWD, fixture->path, buffer, sizeof(buffer), &length), -EFBIG);
	assert_int_equal(length, 99);
	assert_int_equal(file_read(AT_FDCWD, fixture->path, buffer, 0, &length), -EFBIG);
	assert_int_equal(file_read_start(AT_FDCWD, fixture->path, buffer, sizeof(buffer), &length), 0);
	assert_int_equal(length, 9);
	assert_string_equal(buffer, "012345678");
}

static void errors_are_told(void **state)
{
	char buffer[16];
	size_t length = 99;

	(void)state;
	assert_int_equal(file_read(AT_FDCWD, "/proc/self/nonsense", buffer, sizeof(buffer), &length), -ENOENT);
	assert_int_equal(file_read(AT_FDCWD, "/proc", buffer, sizeof(buffer), &length), -EISDIR);
	assert_int_equal(length, 99);
}

static void empty_and_relative(void **state)
{
	int directory = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char buffer[4096];
	size_t length = 99;

	(void)state;
	assert_int_equal(file_read(AT_FDCWD, "/dev/null", buffer, sizeof(buffer), &length), 0);
	assert_int_equal(length, 0);
	assert_string_equal(buffer, "");
	assert_true(directory >= 0);
	assert_int_equal(file_read(directory, "status", buffer, sizeof(buffer), &length), 0);
	assert_int_equal(length, strlen(buffer));
	assert_int_equal(strncmp(buffer, "Name:", 5), 0);
	close(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_file_fits_exactly),
		cmocka_unit_test(too_long_is_refused_or_cut),
		cmocka_unit_test(errors_are_told),
		cmocka_unit_test(empty_and_relative),
	};

	return cmocka_run_group_tests_name("file", tests, set_up, tear_down);
}
