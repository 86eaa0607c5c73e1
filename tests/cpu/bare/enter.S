// SPDX-License-Identifier: GPL-2.0-or-later
//
// From the harness into a case's state, and back from whatever exception or interrupt comes. In 16- and
// 64-bit code nothing is pushed meanwhile; in 32-bit protected mode, where no segment register can be
// spared, three dwords are pushed below the frame, which report.c knows.
#include "layout.h"
    .intel_syntax noprefix

    .set LOW_IN, low_data
    .set LOW_OUT, low_data + STATE_BYTES
    .set LOW_MASK, low_data + 2 * STATE_BYTES
    .set LOW_COUNT, LOW_MASK + 4
    .set LOW_TRACE, LOW_MASK + 8
    .set MASK32, LOW_BASE + LOW_MASK
    .set COUNT32, LOW_BASE + LOW_COUNT
    .set TRACE32, LOW_BASE + LOW_TRACE

    // ---- real mode: through 16-bit protected mode, which leaves limits of 64 KiB
    .text
    .code32
    .globl enter_real
enter_real:
    pushad
    mov [host_esp], esp
    lidt [real_idt]
    jmp CODE16:offset real_down

    .section .low, "awx"
    .code16
real_down:
    mov eax, DATA16
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    mov ss, eax
    mov eax, cr0
    and al, 0xfe
    mov cr0, eax
    jmp LOW_SEGMENT:offset 1f
1:  xor ax, ax
    mov ss, ax
    mov sp, 0x7000
    push word ptr cs:[LOW_IN + S_FLAGS]
    popfw
    mov es, cs:[LOW_IN + S_ES]
    mov fs, cs:[LOW_IN + S_FS]
    mov gs, cs:[LOW_IN + S_GS]
    mov ds, cs:[LOW_IN + S_DS]
    mov eax, cs:[LOW_IN]
    mov ecx, cs:[LOW_IN + 8]
    mov edx, cs:[LOW_IN + 16]
    mov ebx, cs:[LOW_IN + 24]
    mov ebp, cs:[LOW_IN + 40]
    mov esi, cs:[LOW_IN + 48]
    mov edi, cs:[LOW_IN + 56]
    mov ss, cs:[LOW_IN + S_SS]
    mov esp, cs:[LOW_IN + 32]
    jmp dword ptr cs:[far_target16]

    .globl far_target16
far_target16:
    .word 0, 0
traced_ip:
    .word 0, 0, 0

    .globl stubs16
    .balign 16
stubs16:
    .set n, 0
    .rept VECTORS
    mov byte ptr cs:[LOW_OUT + S_VECTOR], n
    jmp caught16
    .balign STUB_BYTES
    .set n, n + 1
    .endr

caught16:
    mov cs:[LOW_OUT], eax
    mov cs:[LOW_OUT + 8], ecx
    mov cs:[LOW_OUT + 16], edx
    mov cs:[LOW_OUT + 24], ebx
    mov cs:[LOW_OUT + 40], ebp
    mov cs:[LOW_OUT + 48], esi
    mov cs:[LOW_OUT + 56], edi
    mov cs:[LOW_OUT + S_HANDLER_SP], esp
    mov cs:[LOW_OUT + S_HANDLER_SS], ss
    mov cs:[LOW_OUT + S_DS], ds
    mov cs:[LOW_OUT + S_ES], es
    mov cs:[LOW_OUT + S_FS], fs
    mov cs:[LOW_OUT + S_GS], gs
    mov eax, cr0
    mov cs:[LOW_OUT + S_CR0], eax
    mov eax, dr6
    mov cs:[LOW_OUT + S_DR6], eax
    mov ecx, cs:[LOW_OUT + S_VECTOR]
    cmp cl, 32
    jae 1f
    bt dword ptr cs:[LOW_MASK], ecx
    jc traced16
1:  lgdt cs:[low_gdt_pointer]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    .byte 0x66, 0xea            // a far jump with a 32-bit offset
    .long back
    .word CODE32

