// SPDX-License-Identifier: GPL-2.0-or-later
//
// Programs for inject.c, as those of directed_cases.S: what an interrupt may come in between. Those whose name
// begins with "kernel" are for level 0. Behind a case's code there is int3.
#include "tests/cpu/directed_where.h"

        .intel_syntax noprefix
        .set    IF, 0x200

        .macro  CASE name:req, offset=0x100
        .section .rodata.inject_names, "a"
9:      .asciz  "\name"
        .section .rodata.inject_code, "a"
8:
        .section .data.rel.ro.inject, "aw"
        .quad   9b, 8b
        .long   0, 0, \offset, 0
        .section .rodata.inject_code
        .endm

        .globl  inject_cases, inject_count
        .section .data.rel.ro.inject, "aw"
        .p2align 3
inject_cases:

        CASE    "blocks in a chain"
        mov     ecx, 9
        xor     eax, eax
1:      add     eax, ecx
        test    cl, 1
        jz      2f
        add     eax, 3
        jmp     3f
2:      sub     eax, 1
3:      adc     edx, eax
        dec     ecx
        jnz     1b

        CASE    "blocks on two pages", 0xff0
        mov     ecx, 7
1:      add     rax, rcx
        add     rdx, rax
        rol     rax, 5
        xor     rdx, rax
        adc     rsi, rdx
        dec     ecx
        jnz     1b

        CASE    "flags that live into the next block"
        mov     ecx, 5
1:      cmp     ecx, 3
        jmp     2f
2:      setb    al
        lea     ecx, [rcx - 1]
        jb      3f
        adc     rdx, rax
3:      jrcxz   4f
        jmp     1b
4:      nop

        CASE    "flags over memory accesses"
        mov     ecx, 4
1:      add     rax, [rbx]
        mov     rdx, [rbx + 8]
        adc     rdx, [rbx + 16]
        mov     [rbx + 24], rdx
        jo      2f
        sbb     [rbx], rdx
2:      lea     ecx, [rcx - 1]
        jecxz   3f
        jmp     1b
3:      nop

        CASE    "calls and returns"
        mov     ecx, 4
1:      call    2f
        dec     ecx
        jnz     1b
        jmp     4f
2:      push    rcx
        call    3f
        pop     rcx
        ret
3:      add     rax, [rsp]
        ret
4:      nop

        CASE    "indirect jumps"
        lea     rbx, [rip + 2f]
        lea     rsi, [rip + 3f]
        mov     ecx, 6
1:      jmp     rbx
2:      inc     rax
        xchg    rbx, rsi
        dec     ecx
        jnz     1b
        jmp     4f
3:      add     rax, 16
        xchg    rbx, rsi
        dec     ecx
        jnz     1b
4:      nop

        CASE    "string instructions"
        mov     ecx, 300
        rep     movsb
        mov     ecx, 40
        rep     stosq
        mov     ecx, 17
        repne   scasb
        mov     ecx, 30
        repe    cmpsb
        std
        mov     ecx, 9
        rep     movsd
        lodsb
        stosw
        cld
        xor     ecx, ecx
        rep     stosb

        CASE    "locked operations, and across pages"
        mov     ebx, DIRECTED_DATA + 0x1000 - 4
        mov     ecx, 3
1:      lock add qword ptr [rbx], rax
        lock cmpxchg [rbx], rdx
        lock xadd [rbx + 1], rsi
        xchg    [rbx + 2], rdi
        lock inc dword ptr [rbx + 8]
        lock bts dword ptr [rbx + 1], 5
        dec     ecx
        jnz     1b

        CASE    "accesses across pages"
        mov     ebx, DIRECTED_DATA + 0x1000 - 4
        mov     ecx, 3
