/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Implementations of TLS, as far as sonde can tell them apart. A process may hold several: a set is a mask. Found by
 * symbol, told by doctor and by the count of encrypted connections that are not read.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum tls_brand {
	TLS_BRAND_OPENSSL,
	TLS_BRAND_BORINGSSL,
	TLS_BRAND_AWS_LC,
	TLS_BRAND_GNUTLS,
	TLS_BRAND_GO,
	TLS_BRAND_RUSTLS,
	TLS_BRAND_JSSE,
	TLS_BRAND_NSS,
	TLS_BRAND_MBEDTLS,
	TLS_BRAND_WOLFSSL,
	TLS_BRAND_S2N,
	TLS_BRAND_OTHER, /* TLS 1.3 is in the file, whose is not known */
	TLS_BRAND_COUNT,
};

typedef uint16_t tls_brands; /* bit 1 << brand */

/* As in a label: `openssl`, `jsse`. */
const char *tls_brand_text(enum tls_brand brand);
/* As people write it: `OpenSSL`, `Java's JSSE`. */
const char *tls_brand_name(enum tls_brand brand);

#define TLS_BRANDS_TEXT_BYTES 128
/* Joined by `+`; `unknown` for none. */
const char *tls_brands_text(tls_brands brands, char room[TLS_BRANDS_TEXT_BYTES]);
