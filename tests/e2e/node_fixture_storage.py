# SPDX-License-Identifier: Apache-2.0
"""Filesystems, storage and networks of server rooms, in the kernel's formats: what node_fixture's host has besides."""


def kstat(rows):
    """module/os/linux/spl/spl-kstat.c of OpenZFS: 4 is an unsigned number of 64 bits, 3 a signed one, 7 a text."""
    return ("13 1 0x01 147 39984 9023481340 6450184423\nname                            type data\n" +
            "".join(f"{name:<32}{kind}    {value}\n" for name, kind, value in rows))


def counters(names, start=1):
    return {name: f"{start + at}\n" for at, name in enumerate(names)}


# fs/xfs/xfs_stats.c; a group that is told by nobody, and one of an older kernel with a value less.
XFS = ("extent_alloc 92447 97589 92448 93751\nabt 0 1 2 3\nblk_map 1767055 188820 184891 92447 92448 2140766 0\n"
       "bmbt 4 5 6 7\ndir 185039 92447 92444 136422\ntrans 706 944304 0\n"
       "ig 185045 58807 0 126238 0 33637 22\nlog 2883 113448 9 17360 739\nrw 28 0\nattr 1 2 3 4\n"
       "vnodes 92601 0 0 0 92444 92444 92444{}\nxpc 399724544 92823103 86219234\ndebug 0\n")

NFS = ("net 70 69 68 45\nrpc 1218785755 374636 1218815394\n"
       "proc2 18 " + " ".join(str(i) for i in range(18)) + "\nproc3 22 " + " ".join(str(i * 3) for i in range(22)) +
       "\nproc4 48 " + " ".join(str(i * 7) for i in range(48)) + "\n")
NFSD = ("rc 0 6 18622\nfh 5 0 0 0 0\nio 157286400 72864\nth 8 0 0.000 0.000 0.000 0.000 0.000 0.000 0.000 0.000\n"
        "ra 32 0 0 0 0 0 0 0 0 0 0 3\nnet 18628 1 18627 6\nrpc 18628 1 2 3 4\n"
        "proc2 18 " + " ".join(str(i + 1) for i in range(18)) + "\nproc3 22 " +
        " ".join(str(i + 2) for i in range(22)) + "\nproc4 2 2 10853\nproc4ops 72 " +
        " ".join(str(i * 5) for i in range(72)) + "\nwdeleg_getattr 17\n")

PROC = {
    "net/rpc/nfs": NFS, "net/rpc/nfsd": NFSD,
    "net/ip_vs_stats": "   Total Incoming Outgoing         Incoming         Outgoing\n"
                       "   Conns  Packets  Packets            Bytes            Bytes\n"
                       " 16AA370 E33656E5        0     51D8C8883AB3        0\n\n"
                       " Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n"
                       "       4    1FB3C        0          1282A8F                0\n",
    "net/ip_vs": "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n"
                 "  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n"
                 "TCP  C0A80016:0CEA wlc\n  -> C0A85216:0CEA      Tunnel  100    248        2\n"
                 "  -> C0A85318:0CEA      Tunnel  100    248        3\n"
                 "UDP  [2620:0000:0000:0000:0000:0000:0000:0001]:0050 rr\n"
                 "  -> [2620:0000:0000:0000:0000:0000:0000:0002]:0051      Route   1      5          6\n"
                 "FWM  10001000 wlc\n  -> C0A83215:0CEA      Route   20     321        6\n",
    "spl/kstat/zfs/arcstats": kstat([("hits", 4, 8772612), ("misses", 4, 604635), ("c-max", 4, 2**63 + 5),
                                     ("memory_available_bytes", 3, -922337203685477580), ("state", 7, "text")]),
    "spl/kstat/zfs/abdstats": kstat([("linear_cnt", 4, 62)]),
    "spl/kstat/zfs/zil": kstat([("zil_commit_count", 4, 10)]),
    "spl/kstat/zfs/fm": kstat([("erpt-dropped", 4, 18)]),
    "spl/kstat/zfs/tank/state": "ONLINE\n", "spl/kstat/zfs/dusk/state": "DEGRADED\n",
    "spl/kstat/zfs/dusk/io": "12 3 0x00 1 80 79205351707403 395818011156865\n"
                             "nread    nwritten reads    writes   wtime    wlentime wupdate  rtime    rlentime "
                             "rupdate  wcnt     rcnt\n"
                             "1884160  3206144  22       132      7155162  104112268 79210489694949 24168078 104112268 "
                             "79210489849220 0 1\n",
    "spl/kstat/zfs/tank/objset-36": kstat([("dataset_name", 7, "tank/with blank"), ("writes", 4, 4),
                                           ("nread", 4, 5)]),
    "spl/kstat/zfs/tank/objset-37": kstat([("dataset_name", 7, "tank"), ("writes", 4, 6), ("nread", 4, 7)]),
}

INFINIBAND = "class/infiniband/mlx5_0/"
PORT = INFINIBAND + "ports/1/"
BTRFS = "fs/btrfs/0abb23a9-579b-43e6-ad30-227ef47fcb9d/"
BCACHE = "fs/bcache/deaddd54-c735-46d5-868e-f331c5fd7c74/"
BDEV_COUNTERS = ("bypassed cache_hits cache_misses cache_bypass_hits cache_bypass_misses cache_miss_collisions "
                 "cache_readaheads").split()

