/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
 * (1)(2)(3)   (4)   (5)      (6)      (7)   (8) (9)   (10)         (11)
 * 3 major:minor, 5 mount point, 6 options, 7 any number of optional fields, 8 end of them, 9 type, 10 source, 11
 * options of the superblock. Blank, tab, newline and backslash in a path are escaped as \ooo; an empty source leaves an
 * empty field.
 */
#include "host/mounts.h"

#include <errno.h>

#define SEPARATOR " - "

/* "a,b=c": whether `option` is one of them. */
static bool has_option(struct span options, const char *option)
{
	struct span one;

	while (scan_until(&options, ',', &one))
		if (span_is(one, option))
			return true;
	return false;
}

static bool find_separator(struct span line, struct span *ret_after)
{
	const char *found = memmem(line.at, line.length, SEPARATOR, strlen(SEPARATOR));

	if (!found)
		return false;
	*ret_after = span_skip(line, (size_t)(found - line.at) + strlen(SEPARATOR));
	return true;
}

int mount_parse(struct span line, struct mount *ret_mount)
{
	struct span ids[2], device, root, options, after, super;
	struct mount mount = { 0 };
	uint64_t number;

	if (!scan_until(&line, ' ', &ids[0]) || !scan_until(&line, ' ', &ids[1]) || !scan_until(&line, ' ', &device) ||
	    !scan_until(&line, ' ', &root) || !scan_until(&line, ' ', &mount.point) ||
	    !scan_until(&line, ' ', &options) || span_u64(ids[0], &number) || span_u64(ids[1], &number))
		return -EINVAL;
	if (!scan_until(&device, ':', &mount.major) || span_u64(mount.major, &number) || span_u64(device, &number))
		return -EINVAL;
	mount.minor = device;
	/* Without optional fields the separator follows at once, and its first blank is already taken. */
	line = (struct span){ line.at - 1, line.length + 1 };
	if (!find_separator(line, &after) || !scan_until(&after, ' ', &mount.type) ||
	    !scan_until(&after, ' ', &mount.device))
		return -EINVAL;
	super = after;
	mount.read_only = has_option(options, "ro") || has_option(super, "ro") || has_option(super, "emergency_ro");
	*ret_mount = mount;
	return 0;
}

static bool is_octal(struct span text)
{
	return text.length >= 4 && text.at[0] == '\\' && text.at[1] >= '0' && text.at[1] <= '3' && text.at[2] >= '0' &&
	       text.at[2] <= '7' && text.at[3] >= '0' && text.at[3] <= '7';
}

void mount_unescape(struct span text, bool blanks_only, char *ret_text, size_t size)
{
	size_t length = 0;

	while (text.length && length < size - 1) {
		char c = *text.at;
		size_t taken = 1;

		if (is_octal(text)) {
			char meant = (char)((text.at[1] - '0') << 6 | (text.at[2] - '0') << 3 | (text.at[3] - '0'));

			if (!blanks_only || meant == ' ' || meant == '\t') {
				c = meant;
				taken = 4;
			}
		}
		ret_text[length++] = c;
		text = span_skip(text, taken);
	}
	ret_text[length] = '\0';
}
