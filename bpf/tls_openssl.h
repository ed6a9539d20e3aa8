/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What an SSL object of OpenSSL does its I/O through. Its BIO tells: one with a descriptor names the socket; a memory
 * BIO holds the ciphertext just made. Where the fields lie differs between releases and is found by looking: a place is
 * believed only when it leads to a BIO_METHOD with a type and a name that OpenSSL gives. Nothing else of the object is
 * read.
 */
#pragma once

#include "descriptor.h"
#include "tls_session.h"

/* ssl_st.rbio; wbio is behind it. 1.1.0 to 3.1: ssl/ssl_local.h {int version; method; rbio; wbio}. Since 3.2
 * ssl_connection_st begins with an ssl_st of 64 bytes: {ssl; version; rbio; wbio}, or {ssl; user_ssl; version; ...}. */
#define SSL_RBIO_UNTIL_3_1 16
#define SSL_RBIO_SINCE_3_2 72
#define SSL_RBIO_WITH_USER 80

/* bio_st of crypto/bio/bio_local.h: 3.x begins with libctx, 1.1 with the method; the rest is 8 bytes apart. */
#define BIO_NUM_1_1 48
#define BIO_PTR_1_1 56
#define BIO_NEXT_1_1 64

/* include/openssl/bio.h */
#define BIO_TYPE_DESCRIPTOR 0x0100
#define BIO_TYPE_FILTER 0x0200
#define BIO_TYPE_SOURCE_SINK 0x0400
#define BIO_TYPE_MEM 0x0401
#define BIO_TYPE_PAIR 0x0413
#define BIO_TYPE_MAX 0x07ff

struct bio_sight {
	__u64 bio;
	__u32 shift; /* of its fields against 1.1 */
	__u32 type;
	char name[8];   /* the first bytes of its method's */
	__u64 filtered; /* another one is in front of it */
};

struct bio_method_head {
	__s32 type;
	__u32 padding;
	__u64 name;
};

static __always_inline bool read_user(void *target, __u32 size, __u64 address)
{
	return !bpf_probe_read_user(target, size, (void *)address);
}

static __always_inline bool is_printable(char byte)
{
	return byte >= ' ' && byte <= '~';
}

static __always_inline bool bio_method_look(__u64 method, struct bio_sight *sight)
{
	struct bio_method_head head;

	if (!method || method & 7 || !read_user(&head, sizeof(head), method))
		return false;
	if (head.type <= 0 || head.type > BIO_TYPE_MAX || !(head.type & (BIO_TYPE_SOURCE_SINK | BIO_TYPE_FILTER)))
		return false;
	if (!read_user(sight->name, sizeof(sight->name), head.name) || !is_printable(sight->name[0]) ||
	    !is_printable(sight->name[1]))
		return false;
	sight->type = head.type;
	return true;
}

static __always_inline bool bio_look(__u64 bio, struct bio_sight *sight)
{
	__u64 words[2];

	if (!bio || bio & 7 || !read_user(words, sizeof(words), bio))
		return false;
	sight->bio = bio;
	sight->shift = 8;
	if (bio_method_look(words[1], sight))
		return true;
	sight->shift = 0;
	return bio_method_look(words[0], sight);
}

/* The BIO of a direction; a filter in front of it (the handshake's buffer) is looked through. */
static __noinline int ssl_bio_at(__u64 session, __u32 offset, __u32 direction, struct bio_sight *sight)
{
	__u64 bios[2], next;

	if (!sight || !read_user(bios, sizeof(bios), session + offset))
		return -1;
	if (!bio_look(bios[direction == FLOW_SEND], sight))
		return -1;
	sight->filtered = (sight->type & BIO_TYPE_FILTER) != 0;
	if (!sight->filtered)
		return 0;
	if (!read_user(&next, sizeof(next), sight->bio + BIO_NEXT_1_1 + sight->shift))
		return -1;
	return bio_look(next, sight) ? 0 : -1;
}

static __always_inline int ssl_bio(__u64 session, __u32 direction, struct bio_sight *sight)
{
	if (!ssl_bio_at(session, SSL_RBIO_UNTIL_3_1, direction, sight))
		return 0;
	if (!ssl_bio_at(session, SSL_RBIO_SINCE_3_2, direction, sight))
		return 0;
	return ssl_bio_at(session, SSL_RBIO_WITH_USER, direction, sight);
}

