/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of a port's counters and what node_exporter calls them. The folders: Linux before 4.5 had its counters of
 * 64 bits in counters_ext; what is in hw_counters each driver decides, the names here are mlx5's.
 */
#include "host/infiniband.h"

#define COUNTER(file, name)                         \
	{                                           \
		file, "node_infiniband_" name, 1, 0 \
	}
/* The hardware counts words of four bytes: the lanes of a link send one byte each. */
#define WORDS(file, name)                           \
	{                                           \
		file, "node_infiniband_" name, 4, 0 \
	}

/* clang-format off */
static const struct infiniband_counter counters[] = {
	COUNTER("VL15_dropped", "vl15_dropped_total"),
	COUNTER("excessive_buffer_overrun_errors", "excessive_buffer_overrun_errors_total"),
	COUNTER("link_downed", "link_downed_total"),
	COUNTER("link_error_recovery", "link_error_recovery_total"),
	COUNTER("local_link_integrity_errors", "local_link_integrity_errors_total"),
	COUNTER("multicast_rcv_packets", "multicast_packets_received_total"),
	COUNTER("multicast_xmit_packets", "multicast_packets_transmitted_total"),
	COUNTER("port_rcv_constraint_errors", "port_constraint_errors_received_total"),
	WORDS("port_rcv_data", "port_data_received_bytes_total"),
	COUNTER("port_rcv_discards", "port_discards_received_total"),
	COUNTER("port_rcv_errors", "port_errors_received_total"),
	COUNTER("port_rcv_packets", "port_packets_received_total"),
	COUNTER("port_rcv_remote_physical_errors", "port_receive_remote_physical_errors_total"),
	COUNTER("port_rcv_switch_relay_errors", "port_receive_switch_relay_errors_total"),
	COUNTER("port_xmit_constraint_errors", "port_constraint_errors_transmitted_total"),
	WORDS("port_xmit_data", "port_data_transmitted_bytes_total"),
	COUNTER("port_xmit_discards", "port_discards_transmitted_total"),
	COUNTER("port_xmit_packets", "port_packets_transmitted_total"),
	COUNTER("port_xmit_wait", "port_transmit_wait_total"),
	COUNTER("symbol_error", "symbol_error_total"),
	COUNTER("unicast_rcv_packets", "unicast_packets_received_total"),
	COUNTER("unicast_xmit_packets", "unicast_packets_transmitted_total"),
};

static const struct infiniband_counter counters_ext[] = {
	COUNTER("port_multicast_rcv_packets", "legacy_multicast_packets_received_total"),
	COUNTER("port_multicast_xmit_packets", "legacy_multicast_packets_transmitted_total"),
	WORDS("port_rcv_data_64", "legacy_data_received_bytes_total"),
	COUNTER("port_rcv_packets_64", "legacy_packets_received_total"),
	COUNTER("port_unicast_rcv_packets", "legacy_unicast_packets_received_total"),
	COUNTER("port_unicast_xmit_packets", "legacy_unicast_packets_transmitted_total"),
	WORDS("port_xmit_data_64", "legacy_data_transmitted_bytes_total"),
	COUNTER("port_xmit_packets_64", "legacy_packets_transmitted_total"),
};

static const struct infiniband_counter hw_counters[] = {
	COUNTER("duplicate_request", "duplicate_requests_packets_total"),
	COUNTER("implied_nak_seq_err", "implied_nak_seq_errors_total"),
	{ "lifespan", "node_infiniband_lifespan_seconds", 0, 1000 }, /* milliseconds */
	COUNTER("local_ack_timeout_err", "local_ack_timeout_errors_total"),
	COUNTER("np_cnp_sent", "np_cnp_packets_sent_total"),
	COUNTER("np_ecn_marked_roce_packets", "np_ecn_marked_roce_packets_received_total"),
	COUNTER("out_of_buffer", "out_of_buffer_drops_total"),
	COUNTER("out_of_sequence", "out_of_sequence_packets_received_total"),
	COUNTER("packet_seq_err", "packet_sequence_errors_total"),
	COUNTER("req_cqe_error", "req_cqes_errors_total"),
	COUNTER("req_cqe_flush_error", "req_cqes_flush_errors_total"),
	COUNTER("req_remote_access_errors", "req_remote_access_errors_total"),
	COUNTER("req_remote_invalid_request", "req_remote_invalid_request_errors_total"),
	COUNTER("resp_cqe_error", "resp_cqes_errors_total"),
	COUNTER("resp_cqe_flush_error", "resp_cqes_flush_errors_total"),
	COUNTER("resp_local_length_error", "resp_local_length_errors_total"),
	COUNTER("resp_remote_access_errors", "resp_remote_access_errors_total"),
	COUNTER("rnr_nak_retry_err", "rnr_nak_retry_packets_received_total"),
	COUNTER("roce_adp_retrans", "roce_adp_retransmits_total"),
	COUNTER("roce_adp_retrans_to", "roce_adp_retransmits_timeout_total"),
	COUNTER("roce_slow_restart", "roce_slow_restart_used_total"),
	COUNTER("roce_slow_restart_cnps", "roce_slow_restart_cnps_total"),
	COUNTER("roce_slow_restart_trans", "roce_slow_restart_total"),
	COUNTER("rp_cnp_handled", "rp_cnp_packets_handled_total"),
	COUNTER("rp_cnp_ignored", "rp_cnp_ignored_packets_received_total"),
	COUNTER("rx_atomic_requests", "rx_atomic_requests_total"),
	COUNTER("rx_dct_connect", "rx_dct_connect_requests_total"),
	COUNTER("rx_icrc_encapsulated", "rx_icrc_encapsulated_errors_total"),
	COUNTER("rx_read_requests", "rx_read_requests_total"),
	COUNTER("rx_write_requests", "rx_write_requests_total"),
};

const struct infiniband_folder infiniband_folders[INFINIBAND_FOLDERS] = {
	{ "counters", counters, sizeof(counters) / sizeof(counters[0]) },
	{ "counters_ext", counters_ext, sizeof(counters_ext) / sizeof(counters_ext[0]) },
	{ "hw_counters", hw_counters, sizeof(hw_counters) / sizeof(hw_counters[0]) },
};
/* clang-format on */
