/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option table and a configuration in words: --help, docs/CONFIG.md, `sonde config`. All append to a buffer that
 * the caller checks.
 */
#pragma once

#include "base/buffer.h"
#include "config/config.h"

/* The flags with defaults, one or two lines each. */
void config_describe_flags(struct buffer *out);
/* docs/CONFIG.md */
void config_describe_markdown(struct buffer *out);
/* The effective configuration as YAML that can be loaded again; comments say where each value came from. */
void config_describe_effective(const struct config *config, struct buffer *out);
