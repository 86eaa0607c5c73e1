// SPDX-License-Identifier: GPL-2.0-or-later
//
// Short idioms for what random bytes rarely hit. Each appends at most 12 instructions. Bytes are
// written out; the comment beside them says what they are.
#include "tests/cpu/generate.h"

static uint32_t below(struct generator *g, uint32_t limit) { return random_below(&g->random, limit); }
static bool percent(struct generator *g, unsigned n) { return random_percent(&g->random, n); }

#define EMIT(g, ...) append(g, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static unsigned next_index(const struct generator *g) { return g->program->count; }

static struct instruction *with_target(struct instruction *insn, unsigned at, unsigned size_bytes, int target)
{
    insn->fix_at = at;
    insn->fix_bytes = size_bytes;
    insn->target = target;
    return insn;
}

static struct instruction *emit_jump(struct generator *g, int target)
{
    return percent(g, 50) ? with_target(EMIT(g, 0xeb, 0), 1, 1, target)            // jmp rel8
                          : with_target(EMIT(g, 0xe9, 0, 0, 0, 0), 1, 4, target);  // jmp rel32
}

static struct instruction *emit_condition(struct generator *g, int target)
{
    uint8_t cc = below(g, 16);
    switch (below(g, 5)) {
    case 0: return with_target(EMIT(g, 0x0f, 0x80 | cc, 0, 0, 0, 0), 2, 4, target);
    case 1: return with_target(EMIT(g, 0xe3, 0), 1, 1, target);              // jrcxz
    case 2: return with_target(EMIT(g, 0x67, 0xe3, 0), 2, 1, target);        // jecxz
    default: return with_target(EMIT(g, 0x70 | cc, 0), 1, 1, target);
    }
}

// mov r64, imm64
static void emit_load(struct generator *g, unsigned gpr, uint64_t value)
{
    uint8_t bytes[10] = {0x48 | gpr >> 3, 0xb8 | (gpr & 7)};
    memcpy(bytes + 2, &value, 8);
    append(g, bytes, sizeof bytes);
    forget(g, gpr);
}

static void load_pointer(struct generator *g, unsigned gpr)
{
    bool low = percent(g, 60);
    emit_load(g, gpr, random_address(g, low));
    g->low[gpr] = low;
    g->high[gpr] = !low;
}

static void branch_over(struct generator *g)
{
    unsigned branch = next_index(g), body = 1 + below(g, 3);
    emit_condition(g, branch + 1 + body);
    while (body--)
        append_random(g);
}

// A counter in memory that the body rarely reaches, since it may change every register. Should it be
// hit, the loop ends even so: it goes on only while the counter is positive, and the host's clock bounds that.
static uint64_t start_counter(struct generator *g)
{
    uint64_t counter = STACK_ADDRESS + 8 * below(g, 16);
    uint8_t turns = 2 + below(g, 5);
    struct instruction *set = EMIT(g, 0xc7, 0x05, 0, 0, 0, 0, turns, 0, 0, 0);  // mov dword [rip+…], turns
    with_target(set, 2, 4, NO_INSTRUCTION)->target_address = counter;
    return counter;
}

static void loop_while_counting(struct generator *g, uint64_t counter, int head)
{
    with_target(EMIT(g, 0xff, 0x0d, 0, 0, 0, 0), 2, 4, NO_INSTRUCTION)->target_address = counter;  // dec
    with_target(EMIT(g, 0x0f, 0x8f, 0, 0, 0, 0), 2, 4, head);                                      // jg
}

static void counted_loop(struct generator *g)
{
    uint64_t counter = start_counter(g);
    unsigned head = next_index(g), body = 1 + below(g, 4);
    while (body--)
        append_random(g);
    loop_while_counting(g, counter, head);
}

static void loop_instruction(struct generator *g)
{
    emit_load(g, X86_RCX, 1 + below(g, 5));
    unsigned head = next_index(g);
    EMIT(g, 0x48, 0x8d, 0x44, 0x08, 0x01);                                   // lea rax, [rax+rcx+1]
    EMIT(g, 0x39, 0xd0 | below(g, 8) << 3 | 0);                              // cmp eax, r32 (or r32, …)
    with_target(EMIT(g, 0xe0 + below(g, 3), 0), 1, 1, head);                 // loopne, loope, loop
    forget(g, X86_RAX);
    forget(g, X86_RCX);
}