1:      mov     [rbx], rax
        mov     rsi, [rbx + 1]
        push    qword ptr [rbx]
        pop     rdi
        vmovdqu ymm0, [rbx - 16]
        vpaddd  ymm1, ymm1, ymm0
        vmovdqu [rbx - 8], ymm1
        add     [rbx], rcx
        adc     rdx, [rbx]
        dec     ecx
        jnz     1b

        .irp    distance, 0, 0x30000
        CASE    "code that changes itself, alias \distance"
        lea     rsi, [rip + 1f + \distance]
        mov     ecx, 6
        xor     edx, edx
1:      mov     eax, 5
        add     rdx, rax
        add     dword ptr [rsi + 1], 7
        dec     ecx
        jnz     1b
        CASE    "code that changes the next instruction, across a page, alias \distance", 0xfea
        lea     rsi, [rip + 1f + \distance]
        mov     ecx, 5
2:      add     byte ptr [rsi + 1], 3
1:      mov     eax, 0x11111111
        add     edx, eax
        dec     ecx
        jnz     2b
        .endr

        CASE    "x87 and vectors"
        mov     ecx, 3
        fninit
        fldpi
1:      fld1
        faddp
        fst     dword ptr [rbx]
        vbroadcastss ymm2, dword ptr [rbx]
        vaddps  ymm3, ymm3, ymm2
        cvtss2si eax, dword ptr [rbx]
        add     edx, eax
        dec     ecx
        jnz     1b

        CASE    "divisions, and one that faults"
        mov     ecx, 3
1:      mov     eax, 1000
        cdq
        idiv    ecx
        add     esi, eax
        dec     ecx
        jmp     1b

        CASE    "a page fault in the middle"
        mov     ecx, 3
1:      push    rcx
        pop     rax
        dec     ecx
        jnz     1b
        cmp     ecx, 1
        mov     rax, [rcx]
        inc     ecx

        CASE    "kernel: CLI and STI"
        mov     ecx, 5
1:      cli
        inc     eax
        inc     edx
        sti
        inc     eax
        nop
        dec     ecx
        jnz     1b

        CASE    "kernel: STI's shadow, again and again"
        sti
        sti
        sti
        nop
        cli
        sti
        cli
        nop
        sti
        inc     eax
        cli
        inc     eax
        sti
        jmp     1f
1:      inc     eax

        CASE    "kernel: MOV SS"
        mov     eax, ss
        mov     ecx, 4
1:      mov     ss, eax
        inc     edx
        mov     ss, eax
        mov     ss, eax
        inc     edx
        cli
        mov     ss, eax
        sti
        inc     edx
        dec     ecx
        jnz     1b

        CASE    "kernel: POPF"
        pushfq
        pop     rax
        mov     rdx, rax
        and     rdx, ~IF
        mov     ecx, 4
1:      push    rdx
        popfq
        inc     esi
        push    rax
        popfq
        inc     edi
        dec     ecx
        jnz     1b

        CASE    "kernel: IRET"
        mov     ecx, 3
1:      mov     rax, rsp
        mov     edx, ss
        push    rdx
        push    rax
        pushfq
        test    cl, 1
        jz      3f
        xor     qword ptr [rsp], IF
3:      mov     edx, cs
        push    rdx
        lea     rdx, [rip + 2f]
        push    rdx
        iretq
2:      inc     esi
        sti
        inc     edi
        dec     ecx
        jnz     1b

        CASE    "kernel: INVLPG and MOV CR3"
        mov     ecx, 3
1:      mov     rax, cr3
        add     rsi, [rbx]
        mov     cr3, rax
        add     rsi, [rbx]
        invlpg  [rbx]
        add     rsi, [rbx]
        mov     rax, cr8
        mov     cr8, rax
        dec     ecx
        jnz     1b

        .section .rodata.inject_code
8:
        .section .data.rel.ro.inject
        .quad   0, 8b, 0, 0                     // where the last case ends
        .section .rodata
        .p2align 2
inject_count:
        .long   (inject_end - inject_cases) / 32 - 1
        .section .data.rel.ro.inject
inject_end:
        .section .note.GNU-stack, "", @progbits
