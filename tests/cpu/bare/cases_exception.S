// SPDX-License-Identifier: GPL-2.0-or-later
//
// Exceptions of x87, SSE and alignment, what CPUID hides, double faults, NMIs (SDM volume 3, chapter 6).
#include "cases.inc"
    .set MONITOR_TASK_SWITCH, 0x2a  // CR0: MP, NE, TS
    .set TS, 8
    .set EM, 4
    .set AM, 0x40000
    .set OSFXSR, 0x200
    .set OSXMMEXCPT, 0x400
    .set OSXSAVE, 0x40000
    .set NMI_TRACED, 4
    .set APIC, 0xfee00000

    .macro float name, cr0, cr4, instruction
    CASE "32: \name", PROT32, cr0=\cr0, cr4=\cr4
    \instruction
    END
    CASE "64: \name", LONG64, cr0=\cr0, cr4=\cr4
    \instruction
    END
    .endm
    float "fadd, TS", 8, 0, "fadd st, st"
    float "fadd, EM", 4, 0, "fadd st, st"
    float "wait, TS and MP", 8, 0, "fwait"
    float "wait, EM", 4, 0, "fwait"
    float "mmx, EM", 4, 0, "paddb mm0, mm0"
    float "mmx, TS", 8, 0, "paddb mm0, mm0"
    float "sse, TS", 8, 0x200, "addps xmm0, xmm0"
    float "sse, EM", 4, 0x200, "addps xmm0, xmm0"
    float "sse, EM, fetch faults first", 4, 0x200, "mov ebx, 0x80000000; addps xmm0, [ebx]"
    float "fxsave, EM", 4, 0x200, "fxsave [0x10100]"
    float "fxsave, TS", 8, 0x200, "fxsave [0x10100]"
    float "ldmxcsr, TS", 8, 0x200, "ldmxcsr [0x10100]"
    float "ldmxcsr reserved", 0, 0x200, "mov dword ptr [0x10100], 0x10000; ldmxcsr [0x10100]"
    float "sfence and prefetch, EM and TS", 12, 0, "sfence; prefetchnta [0x10100]; lfence; mfence"
    float "movnti, EM and TS", 12, 0, "movnti [0x10100], eax"
    float "pause, popcnt, crc32, EM and TS", 12, 0, "pause; popcnt ecx, eax; crc32 edx, al"
    float "emms, TS", 8, 0, "emms"
    float "fninit, TS", 8, 0, "fninit"
    float "fnstsw, EM", 4, 0, "fnstsw ax"
    float "clts ends it", 8, 0, "clts; fninit"
    float "xgetbv", 0, 0x40000, "xor ecx, ecx; xgetbv"
    float "xgetbv of 5", 0, 0x40000, "mov ecx, 5; xgetbv"
    float "xsetbv without x87", 0, 0x40000, "xor ecx, ecx; mov eax, 2; xor edx, edx; xsetbv"
    float "xsetbv AVX without SSE", 0, 0x40000, "xor ecx, ecx; mov eax, 5; xor edx, edx; xsetbv"
    float "xsetbv and avx", 0, 0x40600, "xor ecx, ecx; mov eax, 7; xor edx, edx; xsetbv; vaddps ymm0, ymm0, ymm0; mov eax, 1; xsetbv"
    float "avx without XCR0", 0, 0x40600, "vaddps ymm0, ymm0, ymm0"
    float "avx, TS", 8, 0x40600, "xor ecx, ecx; mov eax, 7; xor edx, edx; xsetbv; vaddps ymm0, ymm0, ymm0"
    float "xsave with an odd header", 0, 0x40200, "mov dword ptr [0x10400], 1; xor edx, edx; mov eax, 3; mov dword ptr [0x10608], 1; xrstor [0x10400]"
    float "xsave, not aligned", 0, 0x40200, "xsave [0x10420]"
    float "fdiv by zero is reported by the next", 0, 0, "push 0x37b; fldcw [esp]; fldz; fld1; fdiv st, st(1); mov ecx, 1; fwait; mov ecx, 2"
    float "fdiv by zero, fnstsw looks first", 0, 0, "push 0x37b; fldcw [esp]; fldz; fld1; fdiv st, st(1); fnstsw ax; fnclex; fwait"
    float "fdiv by zero, mmx is next", 0, 0, "push 0x37b; fldcw [esp]; fldz; fld1; fdiv st, st(1); paddb mm0, mm0"
    float "fdiv by zero, fninit forgets it", 0, 0, "push 0x37b; fldcw [esp]; fldz; fld1; fdiv st, st(1); fninit; fwait"
    float "fldcw makes it pending", 0, 0, "fldz; fld1; fdiv st, st(1); push 0x37b; fldcw [esp]; fwait"
    float "stack underflow", 0, 0, "push 0x37e; fldcw [esp]; fadd st, st(1); fwait"
    float "sse division by zero", 0, 0x600, "push 0x1d80; ldmxcsr [esp]; xorps xmm1, xmm1; mov dword ptr [0x10100], 0x3f800000; movss xmm0, [0x10100]; divss xmm0, xmm1"
    float "sse division by zero without OSXMMEXCPT", 0, 0x200, "push 0x1d80; ldmxcsr [esp]; xorps xmm1, xmm1; mov dword ptr [0x10100], 0x3f800000; movss xmm0, [0x10100]; divss xmm0, xmm1"
    float "sse invalid, unmasked flag is set", 0, 0x600, "push 0x1f00; ldmxcsr [esp]; xorps xmm1, xmm1; divps xmm1, xmm1"
    float "sse not aligned", 0, 0x600, "addps xmm0, [0x10101]"
    float "movups not aligned", 0, 0x600, "movups xmm0, [0x10101]"

    .macro aligned name, instruction
    CASE "AC 32: \name", USER32, fl=0x40002, cr0=0x40000
    \instruction
    END
    CASE "AC 64: \name", LONG64U, fl=0x40002, cr0=0x40000, cr4=0x200
    \instruction
    END
    CASE "ring 0 with AC: \name", PROT32, fl=0x40002, cr0=0x40000
    \instruction
    END
    .endm
    aligned "word", "mov ax, [ebx + 1]"
    aligned "word aligned", "mov ax, [ebx + 2]"
    aligned "dword", "mov eax, [ebx + 2]"
    aligned "store", "mov [ebx + 3], eax"
    aligned "byte", "mov al, [ebx + 1]"
    aligned "push", "sub esp, 1; push 5"
    aligned "ret", "push 0; sub esp, 2; ret"
    aligned "movs", "inc esi; movsd"
    aligned "fld 8", "fld qword ptr [ebx + 4]"
    aligned "fld 10", "fld tbyte ptr [ebx + 4]"
    aligned "fld 10 odd", "fld tbyte ptr [ebx + 2]"
    aligned "lock add", "lock add [ebx + 1], eax"
    aligned "bound to nothing first", "mov edx, 0x80000001; mov eax, [edx]"
    aligned "xchg", "xchg [ebx + 2], eax"
    aligned "popf clears it", "mov ecx, esp; mov edx, [ebx + 1]"

    // ---- what one fault while another is delivered makes
    CASE "gate absent under a fault: GP becomes NP", LONG64
    and byte ptr [idt64 + 16 * 6 + 5], 0x7f
    ud2
    END
    CASE "NP under GP is a double fault", LONG64
    and byte ptr [idt64 + 16 * 13 + 5], 0x7f
    mov rax, 0x800000000000
    mov eax, [rax]
    END
    CASE "PF under UD", LONG64
    mov eax, WINDOW + 0x4ff0
    mov rsp, rax
    ud2
    END
    CASE "PF under PF", LONG64
    mov eax, WINDOW + 0x4ff0
    mov rsp, rax
    mov eax, [WINDOW + 0x4000]
    END
    CASE "GP under DE by a bad gate", LONG64
    mov dword ptr [idt64 + 8], 0x1234
    xor ecx, ecx
    div ecx
    END
    CASE "gate absent: NP for UD, 32 bits", PROT32
    and byte ptr [idt32 + 8 * 6 + 5], 0x7f
    ud2
    END
    CASE "double fault, 32 bits", PROT32
    and byte ptr [idt32 + 8 * 13 + 5], 0x7f
    mov eax, 0x1230
    mov fs, eax
    END
    CASE "int n to an absent gate is no double fault", LONG64
    and byte ptr [idt64 + 16 * 13 + 5], 0x7f
    int 13
    END

    // ---- NMIs, which the APIC sends to the processor itself
    .macro send_nmi
    mov edi, APIC
    mov dword ptr [edi + 0xf0], 0x1ff
    mov eax, [edi + 0x20]
    and eax, 0xff000000
    mov [edi + 0x310], eax
    mov dword ptr [edi + 0x300], 0x400
    .endm
    // When exactly it arrives is the APIC's affair, so they wait for it at one place.
    CASE "NMI", PROT32
    send_nmi
