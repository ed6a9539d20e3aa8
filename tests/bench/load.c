/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open-loop HTTP load at a fixed rate: request number k is due at start + k / rate, whatever the server does, and its
 * latency counts from then, not from when it could be sent. That is what leaves out "coordinated omission": a server
 * that stalls for a second cannot hide the requests that should have come meanwhile. One thread, keep-alive.
 * Requests may be due in bursts (-b): one wake-up sends several, so that the generator's sleeping and waking, dear in a
 * virtual machine, does not become what is measured.
 * Prints one JSON object: what was sent, quantiles of latency, and `late_*`, how far the generator itself was behind.
 */
#include <sys/epoll.h>
#include <sys/prctl.h>

#include "tests/bench/http_client.h"

struct load {
	uint16_t port;
	double rate;
	double seconds;
	unsigned int burst; /* requests that are due together */
	unsigned int connection_count;
	int poll_fd;
	struct connection *connections;
	struct connection **idle;
	unsigned int idle_count;
	char request[512];
	size_t request_length;
	uint64_t start_ns;
	uint64_t sent;
	uint64_t done;
	struct histogram latency;
	struct histogram late; /* of sending, behind the schedule, while a connection was idle */
};

static uint64_t due_ns(const struct load *load, uint64_t number)
{
	return load->start_ns + (uint64_t)((double)(number - number % load->burst) * 1e9 / load->rate);
}

static void open_connections(struct load *load)
{
	load->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	load->connections = calloc(load->connection_count, sizeof(*load->connections));
	load->idle = calloc(load->connection_count, sizeof(struct connection *));
	if (load->poll_fd < 0 || !load->connections || !load->idle)
		die("no room");
	for (unsigned int i = 0; i < load->connection_count; i++) {
		struct connection *connection = &load->connections[i];
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };

		connection->fd = connect_loopback(load->port);
		if (epoll_ctl(load->poll_fd, EPOLL_CTL_ADD, connection->fd, &event))
			die("epoll_ctl");
		load->idle[load->idle_count++] = connection;
	}
}

/* Sends what is due. Requests that find no idle connection wait, and their latency grows. */
static void send_due(struct load *load, uint64_t total)
{
	uint64_t now = clock_ns();

	while (load->sent < total && load->idle_count && due_ns(load, load->sent) <= now) {
		uint64_t due = due_ns(load, load->sent);

		histogram_add(&load->late, now - due);
		connection_send(load->idle[--load->idle_count], load->request, load->request_length, due);
		load->sent++;
		now = clock_ns();
	}
}

static void receive(struct load *load, struct connection *connection)
{
	if (!connection->busy) {
		errno = EPROTO;
		die("bytes that were not asked for, or the server closed");
	}
	if (!connection_read(connection))
		return;
	histogram_add(&load->latency, clock_ns() - connection->intended_ns);
	connection->busy = false;
	load->idle[load->idle_count++] = connection;
	load->done++;
}

/* Sleeps until an answer comes or the next request is due. */
static void wait_and_receive(struct load *load, uint64_t total)
{
	struct epoll_event events[64];
	struct timespec timeout = { .tv_sec = 10 };
	int count;

	if (load->sent < total && load->idle_count) {
		uint64_t due = due_ns(load, load->sent), now = clock_ns();
		uint64_t left = due > now ? due - now : 0;

		timeout = (struct timespec){ .tv_sec = (time_t)(left / 1000000000ULL),
					     .tv_nsec = (long)(left % 1000000000ULL) };
	}
	count = epoll_pwait2(load->poll_fd, events, 64, &timeout, NULL);
	if (count < 0 && errno != EINTR)
		die("epoll_pwait2");
	if (!count && timeout.tv_sec >= 10) {
		errno = ETIMEDOUT;
		die("no answer for 10 s");
	}
	for (int i = 0; i < count; i++)
		receive(load, events[i].data.ptr);
}

static void run(struct load *load)
{
	uint64_t total = (uint64_t)(load->rate * load->seconds);

	load->start_ns = clock_ns();
	while (load->done < total) {
		send_due(load, total);
		wait_and_receive(load, total);
	}
}

static void print_quantiles(const char *name, const struct histogram *histogram)
{
	printf(", \"%s_p50_us\": %.1f, \"%s_p99_us\": %.1f, \"%s_p999_us\": %.1f, \"%s_max_us\": %.1f", name,
	       (double)histogram_quantile(histogram, 0.5) / 1e3, name,
	       (double)histogram_quantile(histogram, 0.99) / 1e3, name,
	       (double)histogram_quantile(histogram, 0.999) / 1e3, name, (double)histogram->largest / 1e3);
}

static const char *parse_options(struct load *load, int argc, char **argv)
{
	const char *path = "/";
	int option;

	while ((option = getopt(argc, argv, "p:r:d:b:c:u:")) != -1) {
		switch (option) {
		case 'p':
			load->port = (uint16_t)strtoul(optarg, NULL, 10);
			break;
		case 'r':
			load->rate = strtod(optarg, NULL);
			break;
		case 'd':
			load->seconds = strtod(optarg, NULL);
			break;
		case 'b':
			load->burst = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 'c':
			load->connection_count = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 'u':
			path = optarg;
			break;
		default:
			return NULL;
		}
	}
	if (!load->port || load->rate <= 0 || load->seconds <= 0 || !load->burst || !load->connection_count)
		return NULL;
	return path;
}

int main(int argc, char **argv)
{
	static struct load load = { .rate = 1000, .seconds = 1, .burst = 1, .connection_count = 16 };
	const char *path = parse_options(&load, argc, argv);
	double took;

	if (!path) {
		fprintf(stderr,
			"usage: load -p PORT [-r PER-SECOND] [-d SECONDS] [-b BURST] [-c CONNECTIONS] [-u PATH]\n");
		return 2;
	}
	load.request_length = (size_t)snprintf(load.request, sizeof(load.request),
					       "GET %.400s HTTP/1.1\r\nHost: bench\r\n\r\n", path);
	/* The kernel rounds sleeps up by 50 us otherwise. */
	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	open_connections(&load);
	run(&load);
	took = (double)(clock_ns() - load.start_ns) / 1e9;
	printf("{\"sent\": %llu, \"seconds\": %.6f, \"rate\": %.1f", (unsigned long long)load.sent, took,
	       (double)load.done / took);
	print_quantiles("latency", &load.latency);
	print_quantiles("late", &load.late);
	printf("}\n");
	return 0;
}
