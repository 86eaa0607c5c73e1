// SPDX-License-Identifier: GPL-2.0-or-later
//
// The address spaces, and where RAM is in them.
#include <errno.h>

#include "guest/machine/q35_internal.h"

enum { VGA_HOLE_BASE = 0xa0000, VGA_HOLE_END = 0xc0000 };

// As QEMU's q35: up to 2.75 GiB all RAM is low; from there on 2 GiB are, so that the rest begins
// on a gigabyte on both sides.
static uint64_t low_memory(uint64_t ram_bytes)
{
    if (ram_bytes < 0xb0000000)
        return ram_bytes;
    return GIB(2);
}

static int add_low_ram(struct q35 *q, struct err *err)
{
    uint64_t below = q->low_bytes < VGA_HOLE_BASE ? q->low_bytes : VGA_HOLE_BASE;
    int rc = mem_add_ram(q->memory, GPA(0), &q->ram, 0, below, false, err);
    if (rc == 0 && q->low_bytes > VGA_HOLE_END)
        rc = mem_add_ram(q->memory, GPA(VGA_HOLE_END), &q->ram, VGA_HOLE_END,
                         q->low_bytes - VGA_HOLE_END, false, err);
    return rc;
}

int q35_create_memory(struct q35 *q, struct err *err)
{
    uint64_t size = q->config.ram_bytes;
    if (size > SPACE_BYTES - GIB(4))
        return err_set(err, -EINVAL, "cannot set up guest memory 'pc.ram': Cannot allocate memory");
    int rc = ram_open(&q->ram, size, err);
    if (rc < 0)
        return rc;
    q->low_bytes = low_memory(size);
    q->memory = mem_create(SPACE_BYTES);
    q->ports = mem_create(65536);
    if (!q->memory || !q->ports)
        return err_set(err, -ENOMEM, "no memory for the address spaces");
    rc = add_low_ram(q, err);
    if (rc == 0 && size > q->low_bytes)
        rc = mem_add_ram(q->memory, GPA(GIB(4)), &q->ram, q->low_bytes, size - q->low_bytes, false,
                         err);
    return rc;
}
