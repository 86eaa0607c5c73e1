// SPDX-License-Identifier: GPL-2.0-or-later
//
// Each kind of structure (DSP0134, chapter 7). Numbers, handles and words are those of QEMU's q35, which
// guests have learned to know.
#include <stdio.h>
#include <string.h>

#include "guest/firmware/smbios_table.h"

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define DIMM_BYTES (16 * GIB)
enum { BOARD_HANDLE = 0x200, CHASSIS_HANDLE = 0x300, PROCESSOR_HANDLE = 0x400, OEM_HANDLE = 0xe00,
       ARRAY_HANDLE = 0x1000, DIMM_HANDLE = 0x1100, RANGE_HANDLE = 0x1300, BOOT_HANDLE = 0x2000,
       END_HANDLE = 0x7f00 };
enum { OTHER = 1, SAFE = 3, UNKNOWN_SECURITY = 2, NO_HANDLE = 0xffff, NO_ERROR_HANDLE = 0xfffe };

static const char *either(const char *users, const char *machines)
{
    return users ? users : machines;
}

static uint8_t capped(unsigned count)
{
    return count > UINT8_MAX ? UINT8_MAX : (uint8_t)count;
}

// 7.1. The characteristics say that there are none, and in the second extension byte: a virtual
// machine, made for any content.
void smbios_bios(struct smbios_build *b, const struct smbios_options *o)
{
    enum { NO_CHARACTERISTICS = 8, UEFI = 8, ANY_CONTENT = 4, VIRTUAL = 16, NO_CONTROLLER = 0xff };
    struct { struct smbios_header h; uint8_t vendor, version; struct le16 segment;
             uint8_t date, rom_size; struct le64 characteristics; uint8_t extension[2], major, minor,
             controller_major, controller_minor; }
        t = {SMBIOS_HEADER(0, t, 0), .segment = le16(0xe800), .characteristics = le64(NO_CHARACTERISTICS),
             .extension = {0, ANY_CONTENT | VIRTUAL | (o->bios.uefi ? UEFI : 0)},
             .controller_major = NO_CONTROLLER, .controller_minor = NO_CONTROLLER};
    t.vendor = smbios_string(b, o->bios.vendor);
    t.version = smbios_string(b, o->bios.version);
    t.date = smbios_string(b, o->bios.date);
    t.major = o->bios.has_release ? o->bios.major : 0;
    t.minor = o->bios.has_release ? o->bios.minor : 0;
    smbios_put(b, &t, sizeof t);
}

