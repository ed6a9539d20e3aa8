/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent: wires the stages and owns the loop. Called by main once the configuration stands and the log is set up.
 */
#pragma once

#include "config/config.h"

/*
 * Runs until SIGTERM or SIGINT. SIGHUP calls config_load with `source` again and applies what can be reloaded. *config
 * stays the caller's to free. Logs its own errors. Returns the exit status: 0 after a signal, 1 when the agent could
 * not start or go on.
 */
MUST_CHECK int agent_run(struct config *config, const struct config_source *source);
