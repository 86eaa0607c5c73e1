// SPDX-License-Identifier: GPL-2.0-or-later
#include "cmd/tables.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/report.h"

enum { SMBIOS_FILE_BYTES = 1 << 16 };

static struct smbios_options smbios;
static void *files[SMBIOS_TABLES];
static unsigned file_count;

// The whole of a file of up to most bytes; the caller frees it. Null: errno says why not.
static void *read_file(const char *path, size_t most, size_t *size_bytes)
{
    struct stat st;
    size_t at = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *bytes = NULL;
    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        errno = EISDIR;
    else if ((size_t)st.st_size > most)
        errno = EFBIG;
    else
        bytes = malloc(most < (size_t)st.st_size + 1 ? most + 1 : (size_t)st.st_size + 1);
    ssize_t n = 1;
    while (bytes && n > 0 && at < (size_t)st.st_size) {
        n = read(fd, bytes + at, (size_t)st.st_size - at);
        at += n > 0 ? (size_t)n : 0;
    }
    int why = errno;
    close(fd);
    errno = why;
    *size_bytes = at;
    if (bytes && n < 0) {
        free(bytes);
        return NULL;
    }
    return bytes;
}

static int take_file(const char *path, struct err *err)
{
    size_t size_bytes;
    if (smbios.tables == SMBIOS_TABLES)
        return err_set(err, -EINVAL, "more than %d files", SMBIOS_TABLES);
    void *bytes = read_file(path, SMBIOS_FILE_BYTES, &size_bytes);
    if (!bytes)
        return err_set(err, -errno, "Cannot read SMBIOS file %s", path);
    files[file_count++] = bytes;
    int rc = smbios_check_table(bytes, size_bytes, err);
    if (rc < 0)
        return rc;
    smbios.table[smbios.tables].bytes = bytes;
    smbios.table[smbios.tables++].size_bytes = size_bytes;
    return 0;
}

struct field {
    const char *key, **to;
};

static void take_strings(struct keyvals *kv, const struct field *fields)
{
    for (; fields->key; fields++) {
        const char *value = keyvals_take(kv, fields->key);
        if (value)
            *fields->to = value;
    }
}

static int take_short(struct keyvals *kv, const char *key, uint16_t *to, struct err *err)
{
    uint64_t value = *to;
    int rc = keyvals_number(kv, key, &value, err);
    if (rc == 0 && value > UINT16_MAX)
        rc = err_set(err, -EINVAL, "Parameter '%s' expects a number below 65536", key);
    *to = value;
    return rc;
}

static int take_bios(struct keyvals *kv, struct err *err)
{
    const struct field fields[] = {{"vendor", &smbios.bios.vendor}, {"version", &smbios.bios.version},
                                   {"date", &smbios.bios.date}, {0}};
    const char *release = keyvals_take(kv, "release");
    unsigned major = 0, minor = 0;
    char end;
    smbios.bios.asked = true;
    take_strings(kv, fields);
    if (release && (sscanf(release, "%u.%u%c", &major, &minor, &end) != 2 || major > 255 || minor > 255))
        return err_set(err, -EINVAL, "Invalid release");
    if (release) {
        smbios.bios.has_release = true;
        smbios.bios.major = major;
        smbios.bios.minor = minor;
    }
    return keyvals_bool(kv, "uefi", &smbios.bios.uefi, err);
}

