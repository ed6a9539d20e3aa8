/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See cgroup_id.h.
 */
#include "container/cgroup_id.h"

#include <string.h>

#include "base/utf8.h"

void cgroup_id_append(struct buffer *out, const char *path)
{
	static const char replacement[] = "\xef\xbf\xbd", digits[] = "0123456789abcdef";
	size_t length = strlen(path);

	while (length) {
		size_t size = utf8_sequence(path, length);

		if (size == 3 && !memcmp(path, replacement, 3))
			size = 0;
		if (size) {
			buffer_append(out, path, size);
		} else {
			size = 1;
			buffer_append(out, replacement, 3);
			buffer_append_char(out, digits[(unsigned char)*path >> 4]);
			buffer_append_char(out, digits[*path & 15]);
		}
		path += size;
		length -= size;
	}
	buffer_append_char(out, '\0');
}
