/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens, configures, loads and attaches; drains the ring. One attempt per backend, each complete or undone.
 */
#include "load/capture.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>

#include "load/decode.h"
#include "load/image.h"
#include "load/internal.h"

IMAGE_OPENER(capture)

/* The ring wakes the agent when it is a quarter full, and is scarce, so that bulk is cut short, when half full. */
#define WAKEUP_FRACTION 4
#define SCARCE_FRACTION 2
/* The last of it is for openings and ends of connections. */
#define RESERVED_FRACTION 16
/* A processor looks at how full it is after adding so much. */
#define LOOK_FRACTION 512

void capture_error_set(struct capture_error *error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
}

const char *capture_backend_text(enum config_backend backend)
{
	static const char *const texts[] = {
		[BACKEND_AUTO] = "auto",
		[BACKEND_FENTRY] = "fentry",
		[BACKEND_KPROBE] = "kprobe",
		[BACKEND_TRACEPOINT] = "tracepoint",
	};

	return (size_t)backend < sizeof(texts) / sizeof(texts[0]) ? texts[backend] : "unknown";
}

const char *capture_backend_limits(enum config_backend backend)
{
	if (backend == BACKEND_TRACEPOINT)
		return "io_uring is not seen; bytes of sendfile and splice are counted, not read";
	if (backend == BACKEND_KPROBE)
		return "a unix socket's end of stream is seen when the socket closes, not when it is read";
	return "";
}

static bool wants_spans(const struct config *config)
{
	return config->stdout_spans || *config->otlp[OTLP_SET_TRACES].endpoint ||
	       (*config->otlp[OTLP_SET_BOTH].endpoint && config->otlp_traces);
}

/* Kernels before rethook (5.18) have as few as one return probe instance for each processor, and lose the returns of
 * calls that overlap: taken when asked for alone. */
static bool loses_returns(const struct btf *btf, const struct config *config, enum config_backend backend)
{
	return backend == BACKEND_KPROBE && config->backend == BACKEND_AUTO &&
	       !kernel_has_function(btf, "rethook_alloc");
}

static int configure(struct capture *capture, const struct config *config, struct capture_error *ret_error)
{
	struct btf *btf = btf__load_vmlinux_btf();
	struct capture_bpf *bpf = capture->bpf;
	int error;

	if (!btf) {
		capture_error_set(ret_error, "cannot read the kernel's BTF: %s; it needs CONFIG_DEBUG_INFO_BTF=y",
				  strerror(errno));
		return -ENOENT;
	}
	bpf->rodata->agent_tgid = (uint32_t)getpid();
	bpf->rodata->capture_unix = config->capture_unix;
	bpf->rodata->call_bytes_max = (uint32_t)config->capture_max_call_bytes;
	bpf->rodata->ring_wakeup_bytes = (uint32_t)(config->capture_ring_bytes / WAKEUP_FRACTION);
	bpf->rodata->ring_look_bytes = (uint32_t)(config->capture_ring_bytes / LOOK_FRACTION);
	bpf->rodata->wake_at_exec = config->capture_tls;
	bpf->rodata->tell_goroutines = wants_spans(config);
	bpf->rodata->ring_scarce_bytes = (uint32_t)(config->capture_ring_bytes / SCARCE_FRACTION);
	bpf->rodata->ring_segment_bytes =
		(uint32_t)(config->capture_ring_bytes - config->capture_ring_bytes / RESERVED_FRACTION);
	bpf->rodata->have_rdonly_cast = kernel_has_function(btf, "bpf_rdonly_cast");
	bpf->rodata->receive_has_nonblock = kernel_function_arity(btf, "tcp_recvmsg") == 6;
	calls_fill(bpf->rodata->call_kinds);
	error = backend_check(btf, capture->backend, ret_error);
	if (!error && loses_returns(btf, config, capture->backend)) {
		capture_error_set(
			ret_error,
			"backend kprobe: this kernel loses returns of overlapping calls, tracepoint is exact; "
			"--backend=kprobe takes it all the same");
		error = -ENOTSUP;
	}
	if (!error)
		error = select_configure(bpf, btf, config, ret_error);
	if (!error) {
		backend_select_programs(capture, btf);
		error = bpf_map__set_max_entries(bpf->maps.events, (uint32_t)config->capture_ring_bytes);
		if (!error)
			error = bpf_map__set_max_entries(bpf->maps.connections,
							 (uint32_t)config->capture_max_connections);
		if (!error)
			error = bpf_map__set_max_entries(bpf->maps.requests, (uint32_t)config->capture_max_connections);
		if (!error)
			error = bpf_map__set_max_entries(bpf->maps.counters, (uint32_t)libbpf_num_possible_cpus());
		if (error)
			capture_error_set(ret_error, "cannot size the kernel's maps: %s", strerror(-error));
	}
	btf__free(btf);
	return error;
}

