/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device's files in /sys/class/net (net/core/net-sysfs.c) by its netlink message (net/core/rtnetlink.c,
 * rtnl_fill_ifinfo). Not in the message are addr_assign_type, dev_id, name_assign_type, duplex and speed; flags are not
 * the same there (promiscuity is told by who asked for it). Files that answer EINVAL while the device is not up are
 * known to have no value.
 */
#include "host/netclass_facts.h"

#include <linux/if_link.h>
#include <string.h>

#include "base/hash_table.h"
#include "host/internal.h"

#define FLAG_DORMANT (1U << 17) /* linux/if.h, which net/if.h does not go with */

static const char *const states[] = { "unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up" };

static char *text_of(struct netclass_facts *facts, enum netclass_file file)
{
	facts->told |= 1U << file;
	return facts->texts[file - NETCLASS_ADDRESS];
}

static void set_value(struct netclass_facts *facts, enum netclass_file file, int64_t value)
{
	facts->values[file] = value;
	facts->told |= 1U << file;
}

static void set_number(struct netclass_facts *facts, enum netclass_file file, const struct rtattr *attribute)
{
	uint32_t value;

	if (RTA_PAYLOAD(attribute) < sizeof(value))
		return;
	memcpy(&value, RTA_DATA(attribute), sizeof(value));
	set_value(facts, file, value);
}

/* net/ethernet/eth.c, sysfs_format_mac: bytes in hexadecimal with colons between them. */
static void set_address(struct netclass_facts *facts, enum netclass_file file, const struct rtattr *attribute)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *bytes = RTA_DATA(attribute);
	size_t count = RTA_PAYLOAD(attribute), length = 0;
	char *text = text_of(facts, file);

	for (size_t i = 0; i < count && length + 3 < NETCLASS_TEXT_SIZE; i++) {
		if (i)
			text[length++] = ':';
		text[length++] = digits[bytes[i] >> 4];
		text[length++] = digits[bytes[i] & 15];
	}
	text[length] = '\0';
}

static void set_alias(struct netclass_facts *facts, const struct rtattr *attribute)
{
	struct span alias = { RTA_DATA(attribute), strnlen(RTA_DATA(attribute), RTA_PAYLOAD(attribute)) };

	span_copy(span_trim(alias), text_of(facts, NETCLASS_IFALIAS), NETCLASS_TEXT_SIZE);
}

static void set_state(struct netclass_facts *facts, uint8_t state)
{
	bool known = state < sizeof(states) / sizeof(states[0]); /* else the file answers with an error */

	span_copy(span_of(known ? states[state] : ""), text_of(facts, NETCLASS_OPERSTATE), NETCLASS_TEXT_SIZE);
}

static void take(struct netclass_facts *facts, const struct rtattr *attribute)
{
	uint8_t byte = RTA_PAYLOAD(attribute) ? *(const uint8_t *)RTA_DATA(attribute) : 0;

	switch (attribute->rta_type) {
	case IFLA_IFNAME:
		span_copy((struct span){ RTA_DATA(attribute), strnlen(RTA_DATA(attribute), RTA_PAYLOAD(attribute)) },
			  facts->name, sizeof(facts->name));
		break;
	case IFLA_CARRIER:
		set_value(facts, NETCLASS_CARRIER, byte);
		break;
	case IFLA_LINKMODE:
		set_value(facts, NETCLASS_LINK_MODE, byte);
		break;
	case IFLA_OPERSTATE:
		set_state(facts, byte);
		break;
	case IFLA_CARRIER_CHANGES:
		set_number(facts, NETCLASS_CARRIER_CHANGES, attribute);
		break;
	case IFLA_CARRIER_UP_COUNT:
		set_number(facts, NETCLASS_CARRIER_UP_COUNT, attribute);
		break;
	case IFLA_CARRIER_DOWN_COUNT:
		set_number(facts, NETCLASS_CARRIER_DOWN_COUNT, attribute);
		break;
	case IFLA_LINK:
		set_number(facts, NETCLASS_IFLINK, attribute);
		break;
	case IFLA_MTU:
		set_number(facts, NETCLASS_MTU, attribute);
		break;
	case IFLA_GROUP:
		set_number(facts, NETCLASS_NETDEV_GROUP, attribute);
		break;
	case IFLA_TXQLEN:
		set_number(facts, NETCLASS_TX_QUEUE_LEN, attribute);
		break;
	case IFLA_ADDRESS:
		set_address(facts, NETCLASS_ADDRESS, attribute);
		break;
	case IFLA_BROADCAST:
		set_address(facts, NETCLASS_BROADCAST, attribute);
		break;
	case IFLA_IFALIAS:
		set_alias(facts, attribute);
		break;
	default:
		break;
	}
}

