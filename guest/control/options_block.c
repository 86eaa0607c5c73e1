// SPDX-License-Identifier: GPL-2.0-or-later
//
// -drive and -blockdev: which files, and how they are opened.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/control/options.h"

struct option_drive *options_find_drive(struct options *o, const char *id)
{
    for (unsigned i = 0; i < o->drives; i++)
        if (!strcmp(o->drive[i].id, id))
            return &o->drive[i];
    return NULL;
}

static int add_drive(struct options *o, struct option_drive **drive, struct err *err)
{
    if (o->drives == OPTIONS_DRIVES)
        return err_set(err, -EINVAL, "more than %d drives", OPTIONS_DRIVES);
    *drive = &o->drive[o->drives];
    **drive = (struct option_drive){.use = o->current};
    return 0;
}

// What failed has no name that another could mean, and its strings go.
static int end_drive(struct options *o, struct option_drive *d, int rc)
{
    if (rc == 0)
        o->drives++;
    else
        free((char *)d->config.path);
    return rc;
}

static int take_path(struct option_drive *d, const char *path, struct err *err)
{
    char *copy = NULL;
    int rc = options_copy(&copy, path, err);
    d->config.path = copy;
    return rc;
}

// The words of cache=, as the three switches that they stand for.
struct cache {
    bool writeback, direct, no_flush;
};

static int cache_mode(struct option_drive *d, const struct cache *c, struct err *err)
{
    if (c->no_flush && c->direct)
        return err_set(err, -ENOTSUP, "cache.direct=on with cache.no-flush=on is not supported yet");
    if (c->no_flush)
        d->config.cache = BLOCK_UNSAFE;
    else if (c->direct)
        d->config.cache = c->writeback ? BLOCK_NONE : BLOCK_DIRECTSYNC;
    else
        d->config.cache = c->writeback ? BLOCK_WRITEBACK : BLOCK_WRITETHROUGH;
    return 0;
}

static int take_cache_word(struct keyvals *kv, struct cache *c, struct err *err)
{
    static const struct { const char *name; struct cache cache; } words[] = {
        {"writeback", {true, false, false}}, {"none", {true, true, false}}, {"off", {true, true, false}},
        {"writethrough", {false, false, false}}, {"directsync", {false, true, false}},
        {"unsafe", {true, false, true}},
    };
    const char *value = keyvals_take(kv, "cache");
    for (size_t i = 0; i < sizeof words / sizeof words[0] && value; i++)
        if (!strcmp(words[i].name, value)) {
            *c = words[i].cache;
            return 0;
        }
    return value ? err_set(err, -EINVAL, "invalid cache option") : 0;
}

static int take_bools(struct keyvals *kv, const char *prefix, struct cache *c, struct option_drive *d,
                      struct err *err)
{
    char name[64];
    const struct { const char *key; bool *to; } bools[] = {
        {"cache.direct", &c->direct}, {"cache.no-flush", &c->no_flush},
        {"read-only", &d->config.read_only}, {"auto-read-only", &d->config.auto_read_only},
    };
    int rc = 0;
    for (size_t i = 0; i < sizeof bools / sizeof bools[0] && rc == 0; i++) {
        snprintf(name, sizeof name, "%s%s", prefix, bools[i].key);
        rc = keyvals_bool(kv, name, bools[i].to, err);
    }
    return rc;
}

static const char *take_with_prefix(struct keyvals *kv, const char *prefix, const char *key)
{
    char name[64];
    snprintf(name, sizeof name, "%s%s", prefix, key);
    return keyvals_take(kv, name);
}

// -drive says "Invalid discard option" where -blockdev names the parameter.
static int refuse(const char *drive_sentence, const char *prefix, const char *key, const char *value,
                  struct err *err)
{
    if (drive_sentence)
        return err_set(err, -EINVAL, "%s", drive_sentence);
    return err_set(err, -EINVAL, "Parameter '%s%s' does not accept value '%s'", prefix, key, value);
}

static int take_aio(struct keyvals *kv, const char *prefix, struct option_drive *d, bool drive,
                    struct err *err)
{
    const char *aio = take_with_prefix(kv, prefix, "aio");
    if (!aio)
        return 0;
    if (!strcmp(aio, "threads"))
        d->config.aio = BLOCK_AIO_THREADS;
    else if (!strcmp(aio, "native"))
        d->config.aio = BLOCK_AIO_NATIVE;
    else if (!strcmp(aio, "io_uring"))
        d->config.aio = BLOCK_AIO_IO_URING;
    else
        return refuse(drive ? "invalid aio option" : NULL, prefix, "aio", aio, err);
    return 0;
}

