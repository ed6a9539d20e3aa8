/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The value of one option inside a struct config: parsed from text, written as text, compared, freed.
 * Used inside config/ alone.
 */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"
#include "config/options.h"

/* Back to nothing: lists empty, text NULL, numbers 0. */
void value_clear(const struct config_option *option, struct config *config);
/* Sets the value, of a list appends one. -EINVAL, -ERANGE or -ENOSPC (list full) when it is not allowed, -ENOMEM. */
MUST_CHECK int value_parse(const struct config_option *option, const char *text, struct config *config);
/* As YAML, lists in brackets. */
void value_write(const struct config_option *option, const struct config *config, struct buffer *out);
bool value_equal(const struct config_option *option, const struct config *a, const struct config *b);
bool value_is_empty_list(const struct config_option *option, const struct config *config);

/* "4MiB", "15m": what number_size and number_duration read back. */
void value_write_size(uint64_t bytes, struct buffer *out);
void value_write_duration(uint64_t ns, struct buffer *out);
