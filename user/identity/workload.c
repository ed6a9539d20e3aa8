/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endings off pod names. A name whose last part is no such ending stays whole: too long a name is better than a wrong
 * one.
 */
#include "identity/workload.h"

#define POD_SUFFIX 5 /* SimpleNameGenerator: five letters */
#define HASH_MIN 5   /* of a ReplicaSet: a 32-bit number's decimal digits, each as a letter */
#define HASH_MAX 10
#define MINUTES_DIGITS 8 /* of a CronJob's time, until 2160 */

static bool is_drawn(struct slice text, size_t min, size_t max)
{
	for (size_t i = 0; i < text.length; i++)
		if (!strchr("bcdfghjklmnpqrstvwxz2456789", text.data[i]) || !text.data[i])
			return false;
	return text.length >= min && text.length <= max;
}

static struct slice without_last(struct slice name)
{
	struct slice last = slice_after_last(name, '-');

	return last.length + 1 < name.length ? slice_drop(name, last.length + 1) : name;
}

struct slice workload_of_pod(struct slice pod)
{
	struct slice rest = without_last(pod), last = slice_after_last(pod, '-'), hash;

	if (rest.length == pod.length)
		return pod;
	if (slice_is_number(last) && last.length < POD_SUFFIX)
		return rest;
	if (!is_drawn(last, POD_SUFFIX, POD_SUFFIX))
		return pod;
	hash = slice_after_last(rest, '-');
	if (hash.length < rest.length &&
	    (is_drawn(hash, HASH_MIN, HASH_MAX) || (slice_is_number(hash) && hash.length == MINUTES_DIGITS)))
		return without_last(rest);
	return rest;
}

bool workload_is_sidecar(struct slice container)
{
	static const char *const sidecars[] = { "istio-proxy",
						"istio-init",
						"linkerd-proxy",
						"linkerd-init",
						"envoy",
						"envoy-sidecar",
						"consul-connect-envoy-sidecar",
						"consul-dataplane",
						"kuma-sidecar",
						"daprd",
						"vault-agent",
						"cloud-sql-proxy",
						"cloudsql-proxy",
						"oauth2-proxy",
						"kube-rbac-proxy",
						"config-reloader",
						NULL };

	return slice_in(container, sidecars);
}
