/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patterns, then the service's tree. One tree per service because the same path means different things to different
 * services, and because one service with wild paths must not take the names from the others.
 */
#include "aggregate/route.h"

#include <stdlib.h>
#include <string.h>

struct service_routes {
	struct hash_node node;
	uint32_t service; /* holds a use of the id */
	struct route_tree tree;
};

static const char unlearned[] = "/**";

int routes_init(struct routes *routes, const char *const *patterns, size_t pattern_count, size_t values_limit,
		struct intern *intern, uint64_t seed, size_t *ret_bad_pattern)
{
	*routes = (struct routes){ .limits.values_limit = values_limit, .intern = intern, .seed = seed };
	hash_table_init(&routes->trees, ROUTE_SERVICES_MAX);
	return route_patterns_init(&routes->patterns, patterns, pattern_count, ret_bad_pattern);
}

static void service_free(struct routes *routes, struct service_routes *service)
{
	route_tree_done(&service->tree, &routes->limits);
	intern_release(routes->intern, service->service);
	free(service);
}

static bool service_drop(struct hash_node *node, void *ctx)
{
	service_free(ctx, hash_entry(node, struct service_routes, node));
	return true;
}

void routes_done(struct routes *routes)
{
	hash_table_remove_if(&routes->trees, service_drop, routes);
	hash_table_done(&routes->trees);
	route_patterns_done(&routes->patterns);
}

static bool service_equal(const struct hash_node *node, const void *key)
{
	return hash_entry(node, struct service_routes, node)->service == *(const uint32_t *)key;
}

static struct service_routes *service_get(struct routes *routes, uint32_t service, bool create)
{
	uint64_t hash = hash_u64(service, routes->seed);
	struct hash_node *node = hash_table_find(&routes->trees, hash, service_equal, &service);

	if (node)
		return hash_entry(node, struct service_routes, node);
	struct service_routes *created = create ? calloc(1, sizeof(*created)) : NULL;
	if (!created)
		return NULL;
	if (hash_table_insert(&routes->trees, &created->node, hash)) {
		free(created);
		return NULL;
	}
	created->service = service;
	intern_retain(routes->intern, service);
	return created;
}

bool routes_status_teaches(uint16_t status)
{
	/* No answer, Bad Request, Not Found, Method Not Allowed, Gone, URI Too Long (RFC 9110 section 15.5). */
	return status != 0 && status != 400 && status != 404 && status != 405 && status != 410 && status != 414;
}

size_t routes_find(struct routes *routes, uint32_t service, struct text path, bool teach, char out[ROUTE_MAX + 1])
{
	struct route_path split;

	if (!route_path_split(path, &split))
		return 0;
	const char *pattern = route_patterns_match(&routes->patterns, &split);
	if (pattern) {
		size_t length = strlen(pattern);

		memcpy(out, pattern, length + 1);
		return length;
	}
	struct service_routes *found = service_get(routes, service, teach);
	if (found)
		return route_tree_find(&found->tree, &routes->limits, &split, teach, out);
	if (!teach)
		return 0;
	routes->limits.cut++;
	memcpy(out, unlearned, sizeof(unlearned));
	return sizeof(unlearned) - 1;
}

struct expiry {
	struct routes *routes;
	uint64_t now_ns;
	uint64_t idle_ns;
};

static bool service_expire(struct hash_node *node, void *ctx)
{
	struct expiry *expiry = ctx;
	struct service_routes *service = hash_entry(node, struct service_routes, node);

	if (!route_tree_expire(&service->tree, &expiry->routes->limits, expiry->now_ns, expiry->idle_ns))
		return false;
	service_free(expiry->routes, service);
	return true;
}

void routes_expire(struct routes *routes, uint64_t now_ns, uint64_t idle_ns)
{
	struct expiry expiry = { .routes = routes, .now_ns = now_ns, .idle_ns = idle_ns };

	hash_table_remove_if(&routes->trees, service_expire, &expiry);
}
