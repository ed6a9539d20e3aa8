/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a container is: by the cgroup's path, by the state files of each runtime in their documented forms, with names
 * from the wild and with files that mean harm. LINK: -Wl,--wrap=syscall
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cgroup_world.h"
#include "identity/identity.h"
#include "identity/workload.h"

#define SECOND 1000000000ULL
#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DOCKER_FILE "/var/lib/docker/containers/" HEX "/config.v2.json"
#define TASKS "/run/containerd/io.containerd.runtime.v2.task/"
#define DOCKER_PATH "/system.slice/docker-" HEX ".scope"

/* openat2 as an old kernel, or a sandbox, has it. */
static bool without_openat2;

long __real_syscall(long number, ...);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);

long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	if (without_openat2) {
		errno = ENOSYS;
		return -1;
	}
	return __real_syscall(number, a, b, c, d, e, f);
}

struct path_case {
	const char *path;
	enum runtime runtime;
	const char *id; /* NULL: no container */
	const char *own;
};

static const struct path_case path_cases[] = {
	{ "/docker/" HEX, RUNTIME_DOCKER, HEX, "/docker/" HEX },
	{ "/docker/" HEX "/init.scope", RUNTIME_DOCKER, HEX, "/docker/" HEX },
	{ DOCKER_PATH, RUNTIME_DOCKER, HEX, DOCKER_PATH },
	{ "/kubepods/besteffort/podabc/" HEX, RUNTIME_UNKNOWN, HEX, "/kubepods/besteffort/podabc/" HEX },
	{ "/kubepods.slice/kubepods-podabc.slice/cri-containerd-" HEX ".scope", RUNTIME_CONTAINERD, HEX,
	  "/kubepods.slice/kubepods-podabc.slice/cri-containerd-" HEX ".scope" },
	{ "/kubepods.slice/kubepods-podabc.slice/crio-" HEX ".scope/container", RUNTIME_CRIO, HEX,
	  "/kubepods.slice/kubepods-podabc.slice/crio-" HEX ".scope" },
	{ "/kubepods.slice/kubepods-podabc.slice/crio-conmon-" HEX ".scope", RUNTIME_UNKNOWN, NULL, NULL },
	{ "/machine.slice/libpod-" HEX ".scope/container", RUNTIME_PODMAN, HEX, "/machine.slice/libpod-" HEX ".scope" },
	{ "/machine.slice/libpod-conmon-" HEX ".scope", RUNTIME_UNKNOWN, NULL, NULL },
	{ "/libpod_parent/libpod-" HEX, RUNTIME_PODMAN, HEX, "/libpod_parent/libpod-" HEX },
	{ "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" HEX ".scope", RUNTIME_PODMAN, HEX,
	  "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" HEX ".scope" },
	{ "/default/" HEX, RUNTIME_UNKNOWN, HEX, "/default/" HEX },
	{ "/system.slice/nerdctl-" HEX ".scope", RUNTIME_CONTAINERD, HEX, "/system.slice/nerdctl-" HEX ".scope" },
	{ "/system.slice/containerd.service/kubepods-burstable-podabc.slice:cri-containerd:" HEX, RUNTIME_UNKNOWN, HEX,
	  "/system.slice/containerd.service/kubepods-burstable-podabc.slice:cri-containerd:" HEX },
	/* A container in a container: the inner one. */
	{ "/docker/" HEX "/kubepods/podabc/fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210",
	  RUNTIME_UNKNOWN, "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210",
	  "/docker/" HEX "/kubepods/podabc/fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210" },
	{ "/lxc.payload.web-1.example/system.slice/cron.service", RUNTIME_LXC, "web-1.example",
	  "/lxc.payload.web-1.example" },
	{ "/lxc/web", RUNTIME_LXC, "web", "/lxc/web" },
	{ "/lxc.monitor.web", RUNTIME_UNKNOWN, NULL, NULL },
	{ "/machine.slice/systemd-nspawn@my\\x2dhost.service/payload", RUNTIME_MACHINE, "my\\x2dhost",
	  "/machine.slice/systemd-nspawn@my\\x2dhost.service" },
	{ "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope", RUNTIME_MACHINE, "qemu\\x2d1\\x2dvm",
	  "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope" },
	{ "/system.slice/nginx.service", RUNTIME_UNKNOWN, NULL, NULL },
	{ "/", RUNTIME_UNKNOWN, NULL, NULL },
	{ "", RUNTIME_UNKNOWN, NULL, NULL },
	/* One digit short, and capitals: no engine draws such. */
	{ "/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde", RUNTIME_UNKNOWN, NULL, NULL },
	{ "/docker/0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", RUNTIME_UNKNOWN, NULL, NULL },
};

