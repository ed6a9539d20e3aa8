/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What killed processes leave in the maps of the TLS programs: nothing tells the kernel side that a session or a call
 * of theirs will not go on. Looked through once a minute, a bounded part at a time.
 */
#include <errno.h>
#include <signal.h>

#include "load/tls_internal.h"

#define SWEEP_EVERY_NS 60000000000ULL
#define SWEEP_MAX 4096 /* entries of one map in one sweep */

/* Where a key says whose it is. */
enum key_kind {
	KEY_SESSION,
	KEY_THREAD,
	KEY_GOROUTINE,
};

union key {
	struct tls_session_key session;
	uint64_t thread;
	struct {
		uint64_t goroutine;
		uint32_t tgid;
		uint32_t reserved;
	} call;
};

static uint32_t owner_of(const union key *key, enum key_kind kind)
{
	if (kind == KEY_SESSION)
		return key->session.tgid;
	return kind == KEY_THREAD ? (uint32_t)(key->thread >> 32) : key->call.tgid;
}

static bool is_gone(uint32_t tgid)
{
	return kill((pid_t)tgid, 0) && errno == ESRCH;
}

/* Deleting the key at hand would start the walk anew: the one before it is deleted, when the next is known. */
static void sweep_map(int map, enum key_kind kind)
{
	union key key, next;
	bool has_key = false, gone = false;

	for (int i = 0; i < SWEEP_MAX; i++) {
		bool more = !bpf_map_get_next_key(map, has_key ? &key : NULL, &next);

		if (has_key && gone)
			(void)bpf_map_delete_elem(map, &key);
		if (!more)
			return;
		key = next;
		has_key = true;
		gone = is_gone(owner_of(&key, kind));
	}
}

void tls_sweep(struct tls_hooks *hooks, uint64_t now_ns)
{
	if (now_ns < hooks->sweep_ns)
		return;
	hooks->sweep_ns = now_ns + SWEEP_EVERY_NS;
	sweep_map(kept_map(&hooks->kept, &hooks->bpf->maps.tls_sessions), KEY_SESSION);
	sweep_map(kept_map(&hooks->kept, &hooks->bpf->maps.tls_threads), KEY_THREAD);
	sweep_map(kept_map(&hooks->kept, &hooks->bpf->maps.tls_go_calls), KEY_GOROUTINE);
}
