// SPDX-License-Identifier: GPL-2.0-or-later
//
// Paging of 32-bit modes and the long mode's (SDM volume 3, chapter 4): rights, error codes, CR2, the A and
// D bits, and which stale entries must be gone. PAGE(n) is the window's page n; paging.c has its rights.
#include "cases.inc"
#define PAGE(n) ds:[WINDOW + 0x1000 * n + 0x10]
    .set WP, 0x10000
    .set SMEP, 1 << 20
    .set SMAP, 1 << 21
    .set PGE, 0x80

    .macro jump
    .if entry_bytes == 8 && super == LONG64
    jmp rax
    .else
    jmp eax
    .endif
    .endm

    .irp form, 0, 1, 2
    .if \form == 0
    .set super, PAGED32
    .set user, PAGED32U
    .set entries, PT2
    .set entry_bytes, 4
    .elseif \form == 1
    .set super, PAE32
    .set user, PAE32U
    .set entries, PT_WINDOW
    .set entry_bytes, 8
    .else
    .set super, LONG64
    .set user, LONG64U
    .set entries, PT_WINDOW
    .set entry_bytes, 8
    .endif

    .irp page, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
    CASE "\form: supervisor reads page \page", super
    mov eax, PAGE(\page)
    END
    CASE "\form: supervisor writes page \page", super
    mov PAGE(\page), eax
    END
    CASE "\form: supervisor writes page \page under WP", super, cr0=WP
    mov PAGE(\page), eax
    END
    CASE "\form: user reads page \page", user
    mov eax, PAGE(\page)
    END
    CASE "\form: user writes page \page", user
    mov PAGE(\page), eax
    END
    CASE "\form: supervisor jumps to page \page", super
    mov word ptr ds:[DATA_BASE + 0x1000 * \page + 0x10], 0x0b0f
    mov eax, WINDOW + 0x1000 * \page + 0x10
    jump
    END
    .endr
    CASE "\form: user jumps to a supervisor's page", user
    mov eax, WINDOW + 0x2000
    jump
    END
    CASE "\form: user jumps to a page without NX", user
    mov word ptr ds:[WINDOW], 0x0b0f
    mov eax, WINDOW
    jump
    END
    CASE "\form: user jumps to a page with NX", user
    mov eax, WINDOW + 0x7000
    jump
    END
    CASE "\form: supervisor jumps to a user page under SMEP", super, cr4=SMEP
    mov word ptr ds:[DATA_BASE], 0x0b0f
    mov eax, WINDOW
    jump
    END
    CASE "\form: supervisor jumps to a user page", super
    mov word ptr ds:[DATA_BASE], 0x0b0f
    mov eax, WINDOW
    jump
    END
    CASE "\form: supervisor reads a user page under SMAP", super, cr4=SMAP
    mov eax, PAGE(0)
    END
    CASE "\form: supervisor writes a user page under SMAP", super, cr4=SMAP
    mov PAGE(0), eax
    END
    CASE "\form: supervisor reads its own page under SMAP", super, cr4=SMAP
    mov eax, PAGE(2)
    END
    CASE "\form: stac, clac", super, cr4=SMAP
    stac
    mov eax, PAGE(0)
    clac
    mov eax, PAGE(0)
    END
    CASE "\form: AC by popf under SMAP", super, fl=0x40002, cr4=SMAP
    mov eax, PAGE(0)
    END
    .if \form == 2   // elsewhere the fault itself could not be pushed
    CASE "\form: push to a user page under SMAP", super, cr4=SMAP
    mov ebp, esp
    mov esp, WINDOW + 0x800
    push 5
    END
    .endif
    CASE "\form: stac in ring 3", user, cr4=SMAP
    stac
    END
    CASE "\form: read across pages, the second not present", super
    mov eax, ds:[WINDOW + 0x3ffe]
    END
    CASE "\form: write across pages, the second read-only", user
    mov ds:[WINDOW + 0xffe], eax
    END
    CASE "\form: write across pages", super
    mov ds:[WINDOW + 0xffe], eax
    END
    CASE "\form: read-modify-write of a read-only page", user
    add PAGE(1), eax
    END
    CASE "\form: cmpxchg that fails needs write permission", user
    cmpxchg PAGE(1), ecx
    END
    CASE "\form: cmpxchg that fails sets D", super
    cmpxchg PAGE(0), ecx
    END
    CASE "\form: bt only reads", user
    bt dword ptr PAGE(1), 3
    END
    CASE "\form: bts to a read-only page", user
    bts dword ptr PAGE(1), 3
    END
    CASE "\form: xchg to a read-only page", user
    xchg PAGE(1), eax
    END
    CASE "\form: rep stos over a page that is not present", super
    mov edi, WINDOW + 0x3ff0
    mov ecx, 8
    rep stosd
    END
    CASE "\form: rep movs from a page that is not present", super
    mov esi, WINDOW + 0x3ff6
    mov edi, WINDOW + 0xa000
    mov ecx, 4
    rep movsd
    END
    CASE "\form: std rep stos down to a page that is not present", super, fl=0x402
    mov edi, WINDOW + 0x5008
    mov ecx, 8
    rep stosd
    END
    CASE "\form: push to a page that is not present", user
    mov ebp, esp
    mov esp, WINDOW + 0x5000
    push 5
    END
    CASE "\form: call whose push faults", user
    mov esp, WINDOW + 0x2000
    call 1f