// "on" and "auto" lock where the host can, and it can.
static int take_locking(struct keyvals *kv, const char *prefix, struct option_drive *d, struct err *err)
{
    const char *locking = take_with_prefix(kv, prefix, "locking");
    if (!locking)
        return 0;
    if (strcmp(locking, "on") && strcmp(locking, "auto") && strcmp(locking, "off"))
        return refuse(NULL, prefix, "locking", locking, err);
    d->config.share_writers = !strcmp(locking, "off");
    return 0;
}

static int take_discard(struct keyvals *kv, const char *prefix, struct option_drive *d, bool drive,
                        struct err *err)
{
    const char *discard = take_with_prefix(kv, prefix, "discard");
    if (!discard)
        return 0;
    bool on = !strcmp(discard, "unmap") || (drive && !strcmp(discard, "on"));
    bool off = !strcmp(discard, "ignore") || (drive && !strcmp(discard, "off"));
    if (!on && !off)
        return refuse(drive ? "Invalid discard option" : NULL, prefix, "discard", discard, err);
    d->config.discard_unmap = on;
    return 0;
}

static int take_detect_zeroes(struct keyvals *kv, const char *prefix, struct option_drive *d, bool drive,
                              struct err *err)
{
    const char *detect = take_with_prefix(kv, prefix, "detect-zeroes");
    char sentence[300];
    if (!detect || !strcmp(detect, "off"))
        return 0;
    bool unmap = !strcmp(detect, "unmap");
    snprintf(sentence, sizeof sentence, "invalid parameter value: %.200s", detect);
    if (!unmap && strcmp(detect, "on"))
        return refuse(drive ? sentence : NULL, prefix, "detect-zeroes", detect, err);
    if (unmap && !d->config.discard_unmap)
        return err_set(err, -EINVAL, "setting detect-zeroes to unmap is not allowed without setting discard "
                       "operation to unmap");
    d->config.detect_zeroes = true;
    return 0;
}

// What both forms have of one layer, in front of which prefix stands.
static int take_layer(struct keyvals *kv, const char *prefix, struct option_drive *d, bool drive,
                      struct err *err)
{
    int rc = take_aio(kv, prefix, d, drive, err);
    if (rc == 0)
        rc = take_locking(kv, prefix, d, err);
    if (rc == 0)
        rc = take_discard(kv, prefix, d, drive, err);
    return rc < 0 ? rc : take_detect_zeroes(kv, prefix, d, drive, err);
}

static int take_policy(struct keyvals *kv, const char *key, bool write, enum error_policy *policy,
                       struct err *err)
{
    static const char *const words[] = {"auto", "report", "ignore", "enospc", "stop"};
    const char *value = keyvals_take(kv, key);
    if (!value)
        return 0;
    for (int i = ERRORS_REPORT; i <= ERRORS_STOP; i++)
        if (!strcmp(words[i], value) && (write || i != ERRORS_ENOSPC)) {
            *policy = i;
            return 0;
        }
    return err_set(err, -EINVAL, "'%s' invalid %s error action", value, write ? "write" : "read");
}

static int take_interface(struct keyvals *kv, struct option_drive *d, struct err *err)
{
    static const char *const later[] = {"ide", "scsi", "floppy", "pflash", "mtd", "sd", "xen"};
    const char *name = keyvals_take(kv, "if");
    if (!name)
        name = "ide";
    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++)
        if (!strcmp(later[i], name))
            return err_set(err, -ENOTSUP, "if=%s is not supported yet (if=virtio is, and if=none with -device "
                           "virtio-blk-pci)", name);
    d->virtio = !strcmp(name, "virtio");
    if (!d->virtio && strcmp(name, "none"))
        return err_set(err, -EINVAL, "unsupported bus type '%s'", name);
    return 0;
}

static bool index_is_taken(const struct options *o, unsigned index)
{
    for (unsigned i = 0; i < o->drives; i++)
        if (o->drive[i].virtio && o->drive[i].index == index)
            return true;
    return false;
}