// jmp over; f: …; ret; over: call f
static void call_and_return(struct generator *g)
{
    unsigned jump = next_index(g), body = 1 + below(g, 2);
    unsigned over = jump + 1 + body + 1;
    emit_jump(g, over);
    while (body--)
        append_random(g);
    if (percent(g, 70))
        EMIT(g, 0xc3);
    else
        EMIT(g, 0xc2, 8 * below(g, 3), 0);
    with_target(EMIT(g, 0xe8, 0, 0, 0, 0), 1, 4, jump + 1);
}

// A call whose return address is changed: the return must not follow what was predicted.
static void return_elsewhere(struct generator *g)
{
    unsigned start = next_index(g);
    with_target(EMIT(g, 0x48, 0x8d, 0x05, 0, 0, 0, 0), 3, 4, start + 5);  // lea rax, [rip+…]
    with_target(EMIT(g, 0xe8, 0, 0, 0, 0), 1, 4, start + 3);              // call f
    EMIT(g, 0x0f, 0x0b);                                                  // ud2: where it would return
    EMIT(g, 0x48, 0x89, 0x04, 0x24);                                      // f: mov [rsp], rax
    EMIT(g, 0xc3);
    forget(g, X86_RAX);
}

static void jump_indirect(struct generator *g)
{
    unsigned start = next_index(g);
    uint8_t gpr = below(g, 4);  // rax, rcx, rdx, rbx
    with_target(EMIT(g, 0x48, 0x8d, 0x05 | gpr << 3, 0, 0, 0, 0), 3, 4, start + 3);
    switch (below(g, 3)) {
    case 0: EMIT(g, 0xff, 0xe0 | gpr); break;                             // jmp r64
    case 1: EMIT(g, 0xff, 0xd0 | gpr); break;                             // call r64
    default: EMIT(g, 0x50 | gpr); EMIT(g, 0xc3); forget(g, gpr); return;  // push r64; ret
    }
    EMIT(g, 0x0f, 0x0b);                                                  // ud2, jumped over
    forget(g, gpr);
}

static void jump_through_memory(struct generator *g)
{
    unsigned start = next_index(g);
    uint64_t cell = DATA_ADDRESS + below(g, PROGRAM_PAGE);
    with_target(EMIT(g, 0x48, 0x8d, 0x05, 0, 0, 0, 0), 3, 4, start + 4);                    // lea rax, …
    with_target(EMIT(g, 0x48, 0x89, 0x05, 0, 0, 0, 0), 3, 4, NO_INSTRUCTION)->target_address = cell;
    uint8_t kind = percent(g, 50) ? 0x25 : 0x15;                                            // jmp, call [rip+…]
    with_target(EMIT(g, 0xff, kind, 0, 0, 0, 0), 2, 4, NO_INSTRUCTION)->target_address = cell;
    EMIT(g, 0x0f, 0x0b);
    forget(g, X86_RAX);
}

static void string_operation(struct generator *g)
{
    static const uint8_t operations[] = {0xa4, 0xa6, 0xaa, 0xac, 0xae};
    uint8_t operation = operations[below(g, ARRAY_SIZE(operations))] | below(g, 2);
    load_pointer(g, X86_RSI);
    load_pointer(g, X86_RDI);
    emit_load(g, X86_RCX, percent(g, 85) ? below(g, 80) : 1000 + below(g, 9000));
    if (percent(g, 40))
        EMIT(g, percent(g, 60) ? 0xfd : 0xfc);  // std, cld
    uint8_t repeat = percent(g, 70) ? 0xf3 : 0xf2;
    switch (below(g, 4)) {
    case 0: EMIT(g, operation); break;
    case 1: EMIT(g, repeat, 0x48, operation); break;
    case 2: EMIT(g, 0x66, repeat, operation); break;
    default: EMIT(g, repeat, operation); break;
    }
    if (percent(g, 20))
        EMIT(g, 0x67, repeat, operation);
    forget(g, X86_RSI);
    forget(g, X86_RDI);
    forget(g, X86_RCX);
}

