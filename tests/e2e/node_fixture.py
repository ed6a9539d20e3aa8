# SPDX-License-Identifier: Apache-2.0
"""Hosts that this machine is not: trees of files in the formats of the kernel's documentation, for --path.procfs and
the like. What a virtual machine has none of (sensors, RAID, batteries), and more of everything than it has."""

import os

import node_fixture_storage

PROC = {
    "loadavg": "0.21 0.37 0.39 1/719 19737\n",
    "meminfo": "MemTotal:       3742148 kB\nMemFree:         225472 kB\nActive(anon):    2068484 kB\n"
               "HugePages_Total:       3\nHardwareCorrupted:     0 kB\nHugepagesize:       2048 kB\n"
               "KReclaimable:     10 kB\n",
    "stat": "cpu  10 0 20 300 4 0 1 0 0 0\ncpu0 6 0 10 150 2 0 1 0 3 0\ncpu1 4 0 10 150 2 0 0 0 0 1\n"
            "intr 8885917 17 0\nctxt 38014093\nbtime 1418183276\nprocesses 26442\nprocs_running 2\nprocs_blocked 1\n"
            "softirq 5057579 250191 1481983 1647 211099 186066 0 1783454 622196 12499 508444\n",
    "schedstat": "version 15\ntimestamp 15819019232\ncpu0 498494191 0 3533438552 2553969831 3853684107 2465731542 "
                 "2045936778163039 343796328169361 4767485306\ndomain0 03 0 0\n",
    "mdstat": "Personalities : [raid1] [raid6] [raid5] [raid4] [raid0]\n"
              "md0 : active raid1 sdb1[1] sda1[0](F) sdc1[2](S)\n      523968 blocks super 1.2 [2/1] [_U]\n"
              "      [=>..................]  recovery =  8.5% (16775/523968) finish=17.0min speed=259783K/sec\n      \n"
              "md1 : active raid0 sdd[0] sde[1]\n      7932 blocks 64k chunks\n      \n"
              "md2 : active (auto-read-only) raid5 sdf[2] sdg[1] sdh[0]\n"
              "      195310144 blocks level 5, 64k chunk, algorithm 2 [3/3] [UUU]\n"
              "      \tresync=PENDING\n      bitmap: 0/30 pages [0KB], 65536KB chunk\n\nunused devices: <none>\n",
    "diskstats": "   8       0 sda 25354637 34367663 1003346126 18492372 28444756 11134226 505697032 6387796 0 965388 "
                 "8262180\n   8       1 sda1 250 0 2000 36 0 0 0 0 0 36 36\n 259       0 nvme0n1 47114 4 464397 2165 "
                 "1078320 43950 39451633 1011053 0 222766 1032546 1 2 3 4 5 6\n",
    "net/dev": "Inter-|   Receive                                                |  Transmit\n"
               " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo\n"
               "    lo: 435303245 1832522 1 2 3 4 5 6 435303245 1832522 7 8 9 10 11 12\n"
               "wlan0: 1043718292 13899359    0    0    0     0          0         0 2851649360 11726200 0 0 0 0 0 0\n",
    "net/arp": "IP address       HW type     Flags       HW address            Mask     Device\n"
               "192.168.1.20     0x1         0x2         cc:aa:dd:ee:aa:bb     *        eth0\n"
               "192.168.1.21     0x1         0x2         cc:aa:dd:ee:aa:bc     *        eth0\n"
               "192.168.1.22     0x1         0x2         cc:aa:dd:ee:aa:bd     *        eth1\n",
    "net/netstat": "TcpExt: SyncookiesSent ListenDrops Other\nTcpExt: 1 2 3\nIpExt: InOctets OutOctets\nIpExt: 4 5\n",
    "net/snmp": "Ip: Forwarding DefaultTTL\nIp: 1 64\nTcp: RtoMax InErrs CurrEstab\nTcp: -1 5 0\n",
    "net/snmp6": "Ip6InReceives                   7\nIp6InOctets                     460\nUdpLite6InErrors     0\n",
    "net/sockstat": "sockets: used 1602\nTCP: inuse 35 orphan 1 tw 4 alloc 59 mem 22\nUDP: inuse 12 mem 62\n"
                    "UDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n",
    "net/sockstat6": "TCP6: inuse 17\nUDP6: inuse 9\nUDPLITE6: inuse 0\nRAW6: inuse 1\nFRAG6: inuse 0 memory 0\n",
    "net/softnet_stat": "00049279 00000000 00000001 00000000 00000000 00000000 00000000 00000000 00000000 00000000 "
                        "00000000 00000000 00000000\n000dfb82 00000029 0000000a 00000000 00000000 00000000 00000000 "
                        "00000000 00000001 00000002 00000003 00000004 00000005\n",
    "net/udp": "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
               "    0: 0A000005:0016 00000000:0000 07 00000015:00000001 00:00000000 00000000     0        0 2740 1 "
               "00000000 0\n",
    "net/stat/nf_conntrack": "entries  searched found new invalid ignore delete delete_list insert insert_failed drop "
                             "early_drop icmp_error  expect_new expect_create expect_delete search_restart\n"
                             + "00000021 00000000 00000001 00000000 00000003 0000588a 00000000 00000000 00000002 "
                               "00000004 00000005 00000006 00000000  00000000 00000000 00000000 00000007\n" * 2,
    "sys/net/netfilter/nf_conntrack_count": "123\n",
    "sys/net/netfilter/nf_conntrack_max": "65536\n",
    "sys/fs/file-nr": "1024\t0\t1631329\n",
    "sys/kernel/random/entropy_avail": "1337\n",
    "sys/kernel/random/poolsize": "4096\n",
    "sys/kernel/hung_task_detect_count": "2\n",
    "sys/kernel/threads-max": "7801\n",
    "sys/kernel/pid_max": "123\n",
    "pressure/cpu": "some avg10=0.00 avg60=0.00 avg300=0.00 total=14036781\nfull avg10=0.00 avg60=0.00 avg300=0.00 "
                    "total=0\n",
    "pressure/io": "some avg10=0.18 avg60=0.34 avg300=0.10 total=159886802\nfull avg10=0.18 avg60=0.34 avg300=0.10 "
                   "total=159229614\n",
    "pressure/memory": "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 "
                       "total=0\n",
    "pressure/irq": "full avg10=0.00 avg60=0.00 avg300=0.00 total=8494\n",
    "vmstat": "nr_free_pages 977769\npgpgin 7344136\npswpin 1476\npgfault 2320168809\noom_kill 5\npgmajfault 507162\n",
    "interrupts": "           CPU0       CPU1\n   0:         18          0   IO-APIC    2-edge      timer\n"
                  "   9:     398553       2320   IO-APIC    9-fasteoi   acpi\n NMI:         47       5031   "
                  "Non-maskable interrupts\n ERR:          0\n",
    "1/mountinfo": "20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n21 1 8:2 / /data ro - xfs /dev/sdb rw\n"
                   "22 1 8:3 / /with\\040blank rw - ext4 /dev/sdc rw\n23 1 8:5 / /gone rw - ext4 /dev/sdd rw\n"
                   "24 1 0:5 / /proc rw - proc proc rw\n",
}

