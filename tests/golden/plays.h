/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays every case of one protocol's folder: whole, in both orders in which the flows may overtake each other, split at
 * every byte boundary, byte by byte, and with every segment lost in turn. Whole and split, exactly the expected comes
 * out. With a segment lost, nothing that is not expected comes out, and what is missing is counted.
 * Included by the golden programs, each of which says which protocol it is about.
 */
#pragma once

#include <dirent.h>
#include <stdlib.h>

#include "tests/golden/player.h"

#define CASES_MAX 256
#define DENSE_SPLITS 300 /* of a long segment: every boundary this near to its ends, else every SPARSE_STEP-th */
#define LONG_SEGMENT 3000
#define SPARSE_STEP 211

/* Which protocol, where its cases are, and how many there are at least. */
struct golden_protocol {
	const struct proto_ops *ops;
	const char *folder;
	int cases_min;
};

static const struct golden_protocol golden_protocol;

static void show(const struct player *player, const struct golden_case *golden, const char *mode)
{
	fprintf(stderr, "%s, %s: came out:\n", golden->name, mode);
	for (size_t i = 0; i < player->told_count; i++)
		fprintf(stderr, "= %s\n", player->told[i]);
	for (int reason = 0; reason < STEP_REASON_COUNT; reason++) {
		if (player->losses.out_of_step[reason] > 0)
			fprintf(stderr, "! %s %" PRIu64 "\n", out_of_step_reason_text(reason),
				player->losses.out_of_step[reason]);
	}
	for (size_t i = 0; i < player->ask_count; i++)
		fprintf(stderr, "? %s\n", player->asks[i]);
	for (size_t i = 0; i < player->transaction_count; i++)
		fprintf(stderr, "t %s\n", player->transactions[i]);
	for (size_t i = 0; i < player->kept_count; i++)
		fprintf(stderr, "+ %s\n", player->kept[i]);
	if (player->opaque)
		fprintf(stderr, player->encrypted ? "encrypted\n" : "opaque\n");
}

static void check_exact(const struct player *player, const struct golden_case *golden, const char *mode, bool with_asks)
{
	bool right = player->told_count == golden->exchange_count && player->opaque == golden->opaque &&
		     player->encrypted == golden->encrypted && player->transaction_count == golden->transaction_count &&
		     !memcmp(player->losses.out_of_step, golden->out_of_step, sizeof(golden->out_of_step));

	for (size_t i = 0; right && i < golden->exchange_count; i++)
		right = !strcmp(player->told[i], golden->exchanges[i]);
	for (size_t i = 0; right && i < golden->transaction_count; i++)
		right = !strcmp(player->transactions[i], golden->transactions[i]);
	right = right && player->kept_count == golden->kept_count;
	for (size_t i = 0; right && i < golden->kept_count; i++)
		right = !strcmp(player->kept[i], golden->kept[i]);
	if (with_asks)
		right = right && player->ask_count == golden->ask_count;
	for (size_t i = 0; right && with_asks && i < golden->ask_count; i++)
		right = !strcmp(player->asks[i], golden->asks[i]);
	if (!right) {
		show(player, golden, mode);
		fail_msg("%s, %s: not what was expected", golden->name, mode);
	}
}

static void play_exact(const struct golden_case *golden, const struct event *events, size_t count,
		       enum play_order order, const char *mode, bool with_asks)
{
	struct player player;

	player_init(&player, golden_protocol.ops, golden);
	player_play(&player, golden, events, count, order);
	check_exact(&player, golden, mode, with_asks);
	player_done(&player);
}

/* The first part of an event, up to `at`, and the rest. */
static void cut(const struct event *event, size_t at, struct event *first, struct event *second)
{
	*first = *second = *event;
	first->length = at;
	second->length -= at;
	second->position += (uint32_t)at;
	if (event->data)
		second->data = event->data + at;
}

/* Of a gap, which has no bytes to be told apart, a few places will do. */
static size_t next_split(const struct event *event, size_t at)
{
	if (event->kind == EVENT_GAP)
		return at + event->length / 5 + 1;
	if (event->length < LONG_SEGMENT || at < DENSE_SPLITS || event->length - at < DENSE_SPLITS)
		return at + 1;
	return at + SPARSE_STEP;
}