bool netclass_facts_of(struct nlmsghdr *message, struct netclass_facts *ret_facts)
{
	const struct ifinfomsg *body = NLMSG_DATA(message);
	struct rtattr *attribute = IFLA_RTA(NLMSG_DATA(message));
	int left = (int)IFLA_PAYLOAD(message);
	const uint32_t only_up = 1U << NETCLASS_CARRIER | 1U << NETCLASS_DORMANT;
	const uint32_t asked_of_driver = 1U << NETCLASS_DUPLEX | 1U << NETCLASS_SPEED;

	if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*body)))
		return false;
	ret_facts->name[0] = '\0';
	for (size_t i = 0; i < sizeof(ret_facts->texts) / sizeof(ret_facts->texts[0]); i++)
		ret_facts->texts[i][0] = '\0';
	ret_facts->told = 0;
	ret_facts->index = (uint32_t)body->ifi_index;
	set_value(ret_facts, NETCLASS_IFINDEX, body->ifi_index);
	set_value(ret_facts, NETCLASS_IFLINK, body->ifi_index); /* told where it is another's alone */
	set_value(ret_facts, NETCLASS_TYPE, body->ifi_type);
	set_value(ret_facts, NETCLASS_DORMANT, !!(body->ifi_flags & FLAG_DORMANT));
	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left))
		take(ret_facts, attribute);
	ret_facts->known = ret_facts->told | only_up | 1U << NETCLASS_ADDRESS | 1U << NETCLASS_BROADCAST |
			   1U << NETCLASS_IFALIAS;
	if (!(body->ifi_flags & IFF_UP)) {
		ret_facts->known |= asked_of_driver;
		ret_facts->told &= ~only_up;
	}
	return ret_facts->name[0];
}

/* A sum that does not depend on the order. */
static void add_device(uint64_t *sum, const char *name, uint64_t index)
{
	*sum += hash_bytes(name, strlen(name), index) | 1;
}

struct device_sum {
	struct netclass_facts *facts;
	uint64_t sum;
};

static int add_link(void *ctx, struct nlmsghdr *message)
{
	struct device_sum *links = ctx;

	if (netclass_facts_of(message, links->facts))
		add_device(&links->sum, links->facts->name, links->facts->index);
	return 0;
}

static int add_entry(void *ctx, int directory, const char *name)
{
	uint64_t *sum = ctx, index = 0;
	char path[128];

	if (!strcmp(name, NETCLASS_BESIDE))
		return 0;
	text_join(path, sizeof(path), (struct span[]){ span_of(name), span_of("/ifindex") }, 2);
	(void)!host_read_u64(directory, path, &index);
	add_device(sum, name, index);
	return 0;
}

bool netclass_agrees(struct host *host, uint64_t *agreed, struct netclass_facts *scratch)
{
	struct device_sum links = { .facts = scratch };
	uint64_t entries = 0;

	if (!host->sys_is_sysfs || !host->proc_is_procfs || links_each(host, add_link, &links) || !links.sum)
		return false;
	if (links.sum != *agreed &&
	    (host_each(host->sys_fd, NETCLASS_PATH, add_entry, &entries) || entries != links.sum))
		return false;
	*agreed = links.sum;
	return true;
}
