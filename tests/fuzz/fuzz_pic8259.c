// SPDX-License-Identifier: GPL-2.0-or-later
//
// A hostile driver, noisy lines and acknowledges at any moment (device_steps.h). INTR is what the
// device remembers and comes of an unmasked request; a vector is one of the two controllers'.
#include "tests/fuzz/device_steps.h"

#include "guest/device/pic8259.h"

static void acknowledge(struct pic8259 *pic)
{
    int vector = pic8259_acknowledge(pic);
    check(vector >= 0 && vector < 256);
    check((vector & 0xf8) == pic->chip[0].vector || (vector & 0xf8) == pic->chip[1].vector);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct steps s = {data, size_bytes, NULL, 0};
    struct fuzz_wire intr = {.line.set = fuzz_wire_set};
    struct pic8259 pic;
    pic8259_init(&pic, &intr.line);
    for (unsigned i = 0, own; goes_on(&s, i); i++) {
        if (!step(&s, &pic.dev, PIC8259_REGION_BYTES, &own)) {
            unsigned pin = take(&s, 1);
            if (own & 1)
                irq_set(pic8259_pin(&pic, pin & 15), pin & 16);
            else
                acknowledge(&pic);
        }
        check(intr.level == pic.intr_level);
        check(!intr.level || (pic.chip[0].irr & ~pic.chip[0].imr && !pic.chip[0].init_step));
        check_loadable(&pic.dev);
    }
    pic8259_finish(&pic);
    return 0;
}
