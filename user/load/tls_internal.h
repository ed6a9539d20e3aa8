/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of load/tls*.c share. For load/ only.
 */
#pragma once

#include <sys/stat.h>

#include "load/internal.h"
#include "load/tls.h"
#include "load/uprobe.h"

#include "bpf/tls.skel.h"

#define TLS_LINKS_MAX 64 /* hooks on one file */
#define TLS_FILES_MAX 4096
#define TLS_LOOKS_MAX 1024
#define TLS_AIDS_MAX 256
#define TLS_SIGHTS 256 /* processes that began connections, remembered; a power of two */

/* A file that was looked into, by what does not change while it is mapped. */
struct tls_file {
	struct hash_node node;
	uint64_t device;
	uint64_t inode;
	int64_t changed_s;        /* inode numbers are reused */
	int links[TLS_LINKS_MAX]; /* descriptors */
	size_t link_count;        /* 0: nothing to hook */
	struct tls_finding finding;
	bool searched; /* among its constants, too */
};

/* A process to be looked at again. */
struct tls_look {
	uint32_t tgid;
	uint32_t round;
	uint64_t due_ns;
};

/* A process that began a TLS connection, and what it had for TLS. */
struct tls_sight {
	uint32_t tgid;
	bool searched; /* thoroughly */
	tls_brands brands;
	uint64_t due_ns; /* not to be looked at before */
};

/* A process with a hook of its own, or one that cannot be helped by it: then there is neither. */
struct tls_aid {
	uint32_t tgid;
	int fd; /* a link */
};

struct tls_hooks {
	struct capture *capture;
	struct tls_bpf *bpf;
	struct kept kept; /* all of it, once it is loaded */
	const char *procfs;
	struct hash_table files; /* of tls_file */
	struct tls_look looks[TLS_LOOKS_MAX];
	size_t look_count;
	struct tls_sight sights[TLS_SIGHTS];
	struct tls_aid aids[TLS_AIDS_MAX];
	size_t aid_count;
	enum uprobe_way way; /* perf's events need CAP_SYS_ADMIN on newer kernels */
	uint64_t sweep_ns;   /* not to be swept before */
	uint64_t attached_ns;
	struct bpf_link *mapped; /* the kernel tells of libraries; NULL: processes are looked at again and again */
	struct tls_figures figures;
};

/* tls_files.c: looks into an open file unless it is known, and attaches. NULL: no file, or no room. */
struct tls_file *tls_files_offer(struct tls_hooks *hooks, int fd);
/* tls_aids.c: the process has ended, or executes another file. */
void tls_aids_forget(struct tls_hooks *hooks, uint32_t tgid);
void tls_aids_free(struct tls_hooks *hooks);
/* tls_survey.c */
tls_brands tls_survey_brands(struct tls_hooks *hooks, uint32_t tgid, bool thorough);
void tls_files_free(struct tls_hooks *hooks);
/* Known by name to hold a library. */
bool tls_files_name_fits(const char *path);
/* tls_sweep.c */
void tls_sweep(struct tls_hooks *hooks, uint64_t now_ns);
/* tls_attach.c: 0 when the file has nothing to hook. */
void tls_attach(struct tls_hooks *hooks, struct tls_file *file, int fd);
