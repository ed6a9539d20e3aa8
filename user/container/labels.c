/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The labels of a record. Only a container's own cgroup has its name and image: one below it would add the same figures
 * again under the same name. A pod's own cgroup has pod and namespace; every other one its id alone, as in cAdvisor.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "container/cgroup_id.h"
#include "container/internal.h"

#define RETRY_FIRST_NS (8 * NS_PER_MS)
#define RETRY_LAST_NS NS_PER_MINUTE
#define TEXTS_MAX (64 * 1024)

/* What identity knows, by the names of labels. */
static size_t identity_labels(const struct record *record, struct metric_label list[CONTAINER_LABELS_MAX])
{
	const struct container_info *info = record->info;
	size_t count = 0;

	if (info && record->own_container) {
		list[count++] = (struct metric_label){ "name", info->name };
		list[count++] = (struct metric_label){ "image", info->image };
		list[count++] = (struct metric_label){ "container", info->container };
	}
	if (info) {
		list[count++] = (struct metric_label){ "pod", info->pod };
		list[count++] = (struct metric_label){ "namespace", info->name_space };
	}
	return count;
}

int labels_make(struct record *record)
{
	struct metric_label list[CONTAINER_LABELS_MAX];
	size_t offsets[CONTAINER_LABELS_MAX], count = identity_labels(record, list), used = 0;
	struct buffer out;

	buffer_init(&out, TEXTS_MAX);
	buffer_append(&out, record->shown.path, strlen(record->shown.path) + 1);
	offsets[used++] = out.length;
	cgroup_id_append(&out, record->shown.path);
	for (size_t i = 0; i < count; i++) {
		if (!list[i].value[0])
			continue;
		offsets[used++] = out.length;
		buffer_append(&out, list[i].value, strlen(list[i].value) + 1);
		list[used - 2].name = list[i].name;
	}
	if (buffer_error(&out)) {
		buffer_done(&out);
		return -ENOMEM;
	}
	for (size_t i = 0; i < used; i++)
		record->labels[i] = (struct metric_label){ i ? list[i - 1].name : "id", out.data + offsets[i] };
	free(record->texts);
	record->texts = out.data;
	record->shown.path = out.data;
	record->shown.labels = record->labels;
	record->shown.label_count = used;
	return 0;
}

/* Does the path leave it open that this is a container's, or a pod's, own cgroup? */
static bool may_be_named(struct slice path)
{
	struct cgroup_container container;

	if (cgroup_path_pod(path).length || cgroup_path_candidate(path, 0, &container))
		return true;
	return cgroup_path_container(path, &container) && container.path.length == path.length;
}

void labels_renew(struct container_table *table, struct record *record, uint64_t now_ns)
{
	struct slice path = slice_of(record->shown.path), own;
	const struct container_info *info;
	uint64_t wait = (now_ns - record->born_ns) / 4;

	if (record->info || now_ns < record->name_retry_ns)
		return;
	if (!record->name_retry_ns)
		record->may_be_named = may_be_named(path);
	if (!record->may_be_named)
		return;
	record->name_retry_ns = now_ns + (wait < RETRY_FIRST_NS ? RETRY_FIRST_NS :
					  wait > RETRY_LAST_NS  ? RETRY_LAST_NS :
								  wait);
	info = containers_find_pod(table->containers, path);
	if (!info) {
		info = containers_find(table->containers, path, now_ns, &own);
		if (!info || own.length != path.length)
			return;
		record->own_container = true;
	}
	record->info = container_info_take(info);
	if (labels_make(record)) {
		table->drops.no_memory++;
		container_info_drop(record->info);
		record->info = NULL;
		record->own_container = false;
	}
}
