/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few header fields that decide framing and pairing, found by their first letter; all others are passed over
 * unread, but for those that the user named (http1_keep.c).
 *   field-line = field-name ":" OWS field-value OWS       RFC 9112 section 5
 *   obs-fold   = OWS CRLF RWS                              RFC 9112 section 5.2: a folded line continues the one before
 * Findings are flags of the flow, judged when the head is complete.
 */
#include <string.h>
#include <strings.h>

#include "base/number.h"
#include "proto/http1_internal.h"

static struct text trim(const char *data, size_t length)
{
	while (length > 0 && (*data == ' ' || *data == '\t')) {
		data++;
		length--;
	}
	while (length > 0 && (data[length - 1] == ' ' || data[length - 1] == '\t'))
		length--;
	return (struct text){ data, length };
}

/* The next element of a comma-separated list (RFC 9110 section 5.6.1), empty ones left out. False at the end. */
static bool next_element(struct text *list, struct text *element)
{
	while (list->length > 0) {
		const char *comma = memchr(list->data, ',', list->length);
		size_t length = comma ? (size_t)(comma - list->data) : list->length;

		*element = trim(list->data, length);
		length += comma ? 1 : 0;
		list->data += length;
		list->length -= length;
		if (element->length > 0)
			return true;
	}
	return false;
}

static bool text_is(struct text text, const char *word)
{
	return text.length == strlen(word) && strncasecmp(text.data, word, text.length) == 0;
}

/*
 * Content-Length = 1*DIGIT; the same value may come again, in a list or on another line, another value may not:
 * RFC 9112 section 6.3 item 5. Values of 2^63 and more are refused: no one sends them, sums must not wrap.
 */
static void content_length(struct http1_flow *flow, struct text value)
{
	struct text element;
	uint64_t length;

	if (value.length == 0)
		flow->flags |= HEAD_LENGTH_EMPTY;
	while (next_element(&value, &element)) {
		if (number_u64_span(element.data, element.length, &length) != 0 || length > INT64_MAX ||
		    (flow->flags & HEAD_LENGTH && length != flow->left)) {
			flow->flags |= HEAD_LENGTH_BAD;
			return;
		}
		flow->left = length;
		flow->flags |= HEAD_LENGTH;
		flow->flags &= (uint16_t)~HEAD_LENGTH_EMPTY;
	}
	if (!(flow->flags & (HEAD_LENGTH | HEAD_LENGTH_EMPTY)))
		flow->flags |= HEAD_LENGTH_BAD;
}

/* Transfer-Encoding = #transfer-coding. The order counts: RFC 9112 section 6.1. Chunked has no parameters: section
 * 7.1. */
static void transfer_encoding(struct http1_flow *flow, struct text value)
{
	struct text coding;

	while (next_element(&value, &coding)) {
		bool chunked = text_is(coding, "chunked");

		if (chunked && flow->flags & HEAD_CHUNKED)
			flow->flags |= HEAD_CODING_BAD;
		flow->flags = (uint16_t)((flow->flags & ~HEAD_CHUNKED) | HEAD_CODED | (chunked ? HEAD_CHUNKED : 0));
	}
}

static void host(struct http1_feed *feed, struct text value)
{
	struct http1_request *request = http1_current(feed);

	/* The absolute form overrides Host: RFC 9112 section 3.2.2. */
	if (!request || request->host_length > 0)
		return;
	if (value.length > HTTP1_HOST_MAX)
		value.length = HTTP1_HOST_MAX;
	/* Without memory the exchange has no host: the rest of it stays true. */
	if (http1_keep_text(feed->state, request, NULL, 0, value.data, value.length) != 0)
		return;
}

static void take_value(struct http1_feed *feed, enum http1_field field, struct text value)
{
	struct http1_flow *flow = feed->flow;

	switch (field) {
	case FIELD_CONTENT_LENGTH:
		content_length(flow, value);
		break;
	case FIELD_TRANSFER_ENCODING:
		transfer_encoding(flow, value);
		break;
	case FIELD_HOST:
		host(feed, value);
		break;
	case FIELD_EXPECT:
		/* Ignored in HTTP/1.0: RFC 9110 section 10.1.1. */
		if (flow->version >= 11 && text_is(value, "100-continue"))
			flow->flags |= HEAD_EXPECT;
		break;
	case FIELD_UPGRADE:
		/* Likewise: RFC 9110 section 7.8. */
		if (flow->version >= 11 && value.length > 0)
			flow->flags |= HEAD_UPGRADE;
		break;
	case FIELD_TRACEPARENT:
		http1_traceparent(feed, value);
		break;
	case FIELD_TRACESTATE:
		http1_tracestate(feed, value);
		break;
	default:
		break;
	}
}