traced16:
    cmp byte ptr cs:[LOW_COUNT], TRACE_MAX
    jae 1b
    pop word ptr cs:[traced_ip]
    pop word ptr cs:[traced_ip + 2]
    pop word ptr cs:[traced_ip + 4]
    sub sp, 6
    movzx ebx, byte ptr cs:[LOW_COUNT]
    inc byte ptr cs:[LOW_COUNT]
    shl bx, 4
    mov cs:[LOW_TRACE + ebx], ecx
    movzx ecx, word ptr cs:[traced_ip]
    mov cs:[LOW_TRACE + ebx + 4], ecx
    mov cx, cs:[traced_ip + 4]
    mov cs:[LOW_TRACE + ebx + 8], ecx
    mov ecx, cs:[LOW_OUT + S_DR6]
    mov cs:[LOW_TRACE + ebx + 12], ecx
    mov ecx, 0xffff0ff0
    mov dr6, ecx
    mov eax, cs:[LOW_OUT]
    mov ecx, cs:[LOW_OUT + 8]
    mov ebx, cs:[LOW_OUT + 24]
    iretw

low_gdt_pointer:
    .word 8 * GDT_ENTRIES - 1
    .long gdt
    .globl low_data
    .balign 8
low_data:
    .space 2 * STATE_BYTES + 8 + TRACE_MAX * TRACE_BYTES

    // ---- protected mode, same privilege: a far jump, which leaves the case's stack alone
    .text
    .code32
    .globl enter_protected
enter_protected:
    pushad
    mov [host_esp], esp
    mov eax, [in + S_IP]
    mov [far_target32], eax
    mov eax, [in + S_CS]
    mov [far_target32 + 4], eax
    mov eax, [in + 32]
    mov [far_stack32], eax
    mov eax, [in + S_SS]
    mov [far_stack32 + 4], eax
    push dword ptr [in + S_FLAGS]
    popfd
    call load_registers
    lss esp, [far_stack32]
    mov ds, [in + S_DS]
    jmp fword ptr cs:[far_target32]

    // ---- an outer ring, or virtual-8086 mode
    .globl enter_by_iret
enter_by_iret:
    pushad
    mov [host_esp], esp
    push dword ptr [in + S_GS]
    push dword ptr [in + S_FS]
    push dword ptr [in + S_DS]
    push dword ptr [in + S_ES]
    push dword ptr [in + S_SS]
    push dword ptr [in + 32]
    push dword ptr [in + S_FLAGS]
    push dword ptr [in + S_CS]
    push dword ptr [in + S_IP]
    test dword ptr [in + S_FLAGS], 0x20000
    jnz 1f
    call load_registers
    mov ds, [in + S_DS]
    iretd
1:  call load_general
    iretd

load_registers:
    mov es, [in + S_ES]
    mov fs, [in + S_FS]
    mov gs, [in + S_GS]
load_general:
    mov eax, [in]
    mov ecx, [in + 8]
    mov edx, [in + 16]
    mov ebx, [in + 24]
    mov ebp, [in + 40]
    mov esi, [in + 48]
    mov edi, [in + 56]
    ret

    .globl stubs32
    .balign 16
stubs32:
    .set n, 0
    .rept VECTORS
    .byte 0x68
    .long n
    jmp caught32
    .balign STUB_BYTES
    .set n, n + 1
    .endr

caught32:
    push eax
    mov eax, ds
    push eax
    mov eax, DATA32
    mov ds, eax
    mov [out + 8], ecx
    mov [out + 16], edx
    mov [out + 24], ebx
    mov [out + 40], ebp
    mov [out + 48], esi
    mov [out + 56], edi
    pop eax
    mov [out + S_DS], eax
    pop eax
    mov [out], eax
    pop ecx
    mov [out + S_VECTOR], ecx
    mov [out + S_HANDLER_SP], esp
    mov [out + S_HANDLER_SS], ss
    mov [out + S_ES], es
    mov [out + S_FS], fs
    mov [out + S_GS], gs
    mov eax, cr0
    mov [out + S_CR0], eax
    mov eax, cr2
    mov [out + S_CR2], eax
    mov eax, dr6
    mov [out + S_DR6], eax
    cmp ecx, 32
    jae back
    bt dword ptr [MASK32], ecx
    jc traced32
    .globl back
back:
    mov eax, DATA32
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    mov ss, eax
    mov esp, [host_esp]
    // By IRET, so that NMIs aren't blocked any more; out of a nested task, if need be.
    push 2
    popfd
    pushfd
    push CODE32
    push offset 1f
    iretd
