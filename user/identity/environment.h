/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process's environment declares of its service, by the OpenTelemetry specification. An environment holds
 * secrets: it is read once, the service's name and four more attributes are taken out of it, nothing else of it is
 * kept.
 */
#pragma once

#include "identity/slice.h"

#define ENVIRONMENT_DECLARED_MAX 640 /* four lines of a key and a name each */

/*
 * `environment` is NUL-separated "KEY=value"; the last may be cut or lack its NUL. OTEL_SERVICE_NAME wins over
 * service.name in OTEL_RESOURCE_ATTRIBUTES; empty is unset. `name` holds IDENTITY_NAME_MAX + 1 bytes and gets the
 * cleaned name. Returns its length, 0 when the environment names no service (name is then "").
 */
size_t environment_service(struct slice environment, char *name);
/*
 * service.namespace, service.version, service.instance.id and deployment.environment.name of OTEL_RESOURCE_ATTRIBUTES,
 * each cleaned as a name is, as lines (identity/lines.h). `lines` holds ENVIRONMENT_DECLARED_MAX bytes. Returns their
 * length.
 */
size_t environment_declared(struct slice environment, char *lines);
