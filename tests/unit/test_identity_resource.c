/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is told of processes and of the services that they make up: lines, what a process is, what a container says, and
 * what a service's processes have in common, through the lives that processes have.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cgroup_world.h"
#include "identity/identity.h"
#include "identity/lines.h"
#include "identity/resource.h"
#include "identity/services.h"

#define SECOND 1000000000ULL

static void test_lines(void **state)
{
	char lines[64] = "";
	size_t length = 0;

	(void)state;
	length = lines_add(lines, sizeof(lines), length, "a", slice_of("1"));
	length = lines_add(lines, sizeof(lines), length, "b", slice_of("x\ny=z"));
	length = lines_add(lines, sizeof(lines), length, "c", slice_of(""));
	assert_string_equal(lines, "a=1\nb=x_y=z\n");
	length = lines_add(lines, sizeof(lines), length, "long",
			   slice_of("012345678901234567890123456789012345678901234567"));
	assert_string_equal(lines, "a=1\nb=x_y=z\n");
	length = lines_add_all(lines, sizeof(lines), length, "b=2\naa=3\n");
	assert_string_equal(lines, "a=1\nb=x_y=z\naa=3\n");
	assert_int_equal(length, strlen(lines));
	assert_true(lines_have(lines, slice_of("aa")));
	assert_false(lines_have(lines, slice_of("x_y")));
	assert_int_equal(lines_intersect(lines, "aa=3\na=2\nb=x_y=z\n"), 13);
	assert_string_equal(lines, "b=x_y=z\naa=3\n");
	assert_int_equal(lines_intersect(lines, ""), 0);
	assert_true(lines_key(slice_of("service.instance_id-2")));
	assert_false(lines_key(slice_of("a=b")) || lines_key(slice_of("a\nb")) || lines_key(slice_of("")));
}

static void check_process(const char *executable, const char *go, const char *expected)
{
	struct resource_facts facts = { 7, executable, go, "service.version=own\n",
					"service.version=9\nk8s.pod.name=p\n" };
	char lines[RESOURCE_MAX], whole[512];

	snprintf(whole, sizeof(whole), "process.pid=7\n%sservice.version=own\nk8s.pod.name=p\n", expected);
	assert_int_equal(resource_lines(&facts, lines), strlen(whole));
	assert_string_equal(lines, whole);
}

/* What a process says of itself wins over what its container says. */
static void test_process(void **state)
{
	(void)state;
	check_process("", "", "");
	check_process("/bin/x", "", "process.executable.name=x\nprocess.executable.path=/bin/x\n");
	check_process("/bin/x", "go1.22.3",
		      "process.executable.name=x\nprocess.executable.path=/bin/x\n"
		      "process.runtime.name=go\nprocess.runtime.version=go1.22.3\n");
	check_process("/bin/python3.11", "",
		      "process.executable.name=python3.11\nprocess.executable.path=/bin/python3.11\n"
		      "process.runtime.name=cpython\n");
	check_process("/bin/node", "",
		      "process.executable.name=node\nprocess.executable.path=/bin/node\nprocess.runtime.name=nodejs\n");
	check_process("/bin/python3-config", "",
		      "process.executable.name=python3-config\nprocess.executable.path=/bin/python3-config\n");
}

static void check_image(const char *reference, const char *pod, const char *expected)
{
	struct container_facts facts = { 0 };
	char lines[FACTS_LINES_MAX];

	snprintf(facts.image, sizeof(facts.image), "%s", reference);
	snprintf(facts.pod, sizeof(facts.pod), "%s", pod);
	facts_lines(&facts, slice_of("x"), lines);
	assert_string_equal(lines, expected);
}

