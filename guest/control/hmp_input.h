// SPDX-License-Identifier: GPL-2.0-or-later
//
// Keys and the mouse, by the human monitor.
#pragma once

#include "guest/control/hmp.h"

void hmp_sendkey(struct hmp *hmp, const char *arguments);
void hmp_mouse_move(struct hmp *hmp, const char *arguments);
void hmp_mouse_button(struct hmp *hmp, const char *arguments);
// The keyboard goes: what has not been typed yet is forgotten.
void hmp_input_stop(void);
// The code of set 1 by QEMU's name of a key (QKeyCode), or "0x1e". 0: there is no such key.
uint16_t hmp_key_code(const char *name, size_t length);