// One disk a bus, so unit can only be 0 and a bus is an index.
static int take_index(struct options *o, struct keyvals *kv, struct option_drive *d, struct err *err)
{
    uint64_t index = 0, bus = 0, unit = 0;
    bool indexed = keyvals_take(kv, "index"), placed = keyvals_take(kv, "bus");
    placed |= !!keyvals_take(kv, "unit");
    int rc = keyvals_number(kv, "index", &index, err);
    if (rc == 0)
        rc = keyvals_number(kv, "bus", &bus, err);
    if (rc == 0)
        rc = keyvals_number(kv, "unit", &unit, err);
    if (rc < 0)
        return rc;
    if (indexed && placed)
        return err_set(err, -EINVAL, "index cannot be used with bus and unit");
    if (!d->virtio)
        return 0;
    index = placed ? bus + unit : index;
    while (!indexed && !placed && index_is_taken(o, index))
        index++;
    if (index > UINT16_MAX)
        return err_set(err, -EINVAL, "index %llu is too big", (unsigned long long)index);
    if (index_is_taken(o, index))
        return err_set(err, -EINVAL, "drive with bus=%u, unit=0 (index=%u) exists", (unsigned)index,
                       (unsigned)index);
    d->index = index;
    return 0;
}

static int take_drive_id(struct options *o, struct keyvals *kv, struct option_drive *d, struct err *err)
{
    const char *id = keyvals_take(kv, "id");
    int rc = id ? options_set_id(d->id, id, err) : 0;
    if (!id)
        snprintf(d->id, sizeof d->id, "%s%u", d->virtio ? "virtio" : "none", d->virtio ? d->index : o->drives);
    if (rc == 0 && options_find_drive(o, d->id))
        rc = err_set(err, -EINVAL, "Duplicate ID '%s' for drive", d->id);
    return rc;
}

// Fine with the value that says what happens anyway.
static int check_fixed(struct keyvals *kv, struct err *err)
{
    static const struct { const char *key, *allowed, *too; } fixed[] = {
        {"snapshot", "off", "no"}, {"copy-on-read", "off", "no"}, {"cache.writeback", "on", "yes"},
        {"file.driver", "file", "file"}, {"media", "disk", "disk"},
        {"format", "raw", "raw"}, {"driver", "raw", "raw"},
    };
    const char *media = keyvals_take(kv, "media");
    if (media && strcmp(media, "disk") && strcmp(media, "cdrom"))
        return err_set(err, -EINVAL, "'%s' invalid media", media);
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        const char *value = keyvals_take(kv, fixed[i].key);
        if (value && strcmp(value, fixed[i].allowed) && strcmp(value, fixed[i].too))
            return err_set(err, -ENOTSUP, "%s=%s is not supported yet", fixed[i].key, value);
    }
    return 0;
}

static bool starts_with(const char *text, const char *start)
{
    return !strncmp(text, start, strlen(start));
}

static int refuse_rest(const struct keyvals *kv, struct err *err)
{
    static const char *const throttles[] = {"throttling.", "iops", "bps", "stats-", "account-"};
    for (unsigned i = 0; i < kv->count; i++) {
        const char *key = kv->item[i].key;
        if (kv->item[i].taken)
            continue;
        for (size_t k = 0; k < sizeof throttles / sizeof throttles[0]; k++)
            if (starts_with(key, throttles[k]))
                return err_set(err, -ENOTSUP, "%s is not supported yet", key);
        return err_set(err, -EINVAL, "Block format 'raw' does not support the option '%s'", key);
    }
    return 0;
}

static int take_format(struct keyvals *kv, struct option_drive *d, struct err *err)
{
    static const char *const later[] = {"qcow2", "qcow", "qed", "vmdk", "vdi", "vhdx", "vpc", "parallels",
                                        "bochs", "cloop", "dmg", "luks", "nbd", "host_device"};
    const char *format = keyvals_take(kv, "format"), *driver = keyvals_take(kv, "driver");
    format = format ? format : driver;
    if (!format)
        return 0;
    if (options_holds(later, sizeof later / sizeof later[0], format))
        return err_set(err, -ENOTSUP, "format=%s is not supported yet", format);
    if (strcmp(format, "raw"))
        return err_set(err, -EINVAL, "Unknown driver '%s'", format);
    d->config.format = "raw";
    return 0;
}

static int take_file(struct keyvals *kv, struct option_drive *d, struct err *err)
{
    static const char *const later[] = {"nbd:", "nbd+", "http:", "https:", "ftp:", "ssh:", "rbd:", "iscsi:",
                                        "nfs:", "json:", "gluster", "nvme:", "fat:", "blkdebug:"};
    const char *file = keyvals_take(kv, "file"), *filename = keyvals_take(kv, "file.filename");
    if (!file)
        file = filename;
    if ((!file || !*file) && d->virtio)
        return err_set(err, -EINVAL, "Device needs media, but drive is empty");
    if (!file || !*file)
        return err_set(err, -EINVAL, "A block device must be specified for \"file\"");
    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++)
        if (starts_with(file, later[i]))
            return err_set(err, -ENOTSUP, "'%s...' is not supported yet", later[i]);
    return take_path(d, file + (starts_with(file, "file:") ? 5 : 0), err);
}

