// SPDX-License-Identifier: GPL-2.0-or-later
//
// x, xp, p and the registers.
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "guest/control/hmp.h"
#include "guest/cpu/x86/paging.h"

enum { DUMP_LIMIT = 4096 };

struct format {
    unsigned count;
    char letter;  // x, d, u, o, c
    unsigned size_bytes;
};

// "/4xb": count, letter, size (b, h, w, g), in this order or without some.
static bool parse_format(const char **text, struct format *f)
{
    const char *at = *text;
    *f = (struct format){1, 'x', 4};
    if (*at == '/') {
        at++;
        if (isdigit((unsigned char)*at))
            f->count = strtoul(at, (char **)&at, 10);
        for (; *at && *at != ' '; at++) {
            static const char sizes[] = "bhwg";
            const char *size = strchr(sizes, *at);
            if (size)
                f->size_bytes = 1u << (size - sizes);
            else if (strchr("xduoc", *at))
                f->letter = *at;
            else
                return false;
        }
    }
    *text = at + strspn(at, " ");
    return f->count && f->count <= DUMP_LIMIT;
}

static const char *const register_names[X86_GPRS] = {
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
};

static bool find_register(struct hmp *hmp, const char *name, size_t length, uint64_t *value)
{
    struct x86_state state;
    hmp->vm->ops->read_state(hmp->vm, 0, &state);
    const struct { const char *name; uint64_t value; } others[] = {
        {"rip", state.rip}, {"eip", (uint32_t)state.rip}, {"pc", state.rip}, {"eflags", state.rflags},
        {"cs", state.seg[X86_CS].selector}, {"ss", state.seg[X86_SS].selector},
        {"cr0", state.cr0}, {"cr2", state.cr2}, {"cr3", state.cr3}, {"cr4", state.cr4},
    };
    for (int i = 0; i < X86_GPRS; i++) {
        bool whole = strlen(register_names[i]) == length && !memcmp(register_names[i], name, length);
        bool half = i < 8 && length == 3 && *name == 'e' && !memcmp(register_names[i] + 1, name + 1, 2);
        if (whole || half) {
            *value = half && !whole ? (uint32_t)state.gpr[i] : state.gpr[i];
            return true;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        if (strlen(others[i].name) == length && !memcmp(others[i].name, name, length)) {
            *value = others[i].value;
            return true;
        }
    return false;
}

static bool parse_term(struct hmp *hmp, const char **text, uint64_t *value)
{
    const char *at = *text + strspn(*text, " ");
    if (*at == '$') {
        size_t length = 0;
        while (isalnum((unsigned char)at[1 + length]))
            length++;
        *text = at + 1 + length;
        return find_register(hmp, at + 1, length, value);
    }
    char *end;
    *value = strtoull(at, &end, 0);
    bool found = isdigit((unsigned char)*at);
    *text = end;
    return found;
}

bool hmp_number(struct hmp *hmp, const char *text, uint64_t *value)
{
    uint64_t term;
    if (!parse_term(hmp, &text, value))
        return false;
    for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
        char sign = *text++;
        if ((sign != '+' && sign != '-' && sign != '*') || !parse_term(hmp, &text, &term))
            return false;
        *value = sign == '+' ? *value + term : sign == '-' ? *value - term : *value * term;
    }
    return true;
}

// RAM only, as a debugger looks: a device register is left alone.
static bool read_bytes(struct hmp *hmp, const struct x86_state *state, uint64_t address,
                       unsigned size_bytes, uint64_t *value)
{
    uint8_t bytes[8] = {0};
    for (unsigned i = 0; i < size_bytes; i++) {
        struct x86_page page = {.gpa = GPA(address + i)};
        uint32_t code;
        if (state && x86_walk(state, hmp->vm->memory, GVA(address + i), X86_READ | X86_QUIET, &page, &code))
            return false;
        if (mem_dma_read(hmp->vm->memory, page.gpa, &bytes[i], 1) < 0)
            return false;
    }
    memcpy(value, bytes, sizeof bytes);
    return true;
}

static void format_value(char *out, size_t out_bytes, const struct format *f, uint64_t value)
{
    int64_t sign = (int64_t)(value << (64 - 8 * f->size_bytes)) >> (64 - 8 * f->size_bytes);
    switch (f->letter) {
    case 'd': snprintf(out, out_bytes, "%" PRId64, sign); break;
    case 'u': snprintf(out, out_bytes, "%" PRIu64, value); break;
    case 'o': snprintf(out, out_bytes, "%#" PRIo64, value); break;
    case 'c': snprintf(out, out_bytes, "'%c'", isprint((int)(value & 0xff)) ? (int)value : '.'); break;
    default: snprintf(out, out_bytes, "0x%0*" PRIx64, 2 * (int)f->size_bytes, value);
    }
}

static void dump_line(struct hmp *hmp, const struct x86_state *state, const struct format *f,
                      uint64_t address, unsigned count, bool *stopped)
{
    char value_text[64];
    text_printf(hmp->out, "%016" PRIx64 ":", address);
    for (unsigned i = 0; i < count && !*stopped; i++) {
        uint64_t value;
        *stopped = !read_bytes(hmp, state, address + i * f->size_bytes, f->size_bytes, &value);
        if (*stopped) {
            text_printf(hmp->out, " Cannot access memory");
            break;
        }
        format_value(value_text, sizeof value_text, f, value);
        text_printf(hmp->out, " %s", value_text);
    }
    text_printf(hmp->out, "\r\n");
}

static void dump(struct hmp *hmp, const char *arguments, const char *name, bool is_virtual)
{
    struct format f;
    struct x86_state state;
    uint64_t address;
    if (!parse_format(&arguments, &f) || !hmp_number(hmp, arguments, &address)) {
        hmp_say(hmp, "%s: invalid format or address", name);
        return;
    }
    if (is_virtual)
        hmp->vm->ops->read_state(hmp->vm, 0, &state);
    unsigned in_line = f.size_bytes == 8 ? 2 : f.size_bytes == 1 ? 8 : 4;
    bool stopped = false;
    for (unsigned done = 0; done < f.count && !stopped; done += in_line) {
        unsigned left = f.count - done;
        dump_line(hmp, is_virtual ? &state : NULL, &f, address + (uint64_t)done * f.size_bytes,
                  left < in_line ? left : in_line, &stopped);
    }
}

void hmp_dump_virtual(struct hmp *hmp, const char *arguments)
{
    dump(hmp, arguments, "x", true);
}

void hmp_dump_physical(struct hmp *hmp, const char *arguments)
{
    dump(hmp, arguments, "xp", false);
}

void hmp_print(struct hmp *hmp, const char *arguments)
{
    struct format f;
    uint64_t value;
    char text[64];
    bool given = *arguments == '/';
    if (!parse_format(&arguments, &f) || !hmp_number(hmp, arguments, &value)) {
        hmp_say(hmp, "print: invalid expression");
        return;
    }
    f.size_bytes = 8;
    if (given) {
        format_value(text, sizeof text, &f, value);
        hmp_say(hmp, "%s", text);
    } else {
        hmp_say(hmp, "%#" PRIx64, value);
    }
}

static void say_segment(struct hmp *hmp, const char *name, const struct x86_segment *s)
{
    hmp_say(hmp, "%-3s=%04x %016" PRIx64 " %08x %08x", name, s->selector, s->base, s->limit,
            (uint32_t)s->attr << 8);
}

void hmp_registers(struct hmp *hmp, unsigned vcpu)
{
    static const int order[X86_GPRS] = {X86_RAX, X86_RBX, X86_RCX, X86_RDX, X86_RSI, X86_RDI, X86_RBP,
        X86_RSP, X86_R8, X86_R9, X86_R10, X86_R11, X86_R12, X86_R13, X86_R14, X86_R15};
    static const char *const segments[] = {"ES", "CS", "SS", "DS", "FS", "GS"};
    struct x86_state s;
    hmp->vm->ops->read_state(hmp->vm, vcpu, &s);
    hmp_say(hmp, "\r\nCPU#%u", vcpu);
    for (int i = 0; i < X86_GPRS; i++) {
        char name[4];
        snprintf(name, sizeof name, "%s", register_names[order[i]]);
        for (char *c = name; *c; c++)
            *c = (char)toupper((unsigned char)*c);
        text_printf(hmp->out, "%-3s=%016" PRIx64 "%s", name, s.gpr[order[i]], i % 4 == 3 ? "\r\n" : " ");
    }
    hmp_say(hmp, "RIP=%016" PRIx64 " RFL=%08x CPL=%u HLT=%u", s.rip, (uint32_t)s.rflags, s.cpl,
            s.run_state == X86_HALTED);
    for (int i = 0; i < X86_SEGMENTS; i++)
        say_segment(hmp, segments[i], &s.seg[i]);
    say_segment(hmp, "LDT", &s.ldtr);
    say_segment(hmp, "TR", &s.tr);
    hmp_say(hmp, "GDT=     %016" PRIx64 " %08x", s.gdtr.base, s.gdtr.limit);
    hmp_say(hmp, "IDT=     %016" PRIx64 " %08x", s.idtr.base, s.idtr.limit);
    hmp_say(hmp, "CR0=%08x CR2=%016" PRIx64 " CR3=%016" PRIx64 " CR4=%08x", (uint32_t)s.cr0, s.cr2,
            s.cr3, (uint32_t)s.cr4);
    hmp_say(hmp, "EFER=%016" PRIx64, s.efer);
}
