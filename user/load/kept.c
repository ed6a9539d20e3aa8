/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes descriptors, names and views over from a skeleton's object, and closes it. libbpf has no call for that.
 */
#include "load/kept.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* 0 when there is none to copy. */
static int copy_fd(int fd, int *ret_fd)
{
	int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (fd >= 0 && copy < 0)
		return -errno;
	*ret_fd = copy;
	return 0;
}

/* Variables that programs do not write are frozen. */
static int map_view(struct kept_map *kept, const struct bpf_map *map)
{
	int access = bpf_map__map_flags(map) & BPF_F_RDONLY_PROG ? PROT_READ : PROT_READ | PROT_WRITE;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *view;

	if (kept->fd < 0 || !(bpf_map__map_flags(map) & BPF_F_MMAPABLE))
		return 0;
	kept->view_bytes = (bpf_map__value_size(map) + page - 1) & ~(page - 1);
	view = mmap(NULL, kept->view_bytes, access, MAP_SHARED, kept->fd, 0);
	if (view == MAP_FAILED)
		return -errno;
	kept->view = view;
	return 0;
}

static int take_map(struct kept_map *kept, const struct bpf_map_skeleton *from)
{
	const struct bpf_map *map = *from->map;
	int error;

	*kept = (struct kept_map){
		.slot = from->map, .name = from->name, .entries = bpf_map__max_entries(map), .fd = -1
	};
	error = copy_fd(bpf_map__fd(map), &kept->fd);
	return error || !from->mmaped ? error : map_view(kept, map);
}

static int take_program(struct kept_program *kept, const struct bpf_prog_skeleton *from)
{
	*kept = (struct kept_program){ .slot = from->prog, .name = from->name, .fd = -1 };
	kept->hook = strdup(bpf_program__section_name(*from->prog));
	return kept->hook ? copy_fd(bpf_program__fd(*from->prog), &kept->fd) : -ENOMEM;
}

/* The skeletons' generator and the library may know of entries of different sizes: bpftool 7.5 writes 24 bytes for a
 * map where libbpf 1.5 has 32. Each skeleton says its own. */
static const struct bpf_map_skeleton *map_at(const struct bpf_object_skeleton *skeleton, int index)
{
	return (const void *)((const char *)skeleton->maps + index * skeleton->map_skel_sz);
}

static const struct bpf_prog_skeleton *program_at(const struct bpf_object_skeleton *skeleton, int index)
{
	return (const void *)((const char *)skeleton->progs + index * skeleton->prog_skel_sz);
}

static int take_all(struct kept *kept, const struct bpf_object_skeleton *skeleton)
{
	int error = 0;

	kept->maps = calloc((size_t)skeleton->map_cnt, sizeof(*kept->maps));
	kept->programs = calloc((size_t)skeleton->prog_cnt, sizeof(*kept->programs));
	if (!kept->maps || !kept->programs)
		return -ENOMEM;
	for (int i = 0; i < skeleton->map_cnt && !error; i++)
		error = take_map(&kept->maps[kept->map_count++], map_at(skeleton, i));
	for (int i = 0; i < skeleton->prog_cnt && !error; i++)
		error = take_program(&kept->programs[kept->program_count++], program_at(skeleton, i));
	return error;
}

int kept_take(struct kept *kept, struct bpf_object_skeleton *skeleton)
{
	int error = take_all(kept, skeleton);

	if (error) {
		kept_done(kept);
		return error;
	}
	bpf_object__close(*skeleton->obj);
	*skeleton->obj = NULL;
	/* What points into the object is gone with it. */
	for (int i = 0; i < skeleton->map_cnt; i++) {
		const struct bpf_map_skeleton *map = map_at(skeleton, i);

		*map->map = NULL;
		if (map->mmaped)
			*map->mmaped = kept->maps[i].view;
	}
	for (int i = 0; i < skeleton->prog_cnt; i++)
		*program_at(skeleton, i)->prog = NULL;
	return 0;
}

void kept_done(struct kept *kept)
{
	for (size_t i = 0; i < kept->map_count; i++) {
		if (kept->maps[i].view)
			munmap(kept->maps[i].view, kept->maps[i].view_bytes);
		if (kept->maps[i].fd >= 0)
			close(kept->maps[i].fd);
	}
	for (size_t i = 0; i < kept->program_count; i++) {
		free(kept->programs[i].hook);
		if (kept->programs[i].fd >= 0)
			close(kept->programs[i].fd);
	}
	free(kept->maps);
	free(kept->programs);
	*kept = (struct kept){ 0 };
}

int kept_map(const struct kept *kept, struct bpf_map *const *slot)
{
	for (size_t i = 0; i < kept->map_count; i++)
		if (kept->maps[i].slot == slot)
			return kept->maps[i].fd;
	return -1;
}

int kept_program(const struct kept *kept, struct bpf_program *const *slot)
{
	for (size_t i = 0; i < kept->program_count; i++)
		if (kept->programs[i].slot == slot)
			return kept->programs[i].fd;
	return -1;
}