static int load_and_attach(struct capture *capture, const struct config *config, struct capture_error *ret_error)
{
	int error = configure(capture, config, ret_error);
	struct epoll_event event = { .events = EPOLLIN };
	int ring_fd;

	if (error)
		return error;
	error = capture_bpf__load(capture->bpf);
	if (error) {
		capture_error_set(ret_error, "backend %s: the kernel refuses the programs: %s",
				  capture_backend_text(capture->backend), strerror(-error));
		return error;
	}
	error = select_fill_maps(capture->bpf, config, ret_error);
	if (error)
		return error;
	error = counters_open(capture);
	if (error) {
		capture_error_set(ret_error, "cannot map the counters: %s", strerror(-error));
		return error;
	}
	ring_fd = bpf_map__fd(capture->bpf->maps.events);
	error = ring_open(&capture->ring, ring_fd, config->capture_ring_bytes);
	capture->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!error && (capture->epoll_fd < 0 || epoll_ctl(capture->epoll_fd, EPOLL_CTL_ADD, ring_fd, &event)))
		error = -errno;
	if (error) {
		capture_error_set(ret_error, "cannot map the ring: %s", strerror(-error));
		return error;
	}
	/* Twice: a thread may fall asleep between the first look and the attaching, or wake up. */
	blocked_remember(capture);
	error = backend_attach(capture, ret_error);
	if (error)
		return error;
	blocked_remember(capture);
	error = unix_remember(capture);
	if (error) {
		capture_error_set(ret_error, "cannot list the unix sockets: %s", strerror(-error));
		return error;
	}
	__atomic_store_n(&capture->bpf->bss->capture_enabled, 1, __ATOMIC_RELEASE);
	return 0;
}

static int capture_open(const struct config *config, enum config_backend backend, const struct capture_sink *sink,
			struct capture **ret_capture, struct capture_error *ret_error)
{
	struct capture *capture = calloc(1, sizeof(*capture));
	int error = -ENOMEM;

	if (capture) {
		capture->epoll_fd = -1;
		capture->stats_fd = -1;
		capture->splice_fd = -1;
		capture->backend = backend;
		capture->sink = *sink;
		sockets_init(capture, config->capture_max_connections);
		capture->bpf = capture_image_open();
		error = capture->bpf ? 0 : -errno;
	}
	if (error)
		capture_error_set(ret_error, "cannot open the BPF programs: %s", strerror(-error));
	else
		error = load_and_attach(capture, config, ret_error);
	if (!error) {
		error = kept_take(&capture->kept, capture->bpf->skeleton);
		if (error)
			capture_error_set(ret_error, "cannot keep the BPF programs: %s", strerror(-error));
	}
	if (error) {
		capture_free(capture);
		return error;
	}
	if (config->capture_program_stats)
		capture->stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
	*ret_capture = capture;
	return 0;
}

int capture_new(const struct config *config, const struct capture_sink *sink, struct capture **ret_capture,
		struct capture_report *ret_report)
{
	static const enum config_backend order[CAPTURE_BACKENDS] = { BACKEND_FENTRY, BACKEND_KPROBE,
								     BACKEND_TRACEPOINT };
	int error = -ENOTSUP;

	image_say_little();
	ret_report->refused_count = 0;
	for (size_t i = 0; i < CAPTURE_BACKENDS; i++) {
		if (config->backend != BACKEND_AUTO && config->backend != order[i])
			continue;
		error = capture_open(config, order[i], sink, ret_capture,
				     &ret_report->refused[ret_report->refused_count]);
		if (!error)
			return 0;
		ret_report->refused_count++;
	}
	return error;
}

static void ignore_open(void *ctx, const struct connection_open *open)
{
	(void)ctx, (void)open;
}

int capture_try(const struct config *config, enum config_backend backend, struct capture_error *ret_error)
{
	/* The sink is never called: nothing is drained. */
	struct capture_sink sink = { .open = ignore_open };
	struct capture *capture = NULL;
	int error;

	image_say_little();
	error = capture_open(config, backend, &sink, &capture, ret_error);
	capture_free(capture);
	return error;
}

void capture_free(struct capture *capture)
{
	if (!capture)
		return;
	for (size_t i = 0; i < capture->link_count; i++)
		bpf_link__destroy(capture->links[i]);
	bpf_link__destroy(capture->blocked_link);
	if (capture->splice_fd >= 0)
		close(capture->splice_fd);
	ring_close(&capture->ring);
	counters_close(capture);
	if (capture->epoll_fd >= 0)
		close(capture->epoll_fd);
	if (capture->stats_fd >= 0)
		close(capture->stats_fd);
	kept_done(&capture->kept);
	capture_bpf__destroy(capture->bpf);
	sockets_free(capture);
	free(capture);
}

int capture_fd(const struct capture *capture)
{
	return capture->epoll_fd;
}

enum config_backend capture_backend(const struct capture *capture)
{
	return capture->backend;
}

static void handle_record(void *ctx, const uint8_t *record, size_t length)
{
	struct capture *capture = ctx;
	const struct event_header *header = (const void *)record;

	if (length >= sizeof(struct open_event) && header->type == EVENT_OPEN)
		sockets_opened(capture, (const void *)record);
	if (decode_event(record, length, &capture->sink))
		capture->malformed_events++;
	if (length >= sizeof(struct end_event) && header->type == EVENT_END)
		sockets_ended(capture, (const void *)record);
}

size_t capture_drain(struct capture *capture)
{
	return ring_drain(&capture->ring, handle_record, capture);
}
