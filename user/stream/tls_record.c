/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 8446 section 5.1, RFC 5246 section 6.2: a record is {type, version (2 bytes), length (2 bytes), fragment}; a
 * fragment of ciphertext has at most 2^14 + 2048 bytes.
 */
#include "stream/tls_record.h"

#include <string.h>

#define HEADER_BYTES 5
#define FRAGMENT_MAX (16384 + 2048)

static bool header_fits(const uint8_t *header)
{
	size_t length = (size_t)header[3] << 8 | header[4];

	return header[0] >= TLS_CHANGE_CIPHER && header[0] <= TLS_APPLICATION && header[1] == 3 && header[2] <= 4 &&
	       length && length <= FRAGMENT_MAX;
}

static void keep_tail(struct tls_reader *reader, const uint8_t *data, size_t length)
{
	if (length >= sizeof(reader->tail)) {
		memcpy(reader->tail, data + length - sizeof(reader->tail), sizeof(reader->tail));
		return;
	}
	memmove(reader->tail, reader->tail + length, sizeof(reader->tail) - length);
	memcpy(reader->tail + sizeof(reader->tail) - length, data, length);
}

/* Takes bytes of the fragment; returns how many. */
static size_t take_fragment(struct tls_reader *reader, const uint8_t *data, size_t length)
{
	size_t part = (size_t)(reader->length - reader->taken);

	if (part > length)
		part = length;
	if (reader->taken < sizeof(reader->head)) {
		size_t room = sizeof(reader->head) - reader->taken;

		memcpy(reader->head + reader->taken, data, part < room ? part : room);
	}
	keep_tail(reader, data, part);
	reader->taken = (uint16_t)(reader->taken + part);
	return part;
}

static size_t take_header(struct tls_reader *reader, const uint8_t *data, size_t length)
{
	size_t part = (size_t)(HEADER_BYTES - reader->header_length);

	if (part > length)
		part = length;
	memcpy(reader->header + reader->header_length, data, part);
	reader->header_length = (uint8_t)(reader->header_length + part);
	if (reader->header_length == HEADER_BYTES) {
		reader->length = (uint16_t)(reader->header[3] << 8 | reader->header[4]);
		reader->taken = 0;
		reader->in_step = header_fits(reader->header);
	}
	return part;
}

static void tell(struct tls_reader *reader, void (*found)(void *ctx, const struct tls_record *record), void *ctx)
{
	struct tls_record record = { .type = reader->header[0], .length = reader->length, .head = reader->head };

	record.head_length = reader->length < sizeof(reader->head) ? reader->length : sizeof(reader->head);
	if (reader->length >= sizeof(record.tail))
		memcpy(record.tail, reader->tail, sizeof(record.tail));
	reader->header_length = 0;
	found(ctx, &record);
}

static bool comes_into_step(struct tls_reader *reader, const struct segment *segment)
{
	if (reader->in_step && segment->position == reader->next)
		return true;
	reader->header_length = 0;
	reader->in_step = segment->captured_length >= HEADER_BYTES && !segment->captured_offset &&
			  header_fits(segment->data);
	return reader->in_step;
}

void tls_reader_feed(struct tls_reader *reader, const struct segment *segment,
		     void (*found)(void *ctx, const struct tls_record *record), void *ctx)
{
	size_t length = segment->captured_length;
	const uint8_t *data = segment->data;

	if (!segment->length || !comes_into_step(reader, segment) || segment->captured_offset)
		return;
	while (length && reader->in_step) {
		size_t part = reader->header_length < HEADER_BYTES ? take_header(reader, data, length) :
								     take_fragment(reader, data, length);

		data += part;
		length -= part;
		if (reader->header_length == HEADER_BYTES && reader->taken == reader->length)
			tell(reader, found, ctx);
	}
	reader->next = segment->position + segment->length;
	if (segment->captured_length != segment->length)
		reader->in_step = false;
}

/* --- ServerHello */

struct cursor {
	const uint8_t *at;
	size_t left;
};

static bool take(struct cursor *cursor, size_t count, const uint8_t **ret_bytes)
{
	if (cursor->left < count)
		return false;
	*ret_bytes = cursor->at;
	cursor->at += count;
	cursor->left -= count;
	return true;
}

static enum tls_version version_of(const uint8_t *bytes)
{
	static const enum tls_version versions[] = { TLS_UNKNOWN, TLS_1_0, TLS_1_1, TLS_1_2, TLS_1_3 };

	return bytes[0] == 3 && bytes[1] < sizeof(versions) / sizeof(versions[0]) ? versions[bytes[1]] : TLS_UNKNOWN;
}

/* supported_versions (43): RFC 8446 section 4.2.1. application_layer_protocol_negotiation (16): RFC 7301 section 3.1,
 * a list with one name. */
static void read_extension(unsigned int type, const uint8_t *data, size_t length, struct tls_hello *hello)
{
	if (type == 43 && length == 2)
		hello->version = version_of(data);
	else if (type == 16 && length == 5 && data[2] == 2 && !memcmp(data + 3, "h2", 2))
		hello->http2 = true;
}

static void read_extensions(struct cursor *cursor, struct tls_hello *hello)
{
	const uint8_t *head, *data;

	while (take(cursor, 4, &head)) {
		size_t length = (size_t)head[2] << 8 | head[3];

		if (!take(cursor, length, &data))
			return;
		read_extension((unsigned int)head[0] << 8 | head[1], data, length, hello);
	}
}

bool tls_read_server_hello(const uint8_t *bytes, size_t length, struct tls_hello *ret_hello)
{
	struct cursor cursor = { bytes, length };
	struct tls_hello hello = { 0 };
	const uint8_t *part;

	/* Handshake type 2, length, legacy version, random, length of the session id. */
	if (!take(&cursor, 1 + 3 + 2 + 32 + 1, &part) || part[0] != 2)
		return false;
	hello.version = version_of(part + 4);
	if (!take(&cursor, part[38], &part) || !take(&cursor, 3, &part))
		return false;
	hello.cipher = (uint16_t)(part[0] << 8 | part[1]);
	/* TLS 1.3's own, RFC 8446 appendix B.4. The extension that says so may be behind a key of ML-KEM, whose 1,120
	 * bytes are more than is kept. */
	if (part[0] == 0x13)
		hello.version = TLS_1_3;
	if (take(&cursor, 2, &part))
		read_extensions(&cursor, &hello);
	*ret_hello = hello;
	return true;
}
