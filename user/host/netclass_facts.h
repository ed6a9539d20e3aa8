/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What netclass tells of a device, and what of that a netlink message says as /sys/class/net would.
 */
#pragma once

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NETCLASS_TEXT_SIZE 288
#define NETCLASS_PATH "class/net"
#define NETCLASS_BESIDE "bonding_masters" /* the one file beside the devices */

/* The files; those before NETCLASS_PROPERTIES hold a number that is told as it is. */
enum netclass_file {
	NETCLASS_ADDR_ASSIGN_TYPE,
	NETCLASS_CARRIER,
	NETCLASS_CARRIER_CHANGES,
	NETCLASS_CARRIER_UP_COUNT,
	NETCLASS_CARRIER_DOWN_COUNT,
	NETCLASS_DEV_ID,
	NETCLASS_DORMANT,
	NETCLASS_FLAGS,
	NETCLASS_IFINDEX,
	NETCLASS_IFLINK,
	NETCLASS_LINK_MODE,
	NETCLASS_MTU,
	NETCLASS_NAME_ASSIGN_TYPE,
	NETCLASS_NETDEV_GROUP,
	NETCLASS_TX_QUEUE_LEN,
	NETCLASS_TYPE,
	NETCLASS_PROPERTIES,
	NETCLASS_ADDRESS = NETCLASS_PROPERTIES,
	NETCLASS_BROADCAST,
	NETCLASS_OPERSTATE,
	NETCLASS_IFALIAS,
	NETCLASS_DUPLEX,
	NETCLASS_SPEED,
	NETCLASS_FILES,
};

struct host;

struct netclass_facts {
	char name[IFNAMSIZ];
	uint32_t known; /* bits by file: the message decides */
	uint32_t told;  /* those of them that have a value */
	uint32_t index;
	int64_t values[NETCLASS_PROPERTIES];
	char texts[NETCLASS_DUPLEX - NETCLASS_ADDRESS][NETCLASS_TEXT_SIZE];
};

static inline bool netclass_is_known(const struct netclass_facts *facts, enum netclass_file file)
{
	return facts->known >> file & 1;
}

/* False for a message without a name. */
bool netclass_facts_of(struct nlmsghdr *message, struct netclass_facts *ret_facts);
/* Whether netlink tells of the devices that are in sysfs. Looks there only when one has come or gone since the two
 * agreed, which `agreed` keeps (at first 0). */
bool netclass_agrees(struct host *host, uint64_t *agreed, struct netclass_facts *scratch);
