// SPDX-License-Identifier: GPL-2.0-or-later
//
// Single steps, breakpoints, shadows, RF (SDM volume 3, chapter 17). #DB is traced: its handler notes the
// place, the flags and DR6, and returns.
#include "cases.inc"
    .set TRAPS, 2
    .macro step32
    pushfd
    or dword ptr [esp], 0x100
    popfd
    .endm
    .macro step64
    pushfq
    or dword ptr [rsp], 0x100
    popfq
    .endm
    .macro step16
    pushf
    pop ax
    or ah, 1
    push ax
    popf
    .endm

    .macro stepped name, instruction
    CASE "32: \name", PROT32, trace=TRAPS, mask=0xffff672a
    step32
    \instruction
    nop
    END
    CASE "64: \name", LONG64, trace=TRAPS, mask=0xffff672a
    step64
    \instruction
    nop
    END
    .endm
    stepped "nop", "nop"
    stepped "jmp", "jmp 1f; nop; 1: nop"
    stepped "jcc", "cmp eax, eax; je 1f; nop; 1: jne 1b"
    stepped "call and ret", "call 1f; jmp 2f; 1: ret; 2: nop"
    stepped "mov ss", "mov eax, ss; mov ss, eax; inc eax; inc eax"
    stepped "mov ss twice", "mov eax, ss; mov ss, eax; mov ss, eax; inc eax; inc eax"
    stepped "rep stosb", "mov ecx, 3; rep stosb"
    stepped "rep with 0", "xor ecx, ecx; rep stosb"
    stepped "repne scasb", "mov ecx, 5; mov al, 1; repne scasb"
    stepped "loop", "mov ecx, 3; 1: loop 1b"
    stepped "pushf shows TF, popf clears it", "pushf; and dword ptr [esp], 0xfffffeff; popf"
    stepped "int 0x58 clears TF", "int 0x58"
    stepped "sti and cli", "sti; cli; nop"
    stepped "cpuid", "xor eax, eax; xor ecx, ecx; cpuid; xor eax, eax; xor ebx, ebx; xor ecx, ecx; xor edx, edx"
    stepped "rdmsr", "mov ecx, 0xc0000080; rdmsr; xor eax, eax; xor edx, edx"
    stepped "mov to cr0", "smsw eax; lmsw ax"
    stepped "fault", "ud2"
    stepped "lods, movs", "lodsb; movsb"
    stepped "div", "mov eax, 7; xor edx, edx; mov ecx, 2; div ecx"
    stepped "fpu", "fninit; fld1; fstp st"
    stepped "xchg with memory", "xchg [ebx], eax"
    stepped "lock add", "lock add [ebx], eax"
    stepped "in and out", "in al, 0x61; mov al, 0; out 0xed, al"
    stepped "hidden by the trap itself: icebp", ".byte 0xf1"
    stepped "int3", "int3"

    CASE "16: nop", REAL16, trace=TRAPS, mask=0xffff672a
    step16
    nop
    nop
    END
    CASE "16: mov ss", REAL16, trace=TRAPS, mask=0xffff672a
    step16
    mov ax, ss
    mov ss, ax
    inc ax
    inc ax
    END
    CASE "16: pop ss", REAL16, trace=TRAPS, mask=0xffff672a
    push ss
    step16
    pop ss
    inc ax
    inc ax
    END
    CASE "16: rep movsb", REAL16, trace=TRAPS, mask=0xffff672a
    step16
    rep movsb
    nop
    END
    CASE "p16: nop", PROT16, trace=TRAPS, mask=0xffff672a
    step16
    nop
    nop
    END
    CASE "iret sets TF: after the next instruction", PROT32, trace=TRAPS
    push 0x102
    push CODE32
    push offset 1f
    iretd
1:  nop
    nop
    END
    CASE "iretq sets TF", LONG64, trace=TRAPS
    mov rax, rsp
    push DATA32
    push rax
    push 0x102
    push CODE64
    lea rax, [rip + 1f]
    push rax
    iretq
