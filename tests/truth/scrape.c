/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small HTTP client for the agent's own pages, and a reader of the text format 0.0.4. HTTP/1.0, so that answers end
 * with their connection and are never chunked.
 */
#include "harness.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MAX (64U << 20)

static int connect_local(uint16_t port, unsigned deadline_ms)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval limit = { .tv_sec = deadline_ms / 1000, .tv_usec = (deadline_ms % 1000) * 1000 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

static int read_all(int fd, char **ret_bytes)
{
	size_t length = 0, capacity = 1U << 16;
	char *bytes = malloc(capacity);
	int err = bytes ? 0 : -ENOMEM;
	ssize_t n = 1;

	while (!err && n > 0) {
		if (capacity - length < 2) {
			char *more = capacity < ANSWER_MAX ? realloc(bytes, capacity * 2) : NULL;

			if (!more) {
				err = -ENOMEM;
				break;
			}
			bytes = more;
			capacity *= 2;
		}
		n = recv(fd, bytes + length, capacity - length - 1, 0);
		if (n < 0)
			err = -errno;
		else
			length += (size_t)n;
	}
	if (err) {
		free(bytes);
		return err;
	}
	bytes[length] = '\0';
	*ret_bytes = bytes;
	return 0;
}

int http_get(uint16_t port, const char *path, unsigned deadline_ms, char **ret_body)
{
	char request[256];
	char *answer = NULL;
	char *body;
	int fd = connect_local(port, deadline_ms);
	int status;
	int n;

	if (fd < 0)
		return fd;
	n = snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\nAccept: text/plain\r\n\r\n",
		     path);
	if (send(fd, request, (size_t)n, MSG_NOSIGNAL) != n)
		status = -EIO;
	else
		status = read_all(fd, &answer);
	close(fd);
	if (status < 0)
		return status;
	body = strstr(answer, "\r\n\r\n");
	if (strncmp(answer, "HTTP/1.", 7) || !body) {
		free(answer);
		return -EPROTO;
	}
	status = (int)strtoul(answer + 9, NULL, 10);
	memmove(answer, body + 4, strlen(body + 4) + 1);
	*ret_body = answer;
	return status;
}

/* Splits "name{labels} value" in place. False for comments and what is not a sample. */
static bool parse_sample(char *line, struct sample *ret_sample)
{
	char *value = line + strcspn(line, "{ ");
	char *end;

	if (*line == '#' || !*line || !*value)
		return false;
	ret_sample->name = line;
	ret_sample->labels = "";
	if (*value == '{') {
		bool quoted = false;

		*value++ = '\0';
		ret_sample->labels = value;
		for (; *value && (quoted || *value != '}'); value++) {
			if (*value == '\\' && value[1])
				value++;
			else if (*value == '"')
				quoted = !quoted;
		}
	}
	if (!*value)
		return false;
	*value++ = '\0';
	ret_sample->value = strtod(value, &end);
	return end != value;
}

int scrape_new(uint16_t port, struct scrape *ret_scrape)
{
	struct scrape scrape = { 0 };
	size_t capacity = 1;
	char *save = NULL;
	int status = http_get(port, "/metrics", 10000, &scrape.text);

	if (status != 200) {
		free(scrape.text);
		return status < 0 ? status : -EPROTO;
	}
	for (const char *c = scrape.text; *c; c++)
		capacity += *c == '\n';
	scrape.samples = calloc(capacity, sizeof(*scrape.samples));
	if (!scrape.samples) {
		free(scrape.text);
		return -ENOMEM;
	}
	for (char *line = strtok_r(scrape.text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (parse_sample(line, &scrape.samples[scrape.count]))
			scrape.count++;
	*ret_scrape = scrape;
	return 0;
}

void scrape_done(struct scrape *scrape)
{
	free(scrape->samples);
	free(scrape->text);
	*scrape = (struct scrape){ 0 };
}

bool label_value(const struct sample *sample, const char *label, char *text, size_t size)
{
	const char *at = sample->labels;
	size_t length = strlen(label);
	size_t n = 0;

	*text = '\0';
	while (*at) {
		bool found = !strncmp(at, label, length) && at[length] == '=' && at[length + 1] == '"';

		at += strcspn(at, "\"");
		for (at += *at == '"'; *at && *at != '"'; at++) {
			if (*at == '\\' && at[1])
				at++;
			if (found && n + 1 < size)
				text[n++] = *at;
		}
		if (found) {
			text[n] = '\0';
			return true;
		}
		at += *at == '"';
		at += strspn(at, ", ");
	}
	return false;
}

double scrape_sum(const struct scrape *scrape, const char *name, const char *label, const char *value,
		  bool *ret_present)
{
	double sum = 0;
	bool present = false;
	char text[256];

	for (size_t i = 0; i < scrape->count; i++) {
		if (strcmp(scrape->samples[i].name, name))
			continue;
		if (label && (!label_value(&scrape->samples[i], label, text, sizeof(text)) || strcmp(text, value)))
			continue;
		sum += scrape->samples[i].value;
		present = true;
	}
	if (ret_present)
		*ret_present = present;
	return sum;
}