HWMON = {
    "hwmon0/name": "coretemp", "hwmon0/temp1_input": "55000", "hwmon0/temp1_label": "Package id 0",
    "hwmon0/temp1_crit": "100000", "hwmon0/temp1_crit_alarm": "0", "hwmon0/temp1_crit_hyst": "98000",
    "hwmon0/temp1_max": "84000", "hwmon0/update_interval": "1000",
    "hwmon1/name": "nct6775", "hwmon1/fan1_input": "1098", "hwmon1/fan1_min": "0", "hwmon1/fan1_alarm": "0",
    "hwmon1/fan1_beep": "1", "hwmon1/fan1_pulses": "2", "hwmon1/in0_input": "792", "hwmon1/in0_max": "1744",
    "hwmon1/in0_beep": "0", "hwmon1/beep_enable": "1", "hwmon1/vrm": "0", "hwmon1/pwm1": "255",
    "hwmon1/pwm1_enable": "5", "hwmon1/intrusion0_alarm": "1", "hwmon1/curr1_input": "1500",
    "hwmon1/energy1_input": "1000000", "hwmon1/power1_average": "14000000", "hwmon1/power1_accuracy": "95.5%",
    "hwmon1/power1_average_interval": "1000", "hwmon1/humidity1_input": "55000", "hwmon1/freq1_input": "300000000",
    "hwmon1/freq1_label": "sclk",
}

