// SPDX-License-Identifier: GPL-2.0-or-later
#include "cmd/konuk_host.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/io_uring.h>
#include <linux/kvm.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static bool has_word(const char *line, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = line; (at = strstr(at, word)); at += length)
        if (at > line && at[-1] == ' ' && (at[length] == ' ' || at[length] == '\n'))
            return true;
    return false;
}

static void take_cpu_line(struct host_cpu *cpu, char *line)
{
    char *value = strstr(line, ": ");
    if (value && !strncmp(line, "model name", 10)) {
        value[strcspn(value, "\n")] = 0;
        snprintf(cpu->name, sizeof cpu->name, "%s", value + 2);
    }
    if (value && !strncmp(line, "flags", 5)) {
        cpu->virtualization = has_word(line, "svm") || has_word(line, "vmx");
        cpu->avx2 = has_word(line, "avx2");
        cpu->bmi2 = has_word(line, "bmi2");
    }
}

void host_cpu(struct host_cpu *cpu)
{
    char *line = NULL;
    size_t size = 0;
    cpu_set_t usable;
    *cpu = (struct host_cpu){.count = 1};
    if (sched_getaffinity(0, sizeof usable, &usable) == 0)
        cpu->count = (unsigned)CPU_COUNT(&usable);
    FILE *info = fopen("/proc/cpuinfo", "re");
    while (info && getline(&line, &size, info) > 0 && *line != '\n')  // one CPU says it all
        take_cpu_line(cpu, line);
    if (info)
        fclose(info);
    free(line);
}

static bool makes_vm(int kvm)
{
    int vm = ioctl(kvm, KVM_GET_API_VERSION, 0) == KVM_API_VERSION ? ioctl(kvm, KVM_CREATE_VM, 0) : -1;
    if (vm >= 0)
        close(vm);
    return vm >= 0;
}

enum host_kvm host_kvm(void)
{
    struct host_cpu cpu;
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return errno == EACCES || errno == EPERM ? HOST_KVM_FORBIDDEN : HOST_KVM_ABSENT;
    bool works = makes_vm(fd);
    close(fd);
    host_cpu(&cpu);
    if (!works)
        return HOST_KVM_BROKEN;
    return cpu.virtualization ? HOST_KVM_GOOD : HOST_KVM_SOFTWARE;
}

void host_memory(struct host_memory *memory)
{
    char line[256];
    unsigned long long value;
    *memory = (struct host_memory){0};
    FILE *info = fopen("/proc/meminfo", "re");
    while (info && fgets(line, sizeof line, info)) {
        if (sscanf(line, "MemTotal: %llu kB", &value) == 1)
            memory->total_bytes = value << 10;
        else if (sscanf(line, "MemAvailable: %llu kB", &value) == 1)
            memory->available_bytes = value << 10;
        else if (sscanf(line, "HugePages_Free: %llu", &value) == 1)
            memory->hugepages = value;
        else if (sscanf(line, "Hugepagesize: %llu kB", &value) == 1)
            memory->hugepage_bytes = value << 10;
    }
    if (info)
        fclose(info);
}

static int close_and_tell(int fd)
{
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

int host_io_uring(void)
{
    struct io_uring_params params = {0};
    return close_and_tell((int)syscall(SYS_io_uring_setup, 4, &params));
}

int host_memfd(void)
{
    return close_and_tell(memfd_create("konuk", MFD_CLOEXEC));
}

int host_tun(void)
{
    return close_and_tell(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
}

int host_user_namespaces(void)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(unshare(CLONE_NEWUSER) == 0 ? 0 : errno);
    if (child < 0 || waitpid(child, &status, 0) < 0)
        return errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;
}

static bool is_program(const char *folder, size_t length, const char *name)
{
    char path[PATH_MAX];
    int written = snprintf(path, sizeof path, "%.*s/%s", (int)length, folder, name);
    return written > 0 && (size_t)written < sizeof path && access(path, X_OK) == 0;
}

bool host_has_program(const char *name)
{
    const char *path = getenv("PATH");
    for (const char *at = path ? path : ""; *at; at += strspn(at, ":")) {
        size_t length = strcspn(at, ":");
        if (is_program(at, length, name))
            return true;
        at += length;
    }
    return is_program("/usr/sbin", 9, name) || is_program("/sbin", 5, name);
}

int host_free_space(const char *path, uint64_t *bytes)
{
    char folder[PATH_MAX];
    struct statvfs space;
    snprintf(folder, sizeof folder, "%s", path);
    while (statvfs(folder, &space) < 0) {
        char *slash = strrchr(folder, '/');
        if (errno != ENOENT || !slash)
            return errno;
        slash[slash == folder] = 0;
    }
    *bytes = (uint64_t)space.f_bavail * space.f_frsize;
    return 0;
}

bool host_cache(char *path, size_t path_bytes)
{
    const char *own = getenv("KONUK_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int written;
    if (own && *own)
        written = snprintf(path, path_bytes, "%s", own);
    else if (xdg && *xdg)
        written = snprintf(path, path_bytes, "%s/konuk", xdg);
    else
        written = home && *home ? snprintf(path, path_bytes, "%s/.cache/konuk", home) : -1;
    return written > 0 && (size_t)written < path_bytes;
}