static int take_read_only(struct keyvals *kv, struct option_drive *d, struct err *err)
{
    const char *old = keyvals_take(kv, "readonly");  // QEMU's own message has the new name for it
    if (old && parse_bool(old, &d->config.read_only) < 0)
        return err_set(err, -EINVAL, "Parameter 'read-only' expects 'on' or 'off'");
    return 0;
}

static int use_drive(struct options *o, struct keyvals *kv, struct option_drive *d, struct err *err)
{
    struct cache cache = {.writeback = true};
    int rc = take_format(kv, d, err);
    if (rc == 0)
        rc = take_interface(kv, d, err);
    if (rc == 0)
        rc = take_index(o, kv, d, err);
    if (rc == 0)
        rc = take_drive_id(o, kv, d, err);
    if (rc == 0)
        rc = take_cache_word(kv, &cache, err);
    if (rc == 0)
        rc = take_bools(kv, "", &cache, d, err);
    if (rc == 0)
        rc = take_read_only(kv, d, err);
    if (rc == 0)
        rc = cache_mode(d, &cache, err);
    if (rc == 0)
        rc = take_layer(kv, "", d, true, err);
    return rc < 0 ? rc : take_locking(kv, "file.", d, err);
}

static int use_drive_rest(struct keyvals *kv, struct option_drive *d, struct err *err)
{
    int rc = take_policy(kv, "werror", true, &d->on_write_error, err);
    if (rc == 0)
        rc = take_policy(kv, "rerror", false, &d->on_read_error, err);
    if (rc == 0)
        rc = check_fixed(kv, err);
    if (rc == 0)
        rc = take_file(kv, d, err);
    return rc < 0 ? rc : refuse_rest(kv, err);
}

int option_drive(struct options *o, const char *argument, struct err *err)
{
    struct keyvals kv;
    struct option_drive *d = NULL;
    int rc = keyvals_parse(&kv, argument, NULL, err);
    if (rc < 0)
        return rc;
    rc = add_drive(o, &d, err);
    if (rc == 0) {
        rc = use_drive(o, &kv, d, err);
        rc = end_drive(o, d, rc < 0 ? rc : use_drive_rest(&kv, d, err));
    }
    keyvals_finish(&kv);
    return rc;
}

// A node's name is stricter than an id, and shorter.
static int take_node_name(struct options *o, struct keyvals *kv, struct option_drive *d, struct err *err)
{
    struct err ignored = {0};
    const char *name = keyvals_take(kv, "node-name");
    if (!name)
        return err_set(err, -EINVAL, "'node-name' must be specified for the root node");
    if (strlen(name) > 31)
        return err_set(err, -EINVAL, "Node name too long");
    if (options_set_id(d->id, name, &ignored) < 0)
        return err_set(err, -EINVAL, "Invalid node-name: '%s'", name);
    if (options_find_drive(o, name))
        return err_set(err, -EINVAL, "Duplicate nodes with node-name='%s'", name);
    return 0;
}

static int check_driver(const char *parameter, const char *driver, struct err *err)
{
    static const char *const later[] = {"blkdebug", "blklogwrites", "blkreplay", "blkverify", "bochs",
        "cloop", "compress", "copy-before-write", "copy-on-read", "dmg", "ftp", "ftps", "gluster",
        "host_cdrom", "host_device", "http", "https", "io_uring", "iscsi", "luks", "nbd", "nfs",
        "null-aio", "null-co", "nvme", "nvme-io_uring", "parallels", "preallocate", "qcow", "qcow2",
        "qed", "quorum", "rbd", "replication", "snapshot-access", "ssh", "throttle", "vdi", "vhdx",
        "virtio-blk-vfio-pci", "vmdk", "vpc", "vvfat"};
    if (!driver)
        return err_set(err, -EINVAL, "Parameter '%s' is missing", parameter);
    if (options_holds(later, sizeof later / sizeof later[0], driver))
        return err_set(err, -ENOTSUP, "driver=%s is not supported yet", driver);
    if (strcmp(driver, "raw") && strcmp(driver, "file"))
        return err_set(err, -EINVAL, "Parameter '%s' does not accept value '%s'", parameter, driver);
    return 0;
}

