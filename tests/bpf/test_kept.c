/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A skeleton's arrays as another release of bpftool writes them, with entries of another size than this libbpf has:
 * what is kept is the same.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "load/kept.h"

#include "bpf/preempt.skel.h"

#define MORE_BYTES 16

/* The same entries, each with room behind it. */
static void *spread(const void *entries, int count, int *size)
{
	uint8_t *wide = calloc((size_t)count, (size_t)*size + MORE_BYTES);

	assert_non_null(wide);
	for (int i = 0; i < count; i++)
		memcpy(wide + i * (*size + MORE_BYTES), (const uint8_t *)entries + i * *size, (size_t)*size);
	*size += MORE_BYTES;
	return wide;
}

static void take(bool wide)
{
	struct preempt_bpf *bpf = preempt_bpf__open();
	struct bpf_object_skeleton *skeleton;
	struct bpf_map_skeleton *maps;
	struct bpf_prog_skeleton *programs;
	struct kept kept = { 0 };

	assert_non_null(bpf);
	bpf_program__set_autoload(bpf->progs.spin_function, false);
	bpf_program__set_autoload(bpf->progs.ask_perf_depth, false);
	assert_int_equal(preempt_bpf__load(bpf), 0);
	skeleton = bpf->skeleton;
	maps = skeleton->maps;
	programs = skeleton->progs;
	if (wide) {
		skeleton->maps = spread(maps, skeleton->map_cnt, &skeleton->map_skel_sz);
		skeleton->progs = spread(programs, skeleton->prog_cnt, &skeleton->prog_skel_sz);
		free(maps);
		free(programs);
	}
	assert_int_equal(kept_take(&kept, skeleton), 0);
	assert_null(bpf->obj);
	assert_true(kept_map(&kept, &bpf->maps.bss) >= 0);
	assert_true(kept_program(&kept, &bpf->progs.spin_exit) >= 0);
	assert_int_equal(kept_program(&kept, &bpf->progs.spin_function), -1);
	assert_null(bpf->progs.spin_exit);
	assert_non_null(bpf->bss);
	bpf->bss->spin_begin_ns = 1;
	kept_done(&kept);
	preempt_bpf__destroy(bpf);
}

static void all_is_kept(void **state)
{
	(void)state;
	take(false);
}

static void all_is_kept_of_wider_entries(void **state)
{
	(void)state;
	take(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_kept),
		cmocka_unit_test(all_is_kept_of_wider_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
