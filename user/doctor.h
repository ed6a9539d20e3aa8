/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The doctor: tries what the agent would use on this host and tells what works, what does not, why, and the remedy.
 */
#pragma once

#include "config/config.h"

/* Writes its findings to standard output. Returns the exit status: 0 when the agent can observe something, else 1. */
MUST_CHECK int doctor_run(const struct config *config);
/* Says what is read of one process's encrypted connections, and why the rest is not. Exit status: 0 when all is. */
int doctor_run_process(const struct config *config, uint32_t tgid);