static int take_filename(struct keyvals *kv, const char *prefix, struct option_drive *d, struct err *err)
{
    const char *path = take_with_prefix(kv, prefix, "filename");
    if (!path)
        return err_set(err, -EINVAL, "Parameter '%sfilename' is missing", prefix);
    return take_path(d, path, err);
}

static int use_file_node(struct keyvals *kv, const char *prefix, struct option_drive *d,
                         struct cache *cache, struct err *err)
{
    int rc = take_filename(kv, prefix, d, err);
    if (rc == 0)
        rc = take_bools(kv, prefix, cache, d, err);
    return rc < 0 ? rc : take_layer(kv, prefix, d, false, err);
}

// "file=NODE": the file's own properties count, and what may be done with it is what both allow.
static int use_file_of(struct options *o, struct option_drive *d, const char *name, struct err *err)
{
    struct option_drive *file = options_find_drive(o, name);
    if (!file || !file->blockdev)
        return err_set(err, -EINVAL, "Cannot find device='%s' nor node-name='%s'", name, name);
    if (file->user || file->file)
        return err_set(err, -EINVAL, "node '%s' is used by node '%s' already", name,
                       file->user ? file->user->id : file->id);
    bool read_only = d->config.read_only, zeroes = d->config.detect_zeroes;
    bool unmap = d->config.discard_unmap && file->config.discard_unmap;
    d->config = file->config;
    d->config.path = NULL;
    d->config.read_only |= read_only;
    d->config.detect_zeroes |= zeroes;
    d->config.discard_unmap = unmap;
    d->file = file;
    file->user = d;
    return 0;
}

static int use_raw_over_file(struct keyvals *kv, struct option_drive *d, struct cache *cache, struct err *err)
{
    const char *driver = keyvals_take(kv, "file.driver");
    keyvals_take(kv, "file.node-name");
    int rc = check_driver("file.driver", driver, err);
    if (rc == 0 && strcmp(driver, "file"))
        rc = err_set(err, -ENOTSUP, "file.driver=%s is not supported yet", driver);
    return rc < 0 ? rc : use_file_node(kv, "file.", d, cache, err);
}

static int use_raw_node(struct options *o, struct keyvals *kv, struct option_drive *d, struct err *err)
{
    struct cache cache = {.writeback = true};
    const char *file = keyvals_take(kv, "file");
    bool nested = false;
    for (unsigned i = 0; i < kv->count; i++)
        nested |= starts_with(kv->item[i].key, "file.");
    if (!file && !nested)
        return err_set(err, -EINVAL, "Parameter 'file' is missing");
    int rc = take_bools(kv, "", &cache, d, err);
    if (rc == 0)
        rc = take_layer(kv, "", d, false, err);
    if (rc == 0)
        rc = file ? use_file_of(o, d, file, err) : use_raw_over_file(kv, d, &cache, err);
    return rc < 0 || file ? rc : cache_mode(d, &cache, err);
}

static int use_blockdev(struct options *o, struct keyvals *kv, struct option_drive *d, struct err *err)
{
    struct cache cache = {.writeback = true};
    const char *driver = keyvals_take(kv, "driver");
    int rc = check_driver("driver", driver, err);
    if (rc < 0)
        return rc;
    d->blockdev = true;
    d->config.format = "raw";
    if (!strcmp(driver, "raw")) {
        rc = use_raw_node(o, kv, d, err);
    } else {
        rc = use_file_node(kv, "", d, &cache, err);
        rc = rc < 0 ? rc : cache_mode(d, &cache, err);
    }
    for (unsigned i = 0; i < kv->count && rc == 0; i++)
        if (!kv->item[i].taken && strcmp(kv->item[i].key, "node-name"))
            rc = err_set(err, -EINVAL, "Parameter '%s' is unexpected", kv->item[i].key);
    return rc < 0 ? rc : take_node_name(o, kv, d, err);
}

int option_blockdev(struct options *o, const char *argument, struct err *err)
{
    struct keyvals kv;
    struct option_drive *d = NULL;
    if (options_is_help(argument))
        return err_set(err, -EINVAL, "Help is not available for this option");
    int rc = keyvals_parse_any(&kv, argument, "driver", err);
    if (rc < 0)
        return rc;
    rc = add_drive(o, &d, err);
    if (rc == 0)
        rc = end_drive(o, d, use_blockdev(o, &kv, d, err));
    keyvals_finish(&kv);
    return rc;
}
