// SPDX-License-Identifier: GPL-2.0-or-later
//
// The names of keys (QEMU, qapi/ui.json, QKeyCode) with their codes of set 1 (IBM Personal System/2 Hardware
// Interface Technical Reference, "Keyboards"; Microsoft, "Keyboard Scan Code Specification").
#include <stdlib.h>
#include <string.h>

#include "guest/control/hmp_input.h"
#include "guest/device/ps2.h"

static const struct { const char *name; uint16_t code; } keys[] = {
    {"esc", 0x01}, {"1", 0x02}, {"2", 0x03}, {"3", 0x04}, {"4", 0x05}, {"5", 0x06}, {"6", 0x07}, {"7", 0x08},
    {"8", 0x09}, {"9", 0x0a}, {"0", 0x0b}, {"minus", 0x0c}, {"equal", 0x0d}, {"backspace", 0x0e},
    {"tab", 0x0f}, {"q", 0x10}, {"w", 0x11}, {"e", 0x12}, {"r", 0x13}, {"t", 0x14}, {"y", 0x15}, {"u", 0x16},
    {"i", 0x17}, {"o", 0x18}, {"p", 0x19}, {"bracket_left", 0x1a}, {"bracket_right", 0x1b}, {"ret", 0x1c},
    {"ctrl", 0x1d}, {"a", 0x1e}, {"s", 0x1f}, {"d", 0x20}, {"f", 0x21}, {"g", 0x22}, {"h", 0x23}, {"j", 0x24},
    {"k", 0x25}, {"l", 0x26}, {"semicolon", 0x27}, {"apostrophe", 0x28}, {"grave_accent", 0x29},
    {"shift", 0x2a}, {"backslash", 0x2b}, {"z", 0x2c}, {"x", 0x2d}, {"c", 0x2e}, {"v", 0x2f}, {"b", 0x30},
    {"n", 0x31}, {"m", 0x32}, {"comma", 0x33}, {"dot", 0x34}, {"slash", 0x35}, {"shift_r", 0x36},
    {"asterisk", 0x37}, {"kp_multiply", 0x37}, {"alt", 0x38}, {"spc", 0x39}, {"caps_lock", 0x3a}, {"f1", 0x3b},
    {"f2", 0x3c}, {"f3", 0x3d}, {"f4", 0x3e}, {"f5", 0x3f}, {"f6", 0x40}, {"f7", 0x41}, {"f8", 0x42},
    {"f9", 0x43}, {"f10", 0x44}, {"num_lock", 0x45}, {"scroll_lock", 0x46}, {"kp_7", 0x47}, {"kp_8", 0x48},
    {"kp_9", 0x49}, {"kp_subtract", 0x4a}, {"kp_4", 0x4b}, {"kp_5", 0x4c}, {"kp_6", 0x4d}, {"kp_add", 0x4e},
    {"kp_1", 0x4f}, {"kp_2", 0x50}, {"kp_3", 0x51}, {"kp_0", 0x52}, {"kp_decimal", 0x53}, {"sysrq", 0x54},
    {"less", 0x56}, {"<", 0x56}, {"f11", 0x57}, {"f12", 0x58}, {"kp_equals", 0x59}, {"katakanahiragana", 0x70},
    {"ro", 0x73}, {"henkan", 0x79}, {"muhenkan", 0x7b}, {"yen", 0x7d}, {"kp_comma", 0x7e},
    {"audioprev", 0xe010}, {"audionext", 0xe019}, {"kp_enter", 0xe01c}, {"ctrl_r", 0xe01d}, {"menu", 0xe01e},
    {"audiomute", 0xe020}, {"calculator", 0xe021}, {"audioplay", 0xe022}, {"audiostop", 0xe024},
    {"volumedown", 0xe02e}, {"volumeup", 0xe030}, {"ac_home", 0xe032}, {"kp_divide", 0xe035}, {"print", 0xe037},
    {"alt_r", 0xe038}, {"home", 0xe047}, {"up", 0xe048}, {"pgup", 0xe049}, {"left", 0xe04b},
    {"right", 0xe04d}, {"end", 0xe04f}, {"down", 0xe050}, {"pgdn", 0xe051}, {"insert", 0xe052},
    {"delete", 0xe053}, {"meta_l", 0xe05b}, {"meta_r", 0xe05c}, {"compose", 0xe05d}, {"power", 0xe05e},
    {"sleep", 0xe05f}, {"wake", 0xe063}, {"ac_bookmarks", 0xe066}, {"ac_refresh", 0xe067},
    {"ac_forward", 0xe069}, {"ac_back", 0xe06a}, {"computer", 0xe06b}, {"mail", 0xe06c},
    {"mediaselect", 0xe06d}, {"pause", PS2_KEY_PAUSE},
};

// As QEMU counts: bit 7 stands for the prefix 0xe0.
static uint16_t from_number(const char *text, size_t length)
{
    char *end;
    unsigned long number = strtoul(text, &end, 0);
    if ((size_t)(end - text) != length)
        return 0;
    number &= 0xff;
    return number & 0x80 ? 0xe000 | (number & 0x7f) : number;
}

uint16_t hmp_key_code(const char *name, size_t length)
{
    if (!strncmp(name, "0x", 2))
        return from_number(name, length);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (strlen(keys[i].name) == length && !memcmp(keys[i].name, name, length))
            return keys[i].code;
    return 0;
}
