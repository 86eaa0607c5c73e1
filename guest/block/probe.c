// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/block/probe.h"

#include <string.h>

struct magic {
    const char *format;
    unsigned offset, size_bytes;
    const char *bytes;
};

static const struct magic magics[] = {
    {"qcow2", 0, 8, "QFI\xfb\0\0\0\2"},
    {"qcow2", 0, 8, "QFI\xfb\0\0\0\3"},
    {"qcow", 0, 4, "QFI\xfb"},
    {"qed", 0, 4, "QED\0"},
    {"vmdk", 0, 4, "KDMV"},
    {"vmdk", 0, 4, "COWD"},
    {"vmdk", 0, 21, "# Disk DescriptorFile"},
    {"vdi", 64, 4, "\x7f\x10\xda\xbe"},
    {"vhdx", 0, 8, "vhdxfile"},
    {"vpc", 0, 8, "conectix"},
    {"parallels", 0, 16, "WithoutFreeSpace"},
    {"parallels", 0, 16, "WithouFreSpacExt"},
    {"luks", 0, 6, "LUKS\xba\xbe"},
    {"bochs", 0, 22, "Bochs Virtual HD Image"},
    {"cloop", 0, 23, "#!/bin/sh\n#V2.0 Format\n"},
};
enum { MAGICS = sizeof magics / sizeof magics[0] };

const char *probe_format(const uint8_t *head, size_t size_bytes)
{
    for (unsigned i = 0; i < MAGICS; i++) {
        const struct magic *m = &magics[i];
        if (m->offset + m->size_bytes <= size_bytes &&
            !memcmp(head + m->offset, m->bytes, m->size_bytes))
            return m->format;
    }
    return "raw";
}

bool probe_is_known(const char *format)
{
    for (unsigned i = 0; i < MAGICS; i++)
        if (!strcmp(magics[i].format, format))
            return true;
    return !strcmp(format, "raw") || !strcmp(format, "dmg") || !strcmp(format, "vvfat");
}
