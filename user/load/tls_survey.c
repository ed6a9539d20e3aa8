/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process has for TLS: of its executable and of every library that it maps. The agent asks when a process begins
 * an encrypted connection, and again, more thoroughly, when one stays unread; doctor asks for a person.
 */
#include <string.h>
#include <unistd.h>

#include "load/tls_internal.h"
#include "load/tls_maps.h"
#include "load/tls_plan.h"
#include "symbol/tls_marks.h"

#define SEARCH_BYTES_MAX (128ULL << 20) /* of the files that one process maps, at once */

static struct tls_finding finding_by_name(enum tls_brand brand)
{
	return (struct tls_finding){ .brand = brand, .state = TLS_FILE_NOT_KNOWN };
}

/* Libraries that are hooked where they have their functions' names. */
static bool is_hooked_by_name(enum tls_brand brand)
{
	return brand == TLS_BRAND_OPENSSL || brand == TLS_BRAND_GNUTLS || brand == TLS_BRAND_BORINGSSL;
}

/* --- for the agent: files are known once, and hooked when they can be */

struct survey {
	struct tls_hooks *hooks;
	uint32_t tgid;
	bool thorough;
	uint64_t left; /* bytes that may still be searched */
	tls_brands read;
	tls_brands unread;
};

static void take(struct survey *survey, const struct tls_finding *finding)
{
	tls_brands bit = finding->brand < TLS_BRAND_COUNT ? (tls_brands)(1U << finding->brand) : 0;

	if (finding->state == TLS_FILE_READ)
		survey->read |= bit;
	else if (finding->state != TLS_FILE_NOTHING)
		survey->unread |= bit;
}

static void search_once(struct survey *survey, struct tls_file *file, int fd)
{
	struct stat status;
	struct tls_plan plan;

	if (file->searched || file->finding.state != TLS_FILE_NOTHING || fstat(fd, &status) ||
	    (uint64_t)status.st_size > survey->left)
		return;
	survey->left -= (uint64_t)status.st_size;
	file->searched = true;
	tls_plan_make(fd, true, &plan);
	file->finding = plan.finding;
}

static void survey_file(struct survey *survey, int fd)
{
	struct tls_file *file = fd < 0 ? NULL : tls_files_offer(survey->hooks, fd);

	if (file && survey->thorough)
		search_once(survey, file, fd);
	if (file)
		take(survey, &file->finding);
	if (fd >= 0)
		close(fd);
}

static void survey_mapping(void *ctx, const struct tls_mapping *mapping)
{
	struct survey *survey = ctx;
	enum tls_brand brand = tls_brand_of_name(mapping->path);
	struct tls_finding named = finding_by_name(brand);

	if (brand != TLS_BRAND_COUNT && !is_hooked_by_name(brand))
		take(survey, &named);
	else if (brand != TLS_BRAND_COUNT || survey->thorough)
		survey_file(survey, tls_maps_open(survey->hooks->procfs, survey->tgid, mapping));
}

tls_brands tls_survey_brands(struct tls_hooks *hooks, uint32_t tgid, bool thorough)
{
	struct survey survey = { .hooks = hooks, .tgid = tgid, .thorough = thorough, .left = SEARCH_BYTES_MAX };

	survey_file(&survey, tls_maps_open_executable(hooks->procfs, tgid));
	/* A process that is gone has what its executable had. */
	(void)tls_maps_each(hooks->procfs, tgid, survey_mapping, &survey);
	if (!thorough && !survey.read && !survey.unread)
		return tls_survey_brands(hooks, tgid, true);
	return survey.unread ? survey.unread : survey.read;
}

/* --- for doctor: everything is looked into, nothing is hooked */

struct consultation {
	const char *procfs;
	uint32_t tgid;
	void (*tell)(void *ctx, const char *path, const struct tls_finding *finding);
	void *ctx;
	unsigned long long last; /* inode: the mappings of a file follow each other */
};

static void consult_file(struct consultation *consultation, const char *path, int fd)
{
	struct tls_finding finding = finding_by_name(tls_brand_of_name(path));
	bool hooked = is_hooked_by_name(finding.brand);
	struct tls_plan plan;

	if (finding.brand != TLS_BRAND_COUNT && !hooked) {
		consultation->tell(consultation->ctx, path, &finding);
	} else if (fd < 0) {
		finding.state = TLS_FILE_NO_FILE;
		if (hooked)
			consultation->tell(consultation->ctx, path, &finding);
	} else {
		tls_plan_make(fd, true, &plan);
		if (plan.finding.state != TLS_FILE_NOTHING)
			consultation->tell(consultation->ctx, path, &plan.finding);
	}
	if (fd >= 0)
		close(fd);
}

static void consult_mapping(void *ctx, const struct tls_mapping *mapping)
{
	struct consultation *consultation = ctx;

	if (mapping->inode == consultation->last)
		return;
	consultation->last = mapping->inode;
	consult_file(consultation, mapping->path, tls_maps_open(consultation->procfs, consultation->tgid, mapping));
}

int tls_survey_process(const char *procfs, uint32_t tgid,
		       void (*tell)(void *ctx, const char *path, const struct tls_finding *finding), void *ctx)
{
	struct consultation consultation = { .procfs = procfs, .tgid = tgid, .tell = tell, .ctx = ctx };

	/* The executable is mapped, too. */
	return tls_maps_each(procfs, tgid, consult_mapping, &consultation);
}