SYS = {
    **{f"class/hwmon/{name}": value + "\n" for name, value in HWMON.items()},
    "class/thermal/thermal_zone0/type": "cpu-thermal\n", "class/thermal/thermal_zone0/policy": "step_wise\n",
    "class/thermal/thermal_zone0/temp": "12376\n", "class/thermal/thermal_zone1/type": "acpitz\n",
    "class/thermal/thermal_zone1/policy": "step_wise\n", "class/thermal/thermal_zone1/temp": "-44000\n",
    "class/thermal/cooling_device0/type": "Processor\n", "class/thermal/cooling_device0/max_state": "50\n",
    "class/thermal/cooling_device0/cur_state": "-1\n",
    "class/net/bonding_masters": "bond0\n", "class/net/bond0/bonding/slaves": "eth0 eth1\n",
    "class/net/bond0/lower_eth0/bonding_slave/mii_status": "up\n",
    "class/net/bond0/lower_eth1/bonding_slave/mii_status": "down\n",
    "class/net/bond0/operstate": "up\n", "class/net/bond0/mtu": "1500\n", "class/net/bond0/speed": "10000\n",
    "class/net/bond0/flags": "0x1303\n", "class/net/bond0/address": "01:01:01:01:01:01\n",
    "class/net/bond0/carrier": "1\n", "class/net/bond0/duplex": "full\n", "class/net/bond0/ifalias": "up \"link\"\n",
    "class/net/bond0/dev_id": "0x20\n", "class/net/bond0/type": "1\n",
    "class/nvme/nvme0/firmware_rev": "1B2QEXP7\n", "class/nvme/nvme0/model": "Samsung SSD 970 PRO 512GB\n",
    "class/nvme/nvme0/serial": "S680HF8N190894I\n", "class/nvme/nvme0/state": "live\n",
    "class/nvme/nvme0/cntlid": "1997\n", "class/nvme/nvme0/nvme0n1/size": "3906250000\n",
    "class/nvme/nvme0/nvme0n1/nuse": "488281250\n", "class/nvme/nvme0/nvme0n1/queue/logical_block_size": "4096\n",
    "class/nvme/nvme0/nvme0n1/ana_state": "optimized\n",
    "devices/system/edac/mc/mc0/ce_count": "1\n", "devices/system/edac/mc/mc0/ce_noinfo_count": "2\n",
    "devices/system/edac/mc/mc0/ue_count": "5\n", "devices/system/edac/mc/mc0/ue_noinfo_count": "6\n",
    "devices/system/edac/mc/mc0/csrow0/ce_count": "3\n", "devices/system/edac/mc/mc0/csrow0/ue_count": "4\n",
    "devices/system/edac/mc/mc0/csrow0/ch0_ce_count": "7\n", "devices/system/edac/mc/mc0/csrow0/ch0_ue_count": "8\n",
    "devices/system/edac/mc/mc0/csrow0/ch0_dimm_label": "CPU_SrcID#0_MC#0_csrow#0_channel#0\n",
    "class/power_supply/AC/online": "0\n", "class/power_supply/AC/type": "Mains\n",
    "class/power_supply/BAT0/capacity": "81\n", "class/power_supply/BAT0/energy_full": "45070000\n",
    "class/power_supply/BAT0/energy_now": "36580000\n", "class/power_supply/BAT0/power_now": "4830000\n",
    "class/power_supply/BAT0/voltage_now": "11750000\n", "class/power_supply/BAT0/temp": "345\n",
    "class/power_supply/BAT0/status": "Discharging\n", "class/power_supply/BAT0/type": "Battery\n",
    "class/power_supply/BAT0/cycle_count": "0\n", "class/power_supply/BAT0/manufacturer": "LGC\n",
    "class/powercap/intel-rapl:0/name": "package-0\n", "class/powercap/intel-rapl:0/energy_uj": "240422366267\n",
    "class/powercap/intel-rapl:0/max_energy_range_uj": "262143328850\n",
    "class/powercap/intel-rapl:0:0/name": "core\n", "class/powercap/intel-rapl:0:0/energy_uj": "118821284256\n",
    "class/powercap/intel-rapl:0:0/max_energy_range_uj": "262143328850\n",
    "class/powercap/intel-rapl:1:0/name": "core\n", "class/powercap/intel-rapl:1:0/energy_uj": "5\n",
    "class/powercap/intel-rapl:1:0/max_energy_range_uj": "262143328850\n",
    "class/dmi/id/bios_vendor": "Dell Inc.\n", "class/dmi/id/product_name": "PowerEdge R6515\n",
    "class/dmi/id/sys_vendor": "Dell Inc.\n", "class/dmi/id/chassis_asset_tag": "\n",
    "class/watchdog/watchdog0/bootstatus": "1\n", "class/watchdog/watchdog0/identity": "Software Watchdog\n",
    "class/watchdog/watchdog0/timeout": "60\n", "class/watchdog/watchdog0/state": "active\n",
    "block/sda/queue/rotational": "1\n", "block/nvme0n1/queue/rotational": "0\n",
    "block/md0/md/level": "raid1\n", "block/md0/md/raid_disks": "2\n", "block/md0/md/degraded": "1\n",
    "block/md0/md/array_state": "clean\n", "block/md0/md/metadata_version": "1.2\n", "block/md0/md/uuid": "a:b\n",
    "block/md0/md/chunk_size": "0\n", "block/md0/md/sync_action": "recover\n",
    "block/md0/md/sync_completed": "16775 / 523968\n",
    "devices/system/cpu/offline": "\n", "devices/system/cpu/isolated": "1\n",
    "devices/system/clocksource/clocksource0/available_clocksource": "tsc hpet acpi_pm \n",
    "devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
}
for _cpu in ("0", "1"):
    SYS.update({f"devices/system/cpu/cpu{_cpu}/{name}": value + "\n" for name, value in {
        "online": "1", "topology/physical_package_id": "0", "topology/core_id": _cpu,
        "thermal_throttle/core_throttle_count": "5", "thermal_throttle/package_throttle_count": "30",
        "cpufreq/cpuinfo_max_freq": "3700000", "cpufreq/cpuinfo_min_freq": "800000",
        "cpufreq/scaling_cur_freq": "1219917", "cpufreq/scaling_max_freq": "3700000",
        "cpufreq/scaling_min_freq": "800000", "cpufreq/scaling_governor": "powersave",
        "cpufreq/scaling_available_governors": "performance powersave", "cpufreq/scaling_driver": "intel_pstate",
        "cpufreq/related_cpus": _cpu, "cpufreq/scaling_setspeed": "<unsupported>"}.items()})

