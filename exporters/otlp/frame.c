/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resources are made when a request is: there are few services in one, and what is said of them may change.
 */
#include "exporters/otlp/frame.h"

#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/number.h"
#include "exporters/common/message_json.h"

#define ATTRIBUTES_MAX 64
#define LISTS_MAX 2
#define TEXT_BYTES 6144
#define GZIP_LEVEL 1
#define GZIP_WINDOW (15 + 16) /* zlib.h, deflateInit2: 16 asks for gzip */
#define GZIP_MEMORY 8

struct resource {
	Otlp__Resource message;
	Otlp__KeyValue pairs[ATTRIBUTES_MAX];
	Otlp__KeyValue *pointers[ATTRIBUTES_MAX];
	Otlp__AnyValue values[ATTRIBUTES_MAX];
	struct list {
		Otlp__ArrayValue message;
		Otlp__AnyValue value;
		Otlp__AnyValue *pointer;
	} lists[LISTS_MAX];
	size_t list_count;
	struct text_room room;
	char text[TEXT_BYTES];
};

static void add(struct resource *resource, const char *key, struct text value)
{
	size_t at = resource->message.n_attributes;
	char *text;

	if (at == ATTRIBUTES_MAX || value.length == 0)
		return;
	text = text_room_keep(&resource->room, value);
	if (!text)
		return;
	otlp__key_value__init(&resource->pairs[at]);
	otlp__any_value__init(&resource->values[at]);
	resource->values[at].value_case = OTLP__ANY_VALUE__VALUE_STRING_VALUE;
	resource->values[at].string_value = text;
	resource->pairs[at].key = (char *)(uintptr_t)key; /* only read */
	resource->pairs[at].value = &resource->values[at];
	resource->pointers[at] = &resource->pairs[at];
	resource->message.n_attributes++;
}

static bool has_key(const struct resource *resource, const char *key)
{
	for (size_t i = 0; i < resource->message.n_attributes; i++)
		if (!strcmp(resource->pairs[i].key, key))
			return true;
	return false;
}

/* "key=value\n" of each. */
static void add_lines(struct resource *resource, const char *lines, size_t length)
{
	while (length > 0) {
		const char *end = memchr(lines, '\n', length);
		size_t line = end ? (size_t)(end - lines) : length;
		const char *equals = memchr(lines, '=', line);
		const char *key =
			equals ? text_room_keep(&resource->room, (struct text){ lines, (size_t)(equals - lines) }) :
				 NULL;

		if (key)
			add(resource, key, (struct text){ equals + 1, line - (size_t)(equals + 1 - lines) });
		length -= end ? line + 1 : line;
		lines += end ? line + 1 : line;
	}
}

static void make_list(struct resource *resource, Otlp__AnyValue *value)
{
	struct list *list = &resource->lists[resource->list_count];

	if (resource->list_count == LISTS_MAX)
		return;
	resource->list_count++;
	otlp__array_value__init(&list->message);
	list->value = *value;
	list->pointer = &list->value;
	list->message.values = &list->pointer;
	list->message.n_values = 1;
	value->value_case = OTLP__ANY_VALUE__VALUE_ARRAY_VALUE;
	value->array_value = &list->message;
}

/* Attributes that the conventions give another type than text. */
static void give_types(struct resource *resource)
{
	uint64_t pid;

	for (size_t i = 0; i < resource->message.n_attributes; i++) {
		const char *key = resource->pairs[i].key;
		Otlp__AnyValue *value = &resource->values[i];

		if (!strcmp(key, "container.image.tags") || !strcmp(key, "container.image.repo_digests"))
			make_list(resource, value);
		if (strcmp(key, "process.pid") != 0 || number_u64(value->string_value, &pid))
			continue;
		value->value_case = OTLP__ANY_VALUE__VALUE_INT_VALUE;
		value->int_value = (int64_t)pid;
	}
}

/* The version that the configuration says is sonde's own. The instance is this host's share of a service: that is what
 * metrics without a better one are, while a span is of one process. */
static bool holds(const char *key, bool own, bool metrics)
{
	if (!strcmp(key, "service.version"))
		return own;
	return metrics || strcmp(key, "service.instance.id") != 0;
}

/* `service` is the name, and of a span's resource a newline and lines of more. Keys are unique: what the configuration
 * says is overridden by what was observed. */
static void fill(const struct otlp *otlp, enum otlp_signal signal, const char *service, size_t service_length,
		 struct resource *resource)
{
	const char *newline = memchr(service, '\n', service_length);
	size_t name_length = newline ? (size_t)(newline - service) : service_length;
	const char *own_name = otlp->config.own_service;
	bool metrics = signal == OTLP_METRICS,
	     own = name_length == strlen(own_name) && !memcmp(service, own_name, name_length);