static void play_split(const struct golden_case *golden)
{
	struct event events[CASE_EVENTS_MAX + 1];
	char mode[64];

	for (size_t i = 0; i < golden->event_count; i++) {
		for (size_t at = 1; at < golden->events[i].length; at = next_split(&golden->events[i], at)) {
			memcpy(events, golden->events, sizeof(golden->events));
			memmove(events + i + 1, events + i, (golden->event_count - i) * sizeof(*events));
			cut(&golden->events[i], at, &events[i], &events[i + 1]);
			snprintf(mode, sizeof(mode), "segment %zu split at %zu", i + 1, at);
			play_exact(golden, events, golden->event_count + 1, PLAY_AS_IT_WAS, mode, false);
		}
	}
}

static void play_bytes(const struct golden_case *golden)
{
	static const char *const modes[PLAY_ORDER_COUNT] = { "byte by byte", "byte by byte, requests first",
							     "byte by byte, responses first" };
	size_t count = 0;
	size_t total = golden->event_count;
	CLEANUP_FREE struct event *events = NULL;

	for (size_t i = 0; i < golden->event_count; i++)
		total += golden->events[i].kind == EVENT_BYTES ? golden->events[i].length : 0;
	events = calloc(total, sizeof(*events));
	assert_non_null(events);
	for (size_t i = 0; i < golden->event_count; i++) {
		struct event rest = golden->events[i];

		while (rest.kind == EVENT_BYTES && rest.length > 1) {
			cut(&rest, 1, &events[count], &rest);
			count++;
		}
		events[count++] = rest;
	}
	for (int order = 0; order < (golden->no_reorder ? 1 : PLAY_ORDER_COUNT); order++)
		play_exact(golden, events, count, order, modes[order], false);
}

/* Fields of an exchange line, by the blanks: as player_exchange writes them. */
enum line_field {
	LINE_POSITION = 0,
	LINE_METHOD = 1,
	LINE_COLLECTION = 2,
	LINE_NAME_SPACE = 3,
	LINE_REQUEST_LAST = 8,
	LINE_RESPONSE_LAST = 10,
	LINE_ERROR = 17,
	LINE_SUMMARY = 18,
	LINE_FIELDS = 19, /* the last one is all that is left */
};

struct fields {
	char text[CASE_LINE_MAX];
	const char *field[LINE_FIELDS];
};

static void split_line(const char *line, struct fields *fields)
{
	char *rest = fields->text;

	snprintf(fields->text, sizeof(fields->text), "%s", line);
	for (int i = 0; i < LINE_FIELDS; i++)
		fields->field[i] = i < LINE_FIELDS - 1 && rest ? strsep(&rest, " ") : rest ? rest : "";
}

/* The moment at which the responses ended: then a body that runs until close ends, if its last bytes are lost. */
static bool is_response_end(const struct golden_case *golden, const char *time)
{
	uint64_t time_ns;

	if (number_u64(time, &time_ns) != 0)
		return false;
	for (size_t i = 0; i < golden->event_count; i++) {
		const struct event *event = &golden->events[i];

		if (event->kind == EVENT_END && event->flow == FLOW_RESPONSE && event->time_ns == time_ns)
			return true;
	}
	return time_ns == golden->close_ns;
}

/* What a database's exchange may lack after a loss: facts of what was said in the gap. */
static bool may_be_unknown(enum line_field field)
{
	return golden_protocol.ops->protocol != PROTOCOL_HTTP1 &&
	       (field == LINE_COLLECTION || field == LINE_NAME_SPACE || field == LINE_SUMMARY);
}

/* The same exchange, but for the time of a last byte that was lost; or given up with an error and nothing made up. */
static bool is_truthful(const struct golden_case *golden, const char *told_line, const char *expected_line)
{
	static struct fields told;
	static struct fields expected;

	split_line(told_line, &told);
	split_line(expected_line, &expected);
	if (strcmp(told.field[LINE_ERROR], "complete") != 0)
		return !strcmp(told.field[LINE_POSITION], expected.field[LINE_POSITION]) &&
		       (!strcmp(told.field[LINE_METHOD], expected.field[LINE_METHOD]) ||
			!strcmp(told.field[LINE_METHOD], "_OTHER") || !strcmp(told.field[LINE_METHOD], "-"));
	for (int i = 0; i < LINE_FIELDS; i++) {
		if (strcmp(told.field[i], expected.field[i]) == 0 || i == LINE_REQUEST_LAST)
			continue;
		if (may_be_unknown((enum line_field)i) && !strcmp(told.field[i], "-"))
			continue;
		if (i != LINE_RESPONSE_LAST || !is_response_end(golden, told.field[i]))
			return false;
	}
	return true;
}

