/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The doctor: tries what the agent would use on this host and tells what works, what does not, why, and the remedy.
 */
#pragma once

#include "config/config.h"

/* Writes its findings to standard output. Returns the exit status: 0 when the agent can observe something, else 1. */
MUST_CHECK int doctor_run(const struct config *config);
