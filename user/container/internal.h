/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of container/ share: the hierarchies, the records and their values. For container/ only.
 */
#pragma once

#include "base/buffer.h"
#include "base/hash_table.h"
#include "container/container.h"
#include "container/parse.h"
#include "identity/containers.h"

#define HIERARCHIES_MAX 8
#define FILES_MAX 40
#define FILE_PROCESSES (FILES_MAX - 1) /* the place of cgroup.procs */
#define PATH_BYTES 4096                /* of a cgroup's path; longer ones are counted, not told */

/* One mounted tree of cgroups. */
struct hierarchy {
	int root;           /* descriptor of its root directory; -1: none */
	uint32_t kernel_id; /* as /proc/self/cgroup numbers it; 0 is v2's */
	bool unified;
	uint64_t device; /* of root, to find one that is mounted twice */
	uint64_t inode;
};

/* Of one block device. */
struct device_values {
	uint32_t major;
	uint32_t minor;
	struct io_values io;
};

struct interface_values {
	char name[16]; /* IFNAMSIZ */
	uint64_t counters[NETWORK_COUNTERS];
};

/* The interfaces of a network namespace, kept by the record that tells them. */
struct network {
	struct interface_values *interfaces; /* owned */
	size_t count;
	size_t capacity;
};

struct record;

/* Its number in one hierarchy. */
struct record_id {
	struct hash_node node;
	struct record *record;
	uint64_t id; /* 0: never seen in this hierarchy */
	size_t hierarchy;
};

struct record {
	struct container shown;
	struct hash_node by_path;
	struct record_id ids[HIERARCHIES_MAX];
	uint32_t in;          /* hierarchies that have it now, one bit each */
	uint32_t children;    /* records whose parent this is */
	struct record *newer; /* in the order of dying; for records of gone cgroups */
	struct record *older;
	uint64_t gone_ns;
	struct container_info *info; /* NULL: no container, or not known yet */
	uint64_t name_retry_ns;
	uint64_t limits_due_ns;
	bool seen;          /* by the scan at hand */
	bool own_container; /* `info` is of this cgroup, not of a container in this pod */
	bool may_be_named;  /* it may be a container or a pod; which is not known yet */
	bool created_told;  /* its creation is known from a birth or a state file, not guessed */
	uint64_t born_ns;   /* when it was first seen, CLOCK_MONOTONIC */
	uint64_t absent;    /* files that were not there, a bit for each rule */
	int files[FILES_MAX];
	uint64_t present; /* values that are known, by enum value */
	uint64_t values[VALUE_COUNT];
	struct device_values *devices; /* owned */
	size_t device_count;
	size_t device_capacity;
	struct network network;
	uint64_t namespace_id; /* of the first process's network namespace; 0: not known */
	uint32_t first_pid;
	uint64_t cpu_before; /* CPU_USAGE at the last refresh */
	bool at_rest;        /* none of its processes ran since */
	uint64_t members;    /* of cgroup.procs, hashed */
	uint64_t own[2];     /* processes and descriptors, not counting those of cgroups below */
	char *texts;         /* owned: path and labels */
	struct metric_label labels[CONTAINER_LABELS_MAX];
};

#define DEVICE_NAMES_MAX 256

struct device_name {
	uint32_t major;
	uint32_t minor;
	char number[24]; /* "8:0" */
	char name[56];   /* "/dev/sda" */
};

struct claim;

struct drop_counters {
	uint64_t no_room;    /* cgroups beyond the limit */
	uint64_t no_memory;  /* and for which there was no memory */
	uint64_t long_path;  /* and whose path is too long */
	uint64_t event_lost; /* births and deaths that were not told */
	uint64_t untold;     /* gone cgroups that left before they were told, because too many died */
	uint64_t unreadable; /* files that could not be read, by other reasons than that the cgroup is gone */
};

