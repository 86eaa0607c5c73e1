// SPDX-License-Identifier: GPL-2.0-or-later
//
// What this machine has for guests. Nothing here changes anything, and nothing is said.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum host_kvm {
    HOST_KVM_ABSENT,
    HOST_KVM_FORBIDDEN,  // no permission to open it
    HOST_KVM_BROKEN,     // opens, and makes no VM
    // A VM can be made, but the CPU shows neither svm nor vmx: KVM in software, such as PVM, on which
    // ordinary kernels hang.
    HOST_KVM_SOFTWARE,
    HOST_KVM_GOOD,
};
enum host_kvm host_kvm(void);

// From /proc/cpuinfo: name is "" where it has none.
struct host_cpu {
    char name[128];
    unsigned count;  // that this process may use
    bool virtualization, avx2, bmi2;
};
void host_cpu(struct host_cpu *cpu);

struct host_memory {
    uint64_t total_bytes, available_bytes, hugepages, hugepage_bytes;
};
void host_memory(struct host_memory *memory);

// 0, or the errno with which it is refused.
int host_io_uring(void);
int host_memfd(void);
int host_user_namespaces(void);
int host_tun(void);

bool host_has_program(const char *name);  // in PATH, or where administrators' programs are
// Of the first part of path that exists; 0, or an errno.
int host_free_space(const char *path, uint64_t *bytes);
// ${KONUK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/konuk}; false: too long, or there is no home.
bool host_cache(char *path, size_t path_bytes);