1:  jmp 1b
    END
    CASE "NMI and on", PROT32, trace=NMI_TRACED
    mov ecx, 0x1000
    send_nmi
1:  loop 1b
    END
    CASE "NMI, 64 bits", LONG64
    send_nmi
1:  jmp 1b
    END
    CASE "NMI is blocked until IRET", PROT32
    mov eax, offset 1f
    mov [idt32 + 8 * 2], ax
    shr eax, 16
    mov [idt32 + 8 * 2 + 6], ax
    xor edx, edx
    send_nmi
2:  jmp 2b
1:  inc edx
    cmp edx, 2
    je 3f
    send_nmi
    mov ecx, 0x1000
4:  loop 4b
    mov [ebx], edx
    iretd
3:  mov ecx, esp
    pop eax
    sub eax, offset 2b
    END
    CASE "NMI is blocked until IRET, 64 bits", LONG64
    lea rax, [rip + 1f]
    mov [idt64 + 16 * 2], ax
    shr eax, 16
    mov [idt64 + 16 * 2 + 6], ax
    xor edx, edx
    send_nmi
2:  jmp 2b
1:  inc edx
    cmp edx, 2
    je 3f
    send_nmi
    mov ecx, 0x1000
4:  loop 4b
    mov [rbx], edx
    iretq
