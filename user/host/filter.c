/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of verdicts by the name's hash stands before the expression: a hundred thousand mount points are told apart
 * in a few milliseconds, the expression alone would take fifty. Two names share a 63-bit hash, seeded at start, less
 * often than memory fails.
 *
 * Differences from RE2: where several alternatives match, PCRE2 may need steps beyond all measure; it gives up after a
 * million of them, and the name counts as not matching.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "host/filter.h"

#include <errno.h>
#include <pcre2.h>
#include <stdlib.h>

#include "base/hash_table.h"

#define STEPS_MAX 1000000

struct filter {
	pcre2_code *code;
	pcre2_match_data *match;
	pcre2_match_context *context;
	bool includes; /* what matches passes; else what matches does not */
	uint64_t hash_seed;
	size_t mask;
	uint64_t *verdicts; /* a hash whose lowest bit is the verdict; 0: none yet */
};

static int compile(struct filter *filter, const char *pattern)
{
	PCRE2_SIZE at;
	int error;

	filter->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
				     PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_DOLLAR_ENDONLY, &error, &at, NULL);
	if (!filter->code)
		return -EINVAL;
	filter->match = pcre2_match_data_create(1, NULL);
	filter->context = pcre2_match_context_create(NULL);
	if (!filter->match || !filter->context)
		return -ENOMEM;
	pcre2_set_match_limit(filter->context, STEPS_MAX);
	return 0;
}

int filter_new(const char *exclude, const char *include, size_t names, uint64_t hash_seed, struct filter **ret_filter)
{
	struct filter *filter = calloc(1, sizeof(*filter));
	size_t size = 64;
	int error = 0;

	if (!filter)
		return -ENOMEM;
	while (size < names)
		size *= 2;
	filter->mask = size - 1;
	filter->hash_seed = hash_seed;
	filter->includes = *include;
	if (*include || *exclude)
		error = compile(filter, *include ? include : exclude);
	if (!error && filter->code) {
		filter->verdicts = calloc(size, sizeof(*filter->verdicts));
		error = filter->verdicts ? 0 : -ENOMEM;
	}
	if (error)
		filter_free(filter);
	else
		*ret_filter = filter;
	return error;
}

void filter_free(struct filter *filter)
{
	if (!filter)
		return;
	pcre2_code_free(filter->code);
	pcre2_match_data_free(filter->match);
	pcre2_match_context_free(filter->context);
	free(filter->verdicts);
	free(filter);
}

static bool matches(struct filter *filter, struct span name)
{
	return pcre2_match(filter->code, (PCRE2_SPTR)name.at, name.length, 0, 0, filter->match, filter->context) >= 0;
}

bool filter_passes(struct filter *filter, struct span name)
{
	uint64_t hash, *verdict;

	if (!filter->code)
		return true;
	hash = hash_bytes(name.at, name.length, filter->hash_seed) | 1;
	verdict = &filter->verdicts[hash >> 1 & filter->mask];
	if ((*verdict | 1) != hash || !*verdict)
		*verdict = matches(filter, name) == filter->includes ? hash : hash & ~UINT64_C(1);
	return *verdict & 1;
}
