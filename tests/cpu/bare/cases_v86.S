// SPDX-License-Identifier: GPL-2.0-or-later
//
// Virtual-8086 mode (SDM volume 3, chapter 20). Its extensions (CR4.VME) are not in our CPUID.
#include "cases.inc"
    .macro v86 name, instruction
    CASE "v86: \name", V86
    \instruction
    END
    CASE "v86, IOPL 3: \name", V86, fl=0x3002
    \instruction
    END
    .endm
    v86 "int 0x58", "int 0x58"
    v86 "int 0x57 of DPL 0", "int 0x57"
    v86 "int3", "int3"
    v86 "int 1", "int 1"
    v86 "into", "mov al, 0x7f; add al, 1; into"
    v86 "icebp", ".byte 0xf1"
    v86 "cli", "cli"
    v86 "sti", "sti; nop"
    v86 "pushf", "pushf; pop ax"
    v86 "pushfd", "pushfd; pop eax"
    v86 "popf", "push 0x7202; popf; pushf; pop ax"
    v86 "popf without IF", "push 0x3002; popf"
    v86 "popfd", "push dword ptr 0x247202; popfd"
    v86 "iret", "push 0x7202; push cs; push offset 1f; iret; 1: pushf; pop ax"
    v86 "iretd", "push dword ptr 0x7202; push dword ptr low_segment; push dword ptr offset 1f; .byte 0x66; iret; 1: nop"
    v86 "hlt", "hlt"
    v86 "in", "in al, 0x48"
    v86 "in that the bitmap forbids", "in al, 0x20"
    v86 "out 32 bits", "mov dx, 0x4c; out dx, eax"
    v86 "mov from cr0", "mov eax, cr0"
    v86 "lgdt", "lgdt [bx]"
    v86 "smsw", "smsw ax"
    v86 "sgdt", "sgdt [bx]"
    v86 "sldt", "sldt ax"
    v86 "str", "str ax"
    v86 "lar", "lar ax, bx"
    v86 "verr", "verr ax"
    v86 "arpl", "arpl ax, bx"
    v86 "lldt", "lldt ax"
    v86 "ltr", "ltr ax"
    v86 "clts", "clts"
    v86 "invd", "invd"
    v86 "rdmsr", "rdmsr"
    v86 "cpuid", "xor eax, eax; xor ecx, ecx; cpuid; xor eax, eax; xor ebx, ebx; xor edx, edx; xor ecx, ecx"
    v86 "ud2", "ud2"
    v86 "sysenter", ".byte 0x0f, 0x34"
    v86 "syscall", ".byte 0x0f, 0x05"
    v86 "ss:ffff", "mov bp, 0xffff; mov ax, [bp]"
    v86 "ds:ffff", "mov si, 0xffff; mov ax, [si]"
    v86 "32-bit address", "mov esi, 0x10000; mov al, [esi]"
    v86 "loads segments", "mov ax, 0x1010; mov ds, ax; mov es, ax; mov fs, ax; mov eax, [bx]"
    v86 "far jump", ".byte 0xea; .word 1f - 0x20, low_segment + 2; 1: mov ax, cs"
    v86 "far call and retf", ".byte 0x9a; .word 1f, low_segment; jmp 2f; 1: retf; 2: nop"
    v86 "push wraps", "mov sp, 0; push ax"
    v86 "push at 1", "mov sp, 1; push ax"
    v86 "stosw wraps", "mov di, 0xfffc; mov cx, 4; rep stosw"
    v86 "ip beyond", "mov eax, 0x10000; jmp eax"
    v86 "div by zero", "xor cx, cx; div cx"
    v86 "single step", "mov bp, sp; pushf; or word ptr [bp - 2], 0x100; popf; nop"
    v86 "mov ss and pop ss", "mov ax, 0x2010; mov ss, ax; push 0x2000; pop ss"
    CASE "iret from ring 0 to v86", PROT32
    push 0x1111
    push 0x2222
    push 0x3333
    push 0x4444
    push STACK_SEGMENT
    push 0x800
    push 0x20002
    push LOW_SEGMENT
    push offset gate_target16
    iretd
    END
    CASE "iret from ring 0 to v86, odd flags", PROT32
    push 0x1111
    push 0x2222
    push 0x3333
    push 0x4444
    push STACK_SEGMENT
    push 0x800
    push 0x3b7ed7 & ~0x100
    push LOW_SEGMENT
    push offset gate_target16
    iretd
    END
    CASE "iret from ring 3 ignores VM", USER32
    push 0x20202
    push USER_CODE32
    push offset 1f
    iretd
1:
    END