	otlp__resource__init(&resource->message);
	resource->list_count = 0;
	resource->room = (struct text_room){ resource->text, sizeof(resource->text) };
	resource->message.attributes = resource->pointers;
	add(resource, "service.name", (struct text){ service, name_length });
	if (newline)
		add_lines(resource, newline + 1, service_length - name_length - 1);
	give_types(resource);
	for (size_t i = 0; i < otlp->config.resource_count; i++) {
		const struct otlp_pair *pair = &otlp->config.resource[i];

		if (!has_key(resource, pair->key) && holds(pair->key, own, metrics))
			add(resource, pair->key, (struct text){ pair->value, strlen(pair->value) });
	}
}

static Otlp__InstrumentationScope scope_of(const struct otlp *otlp)
{
	static const char name[] = "sonde";
	Otlp__InstrumentationScope scope = OTLP__INSTRUMENTATION_SCOPE__INIT;

	scope.name = (char *)(uintptr_t)name;                    /* only read */
	scope.version = (char *)(uintptr_t)otlp->config.version; /* only read */
	return scope;
}

size_t frame_varint_length(uint64_t value)
{
	size_t length = 1;

	for (; value >= 0x80; value >>= 7)
		length++;
	return length;
}

static void append_varint(struct buffer *out, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		buffer_append_char(out, (char)(value | 0x80));
	buffer_append_char(out, (char)value);
}

void frame_tag(struct buffer *out, uint32_t field, size_t length)
{
	append_varint(out, field << 3 | 2);
	append_varint(out, length);
}

static size_t append_message(struct buffer *out, uint32_t field, const ProtobufCMessage *message)
{
	size_t before = out->length, length = protobuf_c_message_get_packed_size(message);
	uint8_t *at;

	frame_tag(out, field, length);
	at = buffer_extend(out, length);
	if (at)
		protobuf_c_message_pack(message, at);
	return out->length - before;
}

const char *frame_resource(struct otlp *otlp, const char *service, const char *lines)
{
	int length = snprintf(otlp->resource, sizeof(otlp->resource), "%s\n%s", service, lines);

	return length > 0 && (size_t)length < sizeof(otlp->resource) ? otlp->resource : service;
}

void frame_make(const struct otlp *otlp, enum otlp_signal signal, const char *service, size_t service_length,
		struct frame *ret_frame)
{
	Otlp__InstrumentationScope scope = scope_of(otlp);
	struct resource resource;
	/* Borrows the frame's memory, which holds everything that can come: fields are bounded. */
	struct buffer out = { .data = ret_frame->bytes, .capacity = FRAME_BYTES, .limit = FRAME_BYTES - 1 };

	fill(otlp, signal, service, service_length, &resource);
	ret_frame->resource_length = append_message(&out, 1, &resource.message.base);
	ret_frame->scope_length = append_message(&out, 1, &scope.base);
	frame_tag(&out, 3, sizeof(OTLP_SCHEMA_URL) - 1);
	buffer_append_string(&out, OTLP_SCHEMA_URL);
	ret_frame->schema_length = out.length - ret_frame->resource_length - ret_frame->scope_length;
}

void frame_resource_json(const struct otlp *otlp, enum otlp_signal signal, struct buffer *out, const char *service,
			 size_t service_length)
{
	struct resource resource;

	fill(otlp, signal, service, service_length, &resource);
	message_json(out, &resource.message.base);
}

void frame_scope_json(const struct otlp *otlp, struct buffer *out)
{
	Otlp__InstrumentationScope scope = scope_of(otlp);

	message_json(out, &scope.base);
}

static int deflate_all(struct buffer *in, struct buffer *out)
{
	z_stream stream = { 0 };
	uLong bound;
	int result;

	if (in->length > UINT_MAX ||
	    deflateInit2(&stream, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	bound = deflateBound(&stream, in->length);
	stream.next_in = (unsigned char *)in->data;
	stream.avail_in = (unsigned int)in->length;
	stream.next_out = buffer_extend(out, bound);
	stream.avail_out = (unsigned int)bound;
	result = stream.next_out ? deflate(&stream, Z_FINISH) : Z_MEM_ERROR;
	out->length -= stream.avail_out;
	(void)deflateEnd(&stream);
	return result == Z_STREAM_END ? 0 : -ENOMEM;
}

void frame_compress(struct buffer *body)
{
	struct buffer out;

	buffer_init(&out, body->limit);
	if (deflate_all(body, &out)) {
		buffer_done(&out);
		body->error = -ENOMEM;
		return;
	}
	free(body->data);
	*body = out;
}

/* Length-Prefixed-Message of gRPC over HTTP/2 ("PROTOCOL-HTTP2"). */
void frame_grpc(struct buffer *body, bool compressed)
{
	size_t length = body->length;
	uint32_t big = htobe32((uint32_t)length);

	if (!buffer_extend(body, GRPC_PREFIX_BYTES))
		return;
	memmove(body->data + GRPC_PREFIX_BYTES, body->data, length);
	body->data[0] = compressed;
	memcpy(body->data + 1, &big, sizeof(big));
}
