/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparisons beyond counts: the witness with itself, connections that must be told as not understood, the gauge of
 * active requests, durations against the workload's own clock, and labels that do not vary.
 */
#include "harness.h"

#include <math.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sums of durations may differ by this much: the two clocks are read a few calls apart. */
#define SUM_TOLERANCE 0.1
/* So many may differ by more, and by so much: a process that is set aside between its clock and its call. */
#define SLACK 0.02
#define SLACK_S 0.05

static const char *const fact_texts[FACT_COUNT] = {
	"EAGAIN on receiving",
	"EAGAIN on sending",
	"a short send",
	"a receive of one byte",
	"a send of one byte",
	"a peek",
	"bytes thrown away",
	"bytes by sendfile",
	"bytes spliced in",
	"bytes spliced out",
	"several messages in one recvmmsg",
	"several messages in one sendmmsg",
	"several responses in one send",
	"a receive with MSG_WAITALL",
	"a head in several receives",
	"several heads in one receive",
	"a 100 response",
	"another 1xx response",
	"a reset",
	"a zero-copy completion",
};

static int compare_rows(const void *left, const void *right)
{
	const struct tally_row *a = left;
	const struct tally_row *b = right;
	int order = (int)a->side - (int)b->side;

	order = order ? order : strcmp(a->role, b->role);
	order = order ? order : strcmp(a->method, b->method);
	order = order ? order : a->status - b->status;
	return order ? order : strcmp(a->error, b->error);
}

void describe_expected(struct world *world, char *text, size_t size)
{
	size_t used = 0;

	/* The workload has ended: its rows may be put in an order that does not vary between runs. */
	qsort(world->rows, world->row_count, sizeof(*world->rows), compare_rows);
	*text = '\0';
	for (uint32_t i = 0; i < world->row_count && used < size; i++) {
		const struct tally_row *row = &world->rows[i];

		used += (size_t)snprintf(text + used, size - used, "%s%s %s %s %d%s%s: %llu", i ? "; " : "", row->role,
					 row->side == SIDE_SERVER ? "served" : "called", row->method, row->status,
					 *row->error ? " " : "", row->error, (unsigned long long)row->count);
	}
	for (uint32_t i = 0; i < world->opaque_count && used < size; i++)
		used += (size_t)snprintf(
			text + used, size - used, "%s%s not understood (%s): %llu connections, %llu bytes",
			used ? "; " : "", world->opaque[i].role, world->opaque[i].reason,
			(unsigned long long)world->opaque[i].connections, (unsigned long long)world->opaque[i].bytes);
}

static size_t describe_reasons(const struct scrape *scrape, const char *name, char *text, size_t size)
{
	char reason[32];
	size_t used = 0;

	for (size_t i = 0; i < scrape->count && used < size; i++) {
		if (strcmp(scrape->samples[i].name, name) || scrape->samples[i].value == 0)
			continue;
		label_value(&scrape->samples[i], "reason", reason, sizeof(reason));
		used += (size_t)snprintf(text + used, size - used, " %s:%.0f", reason, scrape->samples[i].value);
	}
	return used < size ? used : size;
}

void describe_seen(const struct scrape *scrape, const char *prefix, char *text, size_t size)
{
	static const char *const names[SIDE_COUNT] = { "http_server_request_duration_seconds_count",
						       "http_client_request_duration_seconds_count" };
	static const char *const labels[] = { "http_request_method", "http_response_status_code", "error_type" };
	static const char *const reasons[] = { "sonde_events_lost_total", "sonde_stream_out_of_step_total" };
	char value[SERVICE_LENGTH];
	size_t used = 0;

	*text = '\0';
	for (size_t i = 0; i < scrape->count && used < size; i++) {
		const struct sample *sample = &scrape->samples[i];
		int side = !strcmp(sample->name, names[SIDE_CLIENT]);

		if (strcmp(sample->name, names[side]) || !sample_of(sample, prefix, value, sizeof(value)))
			continue;
		used += (size_t)snprintf(text + used, size - used, "%s%s %s", used ? "; " : "",
					 value + strlen(prefix) + 1, side == SIDE_SERVER ? "served" : "called");
		for (int k = 0; k < 3 && used < size; k++)
			if (label_value(sample, labels[k], value, sizeof(value)) && *value)
				used += (size_t)snprintf(text + used, size - used, " %s", value);
		if (used < size)
			used += (size_t)snprintf(text + used, size - used, ": %.0f", sample->value);
	}
	/* Of the agent's whole life: other cases of this number have a part in them. */
	for (int k = 0; k < 2 && used < size; k++) {
		used += (size_t)snprintf(text + used, size - used, "; %s", k ? "out of step" : "lost");
		if (used < size)
			used += describe_reasons(scrape, reasons[k], text + used, size - used);
	}
	if (used < size)
		snprintf(text + used, size - used, "; scarce calls %.0f",
			 scrape_sum(scrape, "sonde_scarce_calls_total", NULL, NULL, NULL));
}

