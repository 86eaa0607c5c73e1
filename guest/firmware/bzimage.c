// SPDX-License-Identifier: GPL-2.0-or-later
//
// A bzImage: a real-mode part, of which only the header matters here, and the compressed kernel
// with its own code to unpack it, which is entered in protected or long mode.
#include <errno.h>

#include "guest/firmware/boot_image.h"
#include "guest/firmware/field.h"
#include "guest/firmware/setup_header.h"

enum { SECTOR_BYTES = 512, ENTRY_64_OFFSET = 0x200, OLDEST_VERSION = 0x0206 };
static const uint64_t FOUR_GIB = UINT64_C(1) << 32;

static uint16_t version(const struct boot *b)
{
    return get16(b->header + HDR_VERSION);
}

static bool has_64bit_entry(const struct boot *b)
{
    return version(b) >= 0x020c && get16(b->header + HDR_XLOADFLAGS) & XLF_KERNEL_64;
}

static int read_header(struct boot *b)
{
    if (b->kernel.size_bytes < SETUP_HEADER_END)
        return -ENOEXEC;
    int code = kernel_file_read(&b->kernel, SETUP_HEADER, b->header + SETUP_HEADER,
                                SETUP_HEADER_END - SETUP_HEADER);
    if (code)
        return code;
    bool is_linux = get16(b->header + HDR_BOOT_FLAG) == BOOT_FLAG &&
                 !memcmp(b->header + HDR_MAGIC, "HdrS", 4);
    return is_linux ? 0 : -ENOEXEC;
}

static int check_version(const struct boot *b, struct err *err)
{
    unsigned v = version(b);
    if (v < OLDEST_VERSION)
        return err_set(err, -EINVAL, "kernel '%s' is too old: it has boot protocol %u.%02u, 2.06 "
                       "is needed", b->kernel_path, v >> 8, v & 0xff);
    if (!(b->header[HDR_LOADFLAGS] & LOADED_HIGH))
        return boot_refuse(b, err, "it is a zImage, which is for real mode only");
    return 0;
}

// syssize leaves out what is behind the kernel in the file, such as a signature.
static int find_payload(struct boot *b, struct err *err)
{
    unsigned sectors = b->header[HDR_SETUP_SECTS] ? b->header[HDR_SETUP_SECTS] : 4;
    b->file_offset = (sectors + 1) * SECTOR_BYTES;
    b->file_bytes = (uint64_t)get32(b->header + HDR_SYSSIZE) * 16;
    uint64_t needs = b->file_offset + b->file_bytes;
    if (b->file_bytes <= ENTRY_64_OFFSET)
        return boot_refuse(b, err, "invalid kernel header");
    if (b->kernel.size_bytes < needs)
        return err_set(err, -EINVAL, "could not load kernel '%s': it is truncated (%llu of %llu "
                       "bytes)", b->kernel_path, (unsigned long long)b->kernel.size_bytes,
                       (unsigned long long)needs);
    return 0;
}

// boot.rst, "kernel_alignment", "pref_address" and "init_size": where a kernel unpacks itself to,
// and how far it reaches there. Before 2.10 it does not say; its image is all that is known.
static int find_room(struct boot *b, struct err *err)
{
    uint64_t start = get32(b->header + HDR_CODE32_START);
    uint64_t alignment = get32(b->header + HDR_KERNEL_ALIGNMENT), needs = b->file_bytes;
    if (version(b) >= 0x020a) {
        start = get64(b->header + HDR_PREF_ADDRESS);
        uint64_t init_size = get32(b->header + HDR_INIT_SIZE);
        needs = init_size > needs ? init_size : needs;
    }
    if (start < MEMORY_HIGH_BASE || start >= FOUR_GIB)
        return boot_refuse(b, err, "it wants to be loaded where it can't be");
    if (b->header[HDR_RELOCATABLE] && (!alignment || alignment & (alignment - 1)))
        return boot_refuse(b, err, "its alignment is not a power of two");
    b->kernel_gpa = b->header[HDR_RELOCATABLE] ? align_up(start, alignment) : start;
    b->kernel_end = b->kernel_gpa + needs;
    return 0;
}

static void find_limits(struct boot *b)
{
    bool long_mode = has_64bit_entry(b);
    b->initrd_max = get32(b->header + HDR_INITRD_ADDR_MAX);
    b->initrd_anywhere = long_mode &&
                         get16(b->header + HDR_XLOADFLAGS) & XLF_CAN_BE_LOADED_ABOVE_4G;
    b->cmdline_max = get32(b->header + HDR_CMDLINE_SIZE);
    b->entry = long_mode ? BOOT_ENTRY_64 : BOOT_ENTRY_32;
    b->entry_gpa = b->kernel_gpa + (long_mode ? ENTRY_64_OFFSET : 0);
}

static int load(const struct boot *b, struct mem *memory, const struct memory_map *map,
                struct err *err)
{
    uint64_t needs = b->kernel_end - b->kernel_gpa;
    if (b->kernel_end > FOUR_GIB || !memory_map_is_ram(map, b->kernel_gpa, needs))
        return boot_too_little(b, map, err);
    int code = kernel_file_copy(&b->kernel, b->file_offset, b->file_bytes, memory, b->kernel_gpa);
    return code ? boot_not_loaded(b, code, err) : 0;
}

static const struct boot_format format = {load};

int bzimage_open(struct boot *b, struct err *err)
{
    int code = read_header(b);
    if (!code)
        code = check_version(b, err);
    if (!code)
        code = find_payload(b, err);
    if (!code)
        code = find_room(b, err);
    if (code)
        return code;
    find_limits(b);
    // What only the real-mode part has is not for the zero page (boot.rst, "32-bit Boot Protocol").
    unsigned end = HDR_MAGIC + b->header[HDR_JUMP + 1];
    if (end < SETUP_HEADER_END)
        memset(b->header + end, 0, SETUP_HEADER_END - end);
    b->format = &format;
    return 0;
}