static void test_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(path_cases) / sizeof(path_cases[0]); i++) {
		const struct path_case *c = &path_cases[i];
		struct cgroup_container container;
		bool found = cgroup_path_container(slice_of(c->path), &container);

		if (found != (c->id != NULL))
			fail_msg("%s: %s", c->path, found ? "a container" : "no container");
		if (!found)
			continue;
		if (container.runtime != c->runtime || !slice_is(container.id, c->id) ||
		    !slice_is(container.path, c->own))
			fail_msg("%s: runtime %d, id %.*s, own %.*s", c->path, container.runtime,
				 (int)container.id.length, container.id.data, (int)container.path.length,
				 container.path.data);
	}
}

static void test_pod_paths(void **state)
{
	(void)state;
	assert_true(slice_is(cgroup_path_pod(slice_of("/kubepods/burstable/pod1-2-3")), "1-2-3"));
	assert_true(slice_is(cgroup_path_pod(slice_of("/kubepods.slice/kubepods-burstable-pod1_2.slice")), "1_2"));
	assert_false(cgroup_path_pod(slice_of("/kubepods.slice/kubepods-burstable.slice")).length);
	assert_false(cgroup_path_pod(slice_of("/podracing")).length);
	assert_false(cgroup_path_pod(slice_of("/kubepods/pod1/" HEX)).length);
}

