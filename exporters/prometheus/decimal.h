/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers as the Prometheus formats want them: shortest digits that read back as the same double, in the form that Go's
 * strconv gives ('g', -1), because scrapers compare `le` strings with those that client_golang writes. Integral values
 * are written as integers. Pure; the common cases do without printf.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DECIMAL_SIZE 32

/* A sample's value. Returns the length; no NUL is written. */
size_t decimal_value(double value, char ret_text[DECIMAL_SIZE]);

/* A bucket's bound for `le`. float_form: OpenMetrics' canonical numbers ("1.0" where text 0.0.4 says "1"). */
size_t decimal_bound(double bound, bool float_form, char ret_text[DECIMAL_SIZE]);
