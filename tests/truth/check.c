/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The comparison: every series of the case's services against what the workload counted, in both directions: a row that
 * is missing, a row too many and a wrong number all fail. Loss counters are asserted beside the data.
 */
#include "harness.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAPTURED_ALLOWANCE 4194304 /* bytes: half of the default ring, both sides */
#define DEADLINE_MS 3000
#define POLL_US 5000
#define REREAD_US 20000

static const char *const count_families[SIDE_COUNT] = { "http_server_request_duration_seconds_count",
							"http_client_request_duration_seconds_count" };
static const char *const size_families[SIDE_COUNT][2] = {
	{ "http_server_request_body_size_bytes", "http_server_response_body_size_bytes" },
	{ "http_client_request_body_size_bytes", "http_client_response_body_size_bytes" },
};

/* What the agent exports for one key, found while walking the scrape. */
struct seen {
	double counts[TALLY_ROWS_MAX];
	double sums[TALLY_ROWS_MAX][2];
	double body_counts[TALLY_ROWS_MAX][2];
};

bool sample_of(const struct sample *sample, const char *prefix, char *service, size_t size)
{
	size_t length = strlen(prefix);

	return label_value(sample, "service_name", service, size) && !strncmp(service, prefix, length) &&
	       service[length] == '.';
}

static bool row_matches(const struct tally_row *row, enum side side, const char *role, const struct sample *sample)
{
	char text[64];
	int status;

	if (row->side != (uint32_t)side || strcmp(row->role, role))
		return false;
	label_value(sample, "http_request_method", text, sizeof(text));
	if (strcmp(row->method, text))
		return false;
	if (row->optional)
		return true;
	label_value(sample, "http_response_status_code", text, sizeof(text));
	status = (int)strtoul(text, NULL, 10);
	if (row->status != status)
		return false;
	label_value(sample, "error_type", text, sizeof(text));
	return !strcmp(row->error, text);
}

/* Which number of a row a sample adds to; NULL when the sample is of no interest. */
static double *cell_of(struct seen *seen, size_t row, enum side side, const char *name)
{
	if (!strcmp(name, count_families[side]))
		return &seen->counts[row];
	for (int i = 0; i < 2; i++) {
		size_t length = strlen(size_families[side][i]);

		if (strncmp(name, size_families[side][i], length))
			continue;
		if (!strcmp(name + length, "_sum"))
			return &seen->sums[row][i];
		if (!strcmp(name + length, "_count"))
			return &seen->body_counts[row][i];
	}
	return NULL;
}

static bool place_sample(const struct world *world, const struct sample *sample, const char *role, struct seen *seen,
			 char *why, size_t size)
{
	for (int side = 0; side < SIDE_COUNT; side++) {
		if (!cell_of(seen, 0, (enum side)side, sample->name))
			continue;
		for (uint32_t i = 0; i < world->row_count; i++)
			if (row_matches(&world->rows[i], (enum side)side, role, sample)) {
				*cell_of(seen, i, (enum side)side, sample->name) += sample->value;
				return true;
			}
		if (sample->value == 0)
			return true;
		snprintf(why, size, "%s{%.300s}: expected no such series, got %.0f", sample->name, sample->labels,
			 sample->value);
		return false;
	}
	return true;
}

static bool row_right(const struct tally_row *row, const struct seen *seen, size_t i, char *why, size_t size)
{
	const char *side = row->side == SIDE_SERVER ? "server" : "client";
	char key[96];

	snprintf(key, sizeof(key), "%s %s side, %s %d%s%s", row->role, side, row->method, row->status,
		 *row->error ? " " : "", row->error);
	if (row->optional ? seen->counts[i] > (double)row->count : seen->counts[i] != (double)row->count) {
		snprintf(why, size, "%s: expected %llu got %.0f", key, (unsigned long long)row->count, seen->counts[i]);
		return false;
	}
	if (!row->whole)
		return true;
	for (int k = 0; k < 2; k++) {
		double expected = (double)(k ? row->response_bytes : row->request_bytes);
		const char *what = k ? "response" : "request";

		if (seen->body_counts[i][k] != (double)row->count) {
			snprintf(why, size, "%s: %s body sizes: expected %llu observations got %.0f", key, what,
				 (unsigned long long)row->count, seen->body_counts[i][k]);
			return false;
		}
		if (seen->sums[i][k] != expected) {
			snprintf(why, size, "%s: %s body bytes: expected %.0f got %.0f", key, what, expected,
				 seen->sums[i][k]);
			return false;
		}
	}
	return true;
}

static bool rows_right(const struct truth *truth, const struct scrape *scrape, const char *prefix, char *why,
		       size_t size)
{
	const struct world *world = truth->world;
	struct seen seen = { 0 };
	char service[SERVICE_LENGTH];

	for (size_t i = 0; i < scrape->count; i++) {
		const struct sample *sample = &scrape->samples[i];

		if (strncmp(sample->name, "http_", 5) || !sample_of(sample, prefix, service, sizeof(service)))
			continue;
		if (!place_sample(world, sample, service + strlen(prefix) + 1, &seen, why, size))
			return false;
	}
	for (uint32_t i = 0; i < world->row_count; i++)
		if (!row_right(&world->rows[i], &seen, i, why, size))
			return false;
	return true;
}

