// SPDX-License-Identifier: GPL-2.0-or-later
//
// Code that is written while it runs: the next instruction, its own block, by another address, in loops
// (SDM volume 3, chapter 8.1.3; a processor sees its own stores at the next branch at the latest, and x86
// in fact at the next instruction).
#include "cases.inc"

    .macro both name, instruction
    CASE "32: \name", PROT32
    \instruction
    END
    CASE "64: \name", LONG64
    \instruction
    END
    .endm
    both "next instruction, after a jump", "mov byte ptr [1f + 1], 0x77; jmp 1f; 1: mov cl, 5"
    both "next instruction", "mov byte ptr [1f + 1], 0x77; 1: mov cl, 5"
    both "two instructions on", "mov byte ptr [1f + 1], 0x77; nop; 1: mov cl, 5"
    both "immediate in a loop", "mov ecx, 4; xor edx, edx; 1: mov al, 1; add dl, al; inc byte ptr [1b + 1]; dec ecx; jnz 1b"
    both "an opcode becomes another", "mov ecx, 3; 1: inc edx; mov byte ptr [1b + 1], 0xca; dec ecx; jnz 1b"
    both "a call's target", "mov ecx, 2; 1: call 2f; mov byte ptr [2f + 1], 9; dec ecx; jnz 1b; jmp 3f; 2: mov dl, 4; ret; 3: nop"
    both "written by rep movsb", "mov esi, offset 2f; mov edi, offset 1f; mov ecx, 2; rep movsb; jmp 1f; 2: mov dl, 0x55; 1: mov dl, 4"
    both "written by push of 32 bits or 64", "mov ebp, esp; mov esp, offset 1f + 4; push 0x10909042; jmp 1f; 1: mov edx, 0x12345678; mov esp, ebp"
    both "a store across two instructions", "mov dword ptr [1f + 1], 0x9042b305; jmp 1f; 1: mov cl, 1; mov dl, 2; nop"
    both "written and back", "mov ecx, 6; 1: mov al, [2f + 1]; xor al, 1; mov [2f + 1], al; 2: mov dl, 8; add dh, dl; dec ecx; jnz 1b"
    both "far ahead in the page", "mov byte ptr [1f + 1], 0x44; jmp 1f; .fill 600, 1, 0x90; 1: mov dl, 3"
    both "in another page", "call 1f; mov byte ptr [1f + 1], 0x44; call 1f; jmp 2f; .fill 5000, 1, 0x90; 1: mov dl, 3; add dh, dl; ret; 2: nop"
    both "a lock prefix appears", "mov byte ptr [1f], 0xf0; jmp 1f; 1: nop; add [ebx], eax"
    both "code that was data", "mov dword ptr [ebx], 0x9005c083; mov byte ptr [ebx + 4], 0xc3; .byte 0xff, 0xd3; mov byte ptr [ebx + 2], 7; .byte 0xff, 0xd3"

    CASE "16: next instruction", REAL16
    mov byte ptr cs:[1f + 1], 0x77
1:  mov cl, 5
    END
    CASE "16: by another segment", REAL16
    mov ax, LOW_SEGMENT + 0x10
    mov es, ax
    mov byte ptr es:[1f + 1 - 0x100], 0x77
1:  mov cl, 5
    END
    CASE "v86: next instruction by DS", V86
    mov ax, LOW_SEGMENT
    mov ds, ax
    mov byte ptr ds:[1f + 1], 0x77
1:  mov cl, 5
    END
    CASE "64: by another address", LONG64
    lea rax, [rip + 1f + 1 + USER_ALIAS]
    mov byte ptr [rax], 0x77
1:  mov cl, 5
    END
    CASE "64: by another address, in a loop", LONG64
    lea rax, [rip + 1f + 1 + USER_ALIAS]
    xor edx, edx
    mov ecx, 5
1:  mov bl, 1
    add dl, bl
    inc byte ptr [rax]
    loop 1b
    END
    CASE "64: code in the window is written at its physical place", LONG64
    mov dword ptr [DATA_BASE], 0xc305c083
    mov rsi, WINDOW
    call rsi
    mov byte ptr [DATA_BASE + 2], 7
    call rsi
    END
    CASE "64: a page of code is mapped elsewhere", LONG64
    mov dword ptr [DATA_BASE], 0xc305c083
    mov dword ptr [DATA_BASE + 0x6000], 0xc307c083
    mov rsi, WINDOW
    call rsi
    mov dword ptr [PT_WINDOW], DATA_BASE + 0x6067
    invlpg [rsi]
    call rsi
    END
    CASE "64: code straddles pages, the second changes", LONG64
    mov word ptr [DATA_BASE + 0xffe], 0x05b8
    mov dword ptr [DATA_BASE + 0x1000], 0xc3000000
    mov rsi, WINDOW + 0xffe
    call rsi
    mov byte ptr [DATA_BASE + 0x1001], 0x77
    call rsi
    END
    CASE "64: code straddles pages, the second is gone", LONG64
    mov byte ptr [DATA_BASE + 0x3fff], 0xb8
    mov rsi, WINDOW + 0x3fff
    call rsi
    END
    CASE "64: code straddles pages, the second is mapped elsewhere", LONG64
    mov word ptr [DATA_BASE + 0xffe], 0x05b8
    mov dword ptr [DATA_BASE + 0x1000], 0xc3000000
    mov dword ptr [DATA_BASE + 0x6000], 0xc3001100
    mov rsi, WINDOW + 0xffe
    call rsi
    mov dword ptr [PT_WINDOW + 8], DATA_BASE + 0x6065
    invlpg [rsi + 2]
    call rsi
    END
    CASE "64: a page of code loses its right to run", LONG64
    mov dword ptr [DATA_BASE], 0xc305c083
    mov rsi, WINDOW
    call rsi
    mov dword ptr [PT_WINDOW + 4], 0x80000000
    invlpg [rsi]
    call rsi
    END
    CASE "64: a page of code is taken away by CR3", LONG64
    mov dword ptr [DATA_BASE], 0xc305c083
    mov rsi, WINDOW
    call rsi
    mov dword ptr [PT_WINDOW], 0
    mov rax, cr3
    mov cr3, rax
    call rsi
    END
    CASE "32: the same bytes as 16-bit code", PROT32
    mov dword ptr [LOW_BASE + 0xf000], 0x1234b866
    mov dword ptr [LOW_BASE + 0xf004], 0x0b0f9090
    jmp CODE16:0xf000
    END
    CASE "32: the same bytes as 32-bit code", PROT32
    mov dword ptr [LOW_BASE + 0xf000], 0x1234b866
    mov dword ptr [LOW_BASE + 0xf004], 0x0b0f9090
    mov eax, LOW_BASE + 0xf000
    jmp eax
    END
