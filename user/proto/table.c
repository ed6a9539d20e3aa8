/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All protocols that sonde reads, in the order of detection, and their names as labels show them. A new protocol is one
 * row in each table; docs/ADDING-A-PROTOCOL.md says what else.
 */
#include "proto/proto.h"

const struct proto_ops *const proto_table[] = {
	&http1_ops,
	&postgres_ops,
	&redis_ops,
	NULL,
};

const char *protocol_text(enum protocol protocol)
{
	static const char *const texts[PROTOCOL_COUNT] = {
		[PROTOCOL_UNKNOWN] = "unknown",
		[PROTOCOL_HTTP1] = "http1",
		[PROTOCOL_POSTGRESQL] = "postgresql",
		[PROTOCOL_REDIS] = "redis",
	};

	return (unsigned int)protocol < PROTOCOL_COUNT ? texts[protocol] : texts[PROTOCOL_UNKNOWN];
}
