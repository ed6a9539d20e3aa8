/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash table: find after growth, equal hashes, the limit, removal while walking, and the hash functions' spread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/hash_table.h"

#define RECORDS 1000

struct record {
	struct hash_node node;
	uint64_t key;
	unsigned int seen;
};

static bool record_equal(const struct hash_node *node, const void *key)
{
	return hash_entry(node, const struct record, node)->key == *(const uint64_t *)key;
}

static struct record *find(const struct hash_table *table, uint64_t key, uint64_t hash)
{
	struct hash_node *node = hash_table_find(table, hash, record_equal, &key);

	return node ? hash_entry(node, struct record, node) : NULL;
}

static void fill(struct hash_table *table, struct record *records)
{
	uint64_t i;

	for (i = 0; i < RECORDS; i++) {
		records[i] = (struct record){ .key = i };
		assert_int_equal(hash_table_insert(table, &records[i].node, hash_u64(i, 7)), 0);
	}
	assert_int_equal(table->count, RECORDS);
}

static void finds_what_was_inserted(void **state)
{
	struct record records[RECORDS];
	struct hash_table table;
	uint64_t i;

	(void)state;
	hash_table_init(&table, RECORDS);
	assert_null(find(&table, 0, hash_u64(0, 7)));
	fill(&table, records);
	for (i = 0; i < RECORDS; i++)
		assert_ptr_equal(find(&table, i, hash_u64(i, 7)), &records[i]);
	assert_null(find(&table, RECORDS, hash_u64(RECORDS, 7)));
	for (i = 0; i < RECORDS; i += 2)
		hash_table_remove(&table, &records[i].node);
	assert_int_equal(table.count, RECORDS / 2);
	for (i = 0; i < RECORDS; i++)
		assert_ptr_equal(find(&table, i, hash_u64(i, 7)), i % 2 ? &records[i] : NULL);
	hash_table_done(&table);
	hash_table_done(NULL);
}

static void equal_hashes_are_told_apart_by_key(void **state)
{
	struct record records[RECORDS] = { 0 };
	struct hash_table table;
	uint64_t i;

	(void)state;
	hash_table_init(&table, RECORDS);
	for (i = 0; i < 100; i++) {
		records[i].key = i;
		assert_int_equal(hash_table_insert(&table, &records[i].node, 42), 0);
	}
	hash_table_remove(&table, &records[50].node);
	for (i = 0; i < 100; i++)
		assert_ptr_equal(find(&table, i, 42), i == 50 ? NULL : &records[i]);
	assert_null(find(&table, 1, 42 + (UINT64_C(1) << 32))); /* same slot, other hash */
	hash_table_done(&table);
}

static void limit_is_kept(void **state)
{
	struct record records[3] = { 0 };
	struct hash_table table;

	(void)state;
	hash_table_init(&table, 2);
	assert_int_equal(hash_table_insert(&table, &records[0].node, 1), 0);
	assert_int_equal(hash_table_insert(&table, &records[1].node, 2), 0);
	assert_int_equal(hash_table_insert(&table, &records[2].node, 3), -ENOSPC);
	assert_int_equal(table.count, 2);
	hash_table_remove(&table, &records[0].node);
	assert_int_equal(hash_table_insert(&table, &records[2].node, 3), 0);
	hash_table_done(&table);
}

static void walk_meets_every_node_once(void **state)
{
	struct record records[RECORDS];
	struct hash_node *node = NULL;
	struct hash_table table;
	size_t i, met = 0;

	(void)state;
	hash_table_init(&table, RECORDS);
	assert_null(hash_table_next(&table, NULL));
	fill(&table, records);
	while ((node = hash_table_next(&table, node))) {
		hash_entry(node, struct record, node)->seen++;
		met++;
	}
	assert_int_equal(met, RECORDS);
	for (i = 0; i < RECORDS; i++)
		assert_int_equal(records[i].seen, 1);
	hash_table_done(&table);
}

static bool drop_odd(struct hash_node *node, void *ctx)
{
	struct record *record = hash_entry(node, struct record, node);
	size_t *asked = ctx;
	bool drop = record->key % 2;

	(*asked)++;
	if (drop)
		memset(record, 0xff, sizeof(*record)); /* as good as freed: the table must not look at it again */
	return drop;
}

static void remove_if_drops_the_chosen(void **state)
{
	struct record records[RECORDS];
	struct hash_table table;
	size_t asked = 0;
	uint64_t i;

	(void)state;
	hash_table_init(&table, RECORDS);
	assert_int_equal(hash_table_remove_if(&table, drop_odd, &asked), 0);
	fill(&table, records);
	assert_int_equal(hash_table_remove_if(&table, drop_odd, &asked), RECORDS / 2);
	assert_int_equal(asked, RECORDS);
	assert_int_equal(table.count, RECORDS / 2);
	for (i = 0; i < RECORDS; i++)
		assert_ptr_equal(find(&table, i, hash_u64(i, 7)), i % 2 ? NULL : &records[i]);
	hash_table_done(&table);
}

/* Most loaded of 256 buckets for 25,600 hashes, by the bits that `shift` picks: about 100 +- 10 when random. */
static unsigned int fullest(uint64_t (*hash)(uint64_t, uint64_t), unsigned int shift)
{
	unsigned int buckets[256] = { 0 }, most = 0;
	uint64_t i;

	for (i = 0; i < 25600; i++) {
		unsigned int *bucket = &buckets[(hash(i << 12, 3) >> shift) & 255];

		if (++*bucket > most)
			most = *bucket;
	}
	return most;
}

static uint64_t hash_as_bytes(uint64_t value, uint64_t seed)
{
	return hash_bytes(&value, sizeof(value), seed);
}

static void hashes_spread(void **state)
{
	(void)state;
	assert_in_range(fullest(hash_u64, 0), 100, 160);
	assert_in_range(fullest(hash_u64, 56), 100, 160);
	assert_in_range(fullest(hash_as_bytes, 0), 100, 160);
	assert_in_range(fullest(hash_as_bytes, 56), 100, 160);
}

static void hash_depends_on_every_byte_length_and_seed(void **state)
{
	char text[41], other[41];
	size_t length, i;

	(void)state;
	memset(text, 'a', sizeof(text));
	for (length = 1; length < sizeof(text); length++) {
		uint64_t hash = hash_bytes(text, length, 1);

		assert_true(hash == hash_bytes(text, length, 1));
		assert_true(hash != hash_bytes(text, length, 2));
		assert_true(hash != hash_bytes(text, length - 1, 1));
		for (i = 0; i < length; i++) {
			memcpy(other, text, sizeof(text));
			other[i] = 'b';
			assert_true(hash != hash_bytes(other, length, 1));
		}
	}
	assert_true(hash_bytes("a\0", 2, 1) != hash_bytes("a", 1, 1));
	assert_true(hash_u64(1, 1) != hash_u64(1, 2));
	assert_true(hash_u64(1, 1) != hash_u64(2, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_was_inserted),
		cmocka_unit_test(equal_hashes_are_told_apart_by_key),
		cmocka_unit_test(limit_is_kept),
		cmocka_unit_test(walk_meets_every_node_once),
		cmocka_unit_test(remove_if_drops_the_chosen),
		cmocka_unit_test(hashes_spread),
		cmocka_unit_test(hash_depends_on_every_byte_length_and_seed),
	};

	return cmocka_run_group_tests_name("hash_table", tests, NULL, NULL);
}
