// SPDX-License-Identifier: GPL-2.0-or-later
//
// Process-context identifiers (SDM volume 3, 4.10.1 and 4.10.4; volume 2, "INVPCID"): what is refused, and what
// must be gone. On a model without them every case is refused.
#include "cases.inc"
#define PAGE(n) ds:[WINDOW + 0x1000 * n + 0x10]
    .set PCIDE, 0x20000
    .set PGE, 0x80
    .set window, WINDOW
    .set pml4, PML4

    // The descriptor is at rbx.
    .macro descriptor pcid, address=0
    mov rax, \pcid
    mov [rbx], rax
    mov rax, \address
    mov [rbx + 8], rax
    .endm
    .macro order type
    mov eax, \type
    invpcid rax, [rbx]
    .endm
    .macro set_pcide
    mov rax, cr4
    or eax, PCIDE
    mov cr4, rax
    .endm

    CASE "pcide by mov", LONG64
    set_pcide
    mov rcx, cr4
    END
    CASE "pcide with a PCID in cr3", LONG64
    mov eax, PML4 + 1
    mov cr3, rax
    set_pcide
    END
    CASE "pcide with bits of cr3 that cache", LONG64
    mov eax, PML4 + 8
    mov cr3, rax
    set_pcide
    END
    CASE "pcide outside long mode", PAE32
    mov eax, cr4
    or eax, PCIDE
    mov cr4, eax
    END
    CASE "pcide without paging", PROT32
    mov eax, cr4
    or eax, PCIDE
    mov cr4, eax
    END
    CASE "cr3 with a PCID", LONG64
    set_pcide
    mov eax, PML4 + 0xabc
    mov cr3, rax
    mov rcx, cr3
    END
    CASE "cr3 with bit 63", LONG64
    set_pcide
    mov rax, PML4 + 5 + (1 << 63)
    mov cr3, rax
    mov rcx, cr3
    END
    CASE "cr3 with bit 63 and no pcide", LONG64
    mov rax, PML4 + (1 << 63)
    mov cr3, rax
    END
    CASE "cr3 with bit 62", LONG64
    set_pcide
    mov rax, PML4 + (1 << 62)
    mov cr3, rax
    END
    CASE "pcide goes with a PCID in cr3", LONG64
    set_pcide
    mov eax, PML4 + 7
    mov cr3, rax
    mov rax, cr4
    and eax, ~PCIDE
    mov cr4, rax
    mov rcx, cr3
    END
    CASE "PAE goes under pcide", LONG64
    set_pcide
    mov rax, cr4
    and eax, ~0x20
    mov cr4, rax
    END
    CASE "paging goes under pcide", COMPAT16
    mov eax, cr4
    or eax, PCIDE
    mov cr4, eax
    mov eax, cr0
    btr eax, 31
    mov cr0, eax
    END

    .irp type, 0, 1, 2, 3, 4, 0x10000000
    CASE "invpcid \type", LONG64
    set_pcide
    descriptor 0, WINDOW
    order \type
    END
    CASE "invpcid \type of another PCID", LONG64
    set_pcide
    descriptor 0xfff, WINDOW
    order \type
    END
    CASE "invpcid \type without pcide", LONG64
    descriptor 0, WINDOW
    order \type
    END
    CASE "invpcid \type of a PCID without pcide", LONG64
    descriptor 1, WINDOW
    order \type
    END
    CASE "invpcid \type, reserved bits", LONG64
    set_pcide
    descriptor 0x1000, WINDOW
    order \type
    END
    CASE "invpcid \type, not canonical", LONG64
    set_pcide
    descriptor 0, 0x800000000000
    order \type
    END
    CASE "invpcid \type, nothing there", LONG64
    set_pcide
    mov eax, \type
    invpcid rax, PAGE(4)
    END
    CASE "invpcid \type from ring 3", LONG64U
    mov eax, \type
    invpcid rax, [rbx]
    END
    CASE "invpcid \type in 32 bits", PROT32
    mov dword ptr [ebx], 0
    mov dword ptr [ebx + 4], 0
    mov dword ptr [ebx + 8], WINDOW
    mov dword ptr [ebx + 12], 0
    mov eax, \type
    .byte 0x66, 0x0f, 0x38, 0x82, 0x03
    END
    .endr
    CASE "invpcid in v86", V86
    .byte 0x66, 0x0f, 0x38, 0x82, 0x07
    END
    CASE "invpcid in real mode", REAL16
    mov dword ptr [bx], 0
    mov dword ptr [bx + 4], 0
    mov dword ptr [bx + 8], 0
    mov dword ptr [bx + 12], 0
    mov eax, 2
    .byte 0x66, 0x0f, 0x38, 0x82, 0x07
    END
    CASE "invpcid of a register", LONG64
    .byte 0x66, 0x0f, 0x38, 0x82, 0xc3
    END
    CASE "invpcid without 66", LONG64
    .byte 0x0f, 0x38, 0x82, 0x03
    END

    // A page that was looked at, is taken out of the table, and then by the order: which faults.
    .macro taken name, page, order
    CASE "taken away \name", LONG64, cr4=PGE
    mov rax, cr4
    or eax, PCIDE
    mov cr4, rax
    mov eax, PML4 + 7
    mov cr3, rax
    mov ecx, PAGE(\page)
    mov dword ptr ds:[PT_WINDOW + 8 * \page], 0
    \order
    mov ecx, PAGE(\page)
    END
    .endm
    taken "by invlpg", 0, "invlpg ds:[window]"
    taken "by invlpg, global", 10, "invlpg ds:[window + 0xa000]"
    taken "by invpcid of its address", 0, "descriptor 7, window + 0xff8; order 0"
    taken "by invpcid of its PCID", 0, "descriptor 7; order 1"
    taken "by invpcid of all", 0, "descriptor 0; order 2"
    taken "by invpcid of all, global", 10, "descriptor 0; order 2"
    taken "by invpcid of all but global", 0, "descriptor 0; order 3"
    taken "by cr3", 0, "mov eax, pml4 + 7; mov cr3, rax"
    taken "by pcide", 0, "mov rax, cr4; and eax, ~PCIDE; mov cr4, rax"
    taken "by pcide, global", 10, "mov rax, cr4; and eax, ~PCIDE; mov cr4, rax"
    taken "by pge, global", 10, "mov rax, cr4; and eax, ~PGE; mov cr4, rax"
