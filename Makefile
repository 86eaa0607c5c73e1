# SPDX-License-Identifier: GPL-2.0-or-later
#
# make                the release build; programs under all their names in build/bin
# make demo           makes a Debian 12 guest, once, and boots it to a login (`poweroff` or ^A x ends it)
# make check          everything that is tested; ends with one line `N passed, N failed`
# make check-long     what takes its time: 50 boots, 10 minutes of load, 50 times kill -9
# make check-engine   the software engine's proofs at length: some four hours
# make check-quick    layers, unit tests and short fuzzing, in less than three minutes
# make fuzz           each fuzzer for FUZZ_SECONDS (600), adding to the corpora in tests/fuzz/corpus
# make bench          Konuk and its rivals side by side
# make install-deps   the Debian packages that all this needs
# make clean          removes every build
.PHONY: all release test-programs asan tsan fuzzers demo check check-quick check-long check-engine fuzz bench install-deps clean
.DEFAULT_GOAL := all
FUZZ_SECONDS ?= 600

# program: its names
programs = konuk konuk-vmm
konuk_names = konuk
konuk-vmm_names = konuk-vmm qemu-system-x86_64 kvm

all: install-deps-build release

install-deps:
	@tools/install-deps
install-deps-%:
	@tools/install-deps $*

build/build.ninja:
	CC=gcc meson setup build --buildtype=debugoptimized -Db_lto=true -Db_pie=true
build-asan/build.ninja:
	CC=gcc meson setup build-asan -Db_sanitize=address,undefined
build-tsan/build.ninja:
	CC=gcc meson setup build-tsan -Db_sanitize=thread
build-fuzz/build.ninja:
	CC=clang meson setup build-fuzz -Dwerror=false -Db_sanitize=address,undefined -Db_lundef=false -Dfuzz=true

release: build/build.ninja
	@ninja -C build programs
	@mkdir -p build/bin
	@$(foreach p,$(programs),$(foreach n,$($(p)_names),ln -sf ../cmd/$(p) build/bin/$(n);))
test-programs: build/build.ninja
	@ninja -C build tests/cpu/cpu_diff tests/cpu/guest_code tests/cpu/inject tests/cpu/lockstep tests/cpu/litmus tests/cpu/bounds \
		tests/cpu/bounds_copied tests/cpu/leaks tests/cpu/robust tests/cpu/walk_diff tests/fault/block-io \
		tests/guest/nested-kvm-engine tests/guest/guest-vectors tests/guest/guest-durability tests/guest/guest-paging
asan: build-asan/build.ninja
	@ninja -C build-asan all unit-tests
tsan: build-tsan/build.ninja
	@ninja -C build-tsan unit-tests
fuzzers: build-fuzz/build.ninja
	@ninja -C build-fuzz fuzzers

demo:
	@tools/demo
# Packages first, since the runner is in Python; without them the last line is a count all the same.
check check-quick check-long check-engine:
	@tools/install-deps || { echo "0 passed, 1 failed"; exit 1; }
	@tools/check $(if $(filter check,$@),full,$(@:check-%=%))
fuzz: install-deps-build install-deps-test fuzzers
	@tools/run-fuzz --seconds $(FUZZ_SECONDS) --keep
bench: install-deps-build install-deps-demo install-deps-bench release
	@ninja -C build bench/rows/rows
	@tools/bench

clean:
	rm -rf build build-asan build-tsan build-fuzz
