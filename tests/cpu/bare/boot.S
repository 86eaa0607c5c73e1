// SPDX-License-Identifier: GPL-2.0-or-later
//
// A disk's first sector: has the BIOS read the image, which begins in the next one, and move it to
// 1 MiB in steps of 32 KiB; then enters it as a PVH loader would. IMAGE_CHUNKS comes with the command.
    .intel_syntax noprefix
    .code16
    .globl _start
    .set SECTORS, 64

_start:
    cli
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7000
    mov bp, IMAGE_CHUNKS
read:
    mov si, offset packet
    mov ah, 0x42
    mov dl, 0x80
    int 0x13
    jc fail
    mov si, offset move_table
    mov cx, SECTORS * 256
    mov ah, 0x87
    int 0x15
    jc fail
    add dword ptr [packet + 8], SECTORS
    add word ptr [target + 2], 0x8000
    adc byte ptr [target + 4], 0
    dec bp
    jnz read
    cli
    lgdt [table_pointer]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp 8:offset protected
fail:
    cli
    hlt
    jmp fail

    .code32
protected:
    mov eax, 16
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov eax, 0x100000
    jmp eax

    .balign 4
packet:
    .byte 16, 0
    .word SECTORS, 0, 0x1000
    .quad 1
move_table:                     // INT 15h, AH=87h: two empty ones, source, target, two for the BIOS
    .quad 0, 0, 0x000093010000ffff
target:
    .quad 0x000093100000ffff, 0, 0
table_pointer:
    .word 23
    .long table
table:
    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
    .org 510
    .word 0xaa55
