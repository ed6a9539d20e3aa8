/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which state files tell of a container, and in which order they are tried.
 */
#pragma once

#include "identity/facts.h"
#include "identity/state_file.h"

/* 0 when a file told of the container; -ENOENT when none did, -ENOMEM. */
int container_state_read(struct state_reader *reader, const struct cgroup_container *container,
			 struct container_facts *ret_facts) __attribute__((warn_unused_result));
