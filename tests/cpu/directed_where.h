// SPDX-License-Identifier: GPL-2.0-or-later
//
// The windows' addresses (program.h) for directed_cases.S.
#pragma once

#define DIRECTED_CODE 0x10000000
#define DIRECTED_DATA 0x10010000
#define DIRECTED_HIGH 0x3f5500010000
#define DIRECTED_POINTER_RCX 0x10011440  // what RCX holds at first