bool check_witness(struct truth *truth, const struct truth_case *kase)
{
	struct world *world = truth->world;
	struct result *result = truth->result;
	uint64_t served = tally_count(world, SIDE_SERVER, NULL);
	uint64_t called = tally_count(world, SIDE_CLIENT, NULL);

	describe_expected(world, result->expected, sizeof(result->expected));
	if (world->failed) {
		result_fail(result, "workload: %s", world->failure);
		return false;
	}
	if (served != called && !(kase->flags & ONE_SIDED)) {
		result_fail(result, "workload: served %llu but called %llu", (unsigned long long)served,
			    (unsigned long long)called);
		return false;
	}
	for (int i = 0; i < FACT_COUNT; i++)
		if (kase->needs & NEEDS(i) && !world->facts[i]) {
			result_fail(result, "workload: never met %s", fact_texts[i]);
			return false;
		}
	if (!served && !called && !world->opaque_count && !(kase->flags & ALLOW_ONE_EXCHANGE)) {
		result_fail(result, "workload: counted nothing");
		return false;
	}
	return true;
}

bool check_active(const struct scrape *scrape, const char *prefix, char *why, size_t size)
{
	char service[SERVICE_LENGTH];

	for (size_t i = 0; i < scrape->count; i++) {
		const struct sample *sample = &scrape->samples[i];

		if (strcmp(sample->name, "http_server_active_requests") ||
		    !sample_of(sample, prefix, service, sizeof(service)) || sample->value == 0)
			continue;
		snprintf(why, size, "http_server_active_requests of %s: expected 0 got %.0f", service, sample->value);
		return false;
	}
	return true;
}

/* Sum of a family over one service, and a reason unless it is "". */
static double opaque_sum(const struct scrape *scrape, const char *name, const char *service, const char *reason)
{
	char text[SERVICE_LENGTH];
	double sum = 0;

	for (size_t i = 0; i < scrape->count; i++) {
		const struct sample *sample = &scrape->samples[i];

		if (strcmp(sample->name, name) || !label_value(sample, "service_name", text, sizeof(text)) ||
		    strcmp(text, service))
			continue;
		if (*reason && (!label_value(sample, "reason", text, sizeof(text)) || strcmp(text, reason)))
			continue;
		sum += sample->value;
	}
	return sum;
}

bool check_opaque(const struct truth *truth, const struct scrape *scrape, const char *prefix, char *why, size_t size)
{
	const struct world *world = truth->world;
	double expected_all = 0;
	double all = 0;
	char service[SERVICE_LENGTH * 2];

	for (uint32_t i = 0; i < world->opaque_count; i++) {
		const struct opaque_row *row = &world->opaque[i];
		double connections, bytes;

		snprintf(service, sizeof(service), "%s.%s", prefix, row->role);
		connections = opaque_sum(scrape, "sonde_unparsed_connections_total", service, row->reason);
		bytes = opaque_sum(scrape, "sonde_unparsed_bytes_total", service, row->reason);
		expected_all += (double)row->connections;
		if (connections == (double)row->connections && bytes == (double)row->bytes)
			continue;
		snprintf(why, size, "%s not understood (%s): expected %llu connections, %llu bytes got %.0f, %.0f",
			 row->role, row->reason, (unsigned long long)row->connections, (unsigned long long)row->bytes,
			 connections, bytes);
		return false;
	}
	for (size_t i = 0; i < scrape->count; i++)
		if (!strcmp(scrape->samples[i].name, "sonde_unparsed_connections_total") &&
		    sample_of(&scrape->samples[i], prefix, service, sizeof(service)))
			all += scrape->samples[i].value;
	snprintf(why, size, "sonde_unparsed_connections_total of all roles: expected %.0f got %.0f", expected_all, all);
	return all == expected_all;
}