static void check_truthful(const struct player *player, const struct golden_case *golden, const char *mode)
{
	size_t expected = 0;

	for (size_t i = 0; i < player->told_count; i++) {
		while (expected < golden->exchange_count &&
		       !is_truthful(golden, player->told[i], golden->exchanges[expected]))
			expected++;
		if (expected == golden->exchange_count) {
			show(player, golden, mode);
			fail_msg("%s, %s: told what did not happen: %s", golden->name, mode, player->told[i]);
		}
		expected++;
	}
}

static void check_with_loss(const struct player *player, const struct golden_case *golden, const char *mode)
{
	uint64_t counted = 0;

	check_truthful(player, golden, mode);
	for (int reason = 0; reason < STEP_REASON_COUNT; reason++)
		counted += player->losses.out_of_step[reason];
	if (player->told_count < golden->exchange_count && counted == 0) {
		show(player, golden, mode);
		fail_msg("%s, %s: missing and not counted", golden->name, mode);
	}
}

static void play_lost(const struct golden_case *golden)
{
	struct event events[CASE_EVENTS_MAX];
	char mode[64];

	for (size_t i = 0; i < golden->event_count; i++) {
		if (golden->events[i].kind == EVENT_END)
			continue;
		memcpy(events, golden->events, sizeof(events));
		memmove(events + i, events + i + 1, (golden->event_count - i - 1) * sizeof(*events));
		for (int order = 0; order < (golden->no_reorder ? 1 : PLAY_ORDER_COUNT); order++) {
			struct player player;

			snprintf(mode, sizeof(mode), "segment %zu lost, order %d", i + 1, order);
			player_init(&player, golden_protocol.ops, golden);
			player_play(&player, golden, events, golden->event_count - 1, order);
			check_with_loss(&player, golden, mode);
			player_done(&player);
		}
	}
}

/* The connection ends behind any byte: nothing is told that did not happen. */
static void play_cut_off(const struct golden_case *golden)
{
	struct event events[CASE_EVENTS_MAX], rest;
	char mode[64];

	for (size_t i = 0; i < golden->event_count; i++) {
		for (size_t at = 0; at < golden->events[i].length; at = next_split(&golden->events[i], at)) {
			struct player player;

			memcpy(events, golden->events, sizeof(events));
			cut(&golden->events[i], at, &events[i], &rest);
			snprintf(mode, sizeof(mode), "cut off in segment %zu at %zu", i + 1, at);
			player_init(&player, golden_protocol.ops, golden);
			player_play(&player, golden, events, i + (at > 0), PLAY_AS_IT_WAS);
			check_truthful(&player, golden, mode);
			player_done(&player);
		}
	}
}

static void test_case(void **state)
{
	const char *name = *state;
	char path[256];
	struct golden_case *golden;

	snprintf(path, sizeof(path), "%s/%s", golden_protocol.folder, name);
	golden = case_read(path, name);
	assert_non_null(golden);
	play_exact(golden, golden->events, golden->event_count, PLAY_AS_IT_WAS, "whole", true);
	if (!golden->no_reorder) {
		play_exact(golden, golden->events, golden->event_count, PLAY_REQUESTS_FIRST, "requests first", false);
		play_exact(golden, golden->events, golden->event_count, PLAY_RESPONSES_FIRST, "responses first", false);
	}
	if (!golden->no_split) {
		play_split(golden);
		play_bytes(golden);
	}
	if (!golden->no_loss)
		play_lost(golden);
	if (!golden->no_loss && golden_protocol.ops->protocol != PROTOCOL_HTTP1)
		play_cut_off(golden);
	case_free(golden);
}

static int is_case(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot && !strcmp(dot, ".case");
}

static int golden_main(void)
{
	struct CMUnitTest tests[CASES_MAX] = {};
	struct dirent **entries;
	int count = scandir(golden_protocol.folder, &entries, is_case, alphasort);
	int failed;

	if (count < golden_protocol.cases_min || count > CASES_MAX) {
		fprintf(stderr, "%s: %d cases; run from the root of the tree\n", golden_protocol.folder, count);
		return 1;
	}
	for (int i = 0; i < count; i++)
		tests[i] = (struct CMUnitTest){ entries[i]->d_name, test_case, NULL, NULL, entries[i]->d_name };
	failed = _cmocka_run_group_tests(golden_protocol.folder, tests, (size_t)count, NULL, NULL);
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
	return failed;
}