1:  nop
    nop
    END
    CASE "user: steps", LONG64U, trace=TRAPS
    step64
    nop
    nop
    END
    CASE "user 32: steps", USER32, trace=TRAPS
    step32
    nop
    nop
    END
    CASE "user: syscall with TF masked", LONG64U, trace=TRAPS
    step64
    syscall
    END
    CASE "sysret to TF", LONG64, trace=TRAPS
    lea rcx, [rip + 1f + USER_ALIAS]
    mov r11d, 0x102
    mov rsp, STACK_BASE + USER_ALIAS + 0x800
    rex.W sysret
1:  nop
    nop
    END

    // ---- debug registers
    .macro arm32 where, control
    mov eax, \where
    mov dr0, eax
    mov eax, \control
    mov dr7, eax
    .endm
    .macro arm64 where, control
    mov eax, \where
    mov dr0, rax
    mov eax, \control
    mov dr7, rax
    .endm
    .macro disarm32
    mov eax, 0x400
    mov dr7, eax
    .endm
    .macro disarm64
    mov eax, 0x400
    mov dr7, rax
    .endm
    .macro watched name, bits, control, instruction
    CASE "32: \name", PROT32, trace=TRAPS, mask=0xffff672a
    arm32 0x10100, \control
    \instruction
    nop
    disarm32
    END
    CASE "64: \name", LONG64, trace=TRAPS, mask=0xffff672a
    arm64 0x10100, \control
    \instruction
    nop
    disarm64
    END
    .endm
    watched "write", 0, 0xd0402, "mov [ebx], eax"
    watched "write, read only watched byte", 0, 0x10402, "mov [ebx + 1], al; mov [ebx - 1], ax"
    watched "read is no write", 0, 0xd0402, "mov eax, [ebx]"
    watched "read or write", 0, 0xf0402, "mov eax, [ebx + 2]"
    watched "not watched", 0, 0xf0402, "mov eax, [ebx + 4]; mov eax, [ebx - 4]"
    watched "across its beginning", 0, 0xf0402, "mov eax, [ebx - 3]"
    watched "rep stosd", 0, 0xd0402, "lea edi, [ebx - 8]; mov ecx, 5; rep stosd"
    watched "push", 0, 0xd0402, "mov ecx, esp; lea esp, [ebx + 4]; push 7; mov esp, ecx"
    watched "add", 0, 0xd0402, "add dword ptr [ebx], 1"
    watched "not enabled", 0, 0xd0400, "mov [ebx], eax"
    watched "in the shadow of mov ss", 0, 0xf0402, "mov word ptr [ebx], 0x10; mov ss, [ebx]; inc ecx; inc ecx"
    watched "execution, elsewhere", 0, 0x402, "mov [ebx], eax"

    CASE "execution breakpoint and RF", PROT32, trace=TRAPS
    arm32 "offset 1f", 0x402
    nop
1:  inc ecx
    inc ecx
    disarm32
    END
    CASE "execution breakpoint, 64 bits", LONG64
    arm64 "offset 1f", 0x402
    nop
1:  inc ecx
    inc ecx
    END
    CASE "RF by iret", PROT32, trace=TRAPS
    arm32 "offset 1f", 0x402
    push 0x10002
    push CODE32
    push offset 1f
    iretd
1:  inc ecx
    cmp ecx, 6
    jb 1b
    disarm32
    END
    CASE "RF is not by popf", PROT32
    arm32 "offset 1f", 0x402
    push 0x10002
    popfd
1:  inc ecx
    END
    CASE "execution breakpoint on rep", PROT32
    arm32 "offset 1f", 0x402
1:  rep stosb
    END
    CASE "two at once", PROT32
    mov eax, offset 1f
    mov dr1, eax
    arm32 "offset 1f", 0x40a
1:  inc ecx
    END
    CASE "I/O breakpoint without DE", PROT32, trace=TRAPS
    arm32 0xed, 0x20402
    out 0xed, al
    nop
    disarm32
    END
    CASE "I/O breakpoint", PROT32, trace=TRAPS, cr4=8
    arm32 0xed, 0x20402
    out 0xed, al
    nop
    disarm32
    END
    CASE "icebp and DR6", PROT32
    mov eax, 0xffff4ff0
    mov dr6, eax
    .byte 0xf1
    END
