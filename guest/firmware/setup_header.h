// SPDX-License-Identifier: GPL-2.0-or-later
//
// Offsets in the setup header and the zero page (Linux: Documentation/arch/x86/boot.rst and
// zero-page.rst). The header is at the same place in both.
#pragma once

enum {
    ZP_ACPI_RSDP = 0x070,
    ZP_EXT_RAMDISK_IMAGE = 0x0c0,
    ZP_EXT_RAMDISK_SIZE = 0x0c4,
    ZP_E820_ENTRIES = 0x1e8,
    HDR_SETUP_SECTS = 0x1f1,
    HDR_SYSSIZE = 0x1f4,
    HDR_BOOT_FLAG = 0x1fe,
    HDR_JUMP = 0x200,
    HDR_MAGIC = 0x202,
    HDR_VERSION = 0x206,
    HDR_TYPE_OF_LOADER = 0x210,
    HDR_LOADFLAGS = 0x211,
    HDR_CODE32_START = 0x214,
    HDR_RAMDISK_IMAGE = 0x218,
    HDR_RAMDISK_SIZE = 0x21c,
    HDR_EXT_LOADER_VER = 0x226,
    HDR_EXT_LOADER_TYPE = 0x227,
    HDR_CMD_LINE_PTR = 0x228,
    HDR_INITRD_ADDR_MAX = 0x22c,
    HDR_KERNEL_ALIGNMENT = 0x230,
    HDR_RELOCATABLE = 0x234,
    HDR_XLOADFLAGS = 0x236,
    HDR_CMDLINE_SIZE = 0x238,
    HDR_SETUP_DATA = 0x250,
    HDR_PREF_ADDRESS = 0x258,
    HDR_INIT_SIZE = 0x260,
    ZP_E820_TABLE = 0x2d0,
    ZP_BYTES = 4096,
};

enum { BOOT_FLAG = 0xaa55, LOADED_HIGH = 1 << 0, KEEP_SEGMENTS = 1 << 6 };
enum { XLF_KERNEL_64 = 1 << 0, XLF_CAN_BE_LOADED_ABOVE_4G = 1 << 1 };