static void locked_operation(struct generator *g)
{
    static const uint8_t forms[][4] = {
        {2, 0x48, 0x01}, {2, 0x40, 0x11}, {2, 0x48, 0x29}, {2, 0x40, 0x31}, {2, 0x40, 0x08}, {2, 0x48, 0x87},
        {3, 0x48, 0x0f, 0xc1}, {3, 0x40, 0x0f, 0xc1}, {3, 0x48, 0x0f, 0xb1}, {3, 0x40, 0x0f, 0xb0},
        {3, 0x48, 0x0f, 0xab}, {3, 0x48, 0x0f, 0xb3}, {3, 0x48, 0x0f, 0xbb},
    };
    const uint8_t *form = forms[below(g, ARRAY_SIZE(forms))];
    uint8_t bytes[8] = {0xf0};
    memcpy(bytes + 1, form + 1, form[0] + 0u);
    load_pointer(g, X86_RSI);
    if (percent(g, 50))  // let a compare succeed: mov rax, [rsi]
        EMIT(g, 0x48, 0x8b, 0x06), forget(g, X86_RAX);
    if (form[0] == 3 && bytes[3] >= 0xab && bytes[3] != 0xb1 && bytes[3] != 0xb0 && bytes[3] != 0xc1)
        emit_load(g, X86_RDX, below(g, 512) - UINT64_C(256));  // bit offsets that stay near
    bytes[form[0] + 1] = 2 << 3 | X86_RSI;  // rdx or dl with [rsi]
    append(g, bytes, form[0] + 2);
    forget(g, X86_RDX);
    forget(g, X86_RAX);
}

static void compare_exchange_pair(struct generator *g)
{
    load_pointer(g, X86_RDI);
    if (percent(g, 60)) {
        EMIT(g, 0x48, 0x8b, 0x07);        // mov rax, [rdi]
        EMIT(g, 0x48, 0x8b, 0x57, 0x08);  // mov rdx, [rdi+8]
    }
    switch (below(g, 3)) {
    case 0: EMIT(g, 0xf0, 0x48, 0x0f, 0xc7, 0x0f); break;  // lock cmpxchg16b [rdi]
    case 1: EMIT(g, 0x48, 0x0f, 0xc7, 0x0f); break;
    default: EMIT(g, 0xf0, 0x0f, 0xc7, 0x0f); break;       // lock cmpxchg8b [rdi]
    }
    forget(g, X86_RAX);
    forget(g, X86_RDX);
}

// Divisors that are often zero or too small, so that #DE comes both ways.
static void division(struct generator *g)
{
    emit_load(g, X86_RBX, percent(g, 20) ? 0 : percent(g, 50) ? below(g, 1000) : random_u64(&g->random));
    emit_load(g, X86_RDX, percent(g, 60) ? below(g, 500) : random_u64(&g->random));
    if (percent(g, 30))
        EMIT(g, 0x48, 0x99), forget(g, X86_RDX);  // cqo
    uint8_t modrm = (percent(g, 50) ? 0xf0 : 0xf8) | X86_RBX;
    switch (below(g, 4)) {
    case 0: EMIT(g, 0xf6, modrm); break;
    case 1: EMIT(g, 0x66, 0xf7, modrm); break;
    case 2: EMIT(g, 0xf7, modrm); break;
    default: EMIT(g, 0x48, 0xf7, modrm); break;
    }
    forget(g, X86_RAX);
    forget(g, X86_RDX);
}

static void flags_through_stack(struct generator *g)
{
    // Not ID and NT: some hypervisors lose them when they interrupt the host.
    uint32_t flags = random_u64(&g->random) & (FL_ARITH | FL_DF);
    if (percent(g, 10))
        flags |= FL_AC;
    if (percent(g, 10))
        flags |= FL_TF;
    if (g->supervisor)  // level 3 can't clear it
        flags |= FL_IF;
    uint8_t bytes[5] = {0x68};  // push imm32
    memcpy(bytes + 1, &flags, 4);
    append(g, bytes, sizeof bytes);
    if (percent(g, 80))
        EMIT(g, 0x9d);        // popfq
    else
        EMIT(g, 0x66, 0x9d);  // popf
    append_random(g);
    EMIT(g, 0x9c);            // pushfq
}

// The next instruction's immediate is rewritten; sometimes it ran before.
static void modify_next(struct generator *g)
{
    unsigned start = next_index(g);
    uint8_t value = random_u64(&g->random);
    struct instruction *store;
    if (percent(g, 50)) {
        store = with_target(EMIT(g, 0xc6, 0x05, 0, 0, 0, 0, value), 2, 4, start + 1);  // mov byte [rip+…], v
        store->target_offset = 1;
        EMIT(g, 0xb8 | below(g, 4), 1, 2, 3, 4);                                       // mov r32, imm32
    } else {
        store = with_target(EMIT(g, 0xc7, 0x05, 0, 0, 0, 0, 0x05, value, 1, 2), 2, 4, start + 1);
        EMIT(g, 0x90, 0x90, 0x90, 0x90, 0x90);  // becomes add eax, imm32 with the last nop
        store->target_offset = 0;
    }
    for (unsigned gpr = 0; gpr < 4; gpr++)
        forget(g, gpr);
}

