/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images without the lines of their source. Those stand in the middle of .BTF.ext: a header, what is said of functions,
 * of lines, and of what is adjusted to the kernel (CO-RE), in this order as clang and bpftool write it
 * (Documentation/bpf/btf.rst, "The .BTF.ext section").
 */
#include "load/image.h"

#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

/* struct btf_ext_header, as far as it is read. Offsets count from the header's end. */
struct lines_header {
	uint16_t magic;
	uint8_t version;
	uint8_t flags;
	uint32_t header_length;
	uint32_t functions_at, functions_length;
	uint32_t lines_at, lines_length;
	uint32_t core_at, core_length;
};

static Elf64_Shdr *section_find(uint8_t *image, size_t size, const char *name)
{
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)image;
	Elf64_Shdr *sections = (Elf64_Shdr *)(image + header->e_shoff);
	const Elf64_Shdr *names;

	if (size < sizeof(*header) || header->e_shoff > size || header->e_shstrndx >= header->e_shnum ||
	    header->e_shnum > (size - header->e_shoff) / sizeof(*sections))
		return NULL;
	names = &sections[header->e_shstrndx];
	for (size_t i = 0; i < header->e_shnum; i++) {
		Elf64_Shdr *section = &sections[i];
		const char *found = (const char *)image + names->sh_offset + section->sh_name;

		if (names->sh_offset + section->sh_name + strlen(name) < size && !strcmp(found, name))
			return section->sh_offset <= size && section->sh_size <= size - section->sh_offset ? section :
													     NULL;
	}
	return NULL;
}

/* What comes behind the lines takes their place. Leaves anything alone that does not look as expected. */
static void drop_lines(uint8_t *image, size_t size)
{
	Elf64_Shdr *section = section_find(image, size, ".BTF.ext");
	struct lines_header *header;
	uint8_t *contents;

	if (!section || section->sh_size < sizeof(*header))
		return;
	header = (struct lines_header *)(image + section->sh_offset);
	contents = (uint8_t *)header + header->header_length;
	if (header->header_length < sizeof(*header) || header->lines_at != header->functions_length ||
	    header->core_at != header->lines_at + header->lines_length ||
	    (uint64_t)header->header_length + header->core_at + header->core_length != section->sh_size)
		return;
	memmove(contents + header->lines_at, contents + header->core_at, header->core_length);
	section->sh_size -= header->lines_length;
	header->core_at = header->lines_at;
	header->lines_length = 0;
}

int image_open(struct bpf_object_skeleton *skeleton)
{
	const void *whole = skeleton->data;
	uint8_t *image;
	int error;

	if (log_enabled(LOG_LEVEL_DEBUG))
		return bpf_object__open_skeleton(skeleton, NULL);
	image = malloc(skeleton->data_sz);
	if (!image)
		return -ENOMEM;
	memcpy(image, whole, skeleton->data_sz);
	drop_lines(image, skeleton->data_sz);
	skeleton->data = image;
	/* libbpf has copied what it needs when it returns. */
	error = bpf_object__open_skeleton(skeleton, NULL);
	skeleton->data = (void *)whole;
	free(image);
	return error;
}

/* One line of the log for each that libbpf writes. */
__attribute__((format(printf, 2, 0))) static int say(enum libbpf_print_level level, const char *format,
						     va_list arguments)
{
	char *text = NULL, *rest;
	const char *line;
	int length;

	if (level == LIBBPF_DEBUG)
		return 0; /* thousands, of each relocation */
	length = vasprintf(&text, format, arguments);
	if (length < 0)
		return length;
	rest = text;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			log_debug("libbpf", log_text("says", line));
	free(text);
	return length;
}

void image_say_little(void)
{
	libbpf_set_print(log_enabled(LOG_LEVEL_DEBUG) ? say : NULL);
}
