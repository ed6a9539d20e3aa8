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
	ON(cpu, "time that each processor spent in each mode") \
	ON(diskstats, "input and output of block devices") \
	ON(filesystem, "sizes of mounted filesystems") \
	ON(loadavg, "load averages") \
	ON(meminfo, "what memory is used for") \
	ON(netdev, "traffic of network devices") \
	ON(stat, "interrupts, context switches, forks") \
	ON(time, "the clock and its sources") \
	ON(uname, "the kernel's name and version") \
	NOT_HERE(arp) NOT_HERE(bcache) NOT_HERE(bcachefs) NOT_HERE(bonding) NOT_HERE(btrfs) NOT_HERE(buddyinfo) \
	NOT_HERE(cgroups) NOT_HERE(conntrack) NOT_HERE(cpu_vulnerabilities) NOT_HERE(cpufreq) NOT_HERE(dmi) \
	NOT_HERE(dmmultipath) NOT_HERE(drbd) NOT_HERE(drm) NOT_HERE(edac) NOT_HERE(entropy) NOT_HERE(ethtool) \
	NOT_HERE(fibrechannel) NOT_HERE(filefd) NOT_HERE(hwmon) NOT_HERE(infiniband) NOT_HERE(interrupts) \
	NOT_HERE(ipvs) NOT_HERE(kernel_hung) NOT_HERE(ksmd) NOT_HERE(lnstat) NOT_HERE(logind) NOT_HERE(mdadm) \
	NOT_HERE(meminfo_numa) NOT_HERE(mountstats) NOT_HERE(netclass) NOT_HERE(netstat) NOT_HERE(network_route) \
	NOT_HERE(nfs) NOT_HERE(nfsd) NOT_HERE(ntp) NOT_HERE(nvme) NOT_HERE(nvmesubsystem) NOT_HERE(os) \
	NOT_HERE(pcidevice) NOT_HERE(perf) NOT_HERE(powersupplyclass) NOT_HERE(pressure) NOT_HERE(processes) \
	NOT_HERE(qdisc) NOT_HERE(rapl) NOT_HERE(runit) NOT_HERE(schedstat) NOT_HERE(selinux) NOT_HERE(slabinfo) \
	NOT_HERE(sockstat) NOT_HERE(softirqs) NOT_HERE(softnet) NOT_HERE(supervisord) NOT_HERE(swap) \
	NOT_HERE(sysctl) NOT_HERE(systemd) NOT_HERE(tapestats) NOT_HERE(tcpstat) NOT_HERE(textfile) \
	NOT_HERE(thermal_zone) NOT_HERE(timex) NOT_HERE(udp_queues) NOT_HERE(vmstat) NOT_HERE(watchdog) \
	NOT_HERE(wifi) NOT_HERE(xfrm) NOT_HERE(xfs) NOT_HERE(zfs) NOT_HERE(zoneinfo)
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
