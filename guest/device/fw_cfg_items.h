// SPDX-License-Identifier: GPL-2.0-or-later
//
// The items of fw_cfg, as the device itself looks at them.
#pragma once

#include "guest/device/fw_cfg.h"

void fw_cfg_init_items(struct fw_cfg *fw);  // what is there always: signature, features, directory
const struct fw_cfg_item *fw_cfg_find(const struct fw_cfg *fw, uint16_t key);  // null: none
