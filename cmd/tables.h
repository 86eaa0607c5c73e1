// SPDX-License-Identifier: GPL-2.0-or-later
//
// -smbios and -fw_cfg: files and words for the guest's tables.
#pragma once

#include "guest/control/options.h"
#include "guest/device/fw_cfg.h"
#include "guest/firmware/smbios.h"

// Null with a sentence; good until the process ends. The strings are the options'.
const struct smbios_options *tables_smbios(struct options *options, struct err *err);
int tables_fw_cfg(struct options *options, struct fw_cfg *fw, struct err *err);
void tables_finish(void);
