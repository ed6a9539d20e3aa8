/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report: TAP lines on standard output as the cases end, and one JSON file for docs/TRUTH.md, which is generated
 * from it. A skip is told with its reason.
 */
#include "harness.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

struct report {
	const struct options *options;
	FILE *json;
	size_t done;
	size_t failed;
	char kernel[sizeof(((struct utsname *)0)->release)];
};

static void json_text(FILE *file, const char *name, const char *text, const char *after)
{
	fprintf(file, "\"%s\": \"", name);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', file);
		if ((unsigned char)*text < ' ')
			fprintf(file, "\\u%04x", (unsigned)*text);
		else
			fputc(*text, file);
	}
	fprintf(file, "\"%s", after);
}

int report_new(const struct options *options, size_t planned, struct report **ret_report)
{
	struct report *report = calloc(1, sizeof(*report));
	struct utsname name;

	if (!report)
		return -ENOMEM;
	report->options = options;
	if (!uname(&name))
		snprintf(report->kernel, sizeof(report->kernel), "%s", name.release);
	if (options->json) {
		report->json = fopen(options->json, "we");
		if (!report->json) {
			int err = -errno;

			free(report);
			return err;
		}
		fprintf(report->json, "[");
	}
	printf("1..%zu\n", planned);
	fflush(stdout);
	*ret_report = report;
	return 0;
}

static void write_json(struct report *report, const struct result *result)
{
	static const char *const verdicts[] = { "pass", "fail", "skip" };
	FILE *file = report->json;

	fprintf(file, "%s\n{", report->done ? "," : "");
	json_text(file, "case", result->name, ", ");
	fprintf(file, "\"group\": %d, ", result->kase->number);
	json_text(file, "description", result->kase->description, ", ");
	json_text(file, "witness", "the workload's own count, both sides, in shared memory", ", ");
	json_text(file, "expected", result->expected, ", ");
	json_text(file, "got", result->got, ", ");
	json_text(file, "reason", result->reason, ", ");
	fprintf(file, "\"pass\": %s, ", result->verdict == VERDICT_PASS ? "true" : "false");
	json_text(file, "result", verdicts[result->verdict], ", ");
	json_text(file, "backend", *result->backend ? result->backend : report->options->backend, ", ");
	json_text(file, "kernel", report->kernel, ", ");
	fprintf(file, "\"repeated\": %u, ", result->repeated);
	fprintf(file, "\"seconds\": %.3f}", result->seconds);
}

void report_add(struct report *report, const struct result *result)
{
	if (report->json)
		write_json(report, result);
	report->done++;
	if (result->verdict == VERDICT_FAIL) {
		report->failed++;
		printf("not ok %zu - %s: %s\n", report->done, result->name, result->reason);
	} else {
		printf("ok %zu - %s%s%s\n", report->done, result->name,
		       result->verdict == VERDICT_SKIP ? " # SKIP " : "",
		       result->verdict == VERDICT_SKIP ? result->reason : "");
	}
	if (report->options->times)
		printf("# %.3f s\n", result->seconds);
	if (report->options->dry_run)
		printf("# %s (%.3f s)\n", result->expected, result->seconds);
	else if (result->verdict == VERDICT_FAIL)
		printf("# expected %s\n# got %s\n", result->expected, result->got);
	fflush(stdout);
}

int report_done(struct report *report)
{
	int failed = (int)report->failed;

	if (report->json) {
		fprintf(report->json, "\n]\n");
		if (fclose(report->json))
			failed = -EIO;
	}
	free(report);
	return failed;
}

void result_fail(struct result *result, const char *format, ...)
{
	va_list arguments;

	if (result->verdict == VERDICT_FAIL)
		return;
	result->verdict = VERDICT_FAIL;
	va_start(arguments, format);
	vsnprintf(result->reason, sizeof(result->reason), format, arguments);
	va_end(arguments);
	for (char *c = result->reason; *c; c++)
		if (*c == '\n')
			*c = ' ';
}

void result_skip(struct result *result, const char *format, ...)
{
	va_list arguments;

	result->verdict = VERDICT_SKIP;
	va_start(arguments, format);
	vsnprintf(result->reason, sizeof(result->reason), format, arguments);
	va_end(arguments);
}