3:  pop rax
    sub rax, offset 2b
    END
    CASE "NMI is not blocked behind an IRET that faults", PROT32
    mov eax, offset 1f
    mov [idt32 + 8 * 2], ax
    shr eax, 16
    mov [idt32 + 8 * 2 + 6], ax
    mov eax, offset 3f
    mov [idt32 + 8 * 13], ax
    shr eax, 16
    mov [idt32 + 8 * 13 + 6], ax
    xor edx, edx
    send_nmi
2:  jmp 2b
1:  inc edx
    cmp edx, 2
    je 4f
    mov dword ptr [esp + 4], 0x1230
    iretd
3:  send_nmi
5:  jmp 5b
4:  pop eax
    sub eax, offset 5b
    END
    CASE "self IPI with IF=0", LONG64
    mov edi, APIC
    mov dword ptr [edi + 0xf0], 0x1ff
    mov dword ptr [edi + 0x300], 0x44060
    nop
    END
    CASE "self IPI, sti", LONG64
    mov edi, APIC
    mov dword ptr [edi + 0xf0], 0x1ff
    mov dword ptr [edi + 0x300], 0x44060
    sti
    inc eax
    inc eax
    END
    CASE "self IPI, sti and cli", LONG64
    mov edi, APIC
    mov dword ptr [edi + 0xf0], 0x1ff
    mov dword ptr [edi + 0x300], 0x44060
    sti
    cli
    mov dword ptr [edi + 0xb0], 0
    END
    CASE "self IPI, popf has no shadow", LONG64
    mov edi, APIC
    push 0x202
    popfq
    inc eax
    END
    CASE "self IPI, sti and mov ss", LONG64
    mov edi, APIC
    sti
    mov eax, ss
    mov ss, eax
    inc eax
    END
    CASE "self IPI, sti and hlt", LONG64
    mov edi, APIC
    mov dword ptr [edi + 0xb0], 0
    mov dword ptr [edi + 0x300], 0x44061
    sti
    hlt
    END
    CASE "interrupts, cleaned up", LONG64
    mov edi, APIC
    mov dword ptr [edi + 0xb0], 0
    mov dword ptr [edi + 0xb0], 0
    mov dword ptr [edi + 0xb0], 0
    mov dword ptr [edi + 0xf0], 0xff
    END
