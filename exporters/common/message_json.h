/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON form of OTLP's messages, made from their descriptors: lowerCamelCase names, ids in hexadecimal, enums as
 * numbers, 64-bit integers as strings (OTLP specification, "JSON Protobuf Encoding").
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "base/buffer.h"

/* Fields that are not set are left out. */
void message_json(struct buffer *out, const ProtobufCMessage *message);