static void test_workloads(void **state)
{
	static const char *const cases[][2] = {
		{ "web-7d4b9c6f5d-x2x9k", "web" },
		{ "shop-frontend-5c8f7b9d4-zq7bw", "shop-frontend" },
		{ "backup-28461230-x2x9k", "backup" },
		{ "node-exporter-x2x9k", "node-exporter" },
		{ "db-0", "db" },
		{ "db-replica-12", "db-replica" },
		{ "etcd-control-plane", "etcd-control-plane" },
		{ "my-nginx", "my-nginx" },
		{ "kube-proxy", "kube-proxy" },
		{ "redis-cache", "redis-cache" },
		{ "x2x9k", "x2x9k" },
		{ "-x2x9k", "-x2x9k" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!slice_is(workload_of_pod(slice_of(cases[i][0])), cases[i][1]))
			fail_msg("%s is not of %s", cases[i][0], cases[i][1]);
	assert_true(workload_is_sidecar(slice_of("istio-proxy")));
	assert_false(workload_is_sidecar(slice_of("server")));
}

static void test_times(void **state)
{
	(void)state;
	assert_int_equal(facts_time("2024-05-06T07:08:09.5Z"), 1714979289500000000ULL);
	assert_int_equal(facts_time("2024-05-06T09:08:09.123456789+02:00"), 1714979289123456789ULL);
	assert_int_equal(facts_time("0001-01-01T00:00:00Z"), 0);
	assert_int_equal(facts_time("yesterday"), 0);
	assert_int_equal(facts_time(""), 0);
}

static void check_info(const struct cgroup_world *world, const char *path, const char *name, const char *image,
		       const char *service)
{
	const struct container_info *info = world_find(world, path, SECOND);

	if (!info)
		fail_msg("nothing is known of %s", path);
	assert_string_equal(info->name, name);
	assert_string_equal(info->image, image);
	assert_string_equal(info->service, service);
}

#define DOCKER(name, image, labels)                                                                                \
	"{\"StreamConfig\":{},\"State\":{\"Running\":true,\"Pid\":4242,\"StartedAt\":\"2024-05-06T07:08:09.5Z\"}," \
	"\"ID\":\"" HEX "\",\"Created\":\"2024-05-06T07:08:09.5Z\",\"Managed\":false,\"Path\":\"nginx\","          \
	"\"Config\":{\"Hostname\":\"x\",\"Env\":[\"SECRET=1\"],\"Image\":\"" image "\",\"Labels\":{" labels        \
	"}},\"Image\":\"sha256:abc\",\"Name\":\"" name "\",\"Driver\":\"overlay2\"}"

static void test_docker(void **state)
{
	struct cgroup_world *world = *state;

	world_write(world, DOCKER_FILE, DOCKER("/shop-web-1", "nginx:1.25", "\"com.docker.compose.service\":\"web\""));
	check_info(world, DOCKER_PATH, "shop-web-1", "nginx:1.25", "web");
	check_info(world, "/docker/" HEX, "shop-web-1", "nginx:1.25", "web");
	assert_int_equal(world_find(world, DOCKER_PATH, SECOND)->init_pid, 4242);
	assert_int_equal(world_find(world, DOCKER_PATH, SECOND)->created_ns, 1714979289500000000ULL);
}

static void test_docker_of_kubernetes(void **state)
{
	struct cgroup_world *world = *state;
	const char *path = "/kubepods/burstable/podabc/" HEX;

	world_write(
		world, DOCKER_FILE,
		DOCKER("/k8s_server_web-7d4b9c6f5d-x2x9k_shop_abc_0", "sha256:def",
		       "\"io.kubernetes.container.name\":\"server\",\"io.kubernetes.docker.type\":\"container\","
		       "\"io.kubernetes.pod.name\":\"web-7d4b9c6f5d-x2x9k\",\"io.kubernetes.pod.namespace\":\"shop\""));
	check_info(world, path, "k8s_server_web-7d4b9c6f5d-x2x9k_shop_abc_0", "sha256:def", "web");
	assert_string_equal(world_find(world, path, SECOND)->container, "server");
	assert_string_equal(world_find(world, path, SECOND)->name_space, "shop");
}

/* Names of 253 bytes, of dots and dashes, of other scripts; quotes and newlines become harmless. */
static void test_names(void **state)
{
	struct cgroup_world *world = *state;
	char text[2048], name[254];

	memset(name, 'n', 253);
	name[253] = '\0';
	snprintf(text, sizeof(text), DOCKER("/%s", "registry.example:5000/a/b@sha256:abc", ""), name);
	world_write(world, DOCKER_FILE, text);
	assert_string_equal(world_find(world, DOCKER_PATH, SECOND)->name, name);
	containers_forget(world->containers, slice_of(DOCKER_PATH));
	world_write(world, DOCKER_FILE, DOCKER("/a.b-c_d", "\\u00e9\\u4e2d", ""));
	check_info(world, DOCKER_PATH, "a.b-c_d", "\xc3\xa9\xe4\xb8\xad", "a.b-c_d");
	containers_forget(world->containers, slice_of(DOCKER_PATH));
	world_write(world, DOCKER_FILE, DOCKER("/a\\n\\\"b", "x\\u001b[31m", ""));
	check_info(world, DOCKER_PATH, "a_\"b", "x_[31m", "a_\"b");
}

#define BUNDLE(annotations, cgroup)                                                                   \
	"{\"ociVersion\":\"1.0.2\",\"process\":{\"args\":[\"x\"]},\"annotations\":{" annotations "}," \
	"\"linux\":{\"cgroupsPath\":\"" cgroup "\"}}"

static void test_containerd(void **state)
{
	struct cgroup_world *world = *state;
	const char *path = "/kubepods.slice/kubepods-podabc.slice/cri-containerd-" HEX ".scope";

	world_write(world, TASKS "k8s.io/" HEX "/config.json",
		    BUNDLE("\"io.kubernetes.cri.container-type\":\"container\","
			   "\"io.kubernetes.cri.container-name\":\"istio-proxy\","
			   "\"io.kubernetes.cri.image-name\":\"docker.io/istio/proxyv2:1.20\","
			   "\"io.kubernetes.cri.sandbox-name\":\"web-7d4b9c6f5d-x2x9k\","
			   "\"io.kubernetes.cri.sandbox-namespace\":\"shop\"",
			   "kubepods-podabc.slice:cri-containerd:" HEX));
	world_write(world, TASKS "k8s.io/" HEX "/init.pid", "777");
	/* A sidecar is not the service that it stands beside. */
	check_info(world, path, HEX, "docker.io/istio/proxyv2:1.20", "istio-proxy");
	assert_int_equal(world_find(world, path, SECOND)->init_pid, 777);
	assert_string_equal(world_find(world, path, SECOND)->pod, "web-7d4b9c6f5d-x2x9k");
	assert_int_equal(world_find(world, path, SECOND)->runtime, RUNTIME_CONTAINERD);
}

static void test_containerd_sandbox(void **state)
{
	struct cgroup_world *world = *state;
	const char *path = "/kubepods/podabc/" HEX;

	world_write(
		world, "/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/" HEX "/config.json",
		BUNDLE("\"io.kubernetes.cri.container-type\":\"sandbox\","
		       "\"io.kubernetes.cri.sandbox-name\":\"db-0\",\"io.kubernetes.cri.sandbox-namespace\":\"shop\"",
		       "/kubepods/podabc/" HEX));
	check_info(world, path, HEX, "", "db");
	assert_true(world_find(world, path, SECOND)->sandbox);
	assert_string_equal(world_find(world, path, SECOND)->container, "");
}

/* Without Kubernetes, an id is what somebody called it, in a namespace. */
static void test_containerd_by_name(void **state)
{
	struct cgroup_world *world = *state;

	world_write(world, TASKS "default/web.1/config.json", BUNDLE("", "/default/web.1"));
	world_write(world, TASKS "other/web.1/config.json", BUNDLE("", "/other/web.1"));
	check_info(world, "/default/web.1", "web.1", "", "web.1");
	check_info(world, "/other/web.1", "web.1", "", "web.1");
	/* The same id elsewhere is another cgroup, and no container. */
	assert_null(world_find(world, "/third/web.1", SECOND));
	world_write(world, TASKS "third/web.1/config.json", BUNDLE("", "/default/web.1"));
	assert_null(world_find(world, "/third/web.1", 100 * SECOND));
	assert_true(containers_refused(world->containers, STATE_FOREIGN) > 0);
}

static void test_crio(void **state)
{
	struct cgroup_world *world = *state;
	const char *path = "/kubepods.slice/kubepods-besteffort-podabc.slice/crio-" HEX ".scope";

	world_write(world, "/run/containers/storage/overlay-containers/" HEX "/userdata/config.json",
		    BUNDLE("\"io.container.manager\":\"cri-o\",\"io.kubernetes.cri-o.ContainerType\":\"container\","
			   "\"io.kubernetes.cri-o.ImageName\":\"quay.io/x/web:2\","
			   "\"io.kubernetes.cri-o.Created\":\"2024-05-06T07:08:09.5Z\","
			   "\"io.kubernetes.cri-o.Labels\":\"{\\\"io.kubernetes.container.name\\\":\\\"server\\\","
			   "\\\"io.kubernetes.pod.name\\\":\\\"agent-x2x9k\\\","
			   "\\\"io.kubernetes.pod.namespace\\\":\\\"infra\\\"}\"",
			   "kubepods-besteffort-podabc.slice:crio:" HEX));
	check_info(world, path, HEX, "quay.io/x/web:2", "agent");
	assert_string_equal(world_find(world, path, SECOND)->name_space, "infra");
	assert_int_equal(world_find(world, path, SECOND)->runtime, RUNTIME_CRIO);
}

static void test_podman(void **state)
{
	struct cgroup_world *world = *state;

	world_write(world, "/var/lib/containers/storage/overlay-containers/" HEX "/userdata/config.json",
		    BUNDLE("\"io.container.manager\":\"libpod\"", "machine.slice:libpod:" HEX));
	world_write(world, "/var/lib/containers/storage/overlay-containers/containers.json",
		    "[{\"id\":\"other\",\"names\":[\"no\"]},{\"id\":\"" HEX "\",\"names\":[\"happy_web\"],"
		    "\"image\":\"abc\",\"metadata\":\"{\\\"image-name\\\":\\\"docker.io/library/httpd:2.4\\\"}\","
		    "\"created\":\"2024-05-06T07:08:09.5Z\"}]");
	check_info(world, "/machine.slice/libpod-" HEX ".scope/container", "happy_web", "docker.io/library/httpd:2.4",
		   "happy_web");
}

static void test_runc(void **state)
{
	struct cgroup_world *world = *state;

	world_write(world, "/run/runc/web.1/state.json",
		    "{\"id\":\"web.1\",\"init_process_pid\":99,\"created\":\"2024-05-06T07:08:09.5Z\",\"config\":{},"
		    "\"cgroup_paths\":{\"\":\"/sys/fs/cgroup/system.slice/runc-web.1.scope\"}}");
	check_info(world, "/system.slice/runc-web.1.scope", "web.1", "", "web.1");
	assert_int_equal(world_find(world, "/system.slice/runc-web.1.scope", SECOND)->init_pid, 99);
	/* Its own account says where it is: a cgroup of the same name elsewhere is not it. */
	assert_null(world_find(world, "/web.1", SECOND));
	assert_null(world_find(world, "/system.slice/web.1.service", SECOND));
}

/* A runtime that says what a container is when its process is known already, and has forked. */
static void test_late_state(void **state)
{
	struct cgroup_world *world = *state;
	struct identity_config config = {
		.procfs = world->procfs, .containers = world->containers, .max_processes = 8, .hash_seed = 7
	};
	struct identity *identity;

	assert_int_equal(identity_new(&config, &identity), 0);
	world_write(world, "/proc/73/stat", "73 (x) S 1 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 100 5 6\n");
	world_write(world, "/proc/73/cmdline", "shop");
	world_write(world, "/proc/73/cgroup", "0::/cellar.1\n");
	world_write(world, "/proc/74/stat", "74 (x) S 1 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 100 5 6\n");
	world_write(world, "/proc/74/cmdline", "shop");
	world_write(world, "/proc/74/cgroup", "0::/cellar.1\n");
	assert_string_equal(identity_service(identity, 73, SECOND), "shop");
	identity_on_fork(identity, 73, 74, SECOND);
	world_write(world, "/run/runc/cellar.1/state.json",
		    "{\"id\":\"cellar.1\",\"init_process_pid\":73,\"created\":\"2024-05-06T07:08:09.5Z\","
		    "\"config\":{},\"cgroup_paths\":{\"\":\"/sys/fs/cgroup/cellar.1\"}}");
	assert_string_equal(identity_service(identity, 73, SECOND + 1), "shop");
	for (uint32_t tgid = 73; tgid <= 74; tgid++) {
		assert_string_equal(identity_service(identity, tgid, 2 * SECOND), "cellar.1");
		assert_non_null(strstr(identity_resource(identity, tgid, 2 * SECOND), "container.id=cellar.1\n"));
	}
	/* Of one that never says anything, no more is asked after a while. */
	world_write(world, "/proc/73/cgroup", "0::/cellar.2\n");
	identity_on_exec(identity, &(struct identity_exec){ .tgid = 73, .time_ns = 3 * SECOND });
	for (uint64_t now = 3 * SECOND; now < 12 * SECOND; now += SECOND / 8)
		assert_string_equal(identity_service(identity, 73, now), "shop");
	identity_free(identity);
}

static void test_machines(void **state)
{
	struct cgroup_world *world = *state;

	check_info(world, "/machine.slice/systemd-nspawn@my\\x2dhost.service/payload", "my-host", "", "my-host");
	check_info(world, "/lxc.payload.web", "web", "", "web");
}

/* What is not there, or not whole yet, is tried again. */
static void test_half_written(void **state)
{
	struct cgroup_world *world = *state;
	const char *whole = DOCKER("/web", "nginx", "");

	assert_null(world_find(world, DOCKER_PATH, SECOND));
	world_write_bytes(world, DOCKER_FILE, whole, strlen(whole) / 2);
	assert_null(world_find(world, DOCKER_PATH, SECOND + SECOND / 1000));
	assert_int_equal(containers_refused(world->containers, STATE_MALFORMED), 0);
	assert_null(world_find(world, DOCKER_PATH, SECOND + SECOND / 50));
	assert_int_equal(containers_refused(world->containers, STATE_MALFORMED), 1);
	world_write(world, DOCKER_FILE, whole);
	assert_non_null(world_find(world, DOCKER_PATH, SECOND + SECOND / 10));
}

static void expect_refusal(const struct cgroup_world *world, enum state_refusal refusal)
{
	static uint64_t now = 1000 * SECOND;

	now += 200 * SECOND;
	assert_null(world_find(world, DOCKER_PATH, now));
	for (int i = 0; i < STATE_REFUSAL_COUNT; i++)
		if (containers_refused(world->containers, (enum state_refusal)i) != (i == (int)refusal))
			fail_msg("%s was counted %llu times", state_refusal_text((enum state_refusal)i),
				 (unsigned long long)containers_refused(world->containers, (enum state_refusal)i));
}

static void test_link_out(void **state)
{
	struct cgroup_world *world = *state;

	world_write(world, "/etc/secret", DOCKER("/secret", "x", ""));
	world_link(world, DOCKER_FILE, "../../../../../etc/secret");
	expect_refusal(world, STATE_LINK);
}

static void test_directory_link_out(void **state)
{
	struct cgroup_world *world = *state;

	world_write(world, "/srv/evil/config.v2.json", DOCKER("/secret", "x", ""));
	world_link(world, "/var/lib/docker/containers/" HEX, "/srv/evil");
	expect_refusal(world, STATE_LINK);
}

/* The folder itself may be a link: administrators move it to another disk. */
static void test_folder_link(void **state)
{
	struct cgroup_world *world = *state;

	world_write(world, "/data/docker/containers/" HEX "/config.v2.json", DOCKER("/web", "nginx", ""));
	world_link(world, "/var/lib/docker", "../../data/docker");
	check_info(world, DOCKER_PATH, "web", "nginx", "web");
}

static void test_pipe(void **state)
{
	struct cgroup_world *world = *state;
	char path[512];

	world_mkdir(world, "/var/lib/docker/containers/" HEX);
	snprintf(path, sizeof(path), "%s%s", world->root, DOCKER_FILE);
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_refusal(world, STATE_IRREGULAR);
}

static void test_megabyte_of_labels(void **state)
{
	struct cgroup_world *world = *state;
	char *text = malloc(3 << 20);
	size_t length;

	assert_non_null(text);
	memset(text, 'x', 3 << 20);
	length = (size_t)snprintf(text, 256, "{\"ID\":\"" HEX "\",\"Config\":{\"Labels\":{\"a\":\"");
	text[length] = 'x';
	memcpy(text + (2 << 20), "\"}}}", 5);
	world_write_bytes(world, DOCKER_FILE, text, (2 << 20) + 4);
	free(text);
	expect_refusal(world, STATE_TOO_LARGE);
}

static void test_malformed(void **state)
{
	struct cgroup_world *world = *state;
	static const char *const texts[] = { "",
					     "{",
					     "[]",
					     "null",
					     "{\"ID\":3,\"Config\":[]}",
					     "\xff\xfe",
					     "{\"ID\":\"" HEX "\",\"Name\":\"\xff\",\"Config\":{}}" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		world_write(world, DOCKER_FILE, texts[i]);
		assert_null(world_find(world, DOCKER_PATH, (i + 1) * 100 * SECOND));
		assert_int_equal(containers_refused(world->containers, STATE_MALFORMED), i + 1);
	}
	/* Another container's file in its place. */
	world_write(world, DOCKER_FILE, "{\"ID\":\"fedc\",\"Config\":{}}");
	assert_null(world_find(world, DOCKER_PATH, 10000 * SECOND));
	assert_int_equal(containers_refused(world->containers, STATE_FOREIGN), 1);
}

static void test_nothing_outside(void **state)
{
	struct cgroup_world *world = *state;

	world_write(world, "/run/state.json", "{\"id\":\"x\",\"cgroup_paths\":{\"\":\"/..\"}}");
	assert_null(world_find(world, "/..", SECOND));
	assert_null(world_find(world, "/a/..", SECOND));
	assert_null(world_find(world, "/.", SECOND));
}

/* The oldest leave; what was taken stays with who took it. */
static void test_bounded(void **state)
{
	struct cgroup_world *world = *state;
	struct container_info *taken;
	char path[64];

	taken = container_info_take(world_find(world, "/lxc/first", SECOND));
	assert_non_null(taken);
	for (int i = 0; i < 2000; i++) {
		snprintf(path, sizeof(path), "/lxc/c%d", i);
		assert_non_null(world_find(world, path, SECOND));
	}
	assert_string_equal(taken->name, "first");
	container_info_drop(taken);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest plain[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_pod_paths),
		cmocka_unit_test(test_workloads),
		cmocka_unit_test(test_times),
	};
	const struct CMUnitTest tests[] = {
		TEST(test_docker),
		TEST(test_docker_of_kubernetes),
		TEST(test_names),
		TEST(test_containerd),
		TEST(test_containerd_sandbox),
		TEST(test_containerd_by_name),
		TEST(test_crio),
		TEST(test_podman),
		TEST(test_runc),
		TEST(test_late_state),
		TEST(test_machines),
		TEST(test_half_written),
		TEST(test_link_out),
		TEST(test_directory_link_out),
		TEST(test_folder_link),
		TEST(test_pipe),
		TEST(test_megabyte_of_labels),
		TEST(test_malformed),
		TEST(test_nothing_outside),
		TEST(test_bounded),
	};
	int failed = cmocka_run_group_tests(plain, NULL, NULL);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	without_openat2 = true;
	return failed + cmocka_run_group_tests_name("without openat2", tests, NULL, NULL);
}
