// SPDX-License-Identifier: GPL-2.0-or-later
//
// Protection keys of user pages (SDM volume 3, 4.6.2), SMAP's finer points, and UMIP: on a model that has all
// of them. Pages 11 to 14 of the window have keys; paging.c says which.
#include "cases.inc"
#define PAGE(n) ds:[WINDOW + 0x1000 * n + 0x10]
    .set PKE, 1 << 22
    .set SMEP, 1 << 20
    .set SMAP, 1 << 21
    .set UMIP, 1 << 11
    .set OSXSAVE, 1 << 18
    .set WP, 0x10000

    .macro pkru value
    xor ecx, ecx
    xor edx, edx
    mov eax, \value
    wrpkru
    .endm

    CASE "rdpkru, wrpkru without PKE", LONG64
    xor ecx, ecx
    rdpkru
    END
    CASE "wrpkru without PKE", LONG64U
    pkru 0
    END
    CASE "rdpkru with ecx", LONG64U, cr4=PKE
    rdpkru
    END
    CASE "wrpkru with ecx", LONG64U, cr4=PKE
    xor edx, edx
    wrpkru
    END
    CASE "wrpkru with edx", LONG64U, cr4=PKE
    xor ecx, ecx
    wrpkru
    END
    CASE "pkru has 32 bits", LONG64U, cr4=PKE
    mov rcx, 0x100000000
    mov rdx, rcx
    mov rax, 0x5500aa33cc
    wrpkru
    mov rax, -1
    mov rdx, rax
    rdpkru
    pkru 0
    END
    CASE "pkru in 32 bits", PROT32, cr4=PKE
    pkru 0x3c
    rdpkru
    mov ebx, eax
    pkru 0
    END
    CASE "lock wrpkru", LONG64, cr4=PKE
    .byte 0xf0, 0x0f, 0x01, 0xef
    END
    CASE "ospke", LONG64, cr4=PKE
    mov eax, 7
    xor ecx, ecx
    cpuid
    and ecx, 0x18
    mov eax, 0
    mov ebx, 0
    mov edx, 0
    END

    // PKRU's bits of key 1: 4 denies access, 8 writing; those of key 15 are the uppermost. Bochs 2.7 lets the
    // supervisor read and write where access is denied, and applies keys to the supervisor's own pages; there
    // the page walk's other tests must do.
    .irp value, 0, 4, 8, 12, 0xc0000000
    .irp page, 0, 11, 12, 14
    CASE "pkru \value: user reads page \page", LONG64U, cr4=PKE
    pkru \value
    mov eax, PAGE(\page)
    END
    CASE "pkru \value: user writes page \page", LONG64U, cr4=PKE
    pkru \value
    mov PAGE(\page), eax
    END
    CASE "pkru \value: page \page without PKE", LONG64
    mov PAGE(\page), eax
    END
    .endr
    CASE "pkru \value: jump into page 11", LONG64U, cr4=PKE
    mov word ptr PAGE(11), 0x0b0f
    pkru \value
    mov eax, WINDOW + 0xb010
    jmp rax
    END
    .endr
    .irp page, 0, 11, 12, 14
    CASE "pkru 8: supervisor reads page \page", LONG64, cr4=PKE
    pkru 8
    mov eax, PAGE(\page)
    END
    CASE "pkru 8: supervisor writes page \page", LONG64, cr4=PKE
    pkru 8
    mov PAGE(\page), eax
    END
    CASE "pkru 8: supervisor writes page \page under WP", LONG64, cr0=WP, cr4=PKE
    pkru 8
    mov PAGE(\page), eax
    END
    .endr
    .irp page, 0, 11, 12, 14
    CASE "pkru of all but key 1: user reads page \page", LONG64U, cr4=PKE
    pkru 0xfffffff3
    mov eax, PAGE(\page)
    END
    CASE "pkru of all but key 1: user writes page \page", LONG64U, cr4=PKE
    pkru 0xfffffff3
    mov PAGE(\page), eax
    END
    .endr
    CASE "keys: closed after it was read", LONG64U, cr4=PKE
    pkru 0
    mov PAGE(11), eax
    pkru 8
    mov ebx, PAGE(11)
    pkru 4
    mov ebx, PAGE(11)
    END
    CASE "keys: opened after a fault's reason", LONG64U, cr4=PKE
    pkru 4
    pkru 0
    mov PAGE(11), eax
    mov ebx, PAGE(11)
    END
    CASE "keys: cmpxchg that fails", LONG64U, cr4=PKE
    pkru 8
    cmpxchg PAGE(11), ebx
    END
    CASE "keys: push", LONG64U, cr4=PKE
    pkru 8
    mov esp, WINDOW + 0xb800
    push 5
    END
    CASE "keys: rep stosb into", LONG64U, cr4=PKE
    pkru 8
    mov edi, WINDOW + 0xaffe
    mov ecx, 5
    rep stosb
    END
    CASE "keys: read across into", LONG64U, cr4=PKE
    pkru 4
    mov eax, ds:[WINDOW + 0xaffe]
    END
    CASE "keys: write across into", LONG64U, cr4=PKE
    pkru 8
    mov ds:[WINDOW + 0xaffe], eax
    END
    CASE "keys: not present has none", LONG64U, cr4=PKE
    pkru 0xfffffffc
    mov eax, PAGE(4)
    END
    CASE "keys: reserved bit first", LONG64U, cr4=PKE
    pkru 0xfffffffc
    mov eax, PAGE(8)
    END
    CASE "keys: PKE switched off and on", LONG64
    mov rax, cr4
    mov rsi, rax
    or esi, PKE
    mov cr4, rsi
    mov rdi, rax
    pkru 8
    mov cr4, rdi
    mov PAGE(11), ebx
    mov rax, cr0
    or eax, WP
    mov cr0, rax
    mov cr4, rsi
    mov PAGE(11), ebx
    END
    CASE "keys: xsave and xrstor", LONG64, cr0=WP, cr4=PKE|OSXSAVE
    xor ecx, ecx
    xor edx, edx
    mov eax, 0x203
    xsetbv
    pkru 8
    mov rbx, WINDOW
    mov eax, 0x200
    mov r12d, 0
    mov [rbx + 520], r12
    mov [rbx + 528], r12
    mov [rbx + 512], r12
    xsave [rbx]
    mov esi, [rbx + 512]
    mov edi, [rbx + 2688]
    pkru 0
    mov ebp, PAGE(11)
    mov eax, 0x200
    xrstor [rbx]
    rdpkru
    mov r13, rax
    mov eax, 1
    mov PAGE(11), ecx
    END

    // ---- SMAP and SMEP (SDM volume 3, 4.6.1)
    CASE "smap: AC by popf and its end", LONG64, cr4=SMAP
    push 0x40002
    popfq
    mov eax, PAGE(0)
    push 2
    popfq
    mov ecx, PAGE(0)
    END
    CASE "smap: strings", LONG64, cr4=SMAP
    mov esi, WINDOW
    mov edi, DATA_BASE + 0x6000
    mov ecx, 3
    rep movsb
    END
    CASE "smap: strings with AC", LONG64, fl=0x40002, cr4=SMAP
    mov esi, WINDOW
    mov edi, WINDOW + 0xb000
    mov ecx, 3
    rep movsb
    END
    CASE "smap: without WP", LONG64, cr4=SMAP
    mov PAGE(1), eax
    END
    CASE "smap: read-only under AC and WP", LONG64, fl=0x40002, cr0=WP, cr4=SMAP
    mov eax, PAGE(1)
    mov PAGE(1), eax
    END
    CASE "smap: prefetch and invlpg don't care", LONG64, cr4=SMAP
    prefetcht0 PAGE(0)
    invlpg PAGE(0)
    END
    CASE "smap: clflush", LONG64, cr4=SMAP
    clflush PAGE(0)
    END
    CASE "smap and smep for the user are nothing", LONG64U, cr4=SMAP|SMEP
    mov PAGE(0), eax
    mov word ptr PAGE(5), 0x0b0f
    mov eax, WINDOW + 0x5010
    jmp rax
    END
    CASE "smep: with NX code tells of a fetch", LONG64, cr4=SMEP
    mov eax, WINDOW
    jmp rax
    END
    CASE "smap, two levels", PAGED32, cr4=SMAP
    mov eax, PAGE(0)
    END

    // ---- user-mode instruction prevention (SDM volume 3, 2.5)
    .macro prevented name, instruction
    CASE "umip, ring 3: \name", LONG64U, cr4=UMIP
    \instruction
    END
    CASE "umip, ring 0: \name", LONG64, cr4=UMIP, mask=0xffffffff
    \instruction
    xor eax, eax
    END
    CASE "umip, ring 3, 32 bits: \name", USER32, cr4=UMIP
    \instruction
    END
    CASE "umip, ring 3, compatible: \name", COMPAT32, cr4=UMIP
    \instruction
    END
    CASE "no umip, ring 3: \name", LONG64U
    \instruction
    END
    .endm
    prevented "sldt", "sldt ax"
    prevented "str", "str ax"
    prevented "smsw", "smsw ax"
    prevented "sldt to nothing", "sldt ds:[0x7ff00000]"
    prevented "smsw to memory", "smsw [ebx]"
    CASE "umip: sgdt in ring 3", LONG64U, cr4=UMIP
    sgdt [rbx]
    END
    CASE "umip: sidt in ring 3", LONG64U, cr4=UMIP
    sidt [rbx]
    END
    CASE "umip: sgdt to nothing in ring 3", LONG64U, cr4=UMIP
    sgdt PAGE(4)
    END
    CASE "umip: v86 smsw", V86, cr4=UMIP
    smsw ax
    END
    CASE "umip: v86 sgdt", V86, cr4=UMIP
    sgdt [bx]
    END