/* Three names begin with "tra"; the sixth byte tells them apart. */
static size_t field_of_t(const char *line, size_t length)
{
	char sixth = length > 5 ? (char)(line[5] | 0x20) : '\0';

	return sixth == 'p' ? 5 : sixth == 's' && (line[3] | 0x20) == 'c' ? 6 : 1;
}

static enum http1_field field_by_letter(enum proto_flow flow, const char *line, size_t length, struct text *ret_name)
{
	static const struct {
		struct text name;
		enum http1_field field;
	} fields[] = {
		{ { "content-length", 14 }, FIELD_CONTENT_LENGTH },
		{ { "transfer-encoding", 17 }, FIELD_TRANSFER_ENCODING },
		{ { "host", 4 }, FIELD_HOST },
		{ { "expect", 6 }, FIELD_EXPECT },
		{ { "upgrade", 7 }, FIELD_UPGRADE },
		{ { "traceparent", 11 }, FIELD_TRACEPARENT },
		{ { "tracestate", 10 }, FIELD_TRACESTATE },
	};
	size_t index;

	switch (line[0] | 0x20) {
	case 'c':
		index = 0;
		break;
	case 't':
		index = field_of_t(line, length);
		break;
	case 'h':
		index = 2;
		break;
	case 'e':
		index = 3;
		break;
	case 'u':
		index = 4;
		break;
	default:
		return FIELD_OTHER;
	}
	if (flow == FLOW_RESPONSE && index > 1)
		return FIELD_OTHER;
	*ret_name = fields[index].name;
	return fields[index].field;
}

/* The field of a line and where its value begins. */
static enum http1_field recognise(struct http1_feed *feed, const char *line, size_t length, size_t *ret_value)
{
	struct text name;
	enum http1_field field = field_by_letter(feed->which, line, length, &name);
	size_t at;

	if (field == FIELD_OTHER || length <= name.length)
		return FIELD_OTHER;
	at = name.length;
	if (line[at] != ':' && line[at] != ' ' && line[at] != '\t')
		return FIELD_OTHER;
	if (strncasecmp(line, name.data, name.length) != 0)
		return FIELD_OTHER;
	while (at < length && (line[at] == ' ' || line[at] == '\t'))
		at++;
	if (at == length || line[at] != ':')
		return FIELD_OTHER;
	/* Blanks before the colon: a server must refuse them, a proxy must remove them from responses (section 5.1). */
	if (at > name.length && feed->which == FLOW_REQUEST)
		feed->flow->flags |= HEAD_MALFORMED;
	*ret_value = at + 1;
	return field;
}

void http1_field_line(struct http1_feed *feed, const char *line, size_t length)
{
	struct http1_flow *flow = feed->flow;
	size_t value_at = 0;

	if (line[0] == ' ' || line[0] == '\t') {
		struct text value = trim(line, length);

		if (value.length == 0 || flow->field == FIELD_OTHER || flow->field == FIELD_NONE)
			return;
		/* A number does not go on in the next line, unless it has not begun. */
		if (length > HTTP1_LINE_FRONT ||
		    (flow->field == FIELD_CONTENT_LENGTH && !(flow->flags & HEAD_LENGTH_EMPTY)))
			flow->flags |= HEAD_LENGTH_BAD;
		else
			take_value(feed, flow->field, value);
		return;
	}
	if (flow->flags & HEAD_LENGTH_EMPTY)
		flow->flags |= HEAD_LENGTH_BAD;
	flow->field = (uint8_t)recognise(feed, line, length, &value_at);
	if (length > HTTP1_LINE_FRONT &&
	    (flow->field == FIELD_CONTENT_LENGTH || flow->field == FIELD_TRANSFER_ENCODING))
		flow->flags |= HEAD_MALFORMED;
	else if (flow->field != FIELD_OTHER)
		take_value(feed, flow->field, trim(line + value_at, length - value_at));
	if (feed->sink->keep)
		http1_keep_field(feed, line, length);
}
