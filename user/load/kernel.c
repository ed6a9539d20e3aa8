/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to the running kernel's BTF. The caller keeps it for the time of loading only: it is several megabytes.
 */
#include <bpf/btf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "load/internal.h"

bool kernel_has_function(const struct btf *btf, const char *name)
{
	return btf && btf__find_by_name_kind(btf, name, BTF_KIND_FUNC) > 0;
}

bool kernel_has_member(const struct btf *btf, const char *structure, const char *name)
{
	int id = btf ? btf__find_by_name_kind(btf, structure, BTF_KIND_STRUCT) : -ENOENT;
	const struct btf_type *type = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;

	for (int i = 0; type && i < btf_vlen(type); i++)
		if (!strcmp(btf__name_by_offset(btf, btf_members(type)[i].name_off), name))
			return true;
	return false;
}

bool kernel_has_tracepoint(const struct btf *btf, const char *name)
{
	char type[128];

	snprintf(type, sizeof(type), "btf_trace_%s", name);
	return btf && btf__find_by_name_kind(btf, type, BTF_KIND_TYPEDEF) > 0;
}

int kernel_function_arity(const struct btf *btf, const char *name)
{
	const struct btf_type *type;
	int id = btf ? btf__find_by_name_kind(btf, name, BTF_KIND_FUNC) : -ENOENT;

	if (id <= 0)
		return -ENOENT;
	type = btf__type_by_id(btf, (uint32_t)id);
	type = btf__type_by_id(btf, type->type);
	return btf_vlen(type);
}

int kernel_controller_index(const struct btf *btf, const char *controller)
{
	int id = btf ? btf__find_by_name_kind(btf, "cgroup_subsys_id", BTF_KIND_ENUM) : -ENOENT;
	const struct btf_type *type;
	const struct btf_enum *values;
	char wanted[64];

	if (id <= 0)
		return -ENOENT;
	snprintf(wanted, sizeof(wanted), "%s_cgrp_id", controller);
	type = btf__type_by_id(btf, (uint32_t)id);
	values = btf_enum(type);
	for (int i = 0; i < btf_vlen(type); i++)
		if (!strcmp(btf__str_by_offset(btf, values[i].name_off), wanted))
			return values[i].val;
	return -ENOENT;
}

const char *capture_missing_btf(void)
{
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		return "the kernel offers no BTF at /sys/kernel/btf/vmlinux: it needs CONFIG_DEBUG_INFO_BTF=y";
	return "";
}
