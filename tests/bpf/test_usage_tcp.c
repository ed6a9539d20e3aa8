/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to TCP, against what the processes saw and what the kernel's own counters of this network namespace say.
 */
#include "usage_lab.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define CONNECTIONS 5
#define REFUSED 3
#define CROWD 4 /* clients for whom there is no room */
#define SENT_BYTES 100000

static void must(bool holds)
{
	if (!holds)
		_exit(106);
}

static int listen_any(int backlog, struct sockaddr_in *ret_address)
{
	socklen_t length = sizeof(*ret_address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*ret_address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	must(fd >= 0 && !bind(fd, (struct sockaddr *)ret_address, length) && !listen(fd, backlog));
	must(!getsockname(fd, (struct sockaddr *)ret_address, &length));
	return fd;
}

static int connect_to(const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* One segment more, then the kernel gives up: after three seconds. */
	must(fd >= 0 && !setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &(int){ 1 }, sizeof(int)));
	if (!connect(fd, (const struct sockaddr *)address, sizeof(*address)))
		return fd;
	close(fd);
	return -errno;
}

static void exchange_bytes(const struct sockaddr_in *address, int listener)
{
	static char bytes[SENT_BYTES];
	int client = connect_to(address);
	int server = accept(listener, NULL, NULL);
	size_t got = 0;

	must(client >= 0 && server >= 0 && send(client, bytes, sizeof(bytes), 0) == sizeof(bytes));
	while (got < sizeof(bytes)) {
		ssize_t count = recv(server, bytes, sizeof(bytes), 0);

		must(count > 0);
		got += (size_t)count;
	}
	close(client);
	must(recv(server, bytes, 1, 0) == 0);
	close(server);
}

static void live_on_tcp(void)
{
	struct sockaddr_in address, nobody;
	struct linger linger = { 1, 0 };
	int listener = listen_any(16, &address);
	int crowded, first, fd;

	for (int i = 0; i < CONNECTIONS; i++)
		exchange_bytes(&address, listener);
	/* One is broken off by its client. */
	fd = connect_to(&address);
	must(fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	close(fd);
	close(listen_any(1, &nobody));
	for (int i = 0; i < REFUSED; i++)
		must(connect_to(&nobody) < 0);
	crowded = listen_any(0, &address);
	first = connect_to(&address);
	must(first >= 0);
	for (int i = 0; i < CROWD; i++)
		must(connect_to(&address) == -ETIMEDOUT || errno == ETIMEDOUT);
	close(first);
	close(crowded);
	close(accept(listener, NULL, NULL));
	close(listener);
}

/* A counter of /proc/net/snmp or netstat: the value below the name, in the second line of the pair. */
static uint64_t net_counter(const char *file, const char *group, const char *name)
{
	char names[8192], values[8192];
	FILE *from = fopen(file, "re");
	uint64_t result = 0;

	assert_non_null(from);
	while (fgets(names, sizeof(names), from) && fgets(values, sizeof(values), from)) {
		char *name_rest = names, *value_rest = values, *word, *value;

		if (strncmp(names, group, strlen(group)))
			continue;
		while ((word = strsep(&name_rest, " \n")) && (value = strsep(&value_rest, " \n")))
			if (!strcmp(word, name))
				result = strtoull(value, NULL, 10);
	}
	fclose(from);
	return result;
}

static void loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &request), 0);
	request.ifr_flags |= IFF_UP;
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
}

/* What is told in interrupts. On the running machine one may come while a process is current in which the kernel runs
 * none of our programs, and misses then. Not in the VM. */
static void assert_almost_all(uint64_t told, uint64_t all)
{
	assert_true(told <= all);
	assert_true(told == all || (!in_test_vm() && told + 1 >= all));
}

static void test_tcp(void **state)
{
	const char *snmp = "/proc/thread-self/net/snmp", *netstat = "/proc/thread-self/net/netstat";
	const struct usage_events *events;
	uint64_t retransmits, drops;
	struct world world;
	struct found found;
	int status;

	(void)state;
	world_open(&world);
	if (!usage_has(world.usage, USAGE_TCP)) {
		print_message("# %s\n", usage_missing(world.usage, USAGE_TCP));
		world_close(&world);
		skip();
	}
	/* A network namespace of our own: its counters are of what we do alone. */
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	loopback_up();
	retransmits = net_counter(snmp, "Tcp:", "RetransSegs");
	drops = net_counter(netstat, "TcpExt:", "ListenDrops");
	status = run_inside(&world, live_on_tcp);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	retransmits = net_counter(snmp, "Tcp:", "RetransSegs") - retransmits;
	drops = net_counter(netstat, "TcpExt:", "ListenDrops") - drops;
	found = usage_now(&world);
	events = &found.events;
	print_message("# retransmits %llu, drops %llu, resets %llu sent, %llu received\n",
		      (unsigned long long)events->retransmits, (unsigned long long)events->accept_drops,
		      (unsigned long long)events->resets_sent, (unsigned long long)events->resets_received);
	assert_int_equal(observations(&events->connect), CONNECTIONS + 2);
	assert_int_equal(events->connect_failures[USAGE_CONNECT_REFUSED], REFUSED);
	assert_almost_all(events->connect_failures[USAGE_CONNECT_TIMEOUT], CROWD);
	assert_almost_all(events->retransmits, retransmits);
	assert_true(retransmits >= CROWD);
	assert_int_equal(events->accept_drops, drops);
	assert_true(drops >= CROWD);
	assert_int_equal(events->sent_bytes, CONNECTIONS * SENT_BYTES);
	assert_int_equal(events->received_bytes, CONNECTIONS * SENT_BYTES);
	assert_true(events->resets_sent >= 1);
	assert_true(events->resets_received >= REFUSED + 1);
	assert_true(observations(&events->round_trip) >= CONNECTIONS);
	world_close(&world);
}