static bool parse_uuid(const char *text, uint8_t uuid[16])
{
    static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    unsigned digits = 0;
    if (strlen(text) != sizeof shape - 1)
        return false;
    for (size_t i = 0; shape[i]; i++) {
        unsigned char c = (unsigned char)text[i];
        if (shape[i] == '-' ? c != '-' : !isxdigit(c))
            return false;
        if (shape[i] == '-')
            continue;
        uint8_t *byte = &uuid[digits++ / 2];
        *byte = *byte << 4 | (isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
    }
    return true;
}

static int take_system(struct keyvals *kv, struct err *err)
{
    const struct field fields[] = {
        {"manufacturer", &smbios.system.manufacturer}, {"product", &smbios.system.product},
        {"version", &smbios.system.version}, {"serial", &smbios.system.serial},
        {"sku", &smbios.system.sku}, {"family", &smbios.system.family}, {0}};
    const char *uuid = keyvals_take(kv, "uuid");
    take_strings(kv, fields);
    if (uuid && !parse_uuid(uuid, smbios.system.uuid))
        return err_set(err, -EINVAL, "Invalid UUID");
    smbios.system.has_uuid |= uuid != NULL;
    return 0;
}

static int take_board(struct keyvals *kv, struct err *err)
{
    const struct field fields[] = {
        {"manufacturer", &smbios.board.manufacturer}, {"product", &smbios.board.product},
        {"version", &smbios.board.version}, {"serial", &smbios.board.serial},
        {"asset", &smbios.board.asset}, {"location", &smbios.board.location}, {0}};
    (void)err;
    smbios.board.asked = true;
    take_strings(kv, fields);
    return 0;
}

static int take_chassis(struct keyvals *kv, struct err *err)
{
    const struct field fields[] = {
        {"manufacturer", &smbios.chassis.manufacturer}, {"version", &smbios.chassis.version},
        {"serial", &smbios.chassis.serial}, {"asset", &smbios.chassis.asset}, {"sku", &smbios.chassis.sku}, {0}};
    (void)err;
    take_strings(kv, fields);
    return 0;
}

static int take_processor(struct keyvals *kv, struct err *err)
{
    const struct field fields[] = {
        {"sock_pfx", &smbios.processor.socket_prefix}, {"manufacturer", &smbios.processor.manufacturer},
        {"version", &smbios.processor.version}, {"serial", &smbios.processor.serial},
        {"asset", &smbios.processor.asset}, {"part", &smbios.processor.part}, {0}};
    take_strings(kv, fields);
    int rc = take_short(kv, "max-speed", &smbios.processor.max_mhz, err);
    if (rc == 0)
        rc = take_short(kv, "current-speed", &smbios.processor.current_mhz, err);
    if (rc == 0 && keyvals_take(kv, "processor-id")) {
        smbios.processor.has_id = true;
        rc = keyvals_number(kv, "processor-id", &smbios.processor.id, err);
    }
    return rc;
}

static int take_oem_strings(struct keyvals *kv, struct err *err)
{
    unsigned at = 0;
    if (keyvals_take(kv, "path"))
        return err_set(err, -ENOTSUP, "path= is not supported yet");
    for (const char *value; (value = keyvals_take_each(kv, "value", &at));) {
        if (smbios.oem_strings == SMBIOS_OEM_STRINGS)
            return err_set(err, -EINVAL, "more than %d strings", SMBIOS_OEM_STRINGS);
        smbios.oem_string[smbios.oem_strings++] = value;
    }
    return 0;
}

static int take_memory(struct keyvals *kv, struct err *err)
{
    const struct field fields[] = {
        {"loc_pfx", &smbios.memory.locator_prefix}, {"bank", &smbios.memory.bank},
        {"manufacturer", &smbios.memory.manufacturer}, {"serial", &smbios.memory.serial},
        {"asset", &smbios.memory.asset}, {"part", &smbios.memory.part}, {0}};
    take_strings(kv, fields);
    return take_short(kv, "speed", &smbios.memory.speed_mts, err);
}

static int take_type(struct keyvals *kv, struct err *err)
{
    static int (*const types[])(struct keyvals *kv, struct err *err) = {
        [0] = take_bios, [1] = take_system, [2] = take_board, [3] = take_chassis, [4] = take_processor,
        [11] = take_oem_strings, [17] = take_memory};
    uint64_t type = 0;
    int rc = keyvals_number(kv, "type", &type, err);
    if (rc < 0)
        return rc;
    if (type > 127)
        return err_set(err, -EINVAL, "Invalid type");
    if (type == 8 || type == 41)
        return err_set(err, -ENOTSUP, "type=%u is not supported yet", (unsigned)type);
    if (type >= sizeof types / sizeof types[0] || !types[type])
        return err_set(err, -EINVAL, "Don't know how to build fields for SMBIOS type %u", (unsigned)type);
    rc = types[type](kv, err);
    return rc < 0 ? rc : keyvals_all_taken(kv, err);
}

const struct smbios_options *tables_smbios(struct options *o, struct err *err)
{
    for (unsigned i = 0; i < o->smbioses; i++) {
        struct keyvals *kv = &o->smbios[i].properties;
        const char *file = keyvals_take(kv, "file");
        int rc = file ? take_file(file, err) : take_type(kv, err);
        if (rc < 0) {
            options_blame(&o->smbios[i].use, rc, err);
            return NULL;
        }
    }
    return &smbios;
}

static int add_file(struct fw_cfg *fw, const char *name, const char *path, struct err *err)
{
    size_t size_bytes;
    void *bytes = read_file(path, FW_CFG_FILE_BYTES_MAX, &size_bytes);
    if (!bytes)
        return err_set(err, -errno, "can't load %s: Failed to open file \xe2\x80\x9c%s\xe2\x80\x9d: %s", path, path,
                       strerror(errno));
    int rc = fw_cfg_add_file(fw, name, bytes, size_bytes, err);
    free(bytes);
    return rc;
}

int tables_fw_cfg(struct options *o, struct fw_cfg *fw, struct err *err)
{
    int rc = 0;
    for (unsigned i = 0; i < o->fw_cfgs && rc == 0; i++) {
        struct keyvals *kv = &o->fw_cfg[i].properties;
        const char *name = keyvals_take(kv, "name"), *file = keyvals_take(kv, "file");
        const char *string = keyvals_take(kv, "string");
        if (strncmp(name, "opt/", 4))
            report("-fw_cfg %s: warning: externally provided fw_cfg item names should be prefixed with \"opt/\"",
                   o->fw_cfg[i].use.argument);
        rc = file ? add_file(fw, name, file, err) : fw_cfg_add_file(fw, name, string, strlen(string), err);
        if (rc == -EEXIST)
            err_set(err, rc, "duplicate fw_cfg file name: %s", name);
        if (rc < 0)
            options_blame(&o->fw_cfg[i].use, rc, err);
    }
    return rc;
}

void tables_finish(void)
{
    while (file_count)
        free(files[--file_count]);
}