static void test_image(void **state)
{
	(void)state;
	check_image("nginx", "", "container.id=x\ncontainer.image.name=nginx\n");
	check_image("host:5000/a/b:1.2", "",
		    "container.id=x\ncontainer.image.name=host:5000/a/b\ncontainer.image.tags=1.2\n");
	check_image("host:5000/a/b", "", "container.id=x\ncontainer.image.name=host:5000/a/b\n");
	check_image("a:1@sha256:f", "p",
		    "container.id=x\ncontainer.image.name=a\ncontainer.image.tags=1\n"
		    "container.image.repo_digests=a@sha256:f\nk8s.pod.name=p\nservice.version=1@sha256:f\n");
	check_image("a@sha256:f", "p",
		    "container.id=x\ncontainer.image.name=a\ncontainer.image.repo_digests=a@sha256:f\n"
		    "k8s.pod.name=p\nservice.version=sha256:f\n");
	/* Without Kubernetes an image's tag is not taken for the service's version, and "latest" is none. */
	check_image("a:latest", "p",
		    "container.id=x\ncontainer.image.name=a\ncontainer.image.tags=latest\nk8s.pod.name=p\n");
	check_image("sha256:abc", "p", "container.id=x\nk8s.pod.name=p\n");
	check_image("", "", "container.id=x\n");
}

static void test_services(void **state)
{
	struct services services;

	(void)state;
	services_init(&services, 2, 7);
	assert_string_equal(services_lines(&services, "a"), "");
	services_merge(&services, "a", 1, "x=1\n");
	/* More is known of the same process: its container. */
	services_merge(&services, "a", 1, "x=1\ny=2\n");
	assert_string_equal(services_lines(&services, "a"), "x=1\ny=2\n");
	services_merge(&services, "a", 2, "y=2\nx=3\n");
	assert_string_equal(services_lines(&services, "a"), "y=2\n");
	/* What differed once stays away, and what is new is not everybody's. */
	services_merge(&services, "a", 2, "y=2\nx=1\nz=4\n");
	assert_string_equal(services_lines(&services, "a"), "y=2\n");
	services_merge(&services, "b", 1, "x=1\n");
	services_forget(&services);
	assert_string_equal(services_lines(&services, "a"), "y=2\n");
	assert_string_equal(services_lines(&services, "b"), "");
	/* Who found no room once may have had other attributes then. */
	services_merge(&services, "b", 1, "x=1\n");
	services_merge(&services, "c", 1, "x=1\n");
	services_forget(&services);
	services_merge(&services, "c", 2, "x=1\n");
	assert_string_equal(services_lines(&services, "c"), "");
	services_done(&services);
}

/* --- through identity */
static void write_process(struct cgroup_world *world, unsigned int tgid, const char *environment, size_t length,
			  const char *cgroup)
{
	char path[64], text[256];

	snprintf(path, sizeof(path), "/proc/%u/stat", tgid);
	snprintf(text, sizeof(text), "%u (x) S 1 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 100 5 6\n", tgid);
	world_write(world, path, text);
	snprintf(path, sizeof(path), "/proc/%u/cmdline", tgid);
	world_write(world, path, "shop");
	snprintf(path, sizeof(path), "/proc/%u/cgroup", tgid);
	snprintf(text, sizeof(text), "0::%s\n", cgroup);
	world_write(world, path, text);
	snprintf(path, sizeof(path), "/proc/%u/environ", tgid);
	world_write_bytes(world, path, environment, length);
}

#define PROCESS(world, tgid, environment, cgroup) \
	write_process(world, tgid, environment "\0", sizeof(environment), cgroup)
#define VERSION_1 "OTEL_RESOURCE_ATTRIBUTES=service.version=1,service.namespace=n"
#define VERSION_2 "OTEL_RESOURCE_ATTRIBUTES=service.version=2,service.namespace=n"

static struct identity *open_identity(struct cgroup_world *world, bool services)
{
	struct identity_config config = { .procfs = world->procfs,
					  .containers = world->containers,
					  .services = services,
					  .max_processes = 4,
					  .keep_dead_ns = SECOND,
					  .hash_seed = 7 };
	struct identity *identity;

	assert_int_equal(identity_new(&config, &identity), 0);
	return identity;
}

static void check_service(struct identity *identity, uint64_t now, const char *expected)
{
	identity_gather(identity, now);
	assert_string_equal(identity_service_resource(identity, "shop"), expected);
	identity_forget_services(identity);
}

static void test_service_of_processes(void **state)
{
	struct cgroup_world *world = *state;
	struct identity *identity = open_identity(world, true);

	PROCESS(world, 70, VERSION_1, "/");
	PROCESS(world, 71, VERSION_1, "/");
	PROCESS(world, 72, VERSION_2, "/");
	check_service(identity, SECOND, "");
	identity_service(identity, 70, SECOND);
	check_service(identity, SECOND, "process.pid=70\nservice.namespace=n\nservice.version=1\n");
	/* Who is only looked at adds nothing. */
	identity_resource(identity, 71, SECOND);
	check_service(identity, SECOND, "process.pid=70\nservice.namespace=n\nservice.version=1\n");
	identity_service(identity, 71, SECOND);
	check_service(identity, SECOND, "service.namespace=n\nservice.version=1\n");
	/* One that comes and goes between two exports counts as well, and so does a fork that was never looked at. */
	identity_service(identity, 72, SECOND);
	identity_on_exit(identity, 72, SECOND);
	identity_tick(identity, 60 * SECOND);
	check_service(identity, 60 * SECOND, "service.namespace=n\n");
	identity_free(identity);
}

static void test_a_fork_declares_what_its_parent_did(void **state)
{
	struct cgroup_world *world = *state;
	struct identity *identity = open_identity(world, true);

	PROCESS(world, 70, VERSION_1, "/");
	identity_on_fork(identity, 70, 71, SECOND);
	identity_service(identity, 71, SECOND);
	check_service(identity, SECOND, "process.pid=71\nservice.namespace=n\nservice.version=1\n");
	identity_free(identity);
}

/* The part of an environment that the kernel cut off may hold the rest of a value. */
static void test_a_cut_environment(void **state)
{
	static const char cut[] = "A=b\0OTEL_SERVICE_NAME=sh";
	struct cgroup_world *world = *state;
	struct identity *identity = open_identity(world, true);
	struct identity_exec exec = { .tgid = 90,
				      .time_ns = SECOND,
				      .filename = "/bin/x",
				      .environment = cut,
				      .environment_length = sizeof(cut) - 1 };

	identity_on_exec(identity, &exec);
	assert_string_equal(identity_service(identity, 90, SECOND), "x");
	identity_free(identity);
}

static void test_nobody_asks_for_services(void **state)
{
	struct cgroup_world *world = *state;
	struct identity *identity = open_identity(world, false);

	PROCESS(world, 70, VERSION_1, "/");
	identity_service(identity, 70, SECOND);
	check_service(identity, SECOND, "");
	identity_free(identity);
}

#define ID_1 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID_2 "f123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void write_pod(struct cgroup_world *world, const char *id, const char *pod)
{
	char path[256], text[1024];

	snprintf(path, sizeof(path), "/run/containerd/io.containerd.runtime.v2.task/k8s.io/%s/config.json", id);
	snprintf(text, sizeof(text),
		 "{\"ociVersion\":\"1.0.2\",\"annotations\":{\"io.kubernetes.cri.container-type\":\"container\","
		 "\"io.kubernetes.cri.container-name\":\"web\",\"io.kubernetes.cri.image-name\":\"web:3\","
		 "\"io.kubernetes.cri.sandbox-name\":\"%s\",\"io.kubernetes.cri.sandbox-namespace\":\"prod\","
		 "\"resource.opentelemetry.io/deployment.environment.name\":\"live\","
		 "\"resource.opentelemetry.io/container.id\":\"not mine\","
		 "\"resource.opentelemetry.io/bad\\nkey\":\"x\",\"resource.opentelemetry.io/service.name\":\"shop\"},"
		 "\"linux\":{\"cgroupsPath\":\"/kubepods/podabc/%s\"}}",
		 pod, id);
	world_write(world, path, text);
}