/* Is this the BIO that the session writes to, wherever its release has it? */
static __always_inline bool ssl_writes_to(__u64 session, __u64 bio)
{
	static const __u32 places[] = { SSL_RBIO_UNTIL_3_1, SSL_RBIO_SINCE_3_2, SSL_RBIO_WITH_USER };
	__u64 found;

	for (__u32 i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (read_user(&found, sizeof(found), session + places[i] + sizeof(found)) && found == bio)
			return true;
	return false;
}

/* The observed connection behind a descriptor, or 0. */
static __always_inline __u64 connection_of_descriptor(__u32 descriptor, struct sock **ret_sock)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct connection_value *connection;
	struct connection_key key;
	__u64 inode = 0;

	key.sock = (__u64)sock_of_descriptor(task, descriptor, &inode);
	if (!key.sock)
		return 0;
	connection = bpf_map_lookup_elem(&connections, &key);
	if (!connection || connection->state != CONNECTION_OBSERVED)
		return 0;
	*ret_sock = (struct sock *)key.sock;
	return connection->conn_id;
}

/* crypto/bio/bss_mem.c: BIO.ptr is {BUF_MEM *buf, *readp}, BUF_MEM begins with {length, data}. The last bytes in it are
 * the last that the library wrote: the end of a record's ciphertext. */
static __always_inline bool bio_memory_tail(const struct bio_sight *sight, __u8 *tail)
{
	__u64 holder, buffer, words[2];

	if (!read_user(&holder, sizeof(holder), sight->bio + BIO_PTR_1_1 + sight->shift))
		return false;
	if (!read_user(&buffer, sizeof(buffer), holder) || !read_user(words, sizeof(words), buffer))
		return false;
	if (words[0] < TLS_TAIL_BYTES || words[0] > 1 << 30)
		return false;
	return read_user(tail, TLS_TAIL_BYTES, words[1] + words[0] - TLS_TAIL_BYTES);
}

/* crypto/bio/bss_bio.c, the same since before 1.1: BIO.ptr of one half of a pair, whose ring the other half reads. */
struct bio_pair {
	__u64 peer;
	__u32 closed;
	__u32 padding;
	__u64 length;
	__u64 offset;
	__u64 size;
	__u64 buffer;
};

/* As above; a tail that goes over the ring's end is left for the next call. */
static __always_inline bool bio_pair_tail(const struct bio_sight *sight, __u8 *tail)
{
	struct bio_pair pair;
	__u64 holder, end;

	if (!read_user(&holder, sizeof(holder), sight->bio + BIO_PTR_1_1 + sight->shift) ||
	    !read_user(&pair, sizeof(pair), holder))
		return false;
	if (pair.size > 1 << 30 || pair.offset >= pair.size || pair.length > pair.size || pair.length < TLS_TAIL_BYTES)
		return false;
	end = pair.offset + pair.length;
	if (end > pair.size)
		end -= pair.size;
	if (end < TLS_TAIL_BYTES)
		return false;
	return read_user(tail, TLS_TAIL_BYTES, pair.buffer + end - TLS_TAIL_BYTES);
}

/* OpenSSL's own, by its name. */
static __always_inline bool bio_is_pair(const struct bio_sight *sight)
{
	return sight->type == BIO_TYPE_PAIR && sight->name[0] == 'B' && sight->name[1] == 'I' &&
	       sight->name[2] == 'O' && sight->name[3] == ' ' && sight->name[4] == 'p' && sight->name[5] == 'a';
}

/* Programs give BIOs of their own the memory BIO's type: only OpenSSL's has its name. */
static __always_inline bool bio_is_memory(const struct bio_sight *sight)
{
	return sight->type == BIO_TYPE_MEM && sight->name[0] == 'm' && sight->name[1] == 'e' && sight->name[2] == 'm' &&
	       sight->name[3] == 'o' && sight->name[4] == 'r' && sight->name[5] == 'y';
}

/* Fills in what joins the session to its connection. `ret_sock`: the socket, when nothing is between it and the
 * session; else it is left as it is. */
static __always_inline void ssl_channel(__u64 session, struct plain_event *event, struct sock **ret_sock)
{
	struct bio_sight sight = {};
	struct sock *sock = NULL;
	__s32 descriptor;

	event->channel = TLS_CHANNEL_OTHER;
	if (ssl_bio(session, event->direction, &sight))
		return;
	if (sight.type & BIO_TYPE_DESCRIPTOR) {
		if (!read_user(&descriptor, sizeof(descriptor), sight.bio + BIO_NUM_1_1 + sight.shift) ||
		    descriptor < 0)
			return;
		event->channel = TLS_CHANNEL_DESCRIPTOR;
		event->conn_id = connection_of_descriptor(descriptor, &sock);
		if (!sight.filtered)
			*ret_sock = sock;
	} else if (bio_is_memory(&sight)) {
		event->channel = TLS_CHANNEL_MEMORY;
		if (event->direction == FLOW_SEND)
			event->has_tail = bio_memory_tail(&sight, event->tail);
	} else if (bio_is_pair(&sight)) {
		event->channel = TLS_CHANNEL_MEMORY;
		if (event->direction == FLOW_SEND)
			event->has_tail = bio_pair_tail(&sight, event->tail);
	}
}
