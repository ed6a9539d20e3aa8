/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What facts become: the service's name, and times. Pure.
 */
#include <stdio.h>
#include <time.h>

#include "identity/facts.h"
#include "identity/workload.h"

#define NS 1000000000ULL

uint64_t facts_time(const char *text)
{
	struct tm time = { 0 };
	int at = 0, hours = 0, minutes = 0;
	uint64_t fraction = 0, unit = NS;
	char sign = '\0';
	time_t seconds;

	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &time.tm_year, &time.tm_mon, &time.tm_mday, &time.tm_hour,
		   &time.tm_min, &time.tm_sec, &at) != 6)
		return 0;
	time.tm_year -= 1900;
	time.tm_mon -= 1;
	text += at;
	if (*text == '.')
		for (text++; *text >= '0' && *text <= '9'; text++)
			if (unit > 1) {
				unit /= 10;
				fraction += unit * (uint64_t)(*text - '0');
			}
	if (*text != 'Z' && (sscanf(text, "%c%2d:%2d", &sign, &hours, &minutes) != 3 || (sign != '+' && sign != '-')))
		return 0;
	seconds = timegm(&time);
	if (*text != 'Z')
		seconds -= (sign == '+' ? 1 : -1) * (hours * 3600 + minutes * 60);
	/* Docker's "0001-01-01" is what has not happened. */
	return seconds > 0 ? (uint64_t)seconds * NS + fraction : 0;
}

void facts_service(const struct container_facts *facts, const struct cgroup_container *container, char *name)
{
	struct slice own = slice_of(facts->name);

	name[0] = '\0';
	if (facts->service[0])
		slice_clean(slice_of(facts->service), name);
	else if (facts->container[0] && workload_is_sidecar(slice_of(facts->container)))
		slice_clean(slice_of(facts->container), name);
	else if (facts->pod[0])
		slice_clean(workload_of_pod(slice_of(facts->pod)), name);
	else if (own.length && !is_container_id(own))
		slice_clean(own, name);
	else if (!is_container_id(container->id))
		slice_clean(container->id, name);
}
