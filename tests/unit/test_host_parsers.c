/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pure parts of the host's collectors: words and numbers, mountinfo, /proc/stat, filters, the sheet.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>

#include "host/filter.h"
#include "host/mounts.h"
#include "host/proc_stat.h"
#include "host/sheet.h"

static void numbers(void **state)
{
	uint64_t whole = 7;
	int64_t integer = 7;
	double real = 7;

	(void)state;
	assert_int_equal(span_u64(span_of("18446744073709551615"), &whole), 0);
	assert_true(whole == UINT64_MAX);
	assert_int_equal(span_u64(span_of("18446744073709551616"), &whole), -ERANGE);
	assert_int_equal(span_u64(span_of("-1"), &whole), -EINVAL);
	assert_int_equal(span_i64(span_of("-9223372036854775808"), &integer), 0);
	assert_true(integer == INT64_MIN);
	assert_int_equal(span_i64(span_of("9223372036854775808"), &integer), -ERANGE);
	assert_int_equal(span_i64(span_of("-"), &integer), -EINVAL);
	assert_int_equal(span_hex(span_of("0x1fF"), &whole), 0);
	assert_int_equal(whole, 0x1ff);
	assert_int_equal(span_hex(span_of("0x"), &whole), -EINVAL);
	assert_int_equal(span_hex(span_of("10000000000000000"), &whole), -ERANGE);
	assert_int_equal(span_double(span_of("-1.5e3"), &real), 0);
	assert_true(real == -1500);
	assert_int_equal(span_double(span_of("+Inf"), &real), 0);
	assert_true(isinf(real));
	assert_int_equal(span_double(span_of(" 1"), &real), -EINVAL);
	assert_int_equal(span_double(span_of("1x"), &real), -EINVAL);
	assert_int_equal(span_double(span_of("nan(1)"), &real), -EINVAL);
	assert_int_equal(span_double((struct span){ "1\0", 2 }, &real), -EINVAL);
}

static void words(void **state)
{
	struct span text = span_of("  a \t bc\nlast"), line, word;

	(void)state;
	assert_true(scan_line(&text, &line));
	assert_true(scan_word(&line, &word) && span_is(word, "a"));
	assert_true(scan_word(&line, &word) && span_is(word, "bc"));
	assert_false(scan_word(&line, &word));
	assert_true(scan_line(&text, &line) && span_is(line, "last"));
	assert_false(scan_line(&text, &line));
}

static void mount_is(const char *line, const char *device, const char *point, const char *type, bool read_only)
{
	struct mount mount;

	assert_int_equal(mount_parse(span_of(line), &mount), 0);
	assert_true(span_is(mount.device, device));
	assert_true(span_is(mount.point, point));
	assert_true(span_is(mount.type, type));
	assert_int_equal(mount.read_only, read_only);
}

static void mount_lines(void **state)
{
	struct mount mount;
	char text[32];

	(void)state;
	mount_is("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue", "/dev/root",
		 "/mnt2", "ext3", false);
	mount_is("36 35 98:0 / / ro - ext4 /dev/sda rw", "/dev/sda", "/", "ext4", true);
	mount_is("36 35 98:0 / / rw - ext4 /dev/sda rw,ro", "/dev/sda", "/", "ext4", true);
	mount_is("36 35 98:0 / /a\\040b rw,rox - tmpfs  rw", "", "/a\\040b", "tmpfs", false);
	assert_int_equal(mount_parse(span_of("36 35 98:0 / /a rw ext4 /dev/sda rw"), &mount), -EINVAL);
	assert_int_equal(mount_parse(span_of("36 35 98 / /a rw - ext4 /dev/sda rw"), &mount), -EINVAL);
	assert_int_equal(mount_parse(span_of("36 35 98:0 / /a"), &mount), -EINVAL);
	assert_int_equal(mount_parse(span_of(""), &mount), -EINVAL);
	mount_unescape(span_of("/a\\040b\\134\\012"), true, text, sizeof(text));
	assert_string_equal(text, "/a b\\134\\012");
	mount_unescape(span_of("/a\\040b\\134\\012\\9"), false, text, sizeof(text));
	assert_string_equal(text, "/a b\\\n\\9");
}

static void stat_lines(void **state)
{
	struct span text = span_of("cpu  1 2 3 4\ncpu0 1 2 3 4 5 6 7 8 9 10 11\ncpu3 1 2 3 4\nintr 77 1 2\nctxt 5\n");
	struct span all = text;
	struct cpu_line line;
	uint64_t value;
	int error = 0;

	(void)state;
	assert_true(proc_stat_cpu(&text, &line, &error));
	assert_int_equal(line.number, 0);
	assert_int_equal(line.ticks[CPU_GUEST_NICE], 10);
	assert_true(proc_stat_cpu(&text, &line, &error));
	assert_int_equal(line.number, 3);
	assert_int_equal(line.ticks[CPU_IOWAIT], 0);
	assert_false(proc_stat_cpu(&text, &line, &error));
	assert_int_equal(error, 0);
	assert_int_equal(proc_stat_counter(all, "intr", &value), 0);
	assert_int_equal(value, 77);
	assert_int_equal(proc_stat_counter(all, "ctx", &value), -ENODATA);
	text = span_of("cpu0 1 2 x 4\n");
	assert_false(proc_stat_cpu(&text, &line, &error));
	assert_int_equal(error, -EINVAL);
}

