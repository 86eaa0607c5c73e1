// SPDX-License-Identifier: GPL-2.0-or-later
//
// The emulated instructions by topic, and the few steps of them that event delivery shares.
#pragma once

#include "guest/cpu/jit/emu_core.h"
#include "guest/cpu/jit/emu_segment.h"
#include "guest/cpu/jit/emulate.h"

// Privilege changes: the stack that the TSS holds for `level` (SDM volume 3, 8.2 and 8.7). In long
// mode ist 1 to 7 chooses from the interrupt stack table instead.
void emu_inner_stack(struct emu *e, unsigned level, unsigned ist, struct emu_stack *stack);
void emu_check_return(struct emu *e, uint16_t selector, struct emu_descriptor *cs);

// A task switch (SDM volume 3, 8.3). error_code is null if none is pushed on the new stack.
enum emu_task_cause { EMU_TASK_JMP, EMU_TASK_CALL, EMU_TASK_IRET, EMU_TASK_EVENT };
void emu_task_switch(struct emu *e, uint16_t selector, enum emu_task_cause cause,
                     const uint32_t *error_code);

// The bits of RFLAGS that POPF or IRET may change at this privilege, of those in allowed.
uint64_t emu_flags_mask(const struct x86_state *s, uint64_t allowed);
void emu_flags_changed(struct emu *e, uint64_t before);  // tells the translator what follows
bool emu_condition(const struct x86_state *s, unsigned code);  // Jcc, SETcc, CMOVcc
// #GP(0) unless IOPL or the TSS's bitmap lets this level reach the ports (SDM volume 1, 19.5).
void emu_check_port(struct emu *e, uint16_t port, unsigned size_bytes);
void emu_set_pkru(struct emu *e, uint32_t value);
void emu_enter_flat(struct emu *e, uint16_t cs, uint16_t cs_attr, uint16_t ss, unsigned level);

// emu_alu.c
emu_op emu_add, emu_or, emu_adc, emu_sbb, emu_and, emu_sub, emu_xor, emu_cmp, emu_test;
emu_op emu_inc, emu_dec, emu_neg, emu_not, emu_shl, emu_shr, emu_sar, emu_rol, emu_ror, emu_rcl,
       emu_rcr, emu_shld, emu_shrd, emu_mul, emu_imul, emu_div, emu_idiv;
// emu_bits.c
emu_op emu_bt, emu_bts, emu_btr, emu_btc, emu_bsf, emu_bsr, emu_tzcnt, emu_lzcnt, emu_popcnt,
       emu_bswap, emu_crc32, emu_setcc, emu_cmovcc;
emu_op emu_andn, emu_bextr, emu_blsi, emu_blsr, emu_blsmsk, emu_bzhi, emu_pdep, emu_pext, emu_rorx,
       emu_sarx, emu_shlx, emu_shrx, emu_mulx, emu_adcx, emu_adox;
// emu_bcd.c
emu_op emu_daa, emu_das, emu_aaa, emu_aas, emu_aam, emu_aad;
// emu_move.c
emu_op emu_mov, emu_movzx, emu_movsx, emu_movbe, emu_xchg, emu_cmpxchg, emu_cmpxchg8b, emu_cmpxchg16b,
       emu_xadd, emu_lea, emu_xlat, emu_cbw, emu_cwde, emu_cdqe, emu_cwd, emu_cdq, emu_cqo, emu_salc,
       emu_nop, emu_pause, emu_fence, emu_movnti, emu_ud_op, emu_too_long;
// emu_push.c
emu_op emu_push_op, emu_pop_op, emu_pusha, emu_popa, emu_pushf, emu_popf, emu_enter, emu_leave;
emu_op emu_cli, emu_sti, emu_cld, emu_std, emu_clc, emu_stc, emu_cmc, emu_lahf, emu_sahf;
// emu_flow.c, emu_far.c, emu_iret.c
emu_op emu_jmp, emu_call, emu_ret, emu_jcc, emu_loop, emu_jcxz, emu_int, emu_int3, emu_int1, emu_into,
       emu_bound;
emu_op emu_far_jmp, emu_far_call, emu_far_ret, emu_iret;
// emu_string.c, emu_io.c
emu_op emu_movs, emu_stos, emu_lods, emu_scas, emu_cmps, emu_ins, emu_outs, emu_in, emu_out;
// emu_selector.c
emu_op emu_mov_segment, emu_lxs, emu_lar, emu_lsl, emu_verr, emu_verw, emu_arpl;
emu_op emu_lgdt, emu_lidt, emu_sgdt, emu_sidt, emu_lldt, emu_ltr, emu_sldt, emu_str;
// emu_control.c
emu_op emu_mov_cr, emu_mov_dr, emu_clts, emu_lmsw, emu_smsw, emu_invlpg, emu_invpcid, emu_invd,
       emu_xgetbv, emu_xsetbv, emu_rdpkru, emu_wrpkru;
// emu_system.c
emu_op emu_hlt, emu_rdmsr, emu_wrmsr, emu_rdtsc, emu_rdtscp, emu_rdpid, emu_rdpmc, emu_cpuid,
       emu_monitor, emu_mwait, emu_hypercall, emu_stac, emu_clac, emu_rdrand, emu_rdseed, emu_clflush,
       emu_clzero, emu_movdiri, emu_movdir64b, emu_serialize;
// emu_syscall.c
emu_op emu_syscall, emu_sysret, emu_sysenter, emu_sysexit, emu_swapgs, emu_rdfsbase, emu_rdgsbase,
       emu_wrfsbase, emu_wrgsbase;
// emu_fxsave.c, emu_xsave.c, emu_x87.c
emu_op emu_fxsave, emu_fxrstor, emu_xsave, emu_xsaveopt, emu_xsavec, emu_xsaves, emu_xrstor, emu_xrstors;
// emu_vec.c, emu_vec_mask.c, emu_vec_gather.c
emu_op emu_vec, emu_maskmovdqu, emu_maskmovq, emu_maskmov_dwords, emu_maskmov_qwords, emu_gather;
emu_op emu_fnstenv, emu_fldenv, emu_fnsave, emu_frstor, emu_fwait, emu_stmxcsr, emu_ldmxcsr;