// 7.2.1: the first three groups of a UUID are stored little-endian.
static void put_uuid(uint8_t to[16], const uint8_t uuid[16])
{
    static const uint8_t from[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    for (unsigned i = 0; i < 16; i++)
        to[i] = uuid[from[i]];
}

// 7.2.
void smbios_system(struct smbios_build *b, const struct smbios_options *o, const struct smbios_machine *m)
{
    enum { POWER_SWITCH = 6 };
    struct { struct smbios_header h; uint8_t manufacturer, product, version, serial, uuid[16], wake_up, sku,
             family; }
        t = {SMBIOS_HEADER(1, t, 0x100), .wake_up = POWER_SWITCH};
    t.manufacturer = smbios_string(b, either(o->system.manufacturer, m->manufacturer));
    t.product = smbios_string(b, either(o->system.product, m->product));
    t.version = smbios_string(b, either(o->system.version, m->version));
    t.serial = smbios_string(b, o->system.serial);
    t.sku = smbios_string(b, o->system.sku);
    t.family = smbios_string(b, o->system.family);
    put_uuid(t.uuid, o->system.has_uuid ? o->system.uuid : m->uuid);
    smbios_put(b, &t, sizeof t);
}

// 7.3.
void smbios_board(struct smbios_build *b, const struct smbios_options *o, const struct smbios_machine *m)
{
    enum { HOSTS = 1, MOTHERBOARD = 0x0a };
    struct { struct smbios_header h; uint8_t manufacturer, product, version, serial, asset, features,
             location; struct le16 chassis; uint8_t type, contained; }
        t = {SMBIOS_HEADER(2, t, BOARD_HANDLE), .features = HOSTS, .chassis = le16(CHASSIS_HANDLE),
             .type = MOTHERBOARD};
    t.manufacturer = smbios_string(b, either(o->board.manufacturer, m->manufacturer));
    t.product = smbios_string(b, either(o->board.product, m->product));
    t.version = smbios_string(b, either(o->board.version, m->version));
    t.serial = smbios_string(b, o->board.serial);
    t.asset = smbios_string(b, o->board.asset);
    t.location = smbios_string(b, o->board.location);
    smbios_put(b, &t, sizeof t);
}

// 7.4.
void smbios_chassis(struct smbios_build *b, const struct smbios_options *o, const struct smbios_machine *m)
{
    struct { struct smbios_header h; uint8_t manufacturer, type, version, serial, asset, boot_state,
             power_state, thermal_state, security; struct le32 oem; uint8_t height, cords, contained,
             contained_bytes, sku; }
        t = {SMBIOS_HEADER(3, t, CHASSIS_HANDLE), .type = OTHER, .boot_state = SAFE, .power_state = SAFE,
             .thermal_state = SAFE, .security = UNKNOWN_SECURITY};
    t.manufacturer = smbios_string(b, either(o->chassis.manufacturer, m->manufacturer));
    t.version = smbios_string(b, either(o->chassis.version, m->version));
    t.serial = smbios_string(b, o->chassis.serial);
    t.asset = smbios_string(b, o->chassis.asset);
    t.sku = smbios_string(b, o->chassis.sku);
    smbios_put(b, &t, sizeof t);
}

// 7.5.
static void processor(struct smbios_build *b, unsigned number, const struct smbios_options *o,
                      const struct smbios_machine *m)
{
    enum { CENTRAL = 3, POPULATED_ENABLED = 0x41, UNKNOWN = 2, DEFAULT_MHZ = 2000 };
    struct { struct smbios_header h; uint8_t socket, type, family, manufacturer; struct le64 id;
             uint8_t version, voltage; struct le16 clock, max_mhz, current_mhz; uint8_t status, upgrade;
             struct le16 caches[3]; uint8_t serial, asset, part, cores, enabled, threads;
             struct le16 characteristics, family2; }
        t = {SMBIOS_HEADER(4, t, PROCESSOR_HANDLE + number), .type = CENTRAL, .family = OTHER,
             .status = POPULATED_ENABLED, .upgrade = OTHER,
             .caches = {le16(NO_HANDLE), le16(NO_HANDLE), le16(NO_HANDLE)},
             .characteristics = le16(UNKNOWN), .family2 = le16(OTHER)};
    char socket[128];
    snprintf(socket, sizeof socket, "%s %x", either(o->processor.socket_prefix, "CPU"), number);
    t.socket = smbios_string(b, socket);
    t.manufacturer = smbios_string(b, either(o->processor.manufacturer, m->manufacturer));
    t.version = smbios_string(b, either(o->processor.version, m->version));
    t.id = le64(o->processor.has_id ? o->processor.id : m->cpuid_eax | (uint64_t)m->cpuid_edx << 32);
    t.max_mhz = le16(o->processor.max_mhz ? o->processor.max_mhz : DEFAULT_MHZ);
    t.current_mhz = le16(o->processor.current_mhz ? o->processor.current_mhz : DEFAULT_MHZ);
    t.serial = smbios_string(b, o->processor.serial);
    t.asset = smbios_string(b, o->processor.asset);
    t.part = smbios_string(b, o->processor.part);
    t.cores = t.enabled = capped(m->cores);
    t.threads = capped(m->cores * m->threads);
    smbios_put(b, &t, sizeof t);
}

void smbios_processors(struct smbios_build *b, const struct smbios_options *o, const struct smbios_machine *m)
{
    for (unsigned i = 0; i < m->sockets; i++)
        processor(b, i, o, m);
}

// 7.12.
void smbios_oem_strings(struct smbios_build *b, const struct smbios_options *o)
{
    struct { struct smbios_header h; uint8_t count; } t = {SMBIOS_HEADER(11, t, OEM_HANDLE), 0};
    for (unsigned i = 0; i < o->oem_strings; i++)
        t.count = smbios_string(b, *o->oem_string[i] ? o->oem_string[i] : " ");
    if (t.count)
        smbios_put(b, &t, sizeof t);
}

static unsigned dimms(const struct smbios_machine *m)
{
    return (unsigned)((m->ram_bytes + DIMM_BYTES - 1) / DIMM_BYTES);
}

// 7.17: in KiB, or where 31 bits do not do, in bytes.
void smbios_memory_array(struct smbios_build *b, const struct smbios_machine *m)
{
    enum { SYSTEM_MEMORY = 3, MULTI_BIT_ECC = 6 };
    const uint64_t large_kib = UINT64_C(1) << 31;
    bool large = m->ram_bytes / KIB >= large_kib;
    struct { struct smbios_header h; uint8_t location, use, correction; struct le32 capacity_kib;
             struct le16 error_handle, devices; struct le64 capacity_bytes; }
        t = {SMBIOS_HEADER(16, t, ARRAY_HANDLE), .location = OTHER, .use = SYSTEM_MEMORY,
             .correction = MULTI_BIT_ECC,
             .capacity_kib = le32((uint32_t)(large ? large_kib : m->ram_bytes / KIB)),
             .error_handle = le16(NO_ERROR_HANDLE), .devices = le16((uint16_t)dimms(m)),
             .capacity_bytes = le64(large ? m->ram_bytes : 0)};
    smbios_put(b, &t, sizeof t);
}

// 7.18: in MiB; 0x7fff says that the extended size counts.
static void dimm(struct smbios_build *b, unsigned number, uint64_t size_bytes, const struct smbios_options *o,
                 const struct smbios_machine *m)
{
    enum { UNKNOWN_WIDTH = 0xffff, FORM_DIMM = 9, TYPE_RAM = 7, DETAIL_OTHER = 2, EXTENDED = 0x7fff };
    uint64_t mib = (size_bytes + MIB - 1) / MIB;
    struct { struct smbios_header h; struct le16 array, error_handle, total_width, data_width, size_mib;
             uint8_t form, set, locator, bank, type; struct le16 detail, speed; uint8_t manufacturer, serial,
             asset, part, attributes; struct le32 extended_mib; struct le16 configured_speed, voltage[3]; }
        t = {SMBIOS_HEADER(17, t, DIMM_HANDLE + number), .array = le16(ARRAY_HANDLE),
             .error_handle = le16(NO_ERROR_HANDLE), .total_width = le16(UNKNOWN_WIDTH),
             .data_width = le16(UNKNOWN_WIDTH), .size_mib = le16(mib < EXTENDED ? (uint16_t)mib : EXTENDED),
             .form = FORM_DIMM, .type = TYPE_RAM, .detail = le16(DETAIL_OTHER),
             .speed = le16(o->memory.speed_mts), .configured_speed = le16(o->memory.speed_mts),
             .extended_mib = le32(mib < EXTENDED ? 0 : (uint32_t)mib)};
    char locator[128];
    snprintf(locator, sizeof locator, "%s %u", either(o->memory.locator_prefix, "DIMM"), number);
    t.locator = smbios_string(b, locator);
    t.bank = smbios_string(b, o->memory.bank);
    t.manufacturer = smbios_string(b, either(o->memory.manufacturer, m->manufacturer));
    t.serial = smbios_string(b, o->memory.serial);
    t.asset = smbios_string(b, o->memory.asset);
    t.part = smbios_string(b, o->memory.part);
    smbios_put(b, &t, sizeof t);
}

void smbios_memory_devices(struct smbios_build *b, const struct smbios_options *o,
                           const struct smbios_machine *m)
{
    for (unsigned i = 0; i < dimms(m); i++) {
        uint64_t left = m->ram_bytes - i * DIMM_BYTES;
        dimm(b, i, left < DIMM_BYTES ? left : DIMM_BYTES, o, m);
    }
}

// 7.20: in KiB, or where 32 bits do not do, in bytes.
static void range(struct smbios_build *b, unsigned number, uint64_t base, uint64_t size_bytes)
{
    uint64_t last = base + size_bytes - 1;
    bool large = last / KIB >= UINT32_MAX;
    struct { struct smbios_header h; struct le32 start_kib, end_kib; struct le16 array; uint8_t width;
             struct le64 start_bytes, end_bytes; }
        t = {SMBIOS_HEADER(19, t, RANGE_HANDLE + number),
             .start_kib = le32(large ? UINT32_MAX : (uint32_t)(base / KIB)),
             .end_kib = le32(large ? UINT32_MAX : (uint32_t)(last / KIB)), .array = le16(ARRAY_HANDLE),
             .width = 1, .start_bytes = le64(large ? base : 0), .end_bytes = le64(large ? last : 0)};
    smbios_put(b, &t, sizeof t);
}

void smbios_memory_ranges(struct smbios_build *b, const struct smbios_machine *m)
{
    range(b, 0, 0, m->low_bytes);
    if (m->ram_bytes > m->low_bytes)
        range(b, 1, 4 * GIB, m->ram_bytes - m->low_bytes);
}

// 7.33: no error.
void smbios_boot_status(struct smbios_build *b)
{
    struct { struct smbios_header h; uint8_t reserved[6], status; } t = {SMBIOS_HEADER(32, t, BOOT_HANDLE), {0}, 0};
    smbios_put(b, &t, sizeof t);
}

void smbios_end(struct smbios_build *b)
{
    struct smbios_header t = SMBIOS_HEADER(127, t, END_HANDLE);
    smbios_put(b, &t, sizeof t);
}
