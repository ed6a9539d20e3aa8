/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup files' texts (Documentation/admin-guide/cgroup-v2.rst; cgroup-v1/{memory,cpuacct,blkio-controller}.rst) and
 * /proc/PID/net/dev. Hand-written scanning: memory.stat alone has some sixty lines, and a scrape reads one per cgroup.
 */
#include "container/parse.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* Digits at *at; false when there is none, or too many. */
static bool take_number(const char **at, uint64_t *ret_number)
{
	const char *digit = *at;
	uint64_t number = 0;

	for (; *digit >= '0' && *digit <= '9'; digit++)
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*digit - '0'), &number))
			return false;
	if (digit == *at)
		return false;
	*at = digit;
	*ret_number = number;
	return true;
}

static bool take_char(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

static const char *next_line(const char *text)
{
	const char *end = strchr(text, '\n');

	return end ? end + 1 : text + strlen(text);
}

static void put(const struct value_sink *sink, enum value value, uint64_t number)
{
	sink->values[value] = number;
	*sink->present |= 1ULL << value;
}

void parse_flat(const char *text, size_t length, const struct key_value *keys, const struct value_sink *sink)
{
	const char *end = text + length;

	while (text < end) {
		const char *space = text, *at;
		uint64_t number;

		while (space < end && *space != ' ' && *space != '\n')
			space++;
		at = space + 1;
		if (space < end && *space == ' ' && take_number(&at, &number)) {
			size_t size = (size_t)(space - text);

			for (const struct key_value *key = keys; key->key; key++)
				if (key->key[0] == *text && strlen(key->key) == size && !memcmp(key->key, text, size))
					put(sink, key->value, number * key->scale);
		}
		while (at < end && at[-1] != '\n')
			at++;
		text = at;
	}
}

int parse_number(const char *text, uint64_t *ret_value)
{
	if (!strncmp(text, "max", 3) || !strncmp(text, "-1", 2))
		return -ENODATA;
	return take_number(&text, ret_value) ? 0 : -EINVAL;
}

void parse_pressure(const char *text, size_t length, enum value some, enum value full, const struct value_sink *sink)
{
	const char *end = text + length;

	for (; text < end && *text; text = next_line(text)) {
		const char *total = strstr(text, "total=");
		uint64_t number;

		if (!total || total > next_line(text))
			continue;
		total += strlen("total=");
		if (!take_number(&total, &number))
			continue;
		if (!strncmp(text, "some ", 5))
			put(sink, some, number * 1000);
		else if (!strncmp(text, "full ", 5))
			put(sink, full, number * 1000);
	}
}

void parse_cpu_max(const char *text, const struct value_sink *sink)
{
	uint64_t quota = 0, period;
	bool limited = take_number(&text, &quota);

	text += strcspn(text, " \n");
	if (!take_char(&text, ' ') || !take_number(&text, &period))
		return;
	put(sink, SPEC_CPU_PERIOD, period);
	*sink->present &= ~(1ULL << SPEC_CPU_QUOTA);
	if (limited)
		put(sink, SPEC_CPU_QUOTA, quota);
}

uint64_t shares_of_weight(uint64_t weight)
{
	return weight ? 2 + (weight - 1) * 262142 / 9999 : 0;
}

static bool take_device(const char **at, uint32_t *ret_major, uint32_t *ret_minor)
{
	uint64_t major, minor;

	if (!take_number(at, &major) || !take_char(at, ':') || !take_number(at, &minor) || !take_char(at, ' ') ||
	    major > UINT32_MAX || minor > UINT32_MAX)
		return false;
	*ret_major = (uint32_t)major;
	*ret_minor = (uint32_t)minor;
	return true;
}

static void put_io(struct io_values *io, const char *key, size_t length, uint64_t number)
{
	static const char *const costs[IO_COSTS] = { "cost.usage", "cost.wait", "cost.indebt", "cost.indelay" };
	const struct {
		const char *key;
		uint64_t *to;
	} plain[] = { { "rbytes", &io->read_bytes }, { "wbytes", &io->write_bytes }, { "dbytes", &io->discard_bytes },
		      { "rios", &io->reads },        { "wios", &io->writes },        { "dios", &io->discards } };

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (!strncmp(plain[i].key, key, length) && !plain[i].key[length])
			*plain[i].to = number;
	for (size_t i = 0; i < IO_COSTS; i++)
		if (!strncmp(costs[i], key, length) && !costs[i][length]) {
			io->cost_us[i] = number;
			io->has_cost = true;
		}
}

bool parse_io_stat(const char **text, uint32_t *ret_major, uint32_t *ret_minor, struct io_values *ret_io)
{
	while (**text) {
		const char *at = *text;

		*text = next_line(at);
		if (!take_device(&at, ret_major, ret_minor))
			continue;
		*ret_io = (struct io_values){ 0 };
		while (at < *text && *at != '\n') {
			size_t length = strcspn(at, "= \n");
			const char *key = at;
			uint64_t number;

			at += length;
			if (take_char(&at, '=') && take_number(&at, &number))
				put_io(ret_io, key, length, number);
			at += strcspn(at, " \n");
			at += *at == ' ';
		}
		return true;
	}
	return false;
}

bool parse_blkio(const char **text, uint32_t *ret_major, uint32_t *ret_minor, const char **ret_operation,
		 size_t *ret_operation_length, uint64_t *ret_value)
{
	while (**text) {
		const char *at = *text;

		*text = next_line(at);
		if (!take_device(&at, ret_major, ret_minor))
			continue;
		*ret_operation = at;
		*ret_operation_length = strcspn(at, " \n");
		at += *ret_operation_length;
		if (take_char(&at, ' ') && take_number(&at, ret_value))
			return true;
	}
	return false;
}

/* Columns, receive: bytes packets errs drop fifo frame compressed multicast; transmit: bytes packets errs drop ... */
bool parse_net_dev(const char **text, char ret_name[16], uint64_t ret_counters[NETWORK_COUNTERS])
{
	while (**text) {
		const char *at = *text, *colon = strchr(at, ':');
		uint64_t columns[12];
		size_t count = 0, length;

		*text = next_line(at);
		at += strspn(at, " ");
		if (!colon || colon > *text || colon <= at || (length = (size_t)(colon - at)) >= 16)
			continue;
		memcpy(ret_name, at, length);
		ret_name[length] = '\0';
		for (at = colon + 1; count < 12; count++) {
			at += strspn(at, " ");
			if (!take_number(&at, &columns[count]))
				break;
		}
		if (count < 12)
			continue;
		memcpy(ret_counters, columns, 4 * sizeof(columns[0]));
		memcpy(ret_counters + TRANSMIT_BYTES, columns + 8, 4 * sizeof(columns[0]));
		return true;
	}
	return false;
}