1:  popad
    ret

traced32:
    cmp dword ptr [COUNT32], TRACE_MAX
    jae back
    mov ebx, [COUNT32]
    inc dword ptr [COUNT32]
    shl ebx, 4
    mov [TRACE32 + ebx], ecx
    pop dword ptr [TRACE32 + ebx + 4]
    pop ecx
    pop dword ptr [TRACE32 + ebx + 8]
    sub esp, 12
    mov eax, [out + S_DR6]
    mov [TRACE32 + ebx + 12], eax
    mov eax, 0xffff0ff0
    mov dr6, eax
    mov ebx, [out + 24]
    mov ecx, [out + 8]
    push dword ptr [out]
    mov eax, [out + S_DS]
    mov ds, eax
    pop eax
    iretd

    // ---- long mode, 64-bit and compatibility, from compatibility mode
    .globl enter_long
enter_long:
    pushad
    mov [host_esp], esp
    jmp CODE64:offset 1f
    .code64
1:  mov esp, 0x7000             // IRET to a 16-bit stack leaves the upper bits, where frames then are
    mov es, [rip + in + S_ES]
    mov fs, [rip + in + S_FS]
    mov gs, [rip + in + S_GS]
    mov ds, [rip + in + S_DS]
    mov eax, [rip + in + S_SS]
    push rax
    push [rip + in + 32]
    push [rip + in + S_FLAGS]
    mov eax, [rip + in + S_CS]
    push rax
    push [rip + in + S_IP]
    .macro each_register what
    \what 0, rax
    \what 1, rcx
    \what 2, rdx
    \what 3, rbx
    \what 5, rbp
    \what 6, rsi
    \what 7, rdi
    \what 8, r8
    \what 9, r9
    \what 10, r10
    \what 11, r11
    \what 12, r12
    \what 13, r13
    \what 14, r14
    \what 15, r15
    .endm
    .macro load_one number, name
    mov \name, [rip + in + 8 * \number]
    .endm
    .macro store_one number, name
    mov [rip + out + 8 * \number], \name
    .endm
    each_register load_one
    iretq

    .globl stubs64
    .balign 16
stubs64:
    .set n, 0
    .rept VECTORS
    mov byte ptr [rip + out + S_VECTOR], n
    jmp caught64
    .balign STUB_BYTES
    .set n, n + 1
    .endr

caught64:
    each_register store_one
    mov [rip + out + S_HANDLER_SP], rsp
    mov [rip + out + S_HANDLER_SS], ss
    mov [rip + out + S_DS], ds
    mov [rip + out + S_ES], es
    mov [rip + out + S_FS], fs
    mov [rip + out + S_GS], gs
    mov rax, cr0
    mov [rip + out + S_CR0], eax
    mov rax, cr2
    mov [rip + out + S_CR2], rax
    mov rax, dr6
    mov [rip + out + S_DR6], rax
    mov ecx, [rip + out + S_VECTOR]
    cmp ecx, 32
    jae 1f
    mov eax, [MASK32]
    bt eax, ecx
    jc traced64
1:  mov eax, DATA32
    mov ss, eax
    mov esp, [rip + host_esp]
    push CODE32
    push offset back
    rex.W retf

traced64:
    mov ebx, [COUNT32]
    cmp ebx, TRACE_MAX
    jae 1b
    inc dword ptr [COUNT32]
    shl ebx, 4
    mov [TRACE32 + rbx], ecx
    mov rax, [rsp]
    mov [TRACE32 + rbx + 4], eax
    mov rax, [rsp + 16]
    mov [TRACE32 + rbx + 8], eax
    mov rax, [rip + out + S_DR6]
    mov [TRACE32 + rbx + 12], eax
    mov eax, 0xffff0ff0
    mov dr6, rax
    mov rax, [rip + out]
    mov rcx, [rip + out + 8]
    mov rbx, [rip + out + 24]
    iretq

    .data
    .balign 8
far_target32: .long 0, 0
far_stack32:  .long 0, 0
host_esp:     .quad 0
real_idt:     .word 0x3ff
              .long 0
    .globl in, out
    .balign 8
in:  .space STATE_BYTES
out: .space STATE_BYTES
