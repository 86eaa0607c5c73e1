// SPDX-License-Identifier: GPL-2.0-or-later
//
// A hostile kernel file and initrd, in a guest with little memory. The first two bytes choose the
// sizes of RAM, initrd and command line; the rest is the file. Besides the sanitizers: what a boot
// claims to have placed lies in RAM, in nobody's way, and a second load finds the same.
//     clang -fsanitize=fuzzer,address,undefined -I. ...
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest/firmware/acpi.h"
#include "guest/firmware/boot_image.h"

#define MIB UINT64_C(0x100000)
enum { RAM_MIB = 40 };

static struct ram ram;
static int kernel_fd = -1, initrd_fd = -1;
static char kernel_path[32], initrd_path[32];

static void require(bool truth)
{
    if (!truth)
        abort();
}

static void open_world(void)
{
    struct err err;
    mem_thread_online();
    require(ram_open(&ram, RAM_MIB * MIB, &err) == 0);
    kernel_fd = memfd_create("kernel", 0);
    initrd_fd = memfd_create("initrd", 0);
    snprintf(kernel_path, sizeof kernel_path, "/proc/self/fd/%d", kernel_fd);
    snprintf(initrd_path, sizeof initrd_path, "/proc/self/fd/%d", initrd_fd);
}

// As no reader, since one that never rests has its old maps pile up until changes are refused.
static struct mem *show_ram(uint64_t low_bytes)
{
    struct err err;
    struct mem *memory = mem_create(UINT64_C(1) << 46);
    mem_thread_offline();
    require(mem_add_ram(memory, GPA(0), &ram, 0, low_bytes, false, &err) == 0);
    if (low_bytes < RAM_MIB * MIB)
        require(mem_add_ram(memory, GPA(UINT64_C(1) << 32), &ram, low_bytes,
                            RAM_MIB * MIB - low_bytes, false, &err) == 0);
    mem_thread_online();
    return memory;
}

static void check_place(const struct boot *b, const struct memory_map *map)
{
    uint64_t initrd_end = b->initrd_gpa + b->initrd.size_bytes;
    require(memory_map_is_ram(map, b->entry_gpa, 1));
    require(b->kernel_gpa >= MEMORY_HIGH_BASE && b->kernel_end <= UINT64_C(1) << 32);
    if (!b->initrd.size_bytes)
        return;
    require(memory_map_is_ram(map, b->initrd_gpa, b->initrd.size_bytes));
    require(initrd_end <= b->kernel_gpa || b->initrd_gpa >= b->kernel_end);
    require(b->initrd_anywhere || initrd_end - 1 <= b->initrd_max);
}

static void load(struct boot *b, uint64_t low_bytes)
{
    struct err err;
    struct memory_map map;
    struct acpi_config acpi;
    gpa_t rsdp;
    struct mem *memory = show_ram(low_bytes);
    acpi_config_ich9(&acpi, 4);
    require(memory_map_init(&map, memory, &err) == 0);
    if (!acpi_load(&acpi, memory, &map, &rsdp, &err) &&
        !boot_load(b, memory, &map, rsdp, &err)) {
        uint64_t initrd_gpa = b->initrd_gpa;
        check_place(b, &map);
        require(!boot_load(b, memory, &map, rsdp, &err) && initrd_gpa == b->initrd_gpa);
    }
    mem_destroy(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static char cmdline[BOOT_CMDLINE_MAX + 2];
    struct err err;
    if (kernel_fd < 0)
        open_world();
    if (size_bytes < 2)
        return 0;
    size_t words = (size_t)data[1] << 9;
    memset(cmdline, 'a', words < BOOT_CMDLINE_MAX ? words : BOOT_CMDLINE_MAX + 1);
    cmdline[words < BOOT_CMDLINE_MAX ? words : BOOT_CMDLINE_MAX + 1] = 0;
    require(!ftruncate(kernel_fd, 0) && !ftruncate(initrd_fd, (off_t)(data[1] & 15) * 999999));
    require(pwrite(kernel_fd, data + 2, size_bytes - 2, 0) == (ssize_t)(size_bytes - 2));
    struct boot *b =
        boot_open(kernel_path, initrd_path, data[0] & 0x80 ? cmdline : NULL, NULL, &err);
    if (b)
        load(b, (1 + data[0] % RAM_MIB) * MIB);
    boot_close(b);
    return 0;
}