UDEV = {
    "b8:0": "S:disk/by-id/x\nE:ID_MODEL=SAMSUNG_MZ7LN\nE:ID_SERIAL_SHORT=S252B6HR\nE:ID_WWN=0x500\nE:ID_PATH=pci-0\n"
            "E:ID_REVISION=EMT0\nE:ID_ATA=1\nE:ID_ATA_WRITE_CACHE=1\nE:ID_ATA_WRITE_CACHE_ENABLED=0\n"
            "E:ID_ATA_ROTATION_RATE_RPM=7200\nE:SCSI_IDENT_SERIAL=real\nE:ID_FS_TYPE=LVM2_member\nE:ID_FS_USAGE=raid\n"
            "E:ID_FS_UUID=aaa\nE:ID_FS_VERSION=LVM2 001\n",
    "b259:0": "E:ID_MODEL=nvme\nE:DM_NAME=nvme0n1_crypt\nE:DM_UUID=CRYPT-1\nE:DM_VG_NAME=vg\nE:DM_LV_NAME=lv\n",
}

ROOT_FILES = {
    "etc/os-release": 'NAME="Ubuntu"\nVERSION="20.04.2 LTS (Focal Fossa)"\nID=ubuntu\nID_LIKE=debian\n'
                      'PRETTY_NAME="Ubuntu 20.04.2 LTS"\nVERSION_ID="20.04"\nVERSION_CODENAME=focal\n'
                      'SUPPORT_END=2025-04-02\n',
    "data/file": "", "with blank/file": "",
}


