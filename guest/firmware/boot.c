// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/firmware/boot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "guest/firmware/boot_image.h"

static unsigned long long mib(uint64_t bytes)
{
    return align_up(bytes, MEMORY_HIGH_BASE) / MEMORY_HIGH_BASE;
}

int boot_too_little(const struct boot *b, const struct memory_map *map, struct err *err)
{
    return err_set(err, -ENOMEM, "too little memory for kernel '%s': it needs RAM from %llu to "
                   "%llu MiB, the guest has %llu MiB in all", b->kernel_path,
                   (unsigned long long)b->kernel_gpa / MEMORY_HIGH_BASE, mib(b->kernel_end),
                   mib(memory_map_ram_bytes(map)));
}

int boot_refuse(const struct boot *b, struct err *err, const char *why)
{
    return err_set(err, -EINVAL, "could not load kernel '%s': %s", b->kernel_path, why);
}

int boot_not_loaded(const struct boot *b, int code, struct err *err)
{
    return err_set(err, code, "could not load kernel '%s': %s", b->kernel_path,
                   code == -EIO ? "it changed" : strerror(-code));
}

// QEMU opens a folder before it notices, and has another sentence for it.
static int open_kernel(struct boot *b, struct err *err)
{
    int code = kernel_file_open(&b->kernel, b->kernel_path);
    if (code == -EISDIR || code == -EINVAL)
        return boot_not_loaded(b, code, err);
    if (code)
        return err_set(err, code, "could not open kernel file '%s': %s", b->kernel_path,
                       strerror(-code));
    code = bzimage_open(b, err);
    if (code == -ENOEXEC)
        code = elf_kernel_open(b, err);
    return code == -ENOEXEC ? err_set(err, -EINVAL, "invalid kernel header") : code;
}

static int open_initrd(struct boot *b, struct err *err)
{
    int code = b->initrd_path ? kernel_file_open(&b->initrd, b->initrd_path) : 0;
    return code ? err_set(err, code, "error reading initrd %s: %s", b->initrd_path, strerror(-code))
                : 0;
}

static int check_cmdline(const struct boot *b, struct err *err)
{
    size_t bytes = b->cmdline ? strlen(b->cmdline) : 0;
    uint64_t max = b->cmdline_max < BOOT_CMDLINE_MAX ? b->cmdline_max : BOOT_CMDLINE_MAX;
    if (bytes <= max)
        return 0;
    return err_set(err, -E2BIG, "kernel command line is too long: it has %zu bytes, the kernel "
                   "takes %llu", bytes, (unsigned long long)max);
}

static int copy_string(char **copy, const char *text)
{
    *copy = text ? strdup(text) : NULL;
    return text && !*copy ? -ENOMEM : 0;
}

static int copy_strings(struct boot *b, const char *kernel, const char *initrd, const char *cmdline,
                        struct err *err)
{
    if (copy_string(&b->kernel_path, kernel) || copy_string(&b->initrd_path, initrd) ||
        copy_string(&b->cmdline, cmdline))
        return err_set(err, -ENOMEM, "out of memory");
    return 0;
}

static int open_all(struct boot *b, struct err *err)
{
    int code = open_kernel(b, err);
    if (!code)
        code = open_initrd(b, err);
    return code ? code : check_cmdline(b, err);
}

struct boot *boot_open(const char *kernel, const char *initrd, const char *cmdline, int *code,
                       struct err *err)
{
    int ignored;
    code = code ? code : &ignored;
    struct boot *b = calloc(1, sizeof *b);
    if (!b) {
        *code = err_set(err, -ENOMEM, "out of memory");
        return NULL;
    }
    b->kernel.fd = b->initrd.fd = -1;
    *code = copy_strings(b, kernel, initrd, cmdline, err);
    if (!*code)
        *code = open_all(b, err);
    if (!*code)
        return b;
    boot_close(b);
    return NULL;
}

void boot_close(struct boot *b)
{
    if (!b)
        return;
    kernel_file_close(&b->kernel);
    kernel_file_close(&b->initrd);
    free(b->kernel_path);
    free(b->initrd_path);
    free(b->cmdline);
    free(b);
}

void boot_repeat(struct boot *b)
{
    b->repeats = true;
}

// As high as it may be, so that it is out of the way of a kernel that unpacks itself.
static int place_initrd(struct boot *b, const struct memory_map *map, struct err *err)
{
    struct memory_map room = *map;
    uint64_t bytes = b->initrd.size_bytes;
    int code = memory_map_set(&room, b->kernel_gpa, b->kernel_end - b->kernel_gpa, MEMORY_RESERVED,
                              err);
    if (code)
        return code;
    if (memory_map_find(&room, bytes, PAGE_BYTES, b->initrd_max + 1, &b->initrd_gpa) ||
        (b->initrd_anywhere &&
         memory_map_find(&room, bytes, PAGE_BYTES, UINT64_MAX, &b->initrd_gpa)))
        return 0;
    uint64_t max = b->initrd_max < b->ram_end_below_4g ? b->initrd_max + 1 : b->ram_end_below_4g;
    max = max > b->kernel_end ? max - b->kernel_end : 0;
    return err_set(err, -ENOMEM, "initrd is too large, cannot support.(max: %llu, need %llu)",
                   (unsigned long long)max, (unsigned long long)bytes);
}

static int load_initrd(struct boot *b, struct mem *memory, const struct memory_map *map,
                       struct err *err)
{
    if (!b->initrd.size_bytes)
        return 0;
    int code = place_initrd(b, map, err);
    if (code)
        return code;
    code = kernel_file_copy(&b->initrd, 0, b->initrd.size_bytes, memory, b->initrd_gpa);
    return code ? err_set(err, code, "error reading initrd %s: %s", b->initrd_path,
                          code == -EIO ? "it changed" : strerror(-code)) : 0;
}

// The BIOS data area is cleared too: a kernel looks there for an EBDA.
static int write_parameters(const struct boot *b, struct mem *memory, const struct memory_map *map,
                            gpa_t rsdp)
{
    static const uint8_t bda[BOOT_BDA_BYTES];
    const char *cmdline = b->cmdline ? b->cmdline : "";
    int code = mem_dma_write(memory, GPA(BOOT_CMDLINE), cmdline, strlen(cmdline) + 1);
    if (!code)
        code = mem_dma_write(memory, GPA(BOOT_BDA), bda, sizeof bda);
    if (!code)
        code = entry_write_tables(b, memory);
    if (code)
        return code;
    return b->entry == BOOT_ENTRY_PVH ? pvh_write(b, memory, map, rsdp)
                                      : zero_page_write(b, memory, map, rsdp);
}

static uint64_t ram_end_below_4g(const struct memory_map *map)
{
    uint64_t end = 0;
    for (unsigned i = 0; i < map->count && map->range[i].base < UINT64_C(1) << 32; i++)
        if (map->range[i].type == MEMORY_RAM)
            end = map->range[i].base + map->range[i].size_bytes;
    return end;
}

int boot_load(struct boot *b, struct mem *memory, const struct memory_map *map, gpa_t rsdp,
              struct err *err)
{
    b->ram_end_below_4g = ram_end_below_4g(map);
    if (!memory_map_is_ram(map, 0, MEMORY_LOW_END))
        return boot_too_little(b, map, err);
    int code = b->format->load(b, memory, map, err);
    if (!code)
        code = load_initrd(b, memory, map, err);
    if (code)
        return code;
    code = write_parameters(b, memory, map, rsdp);
    return code ? err_set(err, code, "could not load kernel '%s': its parameters' place is not RAM",
                          b->kernel_path) : 0;
}