/* Two pods of one service: what is one pod's alone is not the service's. */
static void test_service_of_pods(void **state)
{
	struct cgroup_world *world = *state;
	struct identity *identity = open_identity(world, true);

	write_pod(world, ID_1, "shop-7d4b9c6f5d-x2x9k");
	write_pod(world, ID_2, "shop-7d4b9c6f5d-b2x9k");
	PROCESS(world, 70, "", "/kubepods/podabc/" ID_1);
	PROCESS(world, 71, "", "/kubepods/podabc/" ID_2);
	identity_service(identity, 70, SECOND);
	check_service(identity, SECOND,
		      "process.pid=70\ncontainer.id=" ID_1 "\ncontainer.name=" ID_1 "\n"
		      "container.image.name=web\ncontainer.image.tags=3\nk8s.container.name=web\n"
		      "k8s.pod.name=shop-7d4b9c6f5d-x2x9k\nk8s.namespace.name=prod\n"
		      "deployment.environment.name=live\nservice.namespace=prod\nservice.version=3\n"
		      "service.instance.id=prod.shop-7d4b9c6f5d-x2x9k.web\n");
	identity_service(identity, 71, SECOND);
	check_service(identity, SECOND,
		      "container.image.name=web\ncontainer.image.tags=3\nk8s.container.name=web\n"
		      "k8s.namespace.name=prod\ndeployment.environment.name=live\nservice.namespace=prod\n"
		      "service.version=3\n");
	identity_free(identity);
}

/* CRI-O keeps a pod's labels and annotations with its sandbox: they are taken where the container's own say nothing. */
#define CRIO "/run/containers/storage/overlay-containers/"

static void write_crio(struct cgroup_world *world, const char *id, const char *uid, const char *more)
{
	char path[256], text[2048];

	snprintf(path, sizeof(path), CRIO "%s/userdata/config.json", id);
	snprintf(text, sizeof(text),
		 "{\"ociVersion\":\"1.0.2\",\"annotations\":{\"io.container.manager\":\"cri-o\","
		 "\"io.kubernetes.cri-o.SandboxID\":\"" ID_2 "\",\"io.kubernetes.cri-o.KubeName\":\"shop-0\","
		 "\"io.kubernetes.cri-o.Namespace\":\"prod\",\"io.kubernetes.container.name\":\"web\","
		 "\"io.kubernetes.pod.uid\":\"%s\"%s},\"linux\":{\"cgroupsPath\":\"k.slice:crio:%s\"}}",
		 uid, more, id);
	world_write(world, path, text);
}

static const char *crio_resource(struct cgroup_world *world, struct identity **identity)
{
	*identity = open_identity(world, false);
	PROCESS(world, 70, "", "/kubepods.slice/k.slice/crio-" ID_1 ".scope");
	return identity_resource(*identity, 70, SECOND);
}

#define POD_SAYS                                                                                           \
	",\"io.kubernetes.cri-o.Labels\":\"{\\\"app.kubernetes.io/version\\\":\\\"4\\\"}\","               \
	"\"io.kubernetes.cri-o.Annotations\":\"{\\\"resource.opentelemetry.io/team.name\\\":\\\"till\\\"," \
	"\\\"resource.opentelemetry.io/service.instance.id\\\":\\\"pods\\\"}\""

static void test_pod_labels(void **state)
{
	struct cgroup_world *world = *state;
	struct identity *identity;
	const char *resource;

	write_crio(world, ID_1, "u-1", ",\"resource.opentelemetry.io/service.instance.id\":\"own\"");
	write_crio(world, ID_2, "u-1", POD_SAYS);
	resource = crio_resource(world, &identity);
	assert_non_null(strstr(resource, "\nservice.version=4\n"));
	assert_non_null(strstr(resource, "\nteam.name=till\n"));
	assert_non_null(strstr(resource, "\nservice.instance.id=own\n"));
	assert_non_null(strstr(resource, "\nk8s.pod.uid=u-1\n"));
	assert_null(strstr(resource, "pods"));
	identity_free(identity);
}

