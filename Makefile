# SPDX-License-Identifier: Apache-2.0
#
# The one Makefile of sonde. Finds its sources by wildcard, writes below build/ alone, needs no root.
# `make help` lists the targets and the variables.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

B := build
V ?= 0
SANITIZE ?= 0
CROSS_COMPILE ?=
ARCH ?= $(shell $(if $(CROSS_COMPILE),echo $(firstword $(subst -, ,$(CROSS_COMPILE))),uname -m))
PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 600
SOAK_SECONDS ?= 1800
BPF_CPU ?= v3
VMLINUX_BTF ?= /sys/kernel/btf/vmlinux

ifeq ($(filter-out 0,$(V))$(findstring s,$(filter-out --%,$(firstword -$(MAKEFLAGS)))),)
Q := @
say = @printf '%-9s %s\n' '$1' '$(patsubst $(B)/%,%,$2)'
else
Q :=
say = @:
endif

# One job per processor, unless the caller said otherwise.
ifeq ($(MAKELEVEL)$(findstring -j,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif

# --- what is asked for: targets that need neither compiler nor libraries skip the look for them
NO_BUILD := help clean setup run test check format fuzz bench bench-node test-% uninstall
GOALS := $(or $(MAKECMDGOALS),all)
BUILDING := $(filter-out $(NO_BUILD),$(GOALS))
TESTING := $(filter build-tests fuzzers $(B)/tests/% $(B)/asan/% $(B)/fuzz/%,$(GOALS))

# --- tools
ifeq ($(origin CC),default)
CC := $(CROSS_COMPILE)gcc
endif
AR := $(CROSS_COMPILE)gcc-ar
CLANG ?= clang
PKG_CONFIG ?= $(firstword $(shell command -v $(CROSS_COMPILE)pkg-config) pkg-config)
# Debian keeps bpftool outside of a user's PATH; Ubuntu's is a wrapper that knows the running kernel only.
BPFTOOL ?= $(shell for t in bpftool /usr/sbin/bpftool /usr/lib/linux-tools/*/bpftool; do \
	$$t version >/dev/null 2>&1 && { echo $$t; break; }; done)
BPF_ARCH := $(or $(patsubst x86_64,x86,$(filter x86_64,$(ARCH))),$(if $(filter aarch64 arm64,$(ARCH)),arm64))
LIBRARIES := libbpf libelf zlib libisal libmicrohttpd yaml-0.1 libpcre2-8 jansson libprotobuf-c
# Loaded when they are needed (exporters/otlp/curl.c, user/host/systemd_bus.c): here only their headers.
LOADED_LIBRARIES := libcurl libsystemd

fail = $(error $1)
remedy := run `sudo make setup`
need_tool = $(if $(shell command -v $1 2>/dev/null),,$(call fail,$1 is missing: $(remedy)))
need_library = $(if $(shell $(PKG_CONFIG) --exists $1 && echo yes),,$(call fail,library $1 is missing: $(remedy)))
ifneq ($(BUILDING),)
$(if $(BPF_ARCH),,$(call fail,architecture $(ARCH) is not supported: ARCH may be x86_64 or aarch64))
$(foreach tool,$(CC) $(CLANG) $(PKG_CONFIG) protoc-c,$(call need_tool,$(tool)))
$(if $(BPFTOOL),,$(call fail,bpftool is missing: $(remedy)))
$(foreach library,$(LIBRARIES) $(LOADED_LIBRARIES),$(call need_library,$(library)))
$(if $(wildcard $(B)/vmlinux.h $(VMLINUX_BTF)),,$(call fail,no BTF at $(VMLINUX_BTF): \
	build on a kernel with CONFIG_DEBUG_INFO_BTF=y or say VMLINUX_BTF=FILE))
$(if $(TESTING),$(call need_library,cmocka))
LIB_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(LIBRARIES) $(LOADED_LIBRARIES))
LIB_LDLIBS := $(shell $(PKG_CONFIG) --libs $(LIBRARIES))
CMOCKA_LDLIBS := $(if $(TESTING),$(shell $(PKG_CONFIG) --libs cmocka))
endif

# --- sources and what becomes of them
SOURCES := $(wildcard user/*.c user/*/*.c exporters/*/*.c)
MODULES := $(filter-out user/main.c,$(SOURCES))
PROTOS := $(wildcard exporters/common/*.proto)
PROTO_CODE := $(PROTOS:exporters/common/%.proto=$(B)/%.pb-c)
BPF_SOURCES := $(wildcard bpf/*.bpf.c)
SKELETONS := $(BPF_SOURCES:%.bpf.c=$(B)/%.skel.h)
# Named by hand so that one broken BPF program does not keep the parsers' tests from being built.
SKELETON_USERS := $(shell grep -l 'skel\.h"' $(SOURCES) /dev/null) $(wildcard user/load/*.c)

# Likewise for what protoc-c makes; headers of these folders include it.
PROTO_USERS := $(wildcard exporters/common/*.c exporters/otlp/*.c exporters/stdout/*.c tests/unit/*.c tests/fuzz/*.c)

# One object tree per way of compiling: obj, asan (the unit tests'), fuzz.
O := $(if $(filter-out 0,$(SANITIZE)),$(B)/asan,$(B)/obj)
SONDE := $(if $(filter-out 0,$(SANITIZE)),$(B)/asan/sonde,$(B)/sonde)
LIBSONDE := $(O)/libsonde.a

UNIT := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c))
UNIT_HELPERS := $(patsubst %.c,$(B)/asan/%.o,$(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c)))
GOLDEN := $(patsubst %.c,$(B)/%,$(wildcard tests/golden/test_*.c))
CANARIES := $(patsubst %.c,$(B)/%,$(wildcard tests/canary/test_*.c))
FUZZERS := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))
LIVE := $(patsubst %.c,$(B)/%,$(wildcard tests/e2e/*.c tests/bench/*.c))
BPF_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/bpf/test_*.c))
TRUTH_SOURCES := $(wildcard tests/truth/*.c)
TRUTH := $(if $(TRUTH_SOURCES),$(B)/tests/truth/truth)

# --- flags
# maybe-uninitialized guesses differently in every compiler version; clang-tidy and the sanitizers look for the same.
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wformat=2 -Wno-maybe-uninitialized
COMMON := -std=gnu17 -D_GNU_SOURCE -g $(WARNINGS) -ffunction-sections -fdata-sections -fvisibility=hidden \
	-ffile-prefix-map=$(CURDIR)=. -MMD -MP
INCLUDES := -Iuser -I. -I$(B)
HARDENED := -O2 -D_FORTIFY_SOURCE=2 -fPIE -fstack-protector-strong
SANITIZED := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
# Sorted, the BPF images, a megabyte that only loading reads, lie side by side, where no page of theirs is read along
# with constants that are needed: 0.3 MB of resident memory.
LINK := -pie -Wl,-z,relro,-z,now -Wl,--gc-sections -Wl,--as-needed -Wl,--sort-section=name
C_obj := $(CC) $(HARDENED)
C_asan := $(CC) $(SANITIZED)
C_fuzz := $(CLANG) -Wno-unknown-warning-option $(SANITIZED) -fsanitize=fuzzer-no-link
L_obj := $(CC) $(LINK)
L_asan := $(CC) $(SANITIZED) -Wl,--gc-sections
L_fuzz := $(CLANG) $(SANITIZED) -fsanitize=fuzzer
BPF_CFLAGS := -target bpf -mcpu=$(BPF_CPU) -O2 -g -std=gnu11 -Wall -Wextra -Werror -Wno-missing-declarations \
	-Wno-unused-parameter \
	-D__TARGET_ARCH_$(BPF_ARCH) -Ibpf -I. -I$(B) $(filter -I%,$(LIB_CFLAGS)) -MMD -MP

.PHONY: all setup run test test-canary test-unit test-golden test-fuzz test-bpf test-truth test-e2e test-kernels check \
	test-drivers test-interop test-trace-vm test-ktls-vm test-rustls-vm soak bench bench-node fuzz install \
	uninstall clean help build-tests fuzzers format FORCE

all: $(SONDE)

# --- user space
# The version comes from the last release in CHANGELOG.md and, in a git tree, the commit.
$(B)/version.h: FORCE
	@mkdir -p $(@D)
	@scripts/version.sh | cmp -s - $@ || scripts/version.sh > $@

define objects
# Flags that change rebuild what they built.
$(B)/$1/flags: FORCE
	@mkdir -p $$(@D)
	@printf '%s\n' '$$(C_$1) $$(COMMON) $$(CFLAGS) $$(LIB_CFLAGS)' | cmp -s - $$@ || \
		printf '%s\n' '$$(C_$1) $$(COMMON) $$(CFLAGS) $$(LIB_CFLAGS)' > $$@

$(B)/$1/%.o: %.c $(B)/$1/flags | $(B)/version.h
	$$(call say,CC,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(C_$1) $$(COMMON) $$(INCLUDES) $$(LIB_CFLAGS) $$(CFLAGS) -c -o $$@ $$<

$(PROTO_CODE:$(B)/%=$(B)/$1/%.o): $(B)/$1/%.o: $(B)/%.c $(B)/$1/flags
	$$(call say,CC,$$@)
	$$(Q)$$(C_$1) $$(COMMON) $$(INCLUDES) $$(LIB_CFLAGS) $$(CFLAGS) -c -o $$@ $$<

$(B)/$1/libsonde.a: $(MODULES:%.c=$(B)/$1/%.o) $(PROTO_CODE:$(B)/%=$(B)/$1/%.o)
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && $(AR) rcs $$@ $$^

$(SKELETON_USERS:%.c=$(B)/$1/%.o): | $(SKELETONS)
$(PROTO_USERS:%.c=$(B)/$1/%.o): | $(PROTO_CODE:%=%.h)
endef
$(foreach tree,obj asan fuzz,$(eval $(call objects,$(tree))))

$(B)/sonde: $(B)/obj/user/main.o $(B)/obj/libsonde.a
	$(call say,LD,$@)
	$(Q)$(L_obj) $(LDFLAGS) -o $@ $^ $(LIB_LDLIBS) -pthread

$(B)/asan/sonde: $(B)/asan/user/main.o $(B)/asan/libsonde.a
	$(call say,LD,$@)
	$(Q)$(L_asan) $(LDFLAGS) -o $@ $^ $(LIB_LDLIBS) -pthread

# --- OTLP's messages. Debian 13's protoc-c calls itself deprecated, for one that its package does not bring.
$(B)/%.pb-c.c $(B)/%.pb-c.h &: exporters/common/%.proto
	$(call say,PROTO,$@)
	@mkdir -p $(@D)
	$(Q)protoc-c --proto_path=exporters/common --c_out=$(B) $< 2>$(B)/protoc.log || \
		{ cat $(B)/protoc.log >&2; exit 1; }

# --- the kernel's part
$(B)/vmlinux.h: $(if $(wildcard $(B)/vmlinux.h),,$(VMLINUX_BTF))
	$(call say,BTF,$@)
	@mkdir -p $(@D)
	$(Q)$(BPFTOOL) btf dump file $(VMLINUX_BTF) format c > $@

$(B)/bpf/%.bpf.o: bpf/%.bpf.c | $(B)/vmlinux.h
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c -o $@ $<

# Linking drops DWARF and keeps BTF: what the skeleton carries is a fifth of what clang wrote.
$(B)/bpf/%.linked.o: $(B)/bpf/%.bpf.o
	$(Q)$(BPFTOOL) gen object $@ $<

$(B)/bpf/%.skel.h: $(B)/bpf/%.linked.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $(subst -,_,$*)_bpf > $@

# --- tests: a source may ask for linker flags of its own in a comment, `LINK: -Wl,--wrap=malloc`
link_flags = $(shell sed -n 's/^.*LINK: \(-Wl,[^ ]*\).*/\1/p' $1)

$(B)/tests/unit/%: $(B)/asan/tests/unit/%.o $(UNIT_HELPERS) $(B)/asan/libsonde.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(L_asan) $(call link_flags,tests/unit/$*.c) -o $@ $^ $(CMOCKA_LDLIBS) $(LIB_LDLIBS) -pthread -lm

$(GOLDEN) $(CANARIES): $(B)/tests/%: $(B)/asan/tests/%.o $(B)/asan/libsonde.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(L_asan) -o $@ $^ $(CMOCKA_LDLIBS) $(LIB_LDLIBS) -pthread -lm

$(B)/tests/fuzz/%: $(B)/fuzz/tests/fuzz/%.o $(B)/fuzz/libsonde.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(L_fuzz) -o $@ $^ $(LIB_LDLIBS) -pthread -lm

$(LIVE) $(BPF_TESTS): $(B)/tests/%: $(B)/obj/tests/%.o $(B)/obj/libsonde.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(L_obj) -o $@ $^ $(CMOCKA_LDLIBS) $(LIB_LDLIBS) -pthread -lm

$(BPF_TESTS:$(B)/%=$(B)/obj/%.o): | $(SKELETONS)

# The witness: static and without a line of sonde in it, so that it runs in a bare VM and shares no mistake.
$(B)/tests/truth/truth: $(TRUTH_SOURCES:%.c=$(B)/obj/%.o)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -static -Wl,--gc-sections -o $@ $^ -pthread -lm

build-tests: $(SONDE) $(UNIT) $(GOLDEN) $(CANARIES) $(FUZZERS) $(BPF_TESTS) $(TRUTH) $(LIVE)
fuzzers: $(FUZZERS)

# --- commands: they install, build and run in that order, which one pass of make cannot
setup:
	@scripts/setup.sh build test vm

run:
	@+scripts/run.sh $(ARGS)

test:
	@scripts/setup.sh build test vm
	@scripts/test.py all

test-canary test-unit test-golden test-fuzz test-bpf test-truth test-e2e test-kernels: test-%:
	@scripts/test.py $*

# Every case under every backend: hours.
test-kernels-full:
	@DATABASES=yes TRUTH_CASES='*' scripts/test.py kernels

# Clients in other languages, whose drivers come from their registries: what cannot be had is skipped.
test-drivers:
	@scripts/setup.sh build test
	@$(MAKE) --no-print-directory all
	@/usr/bin/python3 -m pytest -q -ra tests/drivers

# Everything at once for SOAK_SECONDS: exact counts, and nothing that grows.
soak:
	@scripts/setup.sh build test
	@$(MAKE) --no-print-directory all build/tests/bench/load
	@SOAK_SECONDS=$(SOAK_SECONDS) /usr/bin/python3 -m pytest -q -s tests/soak

# Parents of spans under every backend of an older kernel.
test-trace-vm:
	@$(MAKE) --no-print-directory all
	@scripts/vm/trace.sh $(KERNELS)

# TLS that the kernel encrypts, under every backend of an older kernel.
test-ktls-vm:
	@$(MAKE) --no-print-directory all
	@scripts/vm/ktls.sh $(KERNELS)

# rustls on AWS-LC, by the programs of test-drivers, on older kernels.
test-rustls-vm:
	@$(MAKE) --no-print-directory all
	@scripts/vm/rustls.sh $(KERNELS)

# A real OpenTelemetry Collector and a real Jaeger, built by the Go toolchain: minutes the first time.
test-interop:
	@$(MAKE) --no-print-directory all
	@scripts/interop.sh

check:
	@scripts/test.py check

format:
	@clang-format -i $(shell find user exporters bpf tests -name '*.[ch]')

fuzz:
	@scripts/test.py fuzz --fuzz-seconds $(FUZZ_SECONDS) --fuzz-seed 0

bench:
	@scripts/setup.sh build test vm
	@$(MAKE) --no-print-directory all build-tests
	@python3 tests/bench/bench.py $(BENCH_ARGS)
	@python3 tests/bench/postgres.py
	@/usr/bin/python3 tests/bench/redis.py
	@/usr/bin/python3 tests/bench/tls.py
	@/usr/bin/python3 tests/bench/node.py $(BENCH_NODE_ARGS)
	@/usr/bin/python3 tests/bench/containers.py
	@/usr/bin/python3 tests/bench/usage.py
	@/usr/bin/python3 tests/bench/usage.py --vm 6.12 --pairs 6

bench-node:
	@scripts/setup.sh build test
	@$(MAKE) --no-print-directory all
	@/usr/bin/python3 tests/bench/node.py $(BENCH_NODE_ARGS)

install: $(SONDE)
	install -D -m 0755 $(SONDE) $(DESTDIR)$(PREFIX)/bin/sonde
	install -d -m 0755 $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|@PREFIX@|$(PREFIX)|g' scripts/deploy/sonde.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/sonde.service
	chmod 0644 $(DESTDIR)$(PREFIX)/lib/systemd/system/sonde.service

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/sonde $(DESTDIR)$(PREFIX)/lib/systemd/system/sonde.service

clean:
	rm -rf $(B)

help:
	@echo 'sudo make run        install what is missing, build, start the agent (ARGS=FLAGS)'
	@echo 'sudo make test       install what is missing, build, run every test'
	@echo 'make                 build $(B)/sonde'
	@echo 'sudo make setup      install what building and testing need'
	@echo 'make test-LAYER      one layer: canary unit golden fuzz bpf truth e2e kernels'
	@echo 'make test-kernels-full  every truth case and databases on every kernel: over an hour'
	@echo 'sudo make test-drivers  clients of databases in other languages, by their registries'
	@echo 'sudo make soak       everything at once for SOAK_SECONDS ($(SOAK_SECONDS)): counts, growth'
	@echo 'make test-trace-vm   parents of spans under every backend, in a VM'
	@echo 'make test-ktls-vm    TLS that the kernel encrypts, under every backend, in a VM'
	@echo 'make test-rustls-vm  hyper and reqwest, as test-drivers has built them, in VMs'
	@echo 'make test-interop    against a real Collector and a real Jaeger, built by the Go toolchain'
	@echo 'make check           format, layers, lengths, licences, clang-tidy, cppcheck'
	@echo 'make format          let clang-format write'
	@echo 'make fuzz            every fuzz target for FUZZ_SECONDS ($(FUZZ_SECONDS))'
	@echo 'sudo make bench      overhead, cost per exchange, memory; bench-node: a scrape beside node_exporter'
	@echo 'make install         into DESTDIR, PREFIX ($(PREFIX)); make uninstall'
	@echo 'make clean           remove $(B)/, the cached kernels too'
	@echo
	@echo 'V=1                  show commands'
	@echo 'SANITIZE=1           build $(B)/asan/sonde with ASan and UBSan'
	@echo 'CROSS_COMPILE= ARCH= build for another machine (x86_64, aarch64)'
	@echo 'VMLINUX_BTF=FILE     BTF to take kernel types from (default: the running kernel)'
	@echo 'BPF_CPU=v3           BPF instruction set'

-include $(shell find $(B)/obj $(B)/asan $(B)/fuzz $(B)/bpf -name '*.d' -type f 2>/dev/null)
