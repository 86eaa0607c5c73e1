// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which pages there are, and what an access to each does (SDM volume 3, 4.6 and 4.7; volume 1, 3.3.7 for what is
// canonical).
#include "tests/cpu/bounds.h"

enum { NO_RAM = -1, TABLES_END = 0x10, DATA = 0x10, CODE = BOUNDS_CODE >> PAGE_BITS, LAST = (BOUNDS_RAM >> PAGE_BITS) - 1,
       HOLE, DEVICE, DEVICE_END = DEVICE + 2, ROM, AGAIN, BEFORE_TOP = 0x1fe, TOP };
enum { ROM_PAGE = 0x7d };
#define ROM_AT UINT64_C(0x100000000)

struct place {
    bool present, writable, user, lost;  // lost: what is written is
    int ram;                             // the page of RAM, or NO_RAM
    uint64_t gpa;
};

static struct place ram_place(unsigned page, bool present, bool writable, bool user)
{
    return (struct place){present, writable, user, false, page, (uint64_t)page << PAGE_BITS};
}

static struct place any_kind(unsigned index)
{
    static const struct { bool present, writable, user; } kinds[] = {
        {true, true, true}, {true, false, true}, {false, true, true}, {true, true, false},
        {true, true, true}, {true, false, false}, {true, true, true}, {true, false, true},
    };
    return ram_place(index, kinds[index & 7].present, kinds[index & 7].writable, kinds[index & 7].user);
}

// By the lowest index: all upper tables lead to the same one.
static struct place place_at(unsigned index)
{
    if (index < TABLES_END)
        return ram_place(index, true, index == BOUNDS_STACK >> PAGE_BITS, false);
    if (index == CODE)
        return ram_place(index, true, false, true);
    if (index >= LAST - 1 && index <= LAST)
        return ram_place(index, true, true, true);
    if (index < LAST)
        return index < DATA + 0x10 ? ram_place(index, true, true, true) : any_kind(index);
    switch (index) {
    case HOLE: return (struct place){true, true, true, true, NO_RAM, BOUNDS_RAM};
    case DEVICE:
    case DEVICE + 1: return (struct place){true, true, true, true, NO_RAM, WORLD_DEVICE + (index - DEVICE) * PAGE_BYTES};
    case DEVICE_END: return (struct place){true, true, true, true, NO_RAM, WORLD_DEVICE + WORLD_DEVICE_BYTES};
    case ROM: return (struct place){true, true, true, true, ROM_PAGE, ROM_AT};
    case AGAIN: return ram_place(DATA + 1, true, true, true);
    case BEFORE_TOP: return ram_place(0x62, true, true, true);
    case TOP: return ram_place(0x60, true, true, true);
    default: return ram_place(0, false, true, true);
    }
}

static const uint16_t tops[] = {0, 254, 255, 256, 511};  // 254 and 255: where this process has its mappings, too

static struct place place_of(const struct trial *t, uint64_t va)
{
    va = t->mode == BOUNDS_64 ? va : (uint32_t)va;
    for (unsigned i = 0; i < ARRAY_SIZE(tops); i++)
        if (tops[i] == (va >> 39 & 511))
            return place_at(va >> PAGE_BITS & 511);
    return (struct place){.ram = NO_RAM};
}

// Accessed and dirty already, so that nobody writes to them.
void model_tables(struct world *w)
{
    const uint64_t all = PTE_P | PTE_W | PTE_U | PTE_A | PTE_D;
    struct err err = {0};
    memset(world_word(w, WORLD_PML4), 0, PAGE_BYTES);
    for (unsigned i = 0; i < ARRAY_SIZE(tops); i++)
        world_word(w, WORLD_PML4)[tops[i]] = WORLD_PDPT | all;
    for (unsigned i = 0; i < 512; i++) {
        struct place p = place_at(i);
        world_word(w, WORLD_PDPT)[i] = WORLD_PD | all;
        world_word(w, WORLD_PD)[i] = WORLD_PT | all;
        world_word(w, WORLD_PT)[i] = p.gpa | PTE_A | PTE_D | (p.present ? PTE_P : 0) | (p.writable ? PTE_W : 0) |
                                     (p.user ? PTE_U : 0);
    }
    world_need(mem_add_ram(w->memory, GPA(ROM_AT), &w->ram, ROM_PAGE << PAGE_BITS, PAGE_BYTES, true, &err) == 0, err.text);
}

void model_fault(struct trial *t, unsigned vector, uint32_t error, uint64_t cr2)
{
    if (t->vector >= 0)
        return;
    t->vector = vector;
    t->error = error;
    t->cr2 = cr2;
}

static bool canonical(uint64_t va) { return (uint64_t)((int64_t)(va << 16) >> 16) == va; }

static bool may_on_page(struct trial *t, uint64_t va, bool write)
{
    struct place p = place_of(t, va);
    if (p.present && (!write || p.writable) && (t->cpl != 3 || p.user))
        return true;
    model_fault(t, EX_PF, (p.present ? PF_PRESENT : 0) | (write ? PF_WRITE : 0) | (t->cpl == 3 ? PF_USER : 0),
                t->mode == BOUNDS_64 ? va : (uint32_t)va);
    return false;
}

bool model_may(struct trial *t, uint64_t va, unsigned size_bytes, bool write, bool stack)
{
    uint64_t last = va + size_bytes - 1;
    if (t->vector >= 0)
        return false;
    if (t->mode == BOUNDS_64 && (!canonical(va) || !canonical(last))) {
        model_fault(t, stack ? EX_SS : EX_GP, 0, 0);
        return false;
    }
    return may_on_page(t, va, write) && (va >> PAGE_BITS == last >> PAGE_BITS || may_on_page(t, align_down(last, PAGE_BYTES), write));
}

bool model_is_ram(struct trial *t, uint64_t va, uint32_t *at)
{
    struct place p = place_of(t, va);
    *at = p.ram * PAGE_BYTES + (va & (PAGE_BYTES - 1));
    return p.present && p.ram != NO_RAM && !p.lost;
}

bool model_is_reserved(struct trial *t, uint64_t va)
{
    struct place p = place_of(t, va);
    return p.present && (p.ram == BOUNDS_STACK >> PAGE_BITS || p.ram == CODE);
}

// Where nobody answers, and from the device, all ones come.
void model_get(struct trial *t, uint64_t va, void *bytes, unsigned size_bytes)
{
    for (unsigned i = 0; i < size_bytes; i++) {
        struct place p = place_of(t, va + i);
        ((uint8_t *)bytes)[i] = p.ram == NO_RAM ? 0xff : t->ram[p.ram * PAGE_BYTES + ((va + i) & (PAGE_BYTES - 1))];
    }
}

void model_put(struct trial *t, uint64_t va, const void *bytes, unsigned size_bytes)
{
    uint32_t at;
    for (unsigned i = 0; i < size_bytes; i++)
        if (model_is_ram(t, va + i, &at))
            t->ram[at] = ((const uint8_t *)bytes)[i];
}
