/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads HTTP/1.x messages for the workload: the head's few fields that matter here, and bodies by Content-Length,
 * chunked and until close. Strict about what it was not told to expect: an error ends the case as failed.
 */
#include "wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LINE_MAX_BYTES 512

/* The head's length with its empty line, or 0 when it is not whole. `from`: bytes that were looked at before. */
static size_t head_length(const struct channel *channel, size_t from)
{
	const uint8_t *bytes = channel->buffer + channel->start;
	size_t length = channel->end - channel->start;
	const uint8_t *found = NULL;

	if (from > 3)
		from -= 3;
	else
		from = 0;
	if (length > from)
		found = memmem(bytes + from, length - from, "\r\n\r\n", 4);
	return found ? (size_t)(found - bytes) + 4 : 0;
}

static const char *value_of(const char *line, const char *name)
{
	size_t length = strlen(name);

	if (strncasecmp(line, name, length) || line[length] != ':')
		return NULL;
	line += length + 1;
	return line + strspn(line, " \t");
}

static void parse_field(struct message *message, const char *line)
{
	const char *value;

	if ((value = value_of(line, "Content-Length"))) {
		message->has_length = true;
		message->length = strtoull(value, NULL, 10);
	} else if ((value = value_of(line, "Transfer-Encoding"))) {
		message->chunked = !strncasecmp(value, "chunked", 7);
	} else if ((value = value_of(line, "Connection"))) {
		message->close = !strncasecmp(value, "close", 5);
	} else if ((value = value_of(line, "X-Plan"))) {
		message->plan = (uint32_t)strtoul(value, NULL, 10);
	}
}

static int parse_first_line(struct message *message, const char *line)
{
	size_t length;

	if (!strncmp(line, "HTTP/1.", 7)) {
		message->status = (int)strtoul(line + 9, NULL, 10);
		return message->status >= 100 && message->status <= 999 ? 0 : -EPROTO;
	}
	length = strcspn(line, " ");
	if (!length || length >= sizeof(message->method) || !strstr(line, " HTTP/1."))
		return -EPROTO;
	memcpy(message->method, line, length);
	message->method[length] = '\0';
	return 0;
}

static int parse_head(struct message *message, const char *head, size_t length)
{
	const char *end = head + length - 2;
	bool first = true;
	char line[LINE_MAX_BYTES];

	while (head < end) {
		const char *stop = memmem(head, (size_t)(end - head), "\r\n", 2);
		size_t size = stop ? (size_t)(stop - head) : (size_t)(end - head);

		if (size >= sizeof(line))
			return -EPROTO;
		memcpy(line, head, size);
		line[size] = '\0';
		if (first && parse_first_line(message, line) < 0)
			return -EPROTO;
		if (!first)
			parse_field(message, line);
		first = false;
		head += size + 2;
	}
	return 0;
}

int wire_read_head(struct channel *channel, struct message *ret_message)
{
	struct message message = { 0 };
	size_t looked = 0;
	unsigned receives = 0;
	size_t length;
	int err;

	while (!(length = head_length(channel, looked))) {
		ssize_t n;

		looked = channel->end - channel->start;
		n = channel_receive(channel);
		if (n < 0)
			return (int)n;
		if (!n)
			return looked ? -ECONNABORTED : 0;
		if (!receives++ && !looked)
			message.first_ns = channel->received_ns;
	}
	if (receives > 1)
		fact_add(channel->world, FACT_SPLIT_HEAD, 1);
	if (!receives)
		fact_add(channel->world, FACT_SHARED_RECEIVE, 1);
	err = parse_head(&message, (const char *)channel->buffer + channel->start, length);
	channel->start += length;
	if (!err)
		*ret_message = message;
	return err ? err : 1;
}

/* A line without its end. */
static int read_line(struct channel *channel, char *line, size_t size)
{
	size_t length = 0;

	for (;;) {
		while (channel->start < channel->end) {
			char c = (char)channel->buffer[channel->start++];

			if (c == '\n') {
				line[length && line[length - 1] == '\r' ? length - 1 : length] = '\0';
				return 0;
			}
			if (length + 1 >= size)
				return -EPROTO;
			line[length++] = c;
		}
		ssize_t n = channel_receive(channel);

		if (n <= 0)
			return n ? (int)n : -ECONNABORTED;
	}
}

static int read_chunks(struct channel *channel, uint64_t *ret_bytes)
{
	char line[LINE_MAX_BYTES];
	uint64_t total = 0;
	int err;

	for (;;) {
		uint64_t size;
		char *end;

		if ((err = read_line(channel, line, sizeof(line))) < 0)
			return err;
		size = strtoull(line, &end, 16);
		if (end == line)
			return -EPROTO;
		if (!size)
			break;
		if ((err = channel_discard(channel, size)) < 0)
			return err;
		if ((err = read_line(channel, line, sizeof(line))) < 0)
			return err;
		if (*line)
			return -EPROTO;
		total += size;
	}
	do
		err = read_line(channel, line, sizeof(line));
	while (!err && *line);
	if (!err)
		*ret_bytes = total;
	return err;
}

int wire_read_body(struct channel *channel, const struct message *message, bool until_close, uint64_t *ret_bytes)
{
	int err;

	if (message->chunked)
		return read_chunks(channel, ret_bytes);
	if (message->has_length) {
		err = channel_discard(channel, message->length);
		if (!err)
			*ret_bytes = message->length;
		return err;
	}
	*ret_bytes = 0;
	return until_close ? channel_discard_all(channel, ret_bytes) : 0;
}
