/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks on TLS libraries: found in the files that processes map, attached per file, once, for whoever maps it. What the
 * hooks see comes out of the capture's ring.
 */
#pragma once

#include "load/capture.h"
#include "model/tls_brand.h"

struct tls_hooks;

/* Loads the programs beside those of `capture`, which must outlive the hooks. */
MUST_CHECK int tls_hooks_new(struct capture *capture, const struct config *config, struct tls_hooks **ret_hooks,
			     struct capture_error *ret_error);
/* For doctor: loads the programs and lets them go again. */
MUST_CHECK int tls_hooks_try(const struct config *config, struct capture_error *ret_error);
/* Detaches everything. Takes NULL. */
void tls_hooks_free(struct tls_hooks *hooks);

/* Attaches to the libraries in the usual folders, so that processes which live for milliseconds are seen, and to what
 * the running processes map. */
void tls_hooks_scan(struct tls_hooks *hooks);
/* The process has executed a file. */
void tls_hooks_executed(struct tls_hooks *hooks, uint32_t tgid, uint64_t now_ns);
/* It is mapping a library: looks now, and again soon in case it has not finished. */
void tls_hooks_look(struct tls_hooks *hooks, uint32_t tgid, uint64_t now_ns);
/* The process begins a TLS connection: looks whether it has a library that is not hooked, once in a while. Returns what
 * may be the reason when the connection stays unread: what the process has and is not hooked, else what is. */
tls_brands tls_hooks_sighted(struct tls_hooks *hooks, uint32_t tgid, uint64_t now_ns);
/* A connection of the process stayed unread: looks at all that it maps. `brands`: what the sighting said, for a process
 * that is gone. */
tls_brands tls_hooks_unread(struct tls_hooks *hooks, uint32_t tgid, tls_brands brands);
/* Nothing told which connection a session of the process is on: its library is asked for more from now on. */
void tls_hooks_unjoined(struct tls_hooks *hooks, uint32_t tgid);
/* A process is to be looked at again soon. */
bool tls_hooks_waiting(const struct tls_hooks *hooks);
/* Call it with every drain. */
void tls_hooks_tick(struct tls_hooks *hooks, uint64_t now_ns);
/* The process is gone: so are its sessions. */
void tls_hooks_exited(struct tls_hooks *hooks, uint32_t tgid);

/* Attaching after the start needs CAP_SYS_ADMIN: this kernel has no links of many uprobes. */
bool tls_hooks_need_admin(const struct tls_hooks *hooks);
/* CLOCK_MONOTONIC of the last time that hooks were attached: what was open before may have said more than was seen. */
uint64_t tls_hooks_attached_ns(const struct tls_hooks *hooks);
/* Requests of stream for sessions; `hooks` is the ctx. */
struct capture_control tls_hooks_control(struct tls_hooks *hooks);
/* The session's connection is known: the ends of its ciphertext are not needed. */
void tls_hooks_joined(struct tls_hooks *hooks, uint64_t tls_id);
/* The session is over, and the kernel may not know: nothing is asked of it any more. */
void tls_hooks_forget(struct tls_hooks *hooks, uint64_t tls_id);

/* --- what is in a file, or a process */

enum tls_file_state {
	TLS_FILE_NOTHING,
	TLS_FILE_READ,
	TLS_FILE_NO_SYMBOLS, /* its functions cannot be found */
	TLS_FILE_NOT_KNOWN,  /* sonde has no hooks for it */
	TLS_FILE_GO_OLD,
	TLS_FILE_GO_RETURNS, /* where it returns cannot be told */
	TLS_FILE_REFUSED,    /* by the kernel */
	TLS_FILE_NO_FILE,    /* it cannot be opened */
};

struct tls_finding {
	enum tls_brand brand; /* TLS_BRAND_COUNT: none */
	enum tls_file_state state;
};

/* For doctor: what the process has for TLS, by looking at it now; nothing is hooked. `path` is as the process knows it.
 * -ESRCH: there is no such process; -EACCES: it may not be looked at. */
MUST_CHECK int tls_survey_process(const char *procfs, uint32_t tgid,
				  void (*tell)(void *ctx, const char *path, const struct tls_finding *finding),
				  void *ctx);

struct tls_figures {
	uint64_t files;   /* that hooks are on */
	uint64_t hooks;   /* on them */
	uint64_t refused; /* files with a library's functions that could not be hooked */
	uint64_t no_room; /* files not looked at: too many are known */
};

void tls_hooks_figures(const struct tls_hooks *hooks, struct tls_figures *ret_figures);
