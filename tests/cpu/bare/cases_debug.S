// SPDX-License-Identifier: GPL-2.0-or-later
//
// Debug registers beyond cases_step.S: lengths and kinds, what comes first of several reasons, faults and
// RF, DR7's reserved bits and GD (SDM volume 3, "Debug Registers" and "Priority").
#include "cases.inc"
    .set TRAPS, 2
    .set DE, 8
    .set SHOWN, 0xffff672a
    .macro arm where, control, number=0
    .if is_64
    mov rax, \where
    mov dr\number, rax
    mov eax, \control
    mov dr7, rax
    .else
    mov eax, \where
    mov dr\number, eax
    mov eax, \control
    mov dr7, eax
    .endif
    .endm
    .macro disarm
    mov eax, 0x400
    .if is_64
    mov dr7, rax
    .else
    mov dr7, eax
    .endif
    .endm
    .macro watched name, where, control, instruction
    CASE "32: \name", PROT32, trace=TRAPS, mask=SHOWN
    arm \where, \control
    \instruction
    nop
    disarm
    END
    CASE "64: \name", LONG64, trace=TRAPS, mask=SHOWN
    arm \where, \control
    \instruction
    nop
    disarm
    END
    .endm
    watched "8 bytes, the last", 0x10100, 0xb0402, "mov [ebx + 7], al"
    watched "8 bytes, behind", 0x10100, 0xb0402, "mov [ebx + 8], al"
    watched "8 bytes, 4 bytes before", 0x10100, 0xb0402, "mov [ebx - 4], eax"
    watched "2 bytes", 0x10100, 0x50402, "mov [ebx + 1], al; mov [ebx + 2], al"
    watched "2 bytes at an odd address", 0x10101, 0x50402, "mov [ebx], al; mov [ebx + 1], al; mov [ebx + 2], al"
    watched "4 bytes at an odd address", 0x10102, 0xd0402, "mov [ebx], al; mov [ebx + 4], al"
    watched "reading: cmp, test, push", 0x10100, 0xf0402, "cmp [ebx], eax; test [ebx], cl; bt dword ptr [ebx], 1"
    watched "cmpxchg that fails writes", 0x10100, 0xd0402, "cmpxchg [ebx], ecx"
    watched "xchg", 0x10100, 0xd0402, "xchg [ebx], ecx"
    watched "movs reads and writes", 0x10100, 0xf0402, "mov esi, ebx; lea edi, [ebx + 8]; movsd; mov edi, ebx; movsd"
    watched "lods, scas, cmps", 0x10100, 0xf0402, "mov esi, ebx; lodsd; mov edi, ebx; scasd; mov esi, ebx; mov edi, 0x10200; cmpsd"
    watched "call pushes", 0x20ffc, 0xd0402, "mov ebp, esp; mov esp, 0x21000; call 1f; 1: mov esp, ebp"
    watched "ret pops", 0x10100, 0xf0402, "lea ecx, [ebx]; nop"
    watched "enter and leave", 0x10100, 0xf0402, "mov edx, esp; mov ecx, ebp; mov esp, 0x10108; mov ebp, 0x10200; enter 0, 0; leave; mov esp, edx; mov ebp, ecx"
    watched "lea, nop and prefetch read nothing", 0x10100, 0xf0402, "lea ecx, [ebx]; nop dword ptr [ebx]; prefetcht0 [ebx]"
    watched "two at one store", 0x10100, 0xdd040a, "mov ecx, 0x10102; .byte 0x0f, 0x23, 0xc9; mov [ebx], eax"
    watched "none is enabled but one matches", 0x10100, 0xd0408, "mov [ebx], eax"
    watched "local enable", 0x10100, 0xd0401, "mov [ebx], eax"
    watched "a fault takes no watch", 0x10100, 0xd0402, "mov [ebx], eax; xor ecx, ecx; div ecx"
    watched "sse", 0x10100, 0xf0402, "mov eax, [ebx + 12]; mov eax, [ebx]"
    watched "with a step", 0x10100, 0xd0402, "push 0x102; popf; mov [ebx], eax; nop; push 2; popf"

    // ---- instruction breakpoints
    CASE "executing what faults: RF is pushed", PROT32, trace=TRAPS
    arm "offset 1f", 0x402
    xor ecx, ecx
1:  div ecx
    END
    CASE "executing what faults, 64 bits", LONG64, trace=TRAPS
    arm "offset 1f", 0x402
    xor ecx, ecx
1:  div ecx
    END
    CASE "executing a repeated instruction", PROT32, trace=TRAPS
    arm "offset 1f", 0x402
    mov ecx, 3
1:  rep stosb
    disarm
    END
    CASE "executing in the shadow of mov ss", PROT32, trace=TRAPS
    arm "offset 1f", 0x402
    mov eax, ss
    mov ss, eax
1:  inc ecx
    inc ecx
    disarm
    END
    CASE "executing in the shadow of sti", PROT32, trace=TRAPS
    arm "offset 1f", 0x402
    sti