def write(folder, files):
    for name, text in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())


def process(number, state, threads):
    fields = ["0"] * 50
    fields[16] = str(threads)
    return f"{number} (a) b) {state} " + " ".join(fields) + "\n"


def make(folder):
    """The host, and the flags for it."""
    proc = dict(PROC)
    proc["10/stat"] = process(10, "S", 1)
    proc["10/task/10/stat"] = proc["10/stat"]
    proc["11/stat"] = process(11, "R", 2)
    proc["11/task/11/stat"] = proc["11/stat"]
    proc["11/task/12/stat"] = process(12, "D", 2)
    proc.update(node_fixture_storage.PROC)
    system = {**SYS, **node_fixture_storage.SYS}
    for name, files in (("proc", proc), ("sys", system), ("udev", UDEV), ("root", ROOT_FILES)):
        write(os.path.join(folder, name), files)
    os.symlink("1", os.path.join(folder, "proc", "self"))
    return flags(folder)


def flags(folder):
    return [f"--path.procfs={folder}/proc", f"--path.sysfs={folder}/sys", f"--path.rootfs={folder}/root",
            f"--path.udev.data={folder}/udev"]


def make_large(folder, cpus=512, devices=1000, mounts=100_000):
    """A host that runs many containers: most mounts are theirs, and left out by the default patterns."""
    times = "cpu{} 4705 150 1120 16250 520 0 17 0 0 0\n"
    rows = [f"{i} 1 0:{i % 4096} / /var/lib/docker/overlay2/{i:032x}/merged rw,relatime shared:{i} - overlay overlay "
            f"rw,lowerdir=/l/{i},upperdir=/u/{i},workdir=/w/{i}\n" for i in range(mounts - 50)]
    rows += [f"{i} 1 8:{i % 50} / /data{i % 50} rw,relatime - ext4 /dev/sd{i % 50} rw\n"
             for i in range(mounts - 50, mounts)]
    line = " 435303245 1832522 1 2 3 4 5 6 435303245 1832522 7 8 9 10 11 12\n"
    proc = dict(PROC)
    proc["stat"] = ("cpu  1 2 3 4 5 6 7 8 9 10\n" + "".join(times.format(i) for i in range(cpus)) + "intr 8885917 " +
                    "0 " * 4096 + "\nctxt 1\nbtime 2\nprocesses 3\nprocs_running 4\nprocs_blocked 5\n")
    proc["net/dev"] = "a\nb\n" + "".join(f"veth{i:08x}:{line}" for i in range(devices))
    proc["1/mountinfo"] = "".join(rows)
    proc["schedstat"] = "version 15\n" + "".join(f"cpu{i} 1 2 3 4 5 6 7 8 9\n" for i in range(cpus))
    proc["net/softnet_stat"] = "".join(f"00049279 00000000 00000001 0 0 0 0 0 0 0 0 0 {i:08x}\n" for i in range(cpus))
    system = {name: text for name, text in SYS.items() if not name.startswith(("devices/system/cpu", "class/net"))}
    for i in range(cpus):
        system[f"devices/system/cpu/cpu{i}/online"] = "1\n"
    for i in range(devices):
        system.update({f"class/net/veth{i:08x}/{name}": value + "\n" for name, value in {
            "operstate": "up", "mtu": "1500", "flags": "0x1003", "carrier": "1", "ifindex": str(i), "iflink": str(i),
            "address": "02:42:00:00:00:01", "broadcast": "ff:ff:ff:ff:ff:ff", "duplex": "full", "speed": "10000",
            "type": "1", "tx_queue_len": "0", "carrier_changes": "2", "carrier_up_count": "1",
            "carrier_down_count": "1", "dev_id": "0x0", "dormant": "0", "link_mode": "0", "name_assign_type": "3",
            "netdev_group": "0", "addr_assign_type": "3", "ifalias": ""}.items()})
    root = dict(ROOT_FILES)
    root.update({f"data{i}/file": "" for i in range(50)})
    for name, files in (("proc", proc), ("sys", system), ("udev", UDEV), ("root", root)):
        write(os.path.join(folder, name), files)
    return flags(folder)
