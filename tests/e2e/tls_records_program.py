# SPDX-License-Identifier: Apache-2.0
"""The program of test_tls_records.py: client and server of what looks like TLS on the wire and calls functions of
AWS-LC's names and arguments for each record, with a cipher that hides nothing."""

# serve VERSION PORT... | ask VERSION CONNECTIONS REQUESTS BYTES GO PORT...
# A thread for each connection. What is behind GO is asked when that file is there. FORM of a seal: 0 in one piece, 1
# with its tag apart, 2 (TLS 1.3) with tag and type apart. OPEN: how `open` does its work.
PROGRAM = r"""
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#if OVER
const char *const whose = "src/ssl/ssl_lib.cc";
#else /* other names for what is not there */
#define SSL_read ssl_read
#define SSL_write ssl_write
#define SSL_free ssl_free
#endif
const char *const marks[] = { "TLS 1.3, server CertificateVerify", "rustls-0.0.0/src/msgs/deframer/mod.rs" };

struct ctx {
	uint64_t key;
};
#define F(name) __attribute__((noipa)) name
#define CALLED int F(aws_lc_0_0_0_EVP_AEAD_CTX_open_gather)

static void mask(const struct ctx *ctx, uint8_t *out, const uint8_t *in, size_t from, size_t length,
		 const uint8_t *nonce)
{
	for (size_t i = from; i < from + length; i++)
		out[i - from] = in[i - from] ^ (uint8_t)(ctx->key >> 8 * (i & 7)) ^ nonce[i & 7];
}

static void tag_of(const struct ctx *ctx, uint8_t *tag, const uint8_t *in, size_t length, const uint8_t *nonce)
{
	uint64_t hash[2] = { ctx->key, ctx->key ^ 0x9e3779b97f4a7c15 };

	for (size_t i = 0; i < length + 8; i++)
		for (int half = 0; half < 2; half++)
			hash[half] =
				(hash[half] ^ (i < length ? in[i] : nonce[i - length])) * (0x100000001b3 + 2 * half);
	memcpy(tag, hash, 16);
}

int F(aws_lc_0_0_0_EVP_AEAD_CTX_seal_scatter)(const struct ctx *ctx, uint8_t *out, uint8_t *tag, size_t *tag_length,
					      size_t max, const uint8_t *nonce, size_t nonce_length, const uint8_t *in,
					      size_t length, const uint8_t *extra, size_t extra_length,
					      const uint8_t *ad, size_t ad_length)
{
	mask(ctx, out, in, 0, length, nonce);
	mask(ctx, tag, extra, length, extra_length, nonce);
	tag_of(ctx, tag + extra_length, out, length + extra_length, nonce); /* they are in one piece here */
	*tag_length = 16 + extra_length;
	return nonce_length == 8 && max >= *tag_length;
}

int F(aws_lc_0_0_0_EVP_AEAD_CTX_seal)(const struct ctx *ctx, uint8_t *out, size_t *out_length, size_t max,
				      const uint8_t *nonce, size_t nonce_length, const uint8_t *in, size_t length,
				      const uint8_t *ad, size_t ad_length)
{
	mask(ctx, out, in, 0, length, nonce);
	tag_of(ctx, out + length, out, length, nonce);
	*out_length = length + 16;
	return nonce_length == 8 && max >= *out_length;
}

CALLED(const struct ctx *ctx, uint8_t *out, const uint8_t *nonce, size_t nonce_length, const uint8_t *in, size_t length,
       const uint8_t *tag, size_t tag_length, const uint8_t *ad, size_t ad_length)
{
	uint8_t wanted[16];

	tag_of(ctx, wanted, in, length, nonce);
	if (memcmp(wanted, tag, 16))
		return 0;
	mask(ctx, out, in, 0, length, nonce);
	return nonce_length == 8 && tag_length == 16;
}

int (*volatile gather)(const struct ctx *, uint8_t *, const uint8_t *, size_t, const uint8_t *, size_t, const uint8_t *,
		       size_t, const uint8_t *, size_t) = aws_lc_0_0_0_EVP_AEAD_CTX_open_gather;

int F(aws_lc_0_0_0_EVP_AEAD_CTX_open)(const struct ctx *ctx, uint8_t *out, size_t *out_length, size_t max,
				      const uint8_t *nonce, size_t nonce_length, const uint8_t *in, size_t length,
				      const uint8_t *ad, size_t ad_length)
{
	int done;

	if (length < 16 || max < length - 16)
		return 0;
#if OPEN == 0
	done = aws_lc_0_0_0_EVP_AEAD_CTX_open_gather(ctx, out, nonce, nonce_length, in, length - 16, in + length - 16,
						     16, ad, ad_length);
#elif OPEN == 1
	done = gather(ctx, out, nonce, nonce_length, in, length - 16, in + length - 16, 16, ad, ad_length);
#else
	mask(ctx, out, in, 0, length - 16, nonce);
	done = nonce_length == 8;
#endif
	*out_length = length - 16;
	return done;
}

void F(aws_lc_0_0_0_EVP_AEAD_CTX_cleanup)(struct ctx *ctx)
{
	ctx->key = 0;
}

void F(aws_lc_0_0_0_EVP_AEAD_CTX_free)(struct ctx *ctx)
{
	aws_lc_0_0_0_EVP_AEAD_CTX_cleanup(ctx);
	free(ctx);
}

struct link {
	int fd, old;
	struct ctx *in, *out;
	uint64_t sent, got;
	uint8_t room[20000];
	size_t have;
};

static struct ctx *key(uint64_t seed)
{
	struct ctx *ctx = malloc(600);

	ctx->key = seed * 0x9e3779b97f4a7c15;
	return ctx;
}

static void must(int fine)
{
	if (!fine)
		_exit(9);
}

static size_t additional(uint8_t *ad, int old, uint64_t sequence, int type, size_t plain, size_t total)
{
	uint8_t whole[] = { 0, 0, 0, 0, 0, 0, sequence >> 8, sequence, type, 3, 3, plain >> 8, plain };

	if (old)
		return memcpy(ad, whole, 13), 13;
	memcpy(ad, (uint8_t[]){ 23, 3, 3, total >> 8, total }, 5);
	return 5;
}

/* On a page that nobody has touched, where AWAY says so: of a file, as constants are. */
static const uint8_t *placed(const uint8_t *ad, size_t length)
{
#if AWAY
	int fd = memfd_create("additional", 0);
	void *page = NULL;

	must(fd >= 0 && pwrite(fd, ad, length, 0) == (ssize_t)length && !ftruncate(fd, 4096));
	page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	must(page != MAP_FAILED);
	close(fd);
	return page;
#else
	(void)length;
	return ad;
#endif
}

static void removed(const uint8_t *placed)
{
#if AWAY
	munmap((void *)placed, 4096);
#else
	(void)placed;
#endif
}

static size_t seal(struct link *link, uint8_t *record, int type, const void *text, size_t length)
{
	uint64_t nonce = ++link->sent;
	size_t inner = length, ad_length, out;
	uint8_t room[13], *body = record + 5;
	const uint8_t *ad;

	memcpy(body, text, length);
	if (!link->old && FORM != 2) {
		body[inner++] = type;
		memset(body + inner, 0, PAD);
		inner += PAD;
	}
	ad_length = additional(room, link->old, nonce, type, length, inner + 16 + (!link->old && FORM == 2));
	ad = placed(room, ad_length);
	if (FORM == 0)
		must(aws_lc_0_0_0_EVP_AEAD_CTX_seal(link->out, body, &out, inner + 16, (void *)&nonce, 8, body, inner,
						    ad, ad_length));
	else
		must(aws_lc_0_0_0_EVP_AEAD_CTX_seal_scatter(link->out, body, body + inner, &out, 17, (void *)&nonce, 8,
							    body, inner, (uint8_t[]){ type }, !link->old && FORM == 2,
							    ad, ad_length));
	removed(ad);
	out += FORM ? inner : 0;
	memcpy(record, (uint8_t[]){ link->old ? type : 23, 3, 3, out >> 8, out }, 5);
	return out + 5;
}

/* As rustls does: some records are sealed, then written at once. */
static void say(struct link *link, int type, const void *text, size_t length)
{
	uint8_t *room = malloc(4 * 20000), *at = room;

	for (size_t part; length; length -= part, text = (const char *)text + part) {
		part = length < 16000 ? length : 16000;
		at += seal(link, at, type, text, part);
		if (part < length && at < room + 3 * 16000)
			continue;
		for (uint8_t *from = room; from < at;) {
			ssize_t wrote = write(link->fd, from, at - from);
			must(wrote > 0);
			from += wrote;
		}
		at = room;
	}
	free(room);
}

/* The next record's plaintext, where it was read; its type. 0: the end. */
static int hear(struct link *link, uint8_t **text, size_t *length)
{
	size_t total;

	for (;;) {
		ssize_t got;

		total = link->have < 5 ? 20000 : 5 + (link->room[3] << 8 | link->room[4]);
		if (link->have >= total)
			break;
		got = read(link->fd, link->room + link->have, sizeof(link->room) - link->have);
		if (got <= 0)
			return 0;
		link->have += got;
	}
	*text = malloc(total);
	memcpy(*text, link->room, total);
	link->have -= total;
	memmove(link->room, link->room + total, link->have);
	*length = total - 5;
	return (*text)[0];
}

static int listen_to(struct link *link, uint8_t **text, size_t *length)
{
	int type = hear(link, text, length);
	uint8_t room[13], *body = *text + 5;
	uint64_t nonce = ++link->got;
	const uint8_t *ad;
	size_t plain, ad_length;

	if (!type)
		return 0;
	plain = *length - 16;
	ad_length = additional(room, link->old, nonce, type, plain, *length);
	ad = placed(room, ad_length);
	if (nonce & 1)
		must(aws_lc_0_0_0_EVP_AEAD_CTX_open(link->in, body, length, *length, (void *)&nonce, 8, body, *length,
						    ad, ad_length));
	else
		must(aws_lc_0_0_0_EVP_AEAD_CTX_open_gather(link->in, body, (void *)&nonce, 8, body, plain, body + plain,
							   16, ad, ad_length));
	removed(ad);
	if (!link->old) {
		while (plain && !body[plain - 1])
			plain--;
		type = body[--plain];
	}
	*length = plain;
	memmove(*text, body, plain);
	return type;
}

/* Also what is no TLS by its additional data. */
static void elsewhere(struct ctx *ctx)
{
	static const char text[] = "GET /other HTTP/1.1\r\nHost: other\r\n\r\n";
	uint8_t out[100];
	size_t length;

	must(aws_lc_0_0_0_EVP_AEAD_CTX_seal(ctx, out, &length, 100, (void *)text, 8, (void *)text, sizeof(text) - 1,
					    (void *)"QUIC-QUIC", 9));
}

/* Keys come from the random bytes of the client's hello: two connections with one key would have the same ciphertext,
 * by which nobody could tell them apart. */
static int shake(struct link *link, int client)
{
	static const char secret[] = "GET /secret HTTP/1.1\r\nHost: secret\r\n\r\n";
	uint8_t hello[80] = { 22, 3, 3, 0, 75, client ? 1 : 2, 0, 0, 71, 3, 3 }, *text;
	uint64_t seed;
	size_t length;

	if (client) {
		must(getrandom(&seed, sizeof(seed), 0) == sizeof(seed));
		memcpy(hello + 11, &seed, sizeof(seed));
		must(write(link->fd, hello, 80) == 80);
	}
	if (hear(link, &text, &length) != 22)
		return 0;
	if (!client)
		memcpy(&seed, text + 11, sizeof(seed));
	free(text);
	hello[5 + 39] = link->old ? 0xc0 : 0x13;
	hello[5 + 40] = link->old ? 0x2f : 0x01;
	if (!client)
		must(write(link->fd, hello, 80) == 80);
	link->in = key(seed + client);
	link->out = key(seed + !client);
	elsewhere(link->out);
	say(link, 22, secret, sizeof(secret) - 1);
	must(listen_to(link, &text, &length) == 22);
	free(text);
	if (link->old)
		return 1;
	aws_lc_0_0_0_EVP_AEAD_CTX_free(link->out);
	aws_lc_0_0_0_EVP_AEAD_CTX_free(link->in);
	link->in = key(seed + 7 + client);
	link->out = key(seed + 7 + !client);
	return 1;
}

static void finish(struct link *link)
{
	aws_lc_0_0_0_EVP_AEAD_CTX_free(link->out);
	aws_lc_0_0_0_EVP_AEAD_CTX_free(link->in);
	close(link->fd);
	free(link);
}

/* With OVER as if AWS-LC's libssl were in the program, too: what it reads is told by its own functions. */
int F(SSL_write)(struct link *link, const void *text, int length)
{
	say(link, 23, text, length);
	return length;
}

int F(SSL_read)(struct link *link, void *text, int length)
{
	uint8_t *heard;
	size_t got;
	int type;

	while ((type = listen_to(link, &heard, &got)) == 22)
		free(heard);
	if (!type)
		return 0;
	must(got <= (size_t)length);
	memcpy(text, heard, got);
	free(heard);
	return got;
}

void F(SSL_free)(struct link *link)
{
	finish(link);
}

static void tell(struct link *link, const void *text, size_t length)
{
	if (OVER)
		SSL_write(link, text, length);
	else
		say(link, 23, text, length);
}

static int be_told(struct link *link, uint8_t **text, size_t *length)
{
	int type = 23;

	if (!OVER)
		return listen_to(link, text, length);
	*text = malloc(20000);
	*length = SSL_read(link, *text, 20000);
	return *length ? type : 0;
}

struct job {
	int number, fd, old, requests;
	long bytes;
	const char *go;
	struct sockaddr_in to;
};

static void *serve(void *ctx)
{
	struct job *job = ctx;
	struct link *link = calloc(1, sizeof(*link));
	char answer[200], *wanted;
	size_t length, body = 0;
	uint8_t *text;
	int type;

	link->fd = job->fd;
	link->old = job->old;
	if (!shake(link, 0))
		return close(link->fd), NULL;
	say(link, 22, "HTTP/1.1 500 Ticket\r\n\r\n", 23);
	while ((type = be_told(link, &text, &length))) {
		must(type == 23 || type == 22);
		if (type == 23 && !body) {
			text[length] = 0;
			wanted = strstr((char *)text, "Content-Length: ");
			body = wanted ? strtoul(wanted + 16, NULL, 10) : 0;
			length -= strstr((char *)text, "\r\n\r\n") + 4 - (char *)text;
		}
		body -= type == 23 ? length : 0;
		free(text);
		if (type == 23 && !body)
			tell(link, answer,
			     sprintf(answer, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\nname-%d",
				     5 + 1 + (job->number > 9), job->number));
	}
	OVER ? SSL_free(link) : finish(link);
	return NULL;
}

static void *accept_all(void *ctx)
{
	struct job *job = ctx, *each;
	pthread_t thread;

	for (;;) {
		each = malloc(sizeof(*each));
		*each = *job;
		each->fd = accept(job->fd, NULL, NULL);
		must(each->fd >= 0 && !pthread_create(&thread, NULL, serve, each));
	}
}

static void *ask(void *ctx)
{
	struct job *job = ctx;
	struct link *link = calloc(1, sizeof(*link));
	char *request = malloc(job->bytes + 200), wanted[20];
	size_t length, have;
	uint8_t *text;
	int type;

	link->fd = socket(AF_INET, SOCK_STREAM, 0);
	link->old = job->old;
	must(!connect(link->fd, (struct sockaddr *)&job->to, sizeof(job->to)));
	must(shake(link, 1));
	have = sprintf(request, "%s /x HTTP/1.1\r\nHost: name-%d\r\nContent-Length: %ld\r\n\r\n",
		       job->bytes ? "POST" : "GET", job->number, job->bytes);
	memset(request + have, 'y', job->bytes);
	sprintf(wanted, "name-%d", job->number);
	for (int i = 0; i < job->requests; i++) {
		while (i == 1 && access(job->go, F_OK))
			usleep(1000);
		tell(link, request, have + job->bytes);
		while ((type = be_told(link, &text, &length)) == 22)
			free(text);
		must(type == 23 && length >= strlen(wanted) &&
		     !memcmp(text + length - strlen(wanted), wanted, strlen(wanted)));
		free(text);
	}
	OVER ? SSL_free(link) : finish(link);
	return NULL;
}

int main(int argc, char **argv)
{
	int serves = !strcmp(argv[1], "serve"), ports = serves ? 3 : 7, count = serves ? argc - 3 : atoi(argv[3]),
	    one = 1;
	pthread_t *threads = calloc(count, sizeof(*threads));

	for (int i = 0; i < count; i++) {
		struct job *job = calloc(1, sizeof(*job));

		job->number = i % (argc - ports);
		job->old = !strcmp(argv[2], "1.2");
		job->to = (struct sockaddr_in){ .sin_family = AF_INET,
						.sin_port = htons(atoi(argv[ports + job->number])) };
		inet_pton(AF_INET, "127.0.0.1", &job->to.sin_addr);
		if (serves) {
			job->fd = socket(AF_INET, SOCK_STREAM, 0);
			setsockopt(job->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
			must(!bind(job->fd, (struct sockaddr *)&job->to, sizeof(job->to)) && !listen(job->fd, 512));
		} else {
			job->requests = atoi(argv[4]);
			job->bytes = atol(argv[5]);
			job->go = argv[6];
		}
		must(!pthread_create(&threads[i], NULL, serves ? accept_all : ask, job));
	}
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	return marks[0][0] != 'T';
}
"""