struct container_table {
	struct hierarchy hierarchies[HIERARCHIES_MAX];
	size_t hierarchy_count;
	int of_controller[CGROUP_CONTROLLER_COUNT]; /* index of its hierarchy; -1 */
	struct hash_table by_path;
	struct hash_table by_id;
	struct record **slots; /* owned: by slot; NULL: free */
	size_t slot_count;     /* slots ever used */
	size_t lowest_free;
	size_t limit;
	struct record *newest_gone;
	struct record *oldest_gone;
	size_t gone_count;
	uint64_t keep_gone_ns;
	uint64_t hash_seed;
	struct containers *containers; /* borrowed */
	char **selected;               /* owned: paths in a hierarchy; none: all */
	size_t selected_count;
	int procfs; /* descriptors */
	int sysfs;
	size_t open_files; /* descriptors kept open */
	size_t open_files_max;
	bool open_files_short;   /* at the last refresh some found no room */
	bool open_files_shorter; /* at the one at hand */
	bool events;             /* births and deaths are told; else the tree is looked through */
	bool rescan;             /* something was missed */
	uint64_t scanned_ns;
	uint64_t young_until_ns; /* until then there may be containers that are not named yet */
	uint64_t realtime_ns;    /* of the refresh at hand */
	uint64_t boot_ns;        /* since the epoch */
	uint64_t clock_ticks;    /* a second */
	uint64_t memory_total;   /* of the machine */
	uint64_t swap_total;
	uint64_t unreadable_before;
	struct device_name devices[DEVICE_NAMES_MAX];
	size_t device_count;
	struct claim *claims; /* owned: network.c, while it looks who tells which namespace */
	struct hash_table claim_table;
	struct drop_counters drops;
	char *scratch; /* owned: SCRATCH_BYTES */
};

#define SCRATCH_BYTES (1024 * 1024) /* cgroup.procs of a hundred thousand processes */
#define GONE_MAX 1024
#define OPEN_FILES_MAX 6144 /* each costs a page and a half of kernel memory */

static inline void set_value(struct record *record, enum value value, uint64_t number)
{
	record->values[value] = number;
	record->present |= 1ULL << value;
}

static inline bool has_value(const struct record *record, enum value value)
{
	return record->present & (1ULL << value);
}

/* --- hierarchy.c */
MUST_CHECK int hierarchies_open(struct container_table *table);
void hierarchies_close(struct container_table *table);
/* By the kernel's number; -1. */
int hierarchy_by_kernel_id(const struct container_table *table, uint32_t kernel_id);

/* --- records.c */
struct record *record_find(const struct container_table *table, const char *path);
struct record *record_find_id(const struct container_table *table, size_t hierarchy, uint64_t id);
/* A cgroup was seen: its record, made if need be. NULL when there is no room; counted. */
struct record *record_see(struct container_table *table, const char *path, size_t hierarchy, uint64_t id,
			  uint64_t now_ns);
/* It is no longer in this hierarchy; when it is in none it is gone. */
void record_leave(struct container_table *table, struct record *record, size_t hierarchy, uint64_t now_ns);
void record_remove(struct container_table *table, struct record *record);
void records_expire(struct container_table *table, uint64_t now_ns);
void records_free(struct container_table *table);
/* Is `path`, or something below it, told? */
bool path_selected(const struct container_table *table, const char *path);

/* --- scan.c: looks through the trees; what is there is seen, what is not is gone. */
void scan(struct container_table *table, uint64_t now_ns);

/* --- files.c */
void files_read(struct container_table *table, struct record *record, uint64_t now_ns);
void files_close(struct container_table *table, struct record *record);
void files_init(struct record *record);
/* Reads a file of the cgroup into table->scratch. -ENOENT, -ENODEV when the cgroup is going, or what the kernel says.
 */
MUST_CHECK int file_text(struct container_table *table, struct record *record, size_t hierarchy, size_t index,
			 const char *name, size_t *ret_length);

/* --- processes.c: cgroup.procs, and what /proc tells of those in it. */
void processes_read(struct container_table *table, struct record *record);
/* Adds up what is below. */
void processes_sum(struct container_table *table);

/* --- network.c: traffic by network namespace, told by one record of each. */
void network_read(struct container_table *table);

/* --- labels.c: who it is, and the labels that say so. */
MUST_CHECK int labels_make(struct record *record);
/* Looks once more for the identity of a record that may have one. */
void labels_renew(struct container_table *table, struct record *record, uint64_t now_ns);

/* --- devices.c */
void device_names_learn(struct container_table *table, const struct record *record);
/* NULL when it has not been learned: there are too many. */
const struct device_name *device_name(const struct container_table *table, uint32_t major, uint32_t minor);

/* --- own.c: the machine's memory and, on v2, what its root cgroup does not tell. */
void machine_read(struct container_table *table);
