/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * TLS sessions: which object of a library is which stream of plaintext, and how far each direction has come. The
 * object's address is reused by the process: the id is what user space knows the session by, never reused. A session
 * that is not known yet begins with the first call that moves plaintext; it ends when the library frees or resets the
 * object.
 */
#pragma once

#include "select.h"

#define TLS_ID_BIT (1ULL << 63)

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct tls_session_key);
	__type(value, struct tls_session_value);
} tls_sessions SEC(".maps");

/* What user space asks of a session, by its id. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct tls_request_value);
} tls_requests SEC(".maps");

static __always_inline struct tls_session_key tls_key_of(__u64 session)
{
	return (struct tls_session_key){ .session = session, .tgid = bpf_get_current_pid_tgid() >> 32 };
}

static __always_inline struct tls_session_value *tls_session_new(const struct tls_session_key *key, __u64 conn_id)
{
	/* Unique: one CPU does not do this twice in a nanosecond. */
	struct tls_session_value fresh = {
		.tls_id = bpf_ktime_get_ns() << 10 | (bpf_get_smp_processor_id() & 1023) | TLS_ID_BIT,
		.conn_id = conn_id,
	};

	struct tls_session_value *value;

	/* Two threads may meet a session first, one with a request, the other with its answer. */
	(void)bpf_map_update_elem(&tls_sessions, key, &fresh, BPF_NOEXIST);
	value = bpf_map_lookup_elem(&tls_sessions, key);
	if (!value)
		count_add(LOST_TLS_SESSIONS_FULL, 1);
	return value;
}

/* Also when a call's plaintext is lost: what follows is another stream, so that nothing is missing in the middle of
 * one. */
static __noinline int tls_session_end(__u64 object)
{
	struct tls_session_key key = tls_key_of(object);
	struct tls_session_value *value = bpf_map_lookup_elem(&tls_sessions, &key);
	struct plain_end_event event = {};

	if (!value)
		return 0;
	event.header.type = EVENT_PLAIN_END;
	event.header.length = sizeof(event);
	event.tls_id = value->tls_id;
	event.time_ns = bpf_ktime_get_ns();
	bpf_map_delete_elem(&tls_requests, &event.tls_id);
	bpf_map_delete_elem(&tls_sessions, &key);
	ring_put(&event, sizeof(event), 0);
	return 0;
}

/* The session of a call that moved plaintext. An object that is given another descriptor is another session. */
static __always_inline struct tls_session_value *tls_session_of(__u64 session, __u64 conn_id)
{
	struct tls_session_key key = tls_key_of(session);
	struct tls_session_value *value = bpf_map_lookup_elem(&tls_sessions, &key);

	if (value && conn_id && value->conn_id && value->conn_id != conn_id) {
		tls_session_end(session);
		value = NULL;
	}
	if (!value)
		return tls_session_new(&key, conn_id);
	if (conn_id)
		value->conn_id = conn_id;
	return value;
}
