// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/device/fw_cfg_items.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

enum { FEATURE_PORTS = 1, FEATURE_DMA = 2 };

// As the guest finds it.
struct directory_entry {
    uint32_t size_bytes;  // big-endian, as is the key
    uint16_t key, reserved;
    char name[FW_CFG_NAME_BYTES];
};
static_assert(sizeof(struct directory_entry) == FW_CFG_ENTRY_BYTES, "docs/specs/fw_cfg, FWCfgFile");

const struct fw_cfg_item *fw_cfg_find(const struct fw_cfg *fw, uint16_t key)
{
    for (unsigned i = 0; i < fw->count; i++)
        if (fw->item[i].key == key)
            return &fw->item[i];
    return NULL;
}

static unsigned first_file(const struct fw_cfg *fw)
{
    unsigned i = 0;
    while (i < fw->count && !*fw->item[i].name)
        i++;
    return i;
}

static void write_entry(struct fw_cfg *fw, unsigned file, const struct fw_cfg_item *item)
{
    struct directory_entry entry = {.size_bytes = htobe32((uint32_t)item->size_bytes),
                                    .key = htobe16(item->key)};
    memcpy(entry.name, item->name, sizeof entry.name);
    memcpy(fw->directory + 4 + file * sizeof entry, &entry, sizeof entry);
}

// Keys follow the names' order, so that machines with the same files have the same keys.
static void write_directory(struct fw_cfg *fw)
{
    unsigned first = first_file(fw), files = fw->count - first;
    uint32_t count = htobe32(files);
    memcpy(fw->directory, &count, sizeof count);
    for (unsigned i = 0; i < files; i++) {
        fw->item[first + i].key = (uint16_t)(FW_CFG_FILE_FIRST + i);
        write_entry(fw, i, &fw->item[first + i]);
    }
    for (unsigned i = 0; i < first; i++)
        if (fw->item[i].key == FW_CFG_DIRECTORY)
            fw->item[i].size_bytes = 4 + files * FW_CFG_ENTRY_BYTES;
}

static void insert(struct fw_cfg *fw, const struct fw_cfg_item *item)
{
    unsigned at = 0;
    while (at < fw->count && strcmp(fw->item[at].name, item->name) <= 0)
        at++;
    memmove(&fw->item[at + 1], &fw->item[at], (fw->count - at) * sizeof *item);
    fw->item[at] = *item;
    fw->count++;
    write_directory(fw);
}

static bool is_taken(const struct fw_cfg *fw, const struct fw_cfg_item *item)
{
    for (unsigned i = 0; i < fw->count; i++)
        if (*item->name ? !strcmp(fw->item[i].name, item->name) : fw->item[i].key == item->key)
            return true;
    return false;
}

static int check(const struct fw_cfg *fw, const struct fw_cfg_item *item, struct err *err)
{
    if (is_taken(fw, item))
        return *item->name ? err_set(err, -EEXIST, "duplicate fw_cfg file name: %s", item->name)
                           : err_set(err, -EEXIST, "fw_cfg item %#x is there already", item->key);
    if (fw->count == FW_CFG_ITEMS)
        return err_set(err, -ENOSPC, "fw_cfg: there are %d items already", FW_CFG_ITEMS);
    if (item->size_bytes > FW_CFG_FILE_BYTES_MAX)
        return err_set(err, -EFBIG, "fw_cfg: %zu bytes are more than %d", item->size_bytes,
                       FW_CFG_FILE_BYTES_MAX);
    return 0;
}

static int add(struct fw_cfg *fw, struct fw_cfg_item *item, bool copy, struct err *err)
{
    int rc = check(fw, item, err);
    if (rc < 0)
        return rc;
    if (copy && item->size_bytes) {
        item->owned = malloc(item->size_bytes);
        if (!item->owned)
            return err_set(err, -ENOMEM, "fw_cfg: no memory for %zu bytes", item->size_bytes);
        memcpy(item->owned, item->bytes, item->size_bytes);
        item->bytes = item->owned;
    }
    insert(fw, item);
    return 0;
}

int fw_cfg_add(struct fw_cfg *fw, uint16_t key, const void *bytes, size_t size_bytes, struct err *err)
{
    struct fw_cfg_item item = {.key = key, .bytes = bytes, .size_bytes = size_bytes};
    if (key >= FW_CFG_FILE_FIRST)
        return err_set(err, -EINVAL, "fw_cfg: key %#x is a file's", key);
    return add(fw, &item, true, err);
}

static int add_file(struct fw_cfg *fw, const char *name, const void *bytes, size_t size_bytes, bool copy,
                    struct err *err)
{
    struct fw_cfg_item item = {.bytes = bytes, .size_bytes = size_bytes};
    if (!*name || strlen(name) >= sizeof item.name)
        return err_set(err, -EINVAL, "fw_cfg name '%.80s' doesn't have 1 to %d characters", name,
                       FW_CFG_NAME_BYTES - 1);
    memcpy(item.name, name, strlen(name));
    return add(fw, &item, copy, err);
}

int fw_cfg_add_file(struct fw_cfg *fw, const char *name, const void *bytes, size_t size_bytes,
                    struct err *err)
{
    return add_file(fw, name, bytes, size_bytes, true, err);
}

int fw_cfg_lend_file(struct fw_cfg *fw, const char *name, const void *bytes, size_t size_bytes,
                     struct err *err)
{
    return add_file(fw, name, bytes, size_bytes, false, err);
}

void fw_cfg_init_items(struct fw_cfg *fw)
{
    static const uint8_t signature[] = {'Q', 'E', 'M', 'U'}, id[] = {FEATURE_PORTS | FEATURE_DMA, 0, 0, 0};
    insert(fw, &(struct fw_cfg_item){FW_CFG_SIGNATURE, "", signature, sizeof signature, NULL});
    insert(fw, &(struct fw_cfg_item){FW_CFG_ID, "", id, sizeof id, NULL});
    insert(fw, &(struct fw_cfg_item){FW_CFG_DIRECTORY, "", fw->directory, 4, NULL});
}
