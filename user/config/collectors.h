/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one list of host collectors, by the names that node_exporter gave them. The switches --[no-]collector.NAME come
 * from it (config/collectors.inc), and user/host finds each one's functions by it. ON and OFF say what holds by
 * default; NOT_HERE is one of node_exporter's that sonde has not: switching it off is accepted, switching it on
 * refused.
 */
#pragma once

/* clang-format off */
#define HOST_COLLECTORS(ON, OFF, NOT_HERE) \
	ON(arp, "neighbours by device") \
	ON(bcache, "caches of block devices") \
	ON(bonding, "bonded network devices") \
	ON(btrfs, "btrfs filesystems") \
	ON(conntrack, "connections that netfilter tracks") \
	ON(cpu, "time that each processor spent in each mode") \
	ON(cpufreq, "processors' frequencies") \
	ON(diskstats, "input and output of block devices") \
	ON(dmi, "what the firmware calls the hardware") \
	ON(dmmultipath, "block devices with several paths") \
	ON(edac, "errors of memory") \
	ON(entropy, "the kernel's entropy") \
	ON(fibrechannel, "Fibre Channel ports") \
	ON(filefd, "open files of all processes") \
	ON(filesystem, "sizes of mounted filesystems") \
	ON(hwmon, "sensors of temperature, voltage, fans") \
	ON(infiniband, "InfiniBand ports") \
	OFF(interrupts, "interrupts by processor") \
	ON(ipvs, "IPVS and its backends") \
	ON(kernel_hung, "tasks that the kernel found hanging") \
	ON(loadavg, "load averages") \
	ON(mdadm, "software RAID") \
	ON(meminfo, "what memory is used for") \
	ON(netclass, "properties of network devices") \
	ON(netdev, "traffic of network devices") \
	ON(netstat, "counters of the network protocols") \
	ON(nfs, "calls of NFS clients") \
	ON(nfsd, "calls to the NFS server") \
	ON(nvme, "NVMe devices") \
	ON(os, "what os-release says") \
	ON(powersupplyclass, "batteries and mains") \
	ON(pressure, "how long tasks waited, and for what") \
	OFF(processes, "processes and threads by state") \
	ON(rapl, "energy that processors used") \
	ON(schedstat, "how long tasks ran and waited") \
	ON(selinux, "whether SELinux is on") \
	ON(sockstat, "sockets by protocol") \
	ON(softnet, "packets by processor") \
	ON(stat, "interrupts, context switches, forks") \
	OFF(systemd, "units of systemd") \
	ON(tapestats, "tape drives") \
	OFF(tcpstat, "TCP sockets by state") \
	ON(textfile, "metrics that others write into files") \
	ON(thermal_zone, "temperatures and cooling devices") \
	ON(time, "the clock and its sources") \
	ON(timex, "how the clock is kept") \
	ON(udp_queues, "bytes that UDP sockets hold") \
	ON(uname, "the kernel's name and version") \
	ON(vmstat, "counters of the virtual memory") \
	ON(watchdog, "watchdogs") \
	ON(xfs, "XFS filesystems") \
	ON(zfs, "ZFS pools") \
	NOT_HERE(bcachefs) NOT_HERE(buddyinfo) NOT_HERE(cgroups) NOT_HERE(cpu_vulnerabilities) \
	NOT_HERE(drbd) NOT_HERE(drm) NOT_HERE(ethtool) NOT_HERE(ksmd) \
	NOT_HERE(lnstat) NOT_HERE(logind) NOT_HERE(meminfo_numa) NOT_HERE(mountstats) \
	NOT_HERE(network_route) NOT_HERE(ntp) NOT_HERE(nvmesubsystem) NOT_HERE(pcidevice) NOT_HERE(perf) \
	NOT_HERE(qdisc) NOT_HERE(runit) NOT_HERE(slabinfo) NOT_HERE(softirqs) NOT_HERE(supervisord) \
	NOT_HERE(swap) NOT_HERE(sysctl) NOT_HERE(wifi) NOT_HERE(xfrm) NOT_HERE(zoneinfo)
/* clang-format on */

#define COLLECTOR_ID(name, ...) COLLECTOR_##name,

/* Those that sonde has come first: COLLECTOR_COUNT of them. */
enum host_collector {
	HOST_COLLECTORS(COLLECTOR_ID, COLLECTOR_ID, COLLECTOR_ID) COLLECTOR_NAMES,
};

#define COLLECTOR_ONE(name, ...) +1
#define COLLECTOR_NONE(name, ...)
#define COLLECTOR_COUNT (0 HOST_COLLECTORS(COLLECTOR_ONE, COLLECTOR_ONE, COLLECTOR_NONE))

/* "cpu" */
const char *collector_name(enum host_collector collector);
