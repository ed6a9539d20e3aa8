/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The learned tree. Children are a list that a hit moves to the front: positions hold few names, and the busy ones come
 * first. A merge of the subtrees of a collapsing position was rejected: relearning costs a handful of allocations, and
 * what comes after an identifier is mostly the same few names.
 */
#include "aggregate/route_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REST "/**"
#define REST_LENGTH (sizeof(REST) - 1)

/* In what ways paths were seen to end at a segment. */
enum route_end {
	END_PLAIN = 1,
	END_SLASH = 2,
	END_REST = 4, /* too deep or too long: told as "**" from here */
};

struct route_segment {
	struct route_segment *child; /* owned list */
	struct route_segment *next;
	uint64_t idle_since_ns;
	uint32_t name_count; /* children other than {id} */
	uint8_t ends;
	uint8_t length;
	bool collapsed; /* {id} is the only child there may be */
	bool touched;   /* since the last expiry */
	char text[];
};

struct route_output {
	char *text;
	size_t length;
};

static bool is_id(const char *text, size_t length)
{
	return length == ROUTE_ID_LENGTH && memcmp(text, ROUTE_ID, length) == 0;
}

static struct route_segment *segment_new(struct route_tree *tree, struct route_limits *limits, const char *text,
					 size_t length)
{
	if (tree->segments >= ROUTE_TREE_SEGMENTS || limits->segments >= ROUTE_TOTAL_SEGMENTS)
		return NULL;
	struct route_segment *segment = calloc(1, sizeof(*segment) + length);
	if (!segment)
		return NULL;
	memcpy(segment->text, text, length);
	segment->length = (uint8_t)length;
	tree->segments++;
	limits->segments++;
	return segment;
}

/* Depth is at most ROUTE_LEARNED_DEPTH. */
static void segment_free(struct route_tree *tree, struct route_limits *limits, struct route_segment *segment)
{
	while (segment->child) {
		struct route_segment *child = segment->child;

		segment->child = child->next;
		segment_free(tree, limits, child);
	}
	free(segment);
	tree->segments--;
	limits->segments--;
}

void route_tree_done(struct route_tree *tree, struct route_limits *limits)
{
	if (tree->root)
		segment_free(tree, limits, tree->root);
	tree->root = NULL;
}

static struct route_segment *child_find(struct route_segment *parent, const char *text, size_t length)
{
	for (struct route_segment **link = &parent->child; *link; link = &(*link)->next) {
		struct route_segment *child = *link;

		if (child->length != length || memcmp(child->text, text, length) != 0)
			continue;
		*link = child->next;
		child->next = parent->child;
		parent->child = child;
		return child;
	}
	return NULL;
}

static void collapse(struct route_tree *tree, struct route_limits *limits, struct route_segment *parent)
{
	struct route_segment **link = &parent->child;

	while (*link) {
		struct route_segment *child = *link;

		if (is_id(child->text, child->length)) {
			link = &child->next;
			continue;
		}
		*link = child->next;
		segment_free(tree, limits, child);
	}
	parent->name_count = 0;
	parent->collapsed = true;
	limits->collapsed++;
}

/* The child that stands for this segment; NULL when it is not known and must not or cannot be learned. */
static struct route_segment *child_get(struct route_tree *tree, struct route_limits *limits,
				       struct route_segment *parent, struct text segment, bool teach)
{
	char text[ROUTE_SEGMENT_ROOM];
	/* As it stands first: what looks like an identifier is never kept under its own text. */
	struct route_segment *child =
		segment.length <= ROUTE_SEGMENT_BYTES ? child_find(parent, segment.data, segment.length) : NULL;

	if (child)
		return child;
	size_t length = route_segment_text(segment, text);
	if (!parent->collapsed)
		child = child_find(parent, text, length);
	if (child)
		return child;
	if (!parent->collapsed && teach && !is_id(text, length)) {
		if (parent->name_count < limits->values_limit) {
			child = segment_new(tree, limits, text, length);
			if (!child)
				return NULL;
			parent->name_count++;
			child->next = parent->child;
			parent->child = child;
			return child;
		}
		collapse(tree, limits, parent);
	}
	if (!parent->collapsed && !is_id(text, length))
		return NULL;
	child = child_find(parent, ROUTE_ID, ROUTE_ID_LENGTH);
	if (!child && teach) {
		child = segment_new(tree, limits, ROUTE_ID, ROUTE_ID_LENGTH);
		if (child) {
			child->next = parent->child;
			parent->child = child;
		}
	}
	return child;
}

/* Keeps room for REST behind every segment. */
static bool output_append(struct route_output *output, const struct route_segment *segment)
{
	if (output->length + 1 + segment->length + REST_LENGTH > ROUTE_MAX)
		return false;
	output->text[output->length++] = '/';
	memcpy(output->text + output->length, segment->text, segment->length);
	output->length += segment->length;
	return true;
}

static size_t output_end(struct route_output *output, struct route_segment *at, uint8_t how, bool teach)
{
	if (!(at->ends & how) && !teach)
		return 0;
	at->ends |= how;
	if (how == END_REST) {
		memcpy(output->text + output->length, REST, REST_LENGTH);
		output->length += REST_LENGTH;
	} else if (how == END_SLASH) {
		output->text[output->length++] = '/';
	}
	output->text[output->length] = '\0';
	return output->length;
}

size_t route_tree_find(struct route_tree *tree, struct route_limits *limits, const struct route_path *path, bool teach,
		       char out[ROUTE_MAX + 1])
{
	struct route_output output = { .text = out };

	if (!tree->root && teach)
		tree->root = segment_new(tree, limits, "", 0);
	struct route_segment *at = tree->root;
	if (!at) {
		limits->cut += teach;
		return teach ? (size_t)snprintf(out, ROUTE_MAX + 1, "%s", REST) : 0;
	}
	at->touched = true;
	for (size_t i = 0; i < path->count; i++) {
		if (i == ROUTE_LEARNED_DEPTH)
			return output_end(&output, at, END_REST, teach);
		struct route_segment *child = child_get(tree, limits, at, path->segments[i], teach);

		if (!child) {
			limits->cut += teach;
			return teach ? output_end(&output, at, END_REST, true) : 0;
		}
		if (!output_append(&output, child))
			return output_end(&output, at, END_REST, teach);
		at = child;
		at->touched = true;
	}
	/* The root's own route is "/", which has no plain form. */
	return output_end(&output, at, path->trailing_slash || path->count == 0 ? END_SLASH : END_PLAIN, teach);
}

/* True when the segment went. Depth is at most ROUTE_LEARNED_DEPTH. */
static bool segment_expire(struct route_tree *tree, struct route_limits *limits, struct route_segment *segment,
			   uint64_t now_ns, uint64_t idle_ns)
{
	struct route_segment **link = &segment->child;

	while (*link) {
		struct route_segment *child = *link, *next = child->next;
		bool name = !is_id(child->text, child->length);

		if (segment_expire(tree, limits, child, now_ns, idle_ns)) {
			*link = next;
			segment->name_count -= name;
		} else {
			link = &child->next;
		}
	}
	if (segment->touched) {
		segment->touched = false;
		segment->idle_since_ns = now_ns;
		return false;
	}
	if (segment->child || now_ns - segment->idle_since_ns < idle_ns)
		return false;
	segment_free(tree, limits, segment);
	return true;
}

bool route_tree_expire(struct route_tree *tree, struct route_limits *limits, uint64_t now_ns, uint64_t idle_ns)
{
	if (tree->root && segment_expire(tree, limits, tree->root, now_ns, idle_ns))
		tree->root = NULL;
	return !tree->root;
}
