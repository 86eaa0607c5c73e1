// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/cpu/jit/emu_vec_host.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "guest/cpu/jit/copy.h"
#include "guest/cpu/x86/state.h"

// Slot 0 holds the common end. An instruction names six registers at most, so a slot is enough.
enum { SLOT_BITS = 7, SLOTS = 1 << SLOT_BITS, SLOT_BYTES = 256, AREA_BYTES = SLOTS * SLOT_BYTES };

struct vec_host {
    uint8_t *writable, *executable;
    struct { uint8_t bytes[INSN_BYTES_MAX], mode, length; } made[SLOTS];
};

static const uint8_t callee_saved[] = {X86_RBX, X86_RBP, X86_R12, X86_R13, X86_R14, X86_R15};

static void emit_stack_op(struct emit *e, unsigned opcode, unsigned reg)
{
    emit_rex(e, 0, 0, 0, reg, false);
    emit8(e, opcode | (reg & 7));
}

static void make_end(uint8_t *at)
{
    struct emit e = {at};
    for (unsigned i = sizeof callee_saved; i-- > 0;)
        emit_stack_op(&e, 0x58, callee_saved[i]);
    emit8(&e, 0xc3);
}

static int map_twice(struct vec_host *h, struct err *err)
{
    int fd = memfd_create("konuk-vectors", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, AREA_BYTES) < 0) {
        int r = err_set(err, -errno, "vector scratch code: no memory file: %s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return r;
    }
    h->writable = mmap(NULL, AREA_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    h->executable = mmap(NULL, AREA_BYTES, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    close(fd);
    if (h->writable == MAP_FAILED || h->executable == MAP_FAILED)
        return err_set(err, -ENOMEM, "vector scratch code: can't map it: %s", strerror(errno));
    return 0;
}

struct vec_host *vec_host_create(struct err *err)
{
    struct vec_host *h = calloc(1, sizeof *h);
    if (!h) {
        err_set(err, -ENOMEM, "vector scratch code: out of memory");
        return NULL;
    }
    h->writable = h->executable = MAP_FAILED;
    if (map_twice(h, err) < 0) {
        vec_host_destroy(h);
        return NULL;
    }
    make_end(h->writable);
    return h;
}

void vec_host_destroy(struct vec_host *h)
{
    if (!h)
        return;
    if (h->writable != MAP_FAILED)
        munmap(h->writable, AREA_BYTES);
    if (h->executable != MAP_FAILED)
        munmap(h->executable, AREA_BYTES);
    free(h);
}

// mov between the registers that the instruction names and the array that t0 points at.
static void emit_move_named(struct emit *e, unsigned opcode, const struct insn *in, const struct regmap *m)
{
    for (unsigned r = 0; r < X86_GPRS; r++)
        if (in->gprs >> r & 1)
            emit_rm(e, opcode, regmap_host(m, r), m->t0, INSN_NO_REG, 1, 8 * r, EMIT_W);
}

// As vec_host_function: rdi, rsi and edx are its arguments, eax is what it returns.
static void emit_function(struct emit *e, const struct insn *in, const struct regmap *m, const uint8_t *end)
{
    for (unsigned i = 0; i < sizeof callee_saved; i++)
        emit_stack_op(e, 0x50, callee_saved[i]);
    emit_mov(e, m->t0, X86_RDI);
    emit_mov(e, m->t1, X86_RSI);
    emit_rr(e, 0x89, X86_RDX, X86_RAX, 0);
    emit8(e, 0x04);                     // add al, 0x7f: OF again
    emit8(e, 0x7f);
    emit8(e, 0x9e);                     // sahf
    emit_move_named(e, 0x8b, in, m);
    if (in->mem_bytes)
        copy_memory(e, in, m, m->t1, INSN_NO_REG);
    else
        copy_registers(e, in, m);
    emit_move_named(e, 0x89, in, m);
    emit8(e, 0x9f);                     // lahf
    emit_rr(e, 0x0f90, 0, X86_RAX, 0);  // seto al
    emit_rr(e, 0x0fb7, X86_RAX, X86_RAX, 0);
    emit_jmp(e, end);
}

static unsigned slot_of(const struct insn *in)
{
    uint64_t hash = in->mode;
    for (unsigned i = 0; i < in->length; i++)
        hash = (hash ^ in->bytes[i]) * UINT64_C(0x100000001b3);
    return 1 + hash % (SLOTS - 1);
}

static bool is_made(const struct vec_host *h, unsigned slot, const struct insn *in)
{
    return h->made[slot].length == in->length && h->made[slot].mode == in->mode &&
           !memcmp(h->made[slot].bytes, in->bytes, INSN_BYTES_MAX);
}

// SDM volume 3, "Handling Self- and Cross-Modifying Code": code that was written through another
// linear address is run only after a serializing instruction.
static void serialize(void)
{
    uint32_t a = 0, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d) : : "memory");
}

vec_host_function *vec_host_make(struct vec_host *h, const struct insn *in)
{
    unsigned slot = slot_of(in);
    uint8_t *code = h->executable + slot * SLOT_BYTES;
    if (is_made(h, slot, in))
        return (vec_host_function *)code;
    int map = regmap_choose(REGMAP_CANONICAL, in->gprs);
    if (map < 0)
        return NULL;
    struct emit e = {h->writable + slot * SLOT_BYTES};
    h->made[slot].length = 0;
    emit_function(&e, in, regmap(map), h->writable);
    assert(e.at <= h->writable + (slot + 1) * SLOT_BYTES);
    memcpy(h->made[slot].bytes, in->bytes, INSN_BYTES_MAX);
    h->made[slot].mode = in->mode;
    h->made[slot].length = in->length;
    serialize();
    return (vec_host_function *)code;
}

uint64_t vec_host_after_fault(const struct vec_host *h, uint64_t pc)
{
    uint64_t offset = pc - (uint64_t)h->executable;
    return offset < AREA_BYTES ? (uint64_t)h->executable : 0;
}