/* "not HTTP, or broken": at most one exchange for each connection, never of what was smuggled; and a reason counted. */
bool check_malformed(const struct truth *truth, const struct scrape *scrape, const char *prefix, char *why, size_t size)
{
	const struct world *world = truth->world;
	double reasons = 0;
	double limit = 0;
	struct losses now;
	char text[SERVICE_LENGTH];

	for (uint32_t i = 0; i < world->opaque_count; i++)
		limit += (double)world->opaque[i].connections;
	losses_read(scrape, &now);
	reasons += now.out_of_step - truth->before.out_of_step;
	for (size_t i = 0; i < scrape->count; i++) {
		const struct sample *sample = &scrape->samples[i];
		bool count = !strcmp(sample->name, "http_server_request_duration_seconds_count") ||
			     !strcmp(sample->name, "http_client_request_duration_seconds_count");

		if (!sample_of(sample, prefix, text, sizeof(text)))
			continue;
		if (!strcmp(sample->name, "sonde_unparsed_connections_total"))
			reasons += sample->value;
		if (!count)
			continue;
		limit -= sample->value;
		reasons += sample->value;
		label_value(sample, "http_response_status_code", text, sizeof(text));
		snprintf(why, size, "%s{%.300s} %.0f: not what happened", sample->name, sample->labels, sample->value);
		if (*text && strcmp(text, "400"))
			return false;
		label_value(sample, "http_route", text, sizeof(text));
		if (strstr(text, "smuggled"))
			return false;
	}
	snprintf(why, size, "malformed: %.0f exchanges more than connections", -limit);
	if (limit < 0)
		return false;
	snprintf(why, size, "malformed: no exchange, and no reason in the counters");
	return reasons > 0;
}

static bool histogram_right(const struct own_histogram *own, const double *cumulative, double sum, char *why,
			    size_t size)
{
	double slack = fmax(1, SLACK * (double)own->count);
	uint64_t own_cumulative[BOUND_COUNT + 1];
	uint64_t running = 0;

	for (int i = 0; i <= BOUND_COUNT; i++)
		own_cumulative[i] = running += own->counts[i];
	for (int i = 0; i < BOUND_COUNT; i++) {
		double low = i ? (double)own_cumulative[i - 1] - slack : 0;
		double high = (double)own_cumulative[i + 1] + slack;

		if (cumulative[i] >= low && cumulative[i] <= high)
			continue;
		snprintf(why, size, "le=\"%g\": expected %.0f to %.0f got %.0f", duration_bounds[i], low, high,
			 cumulative[i]);
		return false;
	}
	snprintf(why, size, "sum of durations: expected %.4f got %.4f", own->sum, sum);
	return fabs(sum - own->sum) <= own->sum * SUM_TOLERANCE + 0.0005 * (double)own->count + slack * SLACK_S;
}

bool check_latency(const struct truth *truth, const struct scrape *scrape, const char *prefix, char *why, size_t size)
{
	static const char *const families[SIDE_COUNT] = { "http_server_request_duration_seconds",
							  "http_client_request_duration_seconds" };
	char text[SERVICE_LENGTH];

	for (int side = 0; side < SIDE_COUNT; side++) {
		double cumulative[BOUND_COUNT] = { 0 };
		size_t length = strlen(families[side]);
		double sum = 0;

		for (size_t i = 0; i < scrape->count; i++) {
			const struct sample *sample = &scrape->samples[i];

			if (strncmp(sample->name, families[side], length) ||
			    !sample_of(sample, prefix, text, sizeof(text)))
				continue;
			if (!strcmp(sample->name + length, "_sum"))
				sum += sample->value;
			if (strcmp(sample->name + length, "_bucket"))
				continue;
			label_value(sample, "le", text, sizeof(text));
			for (int b = 0; b < BOUND_COUNT; b++)
				if (strtod(text, NULL) == duration_bounds[b])
					cumulative[b] += sample->value;
		}
		if (!histogram_right(&truth->world->latency[side], cumulative, sum, why, size))
			return false;
	}
	return true;
}

bool check_labels(const struct scrape *scrape, const char *prefix, enum family family, char *why, size_t size)
{
	static const char *const wanted[][2] = { { "url_scheme", "http" },
						 { "http_route", "/truth" },
						 { "network_protocol_version", "1.1" },
						 { "server_address", "truth.example" } };
	char text[SERVICE_LENGTH];
	bool any = false;

	for (size_t i = 0; i < scrape->count; i++) {
		const struct sample *sample = &scrape->samples[i];
		bool client = !strcmp(sample->name, "http_client_request_duration_seconds_count");
		bool server = !strcmp(sample->name, "http_server_request_duration_seconds_count");

		if ((!client && !server) || !sample_of(sample, prefix, text, sizeof(text)))
			continue;
		any = true;
		for (size_t k = 0; k < sizeof(wanted) / sizeof(*wanted); k++) {
			/* http_route is the server's, server_address the client's (a unix socket's is its name). */
			if ((client && k < 2) || (k == 3 && (server || !family_is_tcp(family))))
				continue;
			label_value(sample, wanted[k][0], text, sizeof(text));
			snprintf(why, size, "%s of %.200s: expected \"%s\" got \"%s\"", wanted[k][0], sample->labels,
				 wanted[k][1], text);
			if (strcmp(text, wanted[k][1]))
				return false;
		}
		label_value(sample, "server_port", text, sizeof(text));
		snprintf(why, size, "server_port of %.200s: expected a port", sample->labels);
		if (client && family_is_tcp(family) && !*text)
			return false;
	}
	snprintf(why, size, "no series at all");
	return any;
}