static void filters(void **state)
{
	struct filter *filter;

	(void)state;
	assert_int_equal(filter_new("^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\\d+n\\d+p)\\d+$", "", 4, 1, &filter), 0);
	for (int i = 0; i < 2; i++) { /* the second time from what was remembered */
		assert_false(filter_passes(filter, span_of("sda1")));
		assert_false(filter_passes(filter, span_of("nvme0n1p2")));
		assert_false(filter_passes(filter, span_of("zram0")));
		assert_true(filter_passes(filter, span_of("sda")));
		assert_true(filter_passes(filter, span_of("sda1\n")));
		assert_true(filter_passes(filter, span_of("\xff\xfe")));
		assert_true(filter_passes(filter, span_of("")));
	}
	filter_free(filter);
	assert_int_equal(filter_new("^a", "^a|b$", 4, 1, &filter), 0); /* picking wins */
	assert_true(filter_passes(filter, span_of("a")));
	assert_false(filter_passes(filter, span_of("c")));
	filter_free(filter);
	assert_int_equal(filter_new("", "", 4, 1, &filter), 0);
	assert_true(filter_passes(filter, span_of("x")));
	filter_free(filter);
	assert_int_equal(filter_new("(", "", 4, 1, &filter), -EINVAL);
	/* Steps beyond measure end in time. */
	assert_int_equal(filter_new("(a|aa)+$", "", 4, 1, &filter), 0);
	assert_true(filter_passes(filter, span_of("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")));
	filter_free(filter);
}

struct seen {
	size_t families, samples;
	char last[64];
};

static void begin(void *ctx, const struct metric_family *family)
{
	struct seen *seen = ctx;

	seen->families++;
	snprintf(seen->last, sizeof(seen->last), "%s", family->name);
}

static void sample(void *ctx, const struct metric_label *labels, size_t count, double value)
{
	struct seen *seen = ctx;

	(void)labels;
	(void)count;
	(void)value;
	seen->samples++;
}

static void end(void *ctx)
{
	(void)ctx;
}

static struct seen visit(const struct sheet *sheet)
{
	struct seen seen = { 0 };
	const struct metric_visitor visitor = {
		.ctx = &seen, .family_begin = begin, .sample = sample, .family_end = end
	};

	sheet_visit(sheet, &visitor);
	return seen;
}

static void sheet_gathers_by_family(void **state)
{
	static const struct metric_family a = { .name = "a", .help = "A.", .unit = "", .type = METRIC_GAUGE };
	static const struct metric_family other = { .name = "a", .help = "A.", .unit = "", .type = METRIC_COUNTER };
	struct metric_family copied = { .name = "b", .help = "B.", .unit = "", .type = METRIC_GAUGE };
	const struct metric_label label = { "l", "v" };
	struct sheet *sheet;

	(void)state;
	assert_int_equal(sheet_new(1, &sheet), 0);
	for (int round = 0; round < 3; round++) {
		sheet_reset(sheet);
		for (int i = 0; i < 20000; i++) {
			sheet_add_labelled(sheet, sheet_family(sheet, &a), &label, 1, i);
			sheet_add(sheet, sheet_family_copied(sheet, &copied), NULL, i);
		}
		assert_int_equal(visit(sheet).families, 2);
		assert_int_equal(visit(sheet).samples, 40000);
		assert_int_equal(sheet_take_error(sheet), 0);
	}
	assert_null(sheet_family(sheet, &other));
	assert_int_equal(sheet_take_error(sheet), -EEXIST);
	assert_int_equal(sheet_take_error(sheet), 0);
	sheet_reset(sheet);
	sheet_add(sheet, sheet_family(sheet, &other), NULL, 1); /* nothing of the other type is left */
	assert_int_equal(visit(sheet).samples, 1);
	sheet_free(sheet);
}

static void families_have_a_limit(void **state)
{
	struct metric_family family = { .help = "Many.", .unit = "", .type = METRIC_GAUGE };
	struct sheet *sheet;
	char name[32];

	(void)state;
	assert_int_equal(sheet_new(1, &sheet), 0);
	family.name = name;
	for (int i = 0; i <= SHEET_FAMILIES_MAX; i++) {
		snprintf(name, sizeof(name), "family_%d", i);
		sheet_add(sheet, sheet_family_copied(sheet, &family), NULL, 1);
	}
	assert_int_equal(sheet_take_error(sheet), -ENOSPC);
	assert_int_equal(visit(sheet).families, SHEET_FAMILIES_MAX);
	/* Those that are not used again make room. */
	sheet_reset(sheet);
	sheet_reset(sheet);
	sheet_add(sheet, sheet_family_copied(sheet, &family), NULL, 1);
	assert_int_equal(sheet_take_error(sheet), 0);
	sheet_free(sheet);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(words),
		cmocka_unit_test(mount_lines),
		cmocka_unit_test(stat_lines),
		cmocka_unit_test(filters),
		cmocka_unit_test(sheet_gathers_by_family),
		cmocka_unit_test(families_have_a_limit),
	};

	return cmocka_run_group_tests_name("host_parsers", tests, NULL, NULL);
}
