// SPDX-License-Identifier: GPL-2.0-or-later
//
// Task switches (SDM volume 3, chapter 7).
#include "cases.inc"
    .set LINK, 0
    .set T_CR3, 28
    .set T_IP, 32
    .set T_FLAGS, 36
    .set T_SP, 56
    .set T_ES, 72
    .set T_CS, 76
    .set T_SS, 80
    .set T_DS, 84
    .set T_FS, 88
    .set T_LDT, 96
    .set T_TRAP, 100

    .macro switch name, how, prepare
    CASE "\how to a task \name", PROT32
    mov dword ptr [tss_other + T_IP], offset 1f
    \prepare
    .ifc \how,jmp
    .byte 0xea
    .else
    .byte 0x9a
    .endif
    .long 0
    .word TASK_OTHER
1:  mov eax, cr0
    str cx
    pushfd
    pop edx
    END
    .endm
    .macro both name, prepare
    switch "\name", jmp, "\prepare"
    switch "\name", call, "\prepare"
    .endm
    both "plain", "nop"
    both "in ring 3", "mov dword ptr [tss_other + T_CS], user_code32; mov dword ptr [tss_other + T_SS], user_data32"
    both "in v86", "mov dword ptr [tss_other + T_FLAGS], 0x20002; mov dword ptr [tss_other + T_CS], low_segment; mov dword ptr [tss_other + T_IP], offset gate_target16"
    both "with a bad code segment", "mov dword ptr [tss_other + T_CS], data32"
    both "with an absent code segment", "mov dword ptr [tss_other + T_CS], absent_code"
    both "with a null code segment", "mov dword ptr [tss_other + T_CS], 0"
    both "with an absent stack", "mov dword ptr [tss_other + T_SS], absent_data"
    both "with a null stack", "mov dword ptr [tss_other + T_SS], 0"
    both "with a stack of ring 3", "mov dword ptr [tss_other + T_SS], user_data32"
    both "with an absent data segment", "mov dword ptr [tss_other + T_DS], absent_data"
    both "with execute-only data", "mov dword ptr [tss_other + T_ES], execute_only"
    both "with null segments", "mov dword ptr [tss_other + T_DS], 0; mov dword ptr [tss_other + T_FS], 0"
    both "with a null LDT", "mov dword ptr [tss_other + T_LDT], 0"
    both "with a bad LDT", "mov dword ptr [tss_other + T_LDT], data32"
    both "with the debug trap", "mov word ptr [tss_other + T_TRAP], 1"
    both "with single step", "mov dword ptr [tss_other + T_FLAGS], 0x102"
    both "with NT set", "mov dword ptr [tss_other + T_FLAGS], 0x4002"
    both "beyond a code limit", "mov dword ptr [tss_other + T_CS], code_limited; mov dword ptr [tss_other + T_IP], offset limit_end"
    both "through a small TSS", "mov word ptr [gdt + task_other], 0x66"
    both "that is absent", "and byte ptr [gdt + task_other + 5], 0x7f"
    both "that is busy", "or byte ptr [gdt + task_other + 5], 2"

    CASE "jmp to a task with RPL 3", PROT32
    mov dword ptr [tss_other + T_IP], offset 1f
    .byte 0xea
    .long 0
    .word TASK_OTHER | 3
1:
    END
    CASE "jmp to a task from ring 3", USER32
    .byte 0xea
    .long 0
    .word TASK_OTHER
    END
    CASE "call a task gate from ring 3 and return", USER32, fl=0x8d7
    mov dword ptr [tss_other + T_IP], offset 1f
    .byte 0x9a
    .long 0
    .word TASK_GATE
    jmp 2f
1:  str cx
    iretd
2:
    END
    CASE "call a task and return", PROT32
    mov dword ptr [tss_other + T_IP], offset 1f
    .byte 0x9a
    .long 0
    .word TASK_OTHER
    jmp 2f
1:  str ecx
    mov esi, 0x1234
    iretd
2:  str edx
    END
    CASE "return to a task that is not busy", PROT32
    mov word ptr [tss32], TASK_OTHER
    pushfd
    or dword ptr [esp], 0x4000
    popfd
    iretd
    END
    CASE "return through a bad link", PROT32
    mov word ptr [tss32], DATA32
    pushfd
    or dword ptr [esp], 0x4000
    popfd
    iretd
    END
    CASE "int through a task gate", PROT32
    mov dword ptr [tss_other + T_IP], offset 1f
    int 0x55
1:  str cx
    END
    CASE "jmp to a 16-bit task", PROT32
    mov word ptr [tss16 + 14], offset gate_target16
    .byte 0xea
    .long 0
    .word TASK16
    END
    CASE "call a 16-bit task", PROT32
    mov word ptr [tss16 + 14], offset gate_target16
    .byte 0x9a
    .long 0
    .word TASK16
    END
