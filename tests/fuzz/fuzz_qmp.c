// SPDX-License-Identifier: GPL-2.0-or-later
//
// Any bytes, cut anywhere, as a QMP stream. Whatever comes, the next good request is answered.
#include <assert.h>

#include "guest/control/qmp.h"
#include "tests/unit/control_fake.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    fake_init(NULL, NULL);
    qmp_open(&fake.chr.chr, &fake.vm, size_bytes & 1, NULL);
    fake_type("{\"execute\": \"qmp_capabilities\"}\n");
    for (size_t at = 0; at < size_bytes;) {
        size_t piece = 1 + bytes[at] % 61, left = size_bytes - at;
        piece = piece < left ? piece : left;
        fake.front->receive(fake.opaque, bytes + at, piece);
        at += piece;
        fake.sent_bytes = 0;
    }
    fake.chr.chr.event(fake.opaque, CHR_CLOSED);
    fake.chr.chr.event(fake.opaque, CHR_OPENED);
    fake.sent_bytes = 0;
    fake_type("{\"execute\": \"qmp_capabilities\"}\n");
    assert(strstr(fake.sent, "\"return\""));
    qmp_close_all();
    return 0;
}
