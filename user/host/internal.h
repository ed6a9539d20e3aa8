/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What collectors share: the host's directories, reading its files, telling what was found. For user/host/ alone.
 */
#pragma once

#include <fcntl.h>

#include "base/clock.h"
#include "base/file.h"
#include "host/filter.h"
#include "host/host.h"
#include "host/links.h"
#include "host/scan.h"
#include "host/sheet.h"

/* One collector: its state is zeroed before start, which comes before the first update. */
struct collector {
	size_t state_size;
	int (*start)(struct host *host, void *state);  /* may be NULL */
	int (*update)(struct host *host, void *state); /* 0; -ENODATA: this host has none of it; other errors */
	void (*stop)(void *state);                     /* may be NULL; also after a failed start */
};

#define HOST_PATH_SIZE 512
#define HOST_FILE_MAX ((size_t)64 << 20) /* of one file */

/* A file that is kept open: read from its beginning again and again. */
struct host_file {
	const char *path;    /* below its directory */
	int fd;              /* plus one: 0 is closed */
	bool plain;          /* not of the kernel's making: it may have been replaced */
	size_t ends_below;   /* a read of fewer bytes has met the end; 0: only one of none has */
	uint64_t changed_ns; /* of a plain one: when it was changed, and how long it was, at the last read */
	uint64_t size;
};

#define HOST_KEPT_MAX 64

struct host {
	struct host_config config;
	const struct config_host *options;
	struct sheet *sheet;
	int proc_fd, sys_fd; /* owned, of the directories; -1: not there yet */
	bool proc_is_procfs; /* not a tree of plain files, as tests make them */
	bool sys_is_sysfs;
	uint64_t scrape; /* that is under way: counts up */
	struct links links;
	char *text; /* the file read last */
	size_t text_size;
	struct {
		struct host_file file;
		uint64_t scrape; /* that the text is of */
		char *text;      /* owned */
		size_t size, length;
	} stat;
	struct {
		int directory;
		struct host_file file;
	} kept[HOST_KEPT_MAX];
	size_t kept_count, kept_next; /* the next is likely to be asked for: collectors run in the same order */
	char at[HOST_PATH_SIZE];      /* what the collector at hand is at, for people */
	struct {
		void *state; /* owned; NULL: not started */
		bool ran;    /* in the walk at hand */
		int error;
		uint64_t duration_ns;
	} collectors[COLLECTOR_COUNT];
};

/* The whole file as text that lasts until the next read; a NUL follows it. -EFBIG beyond HOST_FILE_MAX. */
MUST_CHECK int host_read(struct host *host, int directory, struct host_file *file, struct span *ret_text);
void host_file_close(struct host_file *file);
/* Whether a kept file of mounts is as it was when this was asked last: the kernel tells
 * changes by poll, a plain file by its times. */
bool host_mounts_same(const struct host_file *file);
/* The same for a path below host->proc_fd or sys_fd that is the same in every scrape: kept open too, as long as there
 * is room for it. The path is borrowed for good. */
MUST_CHECK int host_read_kept(struct host *host, int directory, const char *path, struct span *ret_text);
/* The stat of procfs, read once in a scrape for all collectors: the text lasts until the next scrape. */
MUST_CHECK int host_read_stat(struct host *host, struct span *ret_text);
/* The same for a file that is opened for this one time. */
MUST_CHECK int host_read_once(struct host *host, int directory, const char *path, struct span *ret_text);
/* A kept file that holds one number. */
MUST_CHECK int host_read_number(struct host *host, int directory, const char *path, uint64_t *ret_value);
/* A small file without blanks at its ends, into the caller's memory. */
MUST_CHECK int host_read_small(int directory, const char *path, char *buffer, size_t size, struct span *ret_text);
/* From an open file, from its beginning. */
MUST_CHECK int host_reread_small(int fd, char *buffer, size_t size, struct span *ret_text);
MUST_CHECK int host_read_u64(int directory, const char *path, uint64_t *ret_value);
MUST_CHECK int host_read_i64(int directory, const char *path, int64_t *ret_value);

/* Says what the collector is at, for the message when it fails. */
__attribute__((format(printf, 2, 3))) void host_at(struct host *host, const char *format, ...);

/* Directories: names of entries that do not begin with a dot, in no order. A negative errno from the callback ends it
 * and is returned. */
MUST_CHECK int host_each(int directory, const char *path, int (*each)(void *ctx, int directory, const char *name),
			 void *ctx);

/* The devices of a class of sysfs, whose name is borrowed for good. -ENODATA: there is no such class. Says what it is
 * at. */
MUST_CHECK int host_each_class(struct host *host, const char *name,
			       int (*each)(void *ctx, int directory, const char *device), void *ctx);

/* Room for more items: the array grown to twice its size, 16 at least; NULL without memory or at the limit. */
void *host_grow(void *items, size_t *capacity, size_t size, size_t limit);

/* --- telling */
#define FAMILY(name_, type_, unit_, help_)                                         \
	{                                                                          \
		.name = (name_), .help = (help_), .unit = (unit_), .type = (type_) \
	}

/* The one sample of a family, without labels. */
void host_tell(struct host *host, const struct metric_family *family, double value);
/* A sample with one label, and with several. */
void host_tell_of(struct host *host, const struct metric_family *family, const char *label, const char *text,
		  double value);
void host_tell_labels(struct host *host, const struct metric_family *family, const struct metric_label *labels,
		      size_t count, double value);

#define COLLECTOR_DECLARE(name, ...) extern const struct collector host_##name;
#define COLLECTOR_LEAVE(name, ...)
HOST_COLLECTORS(COLLECTOR_DECLARE, COLLECTOR_DECLARE, COLLECTOR_LEAVE)