// A loop that changes an instruction of its own on every turn.
static void modify_in_loop(struct generator *g)
{
    uint64_t counter = start_counter(g);
    unsigned head = next_index(g);
    EMIT(g, 0x48, 0x81, 0xc0, 1, 0, 0, 0);                                      // add rax, imm32
    struct instruction *change = EMIT(g, 0x80, 0x05, 0, 0, 0, 0, 3);            // add byte [rip+…], 3
    with_target(change, 2, 4, head)->target_offset = 3;
    forget(g, X86_RAX);
    if (percent(g, 50))
        append_random(g);
    loop_while_counting(g, counter, head);
}

static void stack_frame(struct generator *g)
{
    EMIT(g, 0xc8, 8 * below(g, 8), 0, percent(g, 80) ? 0 : below(g, 4));  // enter
    forget(g, X86_RBP);
    append_random(g);
    EMIT(g, 0xc9);                                                        // leave
}

static void x87_sequence(struct generator *g)
{
    static const uint8_t doubles[][2] = {
        {0xd9, 0xe8}, {0xd9, 0xeb}, {0xd9, 0xfa}, {0xd9, 0xfe}, {0xd9, 0xf2}, {0xd9, 0xf3}, {0xd9, 0xf8},
        {0xd9, 0xfc}, {0xd9, 0xf0}, {0xd9, 0xf1}, {0xd9, 0xfd}, {0xd9, 0xe5}, {0xde, 0xc1}, {0xde, 0xf9},
        {0xdb, 0xf1}, {0xdf, 0xe9}, {0xd8, 0xd1}, {0xdd, 0xd8}, {0xd9, 0xf7}, {0xd9, 0xf6}, {0x9b, 0x90},
        {0xdf, 0xe0}, {0xdb, 0xe2}, {0xdb, 0xe3}, {0xd9, 0xd0}, {0xd9, 0xc9},
    };
    for (unsigned n = 2 + below(g, 5); n; n--)
        append(g, doubles[below(g, ARRAY_SIZE(doubles))], 2);
    forget(g, X86_RAX);  // fnstsw ax
}

// Stores of different sizes to the end of one page and the start of the next, then a load.
static void straddle(struct generator *g)
{
    load_pointer(g, X86_RDI);
    EMIT(g, 0x48, 0x81, 0xcf, 0xff, 0x0f, 0, 0);            // or rdi, 0xfff: a page's last byte
    EMIT(g, 0x48, 0x89, 0x47, (uint8_t)-(int)below(g, 8));  // mov [rdi-n], rax
    EMIT(g, 0xc5, 0xfe, 0x7f, 0x47, (uint8_t)-(int)below(g, 32));  // vmovdqu [rdi-n], ymm0
    EMIT(g, 0x66, 0x8b, 0x17);                              // mov dx, [rdi]
    forget(g, X86_RDI);
    forget(g, X86_RDX);
}

static void undefined_opcode(struct generator *g)
{
    switch (below(g, 4)) {
    case 0: EMIT(g, 0x0f, 0x0b); break;              // ud2
    case 1: EMIT(g, 0x06); break;                    // push es: not in 64-bit mode
    case 2: EMIT(g, 0xf0, 0x90); break;              // lock nop
    default: EMIT(g, 0xf0, 0x01, 0xc0); break;       // lock add eax, eax
    }
}

static void privileged(struct generator *g)
{
    static const uint8_t ops[][3] = {
        {1, 0xf4}, {2, 0x0f, 0x06}, {2, 0x0f, 0x08}, {2, 0x0f, 0x09}, {2, 0x0f, 0x30}, {2, 0x0f, 0x32},
    };
    const uint8_t *op = ops[below(g, ARRAY_SIZE(ops))];
    append(g, op + 1, op[0]);
}

void append_snippet(struct generator *g)
{
    static void (*const snippets[])(struct generator *g) = {
        branch_over, branch_over, branch_over, counted_loop, counted_loop, loop_instruction,
        call_and_return, call_and_return, return_elsewhere, jump_indirect, jump_through_memory,
        string_operation, string_operation, string_operation, locked_operation, locked_operation,
        compare_exchange_pair, division, flags_through_stack, modify_next, modify_in_loop, stack_frame,
        x87_sequence, x87_sequence, straddle,
    };
    if (percent(g, 2))
        undefined_opcode(g);
    else if (percent(g, 2) && !g->supervisor)
        privileged(g);
    else
        snippets[below(g, ARRAY_SIZE(snippets))](g);
}