static void test_another_pods_labels(void **state)
{
	struct cgroup_world *world = *state;
	struct identity *identity;
	const char *resource;

	write_crio(world, ID_1, "u-1", "");
	write_crio(world, ID_2, "u-2", POD_SAYS);
	resource = crio_resource(world, &identity);
	assert_non_null(strstr(resource, "\nk8s.pod.name=shop-0\n"));
	assert_null(strstr(resource, "service.version"));
	assert_null(strstr(resource, "team.name"));
	assert_true(containers_refused(world->containers, STATE_FOREIGN) == 1);
	identity_free(identity);
}

/* Docker's shim keeps annotations as labels. */
static void test_docker_pod(void **state)
{
	struct cgroup_world *world = *state;
	struct identity *identity = open_identity(world, false);
	const char *resource;

	world_write(world, "/var/lib/docker/containers/" ID_1 "/config.v2.json",
		    "{\"ID\":\"" ID_1
		    "\",\"Name\":\"/k8s_web\",\"State\":{},\"Config\":{\"Image\":\"web:2\",\"Labels\":{"
		    "\"io.kubernetes.pod.name\":\"shop-0\",\"io.kubernetes.pod.namespace\":\"prod\","
		    "\"io.kubernetes.container.name\":\"web\",\"io.kubernetes.pod.uid\":\"u\","
		    "\"io.kubernetes.sandbox.id\":\"" ID_2 "\"}}}");
	world_write(world, "/var/lib/docker/containers/" ID_2 "/config.v2.json",
		    "{\"ID\":\"" ID_2 "\",\"Config\":{\"Labels\":{\"io.kubernetes.pod.uid\":\"u\","
		    "\"app.kubernetes.io/version\":\"5\","
		    "\"annotation.resource.opentelemetry.io/service.name\":\"till\","
		    "\"annotation.resource.opentelemetry.io/service.namespace\":\"floor\"}}}");
	PROCESS(world, 70, "", "/kubepods/podu/" ID_1);
	assert_string_equal(identity_service(identity, 70, SECOND), "till");
	resource = identity_resource(identity, 70, SECOND);
	assert_non_null(strstr(resource, "\nservice.version=5\n"));
	assert_non_null(strstr(resource, "\nservice.namespace=floor\n"));
	identity_free(identity);
}

/* A state file that comes when the process was counted already. */
static void test_late_container(void **state)
{
	struct cgroup_world *world = *state;
	struct identity *identity = open_identity(world, true);

	PROCESS(world, 70, "OTEL_SERVICE_NAME=shop", "/cellar.1");
	identity_service(identity, 70, SECOND);
	check_service(identity, SECOND, "process.pid=70\n");
	world_write(world, "/run/runc/cellar.1/state.json",
		    "{\"id\":\"cellar.1\",\"init_process_pid\":73,\"created\":\"2024-05-06T07:08:09.5Z\","
		    "\"config\":{},\"cgroup_paths\":{\"\":\"/sys/fs/cgroup/cellar.1\"}}");
	identity_service(identity, 70, 2 * SECOND);
	check_service(identity, 2 * SECOND, "process.pid=70\ncontainer.id=cellar.1\ncontainer.name=cellar.1\n");
	identity_free(identity);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_process),
		cmocka_unit_test(test_image),
		cmocka_unit_test(test_services),
		cmocka_unit_test_setup_teardown(test_service_of_processes, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_a_fork_declares_what_its_parent_did, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_a_cut_environment, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_nobody_asks_for_services, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_service_of_pods, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_pod_labels, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_another_pods_labels, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_docker_pod, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_late_container, world_setup, world_teardown),
	};

	return cmocka_run_group_tests_name("identity_resource", tests, NULL, NULL);
}
