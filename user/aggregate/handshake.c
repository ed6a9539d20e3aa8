/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS handshakes: how long they took, by service, side, version and cipher suite. In and out, in one file.
 */
#include <stdio.h>

#include "aggregate/visit.h"

static void handshake_init(struct series *series)
{
	histogram_init(&((struct handshake_series *)series)->duration);
}

static void handshake_done(struct series *series)
{
	histogram_done(&((struct handshake_series *)series)->duration);
}

const struct series_kind aggregate_handshake_kind = { .record_size = sizeof(struct handshake_series),
						      .init = handshake_init,
						      .done = handshake_done };

static const struct metric_family family = {
	.name = "sonde_tls_handshake_duration_seconds",
	.help = "From the first byte of the ClientHello to the last record of the handshake, as this side saw it.",
	.unit = "seconds",
	.type = METRIC_HISTOGRAM,
};

struct cipher {
	uint16_t number;
	const char *name;
};

/* IANA's TLS Cipher Suites registry: those of TLS 1.3, and of TLS 1.2 what servers offer today. */
static const struct cipher ciphers[] = {
	{ 0x1301, "TLS_AES_128_GCM_SHA256" },
	{ 0x1302, "TLS_AES_256_GCM_SHA384" },
	{ 0x1303, "TLS_CHACHA20_POLY1305_SHA256" },
	{ 0x1304, "TLS_AES_128_CCM_SHA256" },
	{ 0x1305, "TLS_AES_128_CCM_8_SHA256" },
	{ 0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA" },
	{ 0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA" },
	{ 0x009c, "TLS_RSA_WITH_AES_128_GCM_SHA256" },
	{ 0x009d, "TLS_RSA_WITH_AES_256_GCM_SHA384" },
	{ 0x009e, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256" },
	{ 0x009f, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384" },
	{ 0xc009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA" },
	{ 0xc00a, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA" },
	{ 0xc013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA" },
	{ 0xc014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA" },
	{ 0xc027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256" },
	{ 0xc028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384" },
	{ 0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" },
	{ 0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" },
	{ 0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" },
	{ 0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" },
	{ 0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256" },
	{ 0xcca9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" },
	{ 0xccaa, "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256" },
};

/* Those without a name here are told by number. */
static const char *cipher_text(uint16_t number, char room[8])
{
	for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++)
		if (ciphers[i].number == number)
			return ciphers[i].name;
	room[0] = '\0';
	if (number)
		snprintf(room, 8, "0x%04x", number);
	return room;
}

void aggregate_handshake(struct aggregate *aggregate, const char *service, enum side side, enum tls_version version,
			 uint16_t cipher, uint64_t duration_ns)
{
	struct series_key key = { .method = (uint8_t)side, .tls = (uint8_t)version, .status = cipher };
	struct series_table *table = &aggregate->handshakes;
	bool known = aggregate_service_id(aggregate, service, &key.service) == 0;
	struct series *series = known ? series_table_get(table, &key) : series_table_overflow(table);

	histogram_observe(&((struct handshake_series *)series)->duration, &histogram_layout_duration, aggregate->native,
			  duration_ns);
}

static void tell(const struct aggregate *aggregate, const struct metric_visitor *visitor, const struct series *series,
		 const struct metric_label *labels, size_t label_count)
{
	visit_histogram(aggregate, visitor, &((const struct handshake_series *)series)->duration,
			&histogram_layout_duration, labels, label_count);
}

void visit_handshakes(const struct aggregate *aggregate, const struct metric_visitor *visitor)
{
	const struct series_table *table = &aggregate->handshakes;
	const struct series *series = NULL;

	if (!table->table.count && !table->overflowed)
		return;
	visitor->family_begin(visitor->ctx, &family);
	while ((series = series_table_next(table, series))) {
		const struct series_key *key = &series->key;
		struct labels labels = { .count = 0 };
		char room[8];

		visit_label(&labels, "service_name", intern_text(&aggregate->intern, key->service));
		visit_label(&labels, "side", key->method == SIDE_SERVER ? "server" : "client");
		visit_label(&labels, "tls_protocol_version", tls_version_text((enum tls_version)key->tls));
		visit_label(&labels, "tls_cipher", cipher_text(key->status, room));
		tell(aggregate, visitor, series, labels.items, labels.count);
	}
	if (table->overflowed > 0)
		tell(aggregate, visitor, table->overflow, &visit_overflow_label, 1);
	visitor->family_end(visitor->ctx);
}

void visit_handshake_budget(const struct aggregate *aggregate, const struct metric_visitor *visitor,
			    enum budget_figure figure)
{
	visit_budget_of(visitor, family.name, &aggregate->handshakes, figure);
}