1:
    END
    CASE "\form: pop to a page that is not present", super
    push 5
    pop PAGE(4)
    END
    CASE "\form: enter into a page that is read-only", user
    mov ebp, WINDOW + 0x2000
    mov esp, ebp
    enter 16, 0
    END
    CASE "\form: large page read", super
    mov eax, ds:[LARGE_WINDOW + DATA_BASE]
    END
    CASE "\form: large page written", super
    mov ds:[LARGE_WINDOW + DATA_BASE], eax
    END
    CASE "\form: user writes a large page", user
    mov ds:[LARGE_WINDOW + DATA_BASE], eax
    END
    CASE "\form: user reads a supervisor's large page", user
    mov eax, ds:[DATA_BASE]
    END
    CASE "\form: nowhere", super
    mov eax, ds:[0x80001234]
    END
    CASE "\form: user writes nowhere", user
    mov ds:[0x40200000], eax
    END

    // What was cached, and how it goes.
    CASE "\form: invlpg after removal", super
    mov eax, PAGE(0)
    mov dword ptr ds:[entries], 0
    invlpg PAGE(0)
    mov eax, PAGE(0)
    END
    CASE "\form: cr3 after removal", super
    mov eax, PAGE(0)
    mov dword ptr ds:[entries], 0
    .if \form == 2
    mov rax, cr3
    mov cr3, rax
    .else
    mov eax, cr3
    mov cr3, eax
    .endif
    mov eax, PAGE(0)
    END
    CASE "\form: made present without a flush", super
    mov dword ptr ds:[entries + 4 * entry_bytes], DATA_BASE + 0x6007
    mov eax, PAGE(4)
    END
    CASE "\form: made writable after a fault is not cached", user
    mov eax, PAGE(0)
    mov PAGE(0), eax
    mov PAGE(1), eax
    END
    CASE "\form: read, then written: D is set then", super
    mov eax, PAGE(0)
    mov ecx, ds:[entries]
    mov PAGE(0), eax
    mov edx, ds:[entries]
    END
    CASE "\form: D cleared and flushed is set again", super
    mov PAGE(0), eax
    and dword ptr ds:[entries], 0xffffff9f
    invlpg PAGE(0)
    mov ecx, PAGE(0)
    mov edx, ds:[entries]
    END
    CASE "\form: moved and flushed", super
    mov eax, PAGE(0)
    mov dword ptr ds:[entries], DATA_BASE + 0x6007
    invlpg PAGE(0)
    mov ecx, PAGE(0)
    END
    CASE "\form: a large page is taken away by invlpg anywhere in it", super
    mov eax, ds:[LARGE_WINDOW + DATA_BASE]
    mov ecx, ds:[LARGE_WINDOW + STACK_BASE]
    .if \form == 0
    mov dword ptr ds:[PD2 + 4 * (LARGE_WINDOW >> 22)], 0
    .else
    mov dword ptr ds:[PD_WINDOW + 8 * ((LARGE_WINDOW - WINDOW) >> 21)], 0
    .endif
    invlpg ds:[LARGE_WINDOW + 0x1000]
    mov eax, ds:[LARGE_WINDOW + STACK_BASE]
    END
    CASE "\form: global page goes by invlpg", super, cr4=PGE
    mov eax, PAGE(10)
    mov dword ptr ds:[entries + 10 * entry_bytes], 0
    invlpg PAGE(10)
    mov eax, PAGE(10)
    END
    CASE "\form: global page goes by PGE", super, cr4=PGE
    mov eax, PAGE(10)
    mov dword ptr ds:[entries + 10 * entry_bytes], 0
    .if \form == 2
    mov rax, cr4
    xor eax, PGE
    mov cr4, rax
    .else
    mov eax, cr4
    xor eax, PGE
    mov cr4, eax
    .endif
    mov eax, PAGE(10)
    END
    CASE "\form: a supervisor's directory, read-only", super, cr0=WP
    .if \form == 0
    and dword ptr ds:[PD2 + 4 * (WINDOW >> 22)], 0xfffffffd
    .else
    and dword ptr ds:[PD_WINDOW], 0xfffffffd
    .endif
    mov ecx, PAGE(0)
    mov PAGE(0), ecx
    END
    CASE "\form: WP taken away lets through", super, cr0=WP
    mov ecx, PAGE(1)
    .if \form == 2
    mov rax, cr0
    and eax, 0xfffeffff
    mov cr0, rax
    .else
    mov eax, cr0
    and eax, 0xfffeffff
    mov cr0, eax
    .endif
    mov PAGE(1), ecx
    END
    CASE "\form: WP set takes effect at once", super
    mov PAGE(1), ecx
    .if \form == 2
    mov rax, cr0
    or eax, WP
    mov cr0, rax
    .else
    mov eax, cr0
    or eax, WP
    mov cr0, eax
    .endif
    mov PAGE(1), ecx
    END
    CASE "\form: lar reads the table as supervisor", user
    mov ecx, USER_DATA32
    lar eax, ecx
    END
    CASE "\form: prefetch of nothing", super
    prefetcht0 PAGE(4)
    END
    CASE "\form: nop with memory", super
    nop dword ptr PAGE(4)
    END
    CASE "\form: clflush of nothing", super
    clflush PAGE(4)
    END
    CASE "\form: invlpg of nothing", super
    invlpg PAGE(4)
    END
    .endr

    CASE "PSE: reserved bit in a 4M entry", PAGED32
    or dword ptr ds:[PD2 + 4 * (LARGE_WINDOW >> 22)], 0x200000
    mov eax, ds:[LARGE_WINDOW]
    END
    CASE "PSE: PAT and PSE-36 bits", PAGED32
    or dword ptr ds:[PD2 + 4 * (LARGE_WINDOW >> 22)], 0x1000
    mov eax, ds:[LARGE_WINDOW + DATA_BASE]
    END
    CASE "PAE: reserved bit in a 2M entry", PAE32
    or dword ptr ds:[PD_WINDOW + 8 * ((LARGE_WINDOW - WINDOW) >> 21)], 0x2000
    mov eax, ds:[LARGE_WINDOW]
    END
    CASE "PAE: pointers are cached by CR3", PAE32
    mov dword ptr ds:[PDPT_PAE + 8], 0
    mov eax, PAGE(0)
    END
    CASE "PAE: pointers are loaded by CR3", PAE32
    mov dword ptr ds:[PDPT_PAE + 8], 0
    mov eax, cr3
    mov cr3, eax
    mov eax, PAGE(0)
    END
    CASE "PAE: reserved bit in a pointer", PAE32
    or dword ptr ds:[PDPT_PAE + 8], 2
    mov eax, cr3
    mov cr3, eax
    mov eax, PAGE(0)
    END
    CASE "PAE: NX in a directory entry", PAE32
    or dword ptr ds:[PD_WINDOW + 4], 0x80000000
    mov eax, PAGE(0)
    mov ecx, WINDOW
    jmp ecx
    END
    CASE "NX is reserved without NXE", PAE32
    mov ecx, 0xc0000080
    rdmsr
    and eax, 0xfffff7ff
    wrmsr
    mov eax, PAGE(7)
    END
    CASE "long: large bit in the top level is reserved", LONG64
    or dword ptr ds:[PML4 + 8 * 256], 0x80
    mov rax, 0xffff800040000000
    mov ecx, [rax]
    END
    CASE "long: high half", LONG64
    mov rax, 0xffff800040000000
    mov ecx, [rax + 0x2010]
    mov [rax + 0x10], ecx
    END
    CASE "long: no entry in the top level", LONG64
    mov rax, 0xffff900040000000
    mov ecx, [rax]
    END
    CASE "long: 1G page that is not aligned", LONG64
    mov dword ptr ds:[PDPT4 + 16], 0x2083
    mov eax, 0x80000000
    mov ecx, [rax]
    END
    CASE "long: 1G page", LONG64
    mov dword ptr ds:[PDPT4 + 16], 0x83
    mov eax, 0x80000000 + DATA_BASE
    mov ecx, [rax]
    mov [rax + 4], ecx
    END
    CASE "long: A in every level", LONG64
    mov eax, 0xffffffdf
    and ds:[PML4 + 8 * 256], eax
    and ds:[PDPT4 + 8], eax
    and ds:[PD_WINDOW], eax
    mov rcx, cr3
    mov cr3, rcx
    mov rax, 0xffff800040000000
    mov ecx, [rax]
    END
    CASE "paging off and on", PAGED32
    mov eax, cr0
    and eax, 0x7fffffff
    mov cr0, eax
    mov ecx, ds:[DATA_BASE]
    or eax, 0x80000000
    mov dword ptr ds:[PT2], DATA_BASE + 0x6007
    mov cr0, eax
    mov edx, PAGE(0)
    END
    CASE "leaving PAE", LONG64
    mov rax, cr4
    and al, 0xdf
    mov cr4, rax
    END
    CASE "long: cr3 beyond the physical address", LONG64
    mov rax, 0xfff0000000404000
    mov cr3, rax
    END
    CASE "long: cr0 beyond 32 bits", LONG64
    mov rax, 0x180000033
    mov cr0, rax
    END
    CASE "long: LME is kept under paging", LONG64
    mov ecx, 0xc0000080
    rdmsr
    and eax, 0xfffffeff
    wrmsr
    END
    CASE "long: paging off in 64-bit mode", LONG64
    mov rax, cr0
    btr eax, 31
    mov cr0, rax
    END