void losses_read(const struct scrape *scrape, struct losses *ret_losses)
{
	ret_losses->lost = scrape_sum(scrape, "sonde_events_lost_total", NULL, NULL, &ret_losses->present);
	ret_losses->out_of_step = scrape_sum(scrape, "sonde_stream_out_of_step_total", NULL, NULL, NULL);
	ret_losses->captured = scrape_sum(scrape, "sonde_captured_bytes_total", NULL, NULL, NULL);
	ret_losses->scarce = scrape_sum(scrape, "sonde_scarce_calls_total", NULL, NULL, NULL);
}

static bool losses_right(const struct truth *truth, const struct scrape *scrape, uint32_t flags, char *why, size_t size)
{
	struct losses now;
	double moved = 0, allowed, lost;

	losses_read(scrape, &now);
	lost = now.lost - truth->before.lost;
	snprintf(why, size, "sonde_events_lost_total is not exported");
	if (!now.present)
		return false;
	snprintf(why, size, "sonde_events_lost_total: expected 0 got %.0f", lost);
	if (lost != 0)
		return false;
	snprintf(why, size, "sonde_stream_out_of_step_total: expected 0 got %.0f",
		 now.out_of_step - truth->before.out_of_step);
	if (!(flags & ALLOW_OUT_OF_STEP) && now.out_of_step != truth->before.out_of_step)
		return false;
	for (uint32_t i = 0; i < truth->world->row_count; i++)
		moved += (double)(truth->world->rows[i].request_bytes + truth->world->rows[i].response_bytes);
	/* The agent answers a head with where its body ends. Until it has, calls are copied, up to half of the ring on
	 * each side: then they are cut short, to 512 bytes. */
	allowed = moved / 100 + CAPTURED_ALLOWANCE;
	snprintf(why, size, "sonde_captured_bytes_total: expected below %.0f of %.0f got %.0f", allowed, moved,
		 now.captured - truth->before.captured);
	return !(flags & CHECK_CAPTURED) || (now.captured > 0 && now.captured - truth->before.captured < allowed);
}

static bool scrape_right(const struct truth *truth, const struct truth_case *kase, enum family family,
			 const struct scrape *scrape, char *why, size_t size)
{
	char prefix[SERVICE_LENGTH];

	snprintf(prefix, sizeof(prefix), "%s.%s", kase->name, family_text(family));
	if (kase->flags & ALLOW_ONE_EXCHANGE)
		return check_malformed(truth, scrape, prefix, why, size) &&
		       losses_right(truth, scrape, kase->flags, why, size);
	return rows_right(truth, scrape, prefix, why, size) && losses_right(truth, scrape, kase->flags, why, size) &&
	       check_active(scrape, prefix, why, size) && check_opaque(truth, scrape, prefix, why, size) &&
	       (!(kase->flags & CHECK_LATENCY) || check_latency(truth, scrape, prefix, why, size)) &&
	       (!(kase->flags & CHECK_LABELS) || check_labels(scrape, prefix, family, why, size));
}

/* One scrape, compared. On a difference the result has what was seen. */
static bool look(struct truth *truth, const struct truth_case *kase, enum family family, char *why, size_t size)
{
	struct scrape scrape;
	uint64_t before = clock_ns();
	int err = scrape_new(truth->sonde.port, &scrape);
	char prefix[SERVICE_LENGTH];
	bool right;

	if (err < 0) {
		snprintf(why, size, "/metrics: %s", strerror(-err));
		return false;
	}
	truth->scrape_ns += clock_ns() - before;
	right = scrape_right(truth, kase, family, &scrape, why, size);
	service_name(prefix, sizeof(prefix), kase, family, "");
	prefix[strlen(prefix) - 1] = '\0';
	losses_read(&scrape, &truth->losses);
	if (!right)
		describe_seen(&scrape, prefix, truth->result->got, sizeof(truth->result->got));
	scrape_done(&scrape);
	return right;
}

void check_case(struct truth *truth, const struct truth_case *kase, enum family family)
{
	uint64_t deadline = clock_ns() + (uint64_t)(DEADLINE_MS * truth->options.slow) * 1000000U;
	struct result *result = truth->result;
	char why[TEXT_LENGTH];

	while (!look(truth, kase, family, why, sizeof(why))) {
		if (clock_ns() > deadline || !sonde_alive(truth)) {
			result_fail(result, "%s%s", sonde_alive(truth) ? "" : "sonde has died; ", why);
			return;
		}
		sleep_us(POLL_US);
	}
	/* A count that goes on growing is wrong too. */
	sleep_us(REREAD_US);
	if (!look(truth, kase, family, why, sizeof(why))) {
		result_fail(result, "right at first, then: %s", why);
		return;
	}
	snprintf(result->got, sizeof(result->got), "%s", result->expected);
}
