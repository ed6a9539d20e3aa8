/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encrypted connections that are seen and not read, by service and by what the process has for TLS: the same ones as
 * sonde_unparsed_connections_total counts under `tls`, named. In and out, in one file.
 */
#include "aggregate/visit.h"

const struct series_kind aggregate_unread_kind = { .record_size = sizeof(struct unread_series) };

static const struct metric_family family = {
	.name = "sonde_tls_unread_connections_total",
	.help = "Encrypted connections that no hook reads, by the TLS libraries that the process has.",
	.unit = "",
	.type = METRIC_COUNTER,
};

void aggregate_unread(struct aggregate *aggregate, const char *service, tls_brands brands)
{
	struct series_key key = { .status = brands };
	struct series_table *table = &aggregate->unread;
	bool known = aggregate_service_id(aggregate, service, &key.service) == 0;
	struct series *series = known ? series_table_get(table, &key) : series_table_overflow(table);

	((struct unread_series *)series)->connections++;
}

void visit_unread(const struct aggregate *aggregate, const struct metric_visitor *visitor)
{
	const struct series_table *table = &aggregate->unread;
	const struct series *series = NULL;

	if (!table->table.count && !table->overflowed)
		return;
	visitor->family_begin(visitor->ctx, &family);
	while ((series = series_table_next(table, series))) {
		struct labels labels = { .count = 0 };
		char room[TLS_BRANDS_TEXT_BYTES];

		visit_label(&labels, "service_name", intern_text(&aggregate->intern, series->key.service));
		visit_label(&labels, "tls_library", tls_brands_text(series->key.status, room));
		visitor->sample(visitor->ctx, labels.items, labels.count,
				(double)((const struct unread_series *)series)->connections);
	}
	if (table->overflowed > 0)
		visitor->sample(visitor->ctx, &visit_overflow_label, 1,
				(double)((const struct unread_series *)table->overflow)->connections);
	visitor->family_end(visitor->ctx);
}

void visit_unread_budget(const struct aggregate *aggregate, const struct metric_visitor *visitor,
			 enum budget_figure figure)
{
	visit_budget_of(visitor, family.name, &aggregate->unread, figure);
}