1:  cli
    disarm
    END
    CASE "executing at the middle of an instruction", PROT32, trace=TRAPS
    arm "offset 1f + 1", 0x402
1:  mov ecx, 0x12345678
    disarm
    END
    CASE "executing at a prefix", PROT32, trace=TRAPS
    arm "offset 1f", 0x402
    jmp 1f
1:  .byte 0x3e
    inc ecx
    disarm
    END
    CASE "executing, armed by the instruction before", PROT32, trace=TRAPS
    mov eax, offset 1f
    mov dr0, eax
    mov eax, 0x402
    mov dr7, eax
1:  inc ecx
    disarm
    END
    CASE "executing int n", PROT32, trace=TRAPS
    arm "offset 1f", 0x402
1:  int 0x58
    END
    CASE "executing int3", PROT32, trace=TRAPS
    arm "offset 1f", 0x402
1:  int3
    END
    CASE "executing ud2", PROT32, trace=TRAPS
    arm "offset 1f", 0x402
1:  ud2
    END
    CASE "executing hlt in ring 3", USER32, trace=TRAPS
    hlt
    END
    CASE "executing where a limit ends", PROT32, trace=TRAPS
    arm 0, 0x402
    inc ecx
    disarm
    END
    .macro executing name, mode
    CASE "executing in \name", \mode, trace=TRAPS
    mov eax, offset 1f + LOW_BASE
    mov dr0, eax
    mov eax, 0x402
    mov dr7, eax
1:  inc cx
    inc cx
    mov eax, 0x400
    mov dr7, eax
    END
    .endm
    executing "real mode", REAL16
    executing "16-bit code", PROT16

    // ---- ports
    .macro port name, control, instruction
    CASE "port: \name", PROT32, trace=TRAPS, cr4=DE, mask=SHOWN
    arm 0xec, \control
    \instruction
    nop
    disarm
    END
    .endm
    port "the first byte", 0x20402, "out 0xec, al"
    port "beside it", 0x20402, "out 0xed, al; out 0xeb, al"
    port "dword over it", 0xe0402, "out 0xef, al"
    port "word into it", 0xe0402, "out 0xeb, ax"
    port "in", 0xe0402, "in al, 0xed; xor eax, eax"
    port "memory is not a port", 0x20402, "mov al, ds:[0xec]"
    CASE "port: kind 2 without DE watches nothing here", PROT32, trace=TRAPS, mask=SHOWN
    arm 0x10100, 0xe0402
    nop
    disarm
    END

    // ---- registers
    CASE "dr7 has fixed bits", PROT32
    xor eax, eax
    mov dr7, eax
    mov ecx, dr7
    mov eax, 0xffff0000
    mov dr7, eax
    mov edx, dr7
    disarm
    END
    CASE "dr6 has fixed bits", PROT32
    xor eax, eax
    mov dr6, eax
    mov ecx, dr6
    mov eax, 0xffff0fff
    mov dr6, eax
    mov edx, dr6
    END
    CASE "dr6, upper half", LONG64
    mov rax, 0x100000000
    mov dr6, rax
    END
    CASE "dr0, upper half", LONG64
    mov rax, 0x123456789abcdef0
    mov dr0, rax
    mov rcx, dr0
    END
    CASE "dr4 and dr5 without DE", LONG64
    mov rax, dr4
    mov rcx, dr5
    END
    CASE "dr5 with DE", LONG64, cr4=DE
    mov rcx, dr5
    END
    CASE "dr5 with DE from ring 3", LONG64U, cr4=DE
    mov rcx, dr5
    END
    CASE "GD, reading", LONG64, trace=TRAPS
    mov eax, 0x2400
    mov dr7, rax
    mov rcx, dr0
    mov rdx, dr7
    END
    CASE "GD, writing", PROT32, trace=TRAPS
    mov eax, 0x2400
    mov dr7, eax
    mov dr3, ecx
    mov edx, dr7
    END
    CASE "GD from ring 3", USER32, trace=TRAPS
    mov eax, dr7
    END
    CASE "GD goes with any debug exception", PROT32, trace=TRAPS
    mov eax, 0x2400
    mov dr7, eax
    pushfd
    or dword ptr [esp], 0x100
    popfd
    nop
    pushfd
    and dword ptr [esp], 0xfffffeff
    popfd
    mov edx, dr7
    END
    CASE "GD and icebp", PROT32, trace=TRAPS
    mov eax, 0x2400
    mov dr7, eax
    .byte 0xf1
    mov edx, dr7
    END
    CASE "GD and dr4 with DE", PROT32, cr4=DE, trace=TRAPS
    mov eax, 0x2400
    mov dr7, eax
    mov eax, dr4
    END
    CASE "local breakpoints end with a task, global ones don't", PROT32
    mov dword ptr [tss_other + 32], offset 1f
    mov eax, 0x7ff
    mov dr7, eax
    .byte 0xea
    .long 0
    .word TASK_OTHER
1:  mov edx, dr7
    END