/* What a child tells of the connection that it holds open. */
struct held {
	uint32_t round_trips_us[2]; /* of both ends */
};

static void hold_connection(const struct world *world, int tell)
{
	struct held held = { 0 };
	struct sockaddr_in address;
	struct tcp_info info;
	socklen_t size = sizeof(info);
	int listener, ends[2];
	char byte;

	enter_world(world);
	listener = listen_any(1, &address);
	ends[0] = connect_to(&address);
	ends[1] = accept(listener, NULL, NULL);
	for (int i = 0; i < 20; i++)
		for (int end = 0; end < 2; end++)
			must(send(ends[end], "", 1, 0) == 1 && recv(ends[!end], &byte, 1, 0) == 1);
	usleep(100000); /* the last acknowledgement */
	for (int end = 0; end < 2; end++) {
		must(!getsockopt(ends[end], IPPROTO_TCP, TCP_INFO, &info, &size));
		held.round_trips_us[end] = info.tcpi_rtt;
	}
	must(write(tell, &held, sizeof(held)) == sizeof(held));
	pause();
}

/* One look has been at all files when the next one may begin. */
static uint64_t look(struct world *world, uint64_t now_ns)
{
	struct found found;

	for (int i = 0; i < 500; i++)
		usage_look_at_connections(world->usage, now_ns);
	found = usage_now(world);
	return observations(&found.events.open_round_trip);
}

/* The round-trip times of a connection that is open are told, at both ends, once a minute. */
static void test_open_round_trip(void **state)
{
	struct world world;
	struct held held;
	uint64_t sum_us;
	int tell[2];
	pid_t child;

	(void)state;
	world_open(&world);
	if (!usage_has(world.usage, USAGE_TCP)) {
		print_message("# %s\n", usage_missing(world.usage, USAGE_TCP));
		world_close(&world);
		skip();
	}
	assert_int_equal(pipe2(tell, O_CLOEXEC), 0);
	child = fork();
	if (!child)
		hold_connection(&world, tell[1]);
	assert_int_equal(read(tell[0], &held, sizeof(held)), sizeof(held));
	assert_int_equal(look(&world, 1), 2);
	sum_us = held.round_trips_us[0] + held.round_trips_us[1];
	assert_int_equal(usage_now(&world).events.open_round_trip.sum_ns, sum_us * 1000);
	assert_int_equal(look(&world, 59000 * NS_PER_MS), 2);
	assert_int_equal(look(&world, 61000 * NS_PER_MS), 4);
	print_message("# round trips %u and %u us\n", held.round_trips_us[0], held.round_trips_us[1]);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(look(&world, 122000 * NS_PER_MS), 4);
	world_close(&world);
}

#define OLD_BYTES 1000
#define QUEUED_BYTES 500
#define NEW_BYTES 300

static void send_and_close(int client, int server, size_t size)
{
	static char bytes[OLD_BYTES];

	must(send(client, bytes, size, 0) == (ssize_t)size && recv(server, bytes, size, MSG_WAITALL) == (ssize_t)size);
	close(client);
	must(recv(server, bytes, 1, 0) == 0);
	close(server);
}

/* A listening socket and two connections, the second not accepted yet; then a third. Waits for a word before each. */
static void live_through_start(const struct world *world, int channel)
{
	int listener, clients[2], servers[2];
	struct sockaddr_in address;
	char byte = 0;

	enter_world(world);
	listener = listen_any(4, &address);
	clients[0] = connect_to(&address);
	servers[0] = accept(listener, NULL, NULL);
	clients[1] = connect_to(&address);
	must(write(channel, &byte, 1) == 1 && read(channel, &byte, 1) == 1);
	servers[1] = accept(listener, NULL, NULL);
	must(write(channel, &byte, 1) == 1 && read(channel, &byte, 1) == 1);
	send_and_close(clients[0], servers[0], OLD_BYTES);
	send_and_close(clients[1], servers[1], QUEUED_BYTES);
	clients[0] = connect_to(&address);
	send_and_close(clients[0], accept(listener, NULL, NULL), NEW_BYTES);
	close(listener);
	_exit(0);
}

/* Sockets that are older than sonde are their cgroup's: those that are open, what a listening one accepts afterwards,
 * and one that was waiting to be accepted, when it was looked at. */
static void test_sockets_that_were_there(void **state)
{
	const uint64_t all = OLD_BYTES + QUEUED_BYTES + NEW_BYTES;
	struct capture_error error = { "" };
	int channel[2], status = 0;
	struct world world;
	struct found found;
	char byte = 0;
	pid_t child;

	(void)state;
	world_open(&world);
	usage_free(world.usage);
	world.usage = NULL;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel), 0);
	child = fork();
	if (!child)
		live_through_start(&world, channel[1]);
	assert_int_equal(read(channel[0], &byte, 1), 1);
	assert_int_equal(usage_new(&world.config, &world.usage, &error), 0);
	if (!usage_has(world.usage, USAGE_TCP)) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		print_message("# %s\n", usage_missing(world.usage, USAGE_TCP));
		world_close(&world);
		skip();
	}
	assert_int_equal(write(channel[0], &byte, 1), 1);
	assert_int_equal(read(channel[0], &byte, 1), 1);
	assert_int_equal(look(&world, 1), 4);
	assert_int_equal(write(channel[0], &byte, 1), 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	found = usage_now(&world);
	assert_int_equal(found.events.sent_bytes, all);
	assert_int_equal(found.events.received_bytes, all);
	assert_int_equal(observations(&found.events.connect), 1);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open_round_trip),
		cmocka_unit_test(test_sockets_that_were_there),
		cmocka_unit_test(test_tcp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
