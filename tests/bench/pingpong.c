/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small HTTP server and its client, for counting instructions: in a VM whose clock counts instructions (QEMU's
 * -icount), nanoseconds per request are instructions per request, of server, client, kernel and whatever observes them.
 * Deterministic on one processor: the client writes one request on each connection, then reads all the answers. The
 * server is a process of its own, in a cgroup of its own when one is named, and answers 200 bytes.
 */
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tests/bench/http_client.h"

#define CONNECTIONS_MAX 256
#define BODY_BYTES 200

static const char request[] = "GET /bench HTTP/1.1\r\nHost: bench\r\nAccept: */*\r\n\r\n";

static void answer(int fd)
{
	static char bytes[512];
	static size_t length;
	char buffer[4096];
	ssize_t count = recv(fd, buffer, sizeof(buffer), 0);

	if (!length) {
		length = (size_t)snprintf(bytes, sizeof(bytes), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%0*d",
					  BODY_BYTES, BODY_BYTES, 0);
	}
	if (count < 0 && errno == EAGAIN)
		return;
	if (count <= 0) {
		close(fd);
		return;
	}
	/* The client has one request in flight per connection, and it is smaller than a segment. */
	if ((size_t)count != sizeof(request) - 1)
		die("a request in pieces");
	if (send(fd, bytes, length, MSG_NOSIGNAL) != (ssize_t)length)
		die("send");
}

static void serve(int listener)
{
	struct epoll_event events[64], listening = { .events = EPOLLIN, .data.fd = listener };
	int poll_fd = epoll_create1(EPOLL_CLOEXEC);

	if (poll_fd < 0 || epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &listening))
		die("epoll");
	for (;;) {
		int count = epoll_wait(poll_fd, events, 64, -1);

		for (int i = 0; i < count; i++) {
			struct epoll_event event = { .events = EPOLLIN };

			if (events[i].data.fd != listener) {
				answer(events[i].data.fd);
				continue;
			}
			event.data.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
			if (event.data.fd < 0 || epoll_ctl(poll_fd, EPOLL_CTL_ADD, event.data.fd, &event))
				die("accept");
		}
	}
}

static void join_cgroup(const char *directory)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/cgroup.procs", directory);
	file = fopen(path, "we");
	if (!file || fprintf(file, "%d\n", (int)getpid()) < 0 || fclose(file))
		die(path);
}

static pid_t start_server(const char *cgroup, uint16_t *ret_port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 1024) ||
	    getsockname(listener, (struct sockaddr *)&address, &length))
		die("listen");
	*ret_port = ntohs(address.sin_port);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (cgroup)
			join_cgroup(cgroup);
		serve(listener);
	}
	close(listener);
	return pid;
}

static void round_trip(struct connection *connections, unsigned int count, int poll_fd)
{
	unsigned int open = count;

	for (unsigned int i = 0; i < count; i++)
		connection_send(&connections[i], request, sizeof(request) - 1, 0);
	while (open) {
		struct epoll_event events[64];
		int ready = epoll_wait(poll_fd, events, 64, 10000);

		if (ready <= 0)
			die("no answer");
		for (int i = 0; i < ready; i++) {
			struct connection *connection = events[i].data.ptr;

			if (connection->busy && connection_read(connection)) {
				connection->busy = false;
				open--;
			}
		}
	}
}

static uint64_t measure(uint16_t port, unsigned int count, unsigned int warm, unsigned int rounds)
{
	static struct connection connections[CONNECTIONS_MAX];
	int poll_fd = epoll_create1(EPOLL_CLOEXEC);
	uint64_t start = 0;

	for (unsigned int i = 0; i < count; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = &connections[i] };

		connections[i].fd = connect_loopback(port);
		if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, connections[i].fd, &event))
			die("epoll_ctl");
	}
	for (unsigned int i = 0; i < warm + rounds; i++) {
		if (i == warm)
			start = clock_ns();
		round_trip(connections, count, poll_fd);
	}
	return clock_ns() - start;
}

int main(int argc, char **argv)
{
	unsigned int connections = 16, rounds = 1000, warm = 100;
	const char *cgroup = NULL;
	uint64_t took;
	uint16_t port;
	pid_t server;
	int option;

	while ((option = getopt(argc, argv, "c:n:w:g:")) != -1) {
		if (option == 'c')
			connections = (unsigned int)strtoul(optarg, NULL, 10);
		else if (option == 'n')
			rounds = (unsigned int)strtoul(optarg, NULL, 10);
		else if (option == 'w')
			warm = (unsigned int)strtoul(optarg, NULL, 10);
		else if (option == 'g')
			cgroup = optarg;
		else
			rounds = 0;
	}
	if (!rounds || !connections || connections > CONNECTIONS_MAX) {
		fprintf(stderr,
			"usage: pingpong [-c CONNECTIONS] [-n ROUNDS] [-w WARM-UP-ROUNDS] [-g SERVER-CGROUP]\n");
		return 2;
	}
	server = start_server(cgroup, &port);
	took = measure(port, connections, warm, rounds);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	printf("{\"requests\": %llu, \"measured\": %llu, \"ns_per_request\": %.1f}\n",
	       (unsigned long long)connections * (warm + rounds), (unsigned long long)connections * rounds,
	       (double)took / ((double)connections * rounds));
	return 0;
}
