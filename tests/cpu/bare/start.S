// SPDX-License-Identifier: GPL-2.0-or-later
//
// The image's entry, as PVH has it (Xen, docs/misc/pvh.pandoc): 32-bit protected mode without paging,
// flat segments, interrupts off. boot.S arrives here in the same way.
#include "layout.h"
    .intel_syntax noprefix

    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 4, 18                  // XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long entry

    .section .entry, "ax"
    .code32
    .globl entry
entry:
    cli
    cld
    mov eax, cr0
    and eax, 0x7fffffff
    mov cr0, eax
    xor eax, eax
    mov cr4, eax
    lgdt [gdt_pointer]
    jmp CODE32:offset 1f
1:  mov eax, DATA32
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    mov ss, eax
    mov esp, offset stack_top
    mov esi, offset low_image
    mov edi, LOW_BASE
    mov ecx, offset low_bytes
    rep movsb
    call bare_main
    // Bochs' way to end; then a triple fault, which ends a VMM under -no-reboot.
    mov esi, offset shutdown
    mov edx, 0x8900
2:  lodsb
    out dx, al
    test al, al
    jnz 2b
    lidt [no_table]
    int3

shutdown:
    .asciz "Shutdown"
    .balign 4
no_table:
    .word 0
    .long 0

    .data
    .globl gdt_pointer
    .balign 8
gdt_pointer:
    .word 8 * GDT_ENTRIES - 1
    .quad gdt
    .globl gdt
    .balign 8
gdt:                                // the rest by tables.c
    .quad 0
    .quad 0x00cf9b000000ffff
    .quad 0x00cf93000000ffff
    .fill GDT_ENTRIES - 3, 8, 0

    .bss
    .balign 16
    .space 16384
stack_top:
