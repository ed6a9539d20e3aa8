/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts of model/tls_brand.h.
 */
#include "model/tls_brand.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *text;
	const char *name;
} texts[TLS_BRAND_COUNT] = {
	[TLS_BRAND_OPENSSL] = { "openssl", "OpenSSL" },
	[TLS_BRAND_BORINGSSL] = { "boringssl", "BoringSSL" },
	[TLS_BRAND_AWS_LC] = { "aws-lc", "AWS-LC" },
	[TLS_BRAND_GNUTLS] = { "gnutls", "GnuTLS" },
	[TLS_BRAND_GO] = { "go", "Go's crypto/tls" },
	[TLS_BRAND_RUSTLS] = { "rustls", "rustls" },
	[TLS_BRAND_JSSE] = { "jsse", "Java's JSSE" },
	[TLS_BRAND_NSS] = { "nss", "NSS" },
	[TLS_BRAND_MBEDTLS] = { "mbedtls", "Mbed TLS" },
	[TLS_BRAND_WOLFSSL] = { "wolfssl", "wolfSSL" },
	[TLS_BRAND_S2N] = { "s2n", "s2n-tls" },
	[TLS_BRAND_OTHER] = { "other", "TLS 1.3 of a maker that is not known" },
};

const char *tls_brand_text(enum tls_brand brand)
{
	return (unsigned int)brand < TLS_BRAND_COUNT ? texts[brand].text : "unknown";
}

const char *tls_brand_name(enum tls_brand brand)
{
	return (unsigned int)brand < TLS_BRAND_COUNT ? texts[brand].name : "unknown";
}

const char *tls_brands_text(tls_brands brands, char room[TLS_BRANDS_TEXT_BYTES])
{
	size_t used = 0;

	for (int brand = 0; brand < TLS_BRAND_COUNT; brand++)
		if (brands & 1U << brand && used < TLS_BRANDS_TEXT_BYTES)
			used += (size_t)snprintf(room + used, TLS_BRANDS_TEXT_BYTES - used, "%s%s", used ? "+" : "",
						 texts[brand].text);
	return used ? room : "unknown";
}
