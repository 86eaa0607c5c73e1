// SPDX-License-Identifier: GPL-2.0-or-later
//
// The structures of SMBIOS 2.8 that are made here (DSP0134, chapter 7), and how one is put together: its
// fixed part, in which strings are numbers, and then those strings.
#pragma once

#include "base/bits.h"
#include "guest/firmware/bytes.h"
#include "guest/firmware/smbios.h"

struct smbios_build {
    struct bytes out, strings;
    unsigned string_count;  // of the structure under way
    unsigned count;
    size_t largest_bytes;
};
uint8_t smbios_string(struct smbios_build *b, const char *text);  // its number; 0: null or empty
void smbios_put(struct smbios_build *b, const void *fixed, size_t size_bytes);

// What follows the four bytes of type, length and handle has no alignment.
struct smbios_header {
    uint8_t type, length_bytes;
    struct le16 handle;
};
#define SMBIOS_HEADER(type, object, handle) {type, sizeof object, le16((uint16_t)(handle))}

// smbios_structures.c: each writes what the machine and its user say.
void smbios_bios(struct smbios_build *b, const struct smbios_options *o);
void smbios_system(struct smbios_build *b, const struct smbios_options *o, const struct smbios_machine *m);
void smbios_board(struct smbios_build *b, const struct smbios_options *o, const struct smbios_machine *m);
void smbios_chassis(struct smbios_build *b, const struct smbios_options *o, const struct smbios_machine *m);
void smbios_processors(struct smbios_build *b, const struct smbios_options *o, const struct smbios_machine *m);
void smbios_oem_strings(struct smbios_build *b, const struct smbios_options *o);
void smbios_memory_array(struct smbios_build *b, const struct smbios_machine *m);
void smbios_memory_devices(struct smbios_build *b, const struct smbios_options *o,
                           const struct smbios_machine *m);
void smbios_memory_ranges(struct smbios_build *b, const struct smbios_machine *m);
void smbios_boot_status(struct smbios_build *b);
void smbios_end(struct smbios_build *b);