SYS = {
    "fs/xfs/sda1/stats/stats": XFS.format(" 0"), "fs/xfs/dm-3/stats/stats": XFS.format(""),
    "fs/xfs/stats/stats": XFS.format(" 0"),
    INFINIBAND + "fw_ver": "20.31.1014\n", INFINIBAND + "board_id": "MT_0000000224\n",
    INFINIBAND + "hca_type": "MT4123\n", PORT + "link_layer": "InfiniBand\n", PORT + "state": "4: ACTIVE\n",
    PORT + "phys_state": "5: LinkUp\n", PORT + "rate": "2.5 Gb/sec (1X SDR)\n",
    **{PORT + "counters/" + name: value for name, value in counters(
        "port_rcv_data port_xmit_data port_rcv_packets link_downed symbol_error VL15_dropped port_xmit_wait".split(),
        2221223609).items()},
    PORT + "counters/port_rcv_errors": "N/A (no PMA)\n",
    PORT + "counters_ext/port_rcv_data_64": "4\n",
    **{PORT + "hw_counters/" + name: value for name, value in counters(
        "duplicate_request out_of_buffer rx_icrc_encapsulated roce_slow_restart".split()).items()},
    PORT + "hw_counters/lifespan": "10\n",
    BTRFS + "label": "fixture\n", BTRFS + "metadata_uuid": "0abb23a9-579b-43e6-ad30-227ef47fcb9d\n",
    BTRFS + "devices/loop25/size": "20971520\n", BTRFS + "devices/loop26/size": "20971520\n",
    BTRFS + "devices/loop27/size": "20971520\n",
    BTRFS + "features/raid56": "1\n", "fs/btrfs/features/raid56": "0\n",
    BTRFS + "allocation/global_rsv_size": "16777216\n",
    BTRFS + "commit_stats": "commits 258051\ncur_commit_ms 0\nlast_commit_ms 3\nmax_commit_ms 51462\n"
                            "total_commit_ms 47836090\n",
    **{f"{BTRFS}allocation/{kind}/{name}": f"{value}\n"
       for at, (kind, profile) in enumerate((("data", "raid5"), ("metadata", "raid1c3"), ("system", "dup")))
       for name, value in (("bytes_reserved", at), ("flags", 1), (f"{profile}/used_bytes", 808189952 + at),
                           (f"{profile}/total_bytes", 2147483648))},
    **{BCACHE + name: value + "\n" for name, value in {
        "average_key_size": "0", "btree_cache_size": "1.5k", "cache_available_percent": "100", "congested": "0",
        "root_usage_percent": "0", "tree_depth": "2", "internal/active_journal_entries": "1",
        "internal/btree_nodes": "3", "internal/btree_read_average_duration_us": "1305",
        "internal/cache_read_races": "4", "bdev0/dirty_data": "1.1019M",
        "bdev0/writeback_rate_debug": "rate:\t\t1.1M/sec\ndirty:\t\t20.4G\ntarget:\t\t20.4G\nproportional:\t427.5k\n"
                                      "integral:\t-790.0k\nchange:\t\t321.5k/sec\nnext io:\t17ms",
        "cache0/io_errors": "0", "cache0/metadata_written": "512", "cache0/written": "7.9T",
        "cache0/priority_stats": "Unused:\t\t99%"}.items()},
    **{f"{BCACHE}{folder}/{name}": value for folder in ("bdev0/stats_total", "stats_total", "bdev0/stats_five_minute",
                                                        "stats_five_minute")
       for name, value in counters(BDEV_COUNTERS, 7).items()},
    "fs/bcache/register": "",
    **{f"class/scsi_tape/st0/stats/{name}": value for name, value in counters(
        "in_flight io_ns other_cnt read_byte_cnt read_cnt read_ns resid_cnt write_byte_cnt write_cnt write_ns".split(),
        5233597394395).items()},
    "class/scsi_tape/nst0/stats/in_flight": "9\n", "class/scsi_tape/st0a/stats/in_flight": "9\n",
    **{f"class/fc_host/host0/{name}": value + "\n" for name, value in {
        "speed": "16 Gbit", "port_state": "Online", "port_type": "Point-To-Point (direct nport connection)",
        "port_id": "0x000002", "port_name": "0x1000e0071bce95f2", "fabric_name": "0x0", "dev_loss_tmo": "30",
        "symbolic_name": "Emulex SN1100E2P FV12.4.270.3 DV12.4.0.0. HN:gotest. OS:Linux",
        "supported_classes": "Class 3", "supported_speeds": "4 Gbit, 8 Gbit, 16 Gbit"}.items()},
    **{f"class/fc_host/host0/statistics/{name}": f"0x{at + 3:x}\n" for at, name in enumerate((
        "dumped_frames error_frames invalid_crc_count rx_frames rx_words tx_frames tx_words seconds_since_last_reset "
        "invalid_tx_word_count link_failure_count loss_of_sync_count loss_of_signal_count nos_count").split())},
    "class/fc_host/host0/statistics/fcp_packet_aborts": "0xffffffffffffffff\n",
    **{f"block/dm-0/{name}": value + "\n" for name, value in {
        "dm/uuid": "mpath-3600508b1001c1a2b", "dm/name": "mpathA", "dm/suspended": "0", "size": "104857600",
        "slaves/sdi/x": "", "slaves/sdj/x": "", "slaves/nvme7n1/x": ""}.items()},
    **{f"block/dm-1/{name}": value + "\n" for name, value in {"dm/uuid": "LVM-x", "dm/name": "vg-lv"}.items()},
    "block/sdi/device/state": "running\n", "block/sdj/device/state": "offline\n",
    "block/nvme7n1/device/state": "live\n",
}
