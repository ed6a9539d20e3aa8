/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service name that a process's environment declares, by the OpenTelemetry specification. An environment holds
 * secrets: it is read once, one name is taken out of it, nothing else of it is kept.
 */
#pragma once

#include "identity/slice.h"

/*
 * `environment` is NUL-separated "KEY=value"; the last may be cut or lack its NUL. OTEL_SERVICE_NAME wins over
 * service.name in OTEL_RESOURCE_ATTRIBUTES; empty is unset. `name` holds IDENTITY_NAME_MAX + 1 bytes and gets the
 * cleaned name. Returns its length, 0 when the environment names no service (name is then "").
 */
size_t environment_service(struct slice environment, char *name);
