/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a text value must look like, and which options contradict each other. Pure; used inside config/ alone.
 */
#pragma once

#include <stdbool.h>

#include "config/config.h"
#include "config/report.h"

bool check_listen_address(const char *value);
bool check_telemetry_path(const char *value);
bool check_absolute_path(const char *value);
bool check_route(const char *value);
/* Compiles as a regular expression. */
bool check_pattern(const char *value);
bool check_url(const char *value);
bool check_query_key(const char *value);
bool check_header_name(const char *value);
bool check_ratio(const char *value);
/* NAME=VALUE, percent-encoded; PATTERN=RATIO. */
bool check_key_value(const char *value);
bool check_pattern_ratio(const char *value);

/* 0, or -EINVAL and a message about the first contradiction. */
MUST_CHECK int check_conflicts(const struct config *config, const struct config_report *report);

/* --- collectors.c */
/* The same for the host's collectors and their patterns. */
MUST_CHECK int check_collectors(const struct config *config, const struct config_report *report);
/* Lets collector.disable-defaults switch off what was not switched on by name. */
void collectors_settle(struct config *config);
